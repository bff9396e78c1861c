"""Subjects: create and update (``SubjectResource``, ``ProjectSubjectList``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can, data_rights
from xnat_sync.server.objects.lookup import by_id, by_label, for_writing
from xnat_sync.server.objects.records import insert, merge, new_accession_id, replace_fields, require_id
from xnat_sync.server.schema import data_types
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change
    from xnat_sync.server.objects.submission import Draft

KINDS = ("subject",)
_FORBIDDEN = "Specified user account has insufficient create/edit privileges for subjects in this project."


@dataclass(frozen=True, slots=True)
class Saved:
    """What a write left behind."""

    row: sqlite3.Row
    created: bool


def put_subject(change: Change, project: sqlite3.Row | None, name: str, draft: Draft) -> Saved:
    """Creates or updates by label; the URL segment is the label unless the request gives one."""
    project_id = _project_of(change, project, draft)
    existing = _existing(change, project_id, name, draft)
    if existing is not None:
        update_subject(change, existing, draft)
        return Saved(by_id(change.db, KINDS, existing["id"]) or existing, created=False)
    return Saved(create_subject(change, project_id, draft.get("label") or escape(name), draft), created=True)


def post_subject(change: Change, project: sqlite3.Row, draft: Draft) -> sqlite3.Row:
    """Creates only."""
    if draft.children.get("experiments/experiment"):
        raise XnatError(422, "Submitted subject record must not include subject assessors.")
    label = draft.get("label")
    taken = label is not None and by_label(change.db, KINDS, project["id"], label) is not None
    if taken or (draft.get("ID") and by_id(change.db, KINDS, draft.get("ID") or "") is not None):
        raise XnatError(409, "Subject already exists.")
    return create_subject(change, project["id"], label, draft)


def _project_of(change: Change, project: sqlite3.Row | None, draft: Draft) -> str:
    if project is not None:
        return str(project["id"])
    named = draft.get("project")
    if not named or by_id(change.db, ("project",), named) is None:
        raise XnatError(422, "Submitted subject record must include the project attribute.")
    return named


def _existing(change: Change, project: str, name: str, draft: Draft) -> sqlite3.Row | None:
    """By URL, then by the item's own ID, then by its label in the project."""
    found = for_writing(change.db, KINDS, project, name)
    if found is None and draft.get("ID"):
        found = by_id(change.db, KINDS, draft.get("ID") or "")
    if found is None and draft.get("label"):
        found = by_label(change.db, KINDS, project, draft.get("label") or "")
    return found


def update_subject(change: Change, existing: sqlite3.Row, draft: Draft) -> None:
    """Partial update: what is not sent stays; ``allowDataDeletion`` makes a document, or what is bare, the whole."""
    if not can(change.db, change.user, existing, Right.EDIT):
        raise XnatError(403, _FORBIDDEN)
    _refuse_moves(existing, draft)
    change.require_justification(data_types.SUBJECT)
    draft.require_valid()
    label = draft.pop("label")
    whole = (draft.from_xml or draft.bare) and change.query.flag("allowDataDeletion")
    save = replace_fields if whole else merge
    changed = save(change, existing, draft.fields)
    if label and label != existing["label"]:
        changed = merge(change, by_id(change.db, KINDS, existing["id"]) or existing, {}, label=label) or changed
    if changed:
        change.record(existing["id"], data_types.SUBJECT, "Modified Subject")


def _refuse_moves(existing: sqlite3.Row, draft: Draft) -> None:
    sent_id, sent_project = draft.pop("ID"), draft.pop("project")
    if sent_id and sent_id != existing["id"]:
        raise XnatError(400, "ID cannot be modified")
    if sent_project and sent_project != existing["project"]:
        raise XnatError(409, "Project must be modified through separate URI.")


def create_subject(change: Change, project: str, label: str | None, draft: Draft) -> sqlite3.Row:
    """A new subject; the client may choose the accession ID. The label's alphabet is *not* checked (as in XNAT)."""
    if Right.CREATE not in data_rights(change.db, change.user, project):
        raise XnatError(403, _FORBIDDEN)
    change.require_justification(data_types.SUBJECT)
    chosen = draft.pop("ID")
    require_id(chosen, "Invalid character in subject label.")
    draft.pop("project")
    draft.pop("label")
    draft.require_valid()
    row = insert(
        change,
        kind="subject",
        id=chosen or new_accession_id(change, "S"),
        label=label,
        project=project,
        parent=_project_key(change, project),
        xsi_type=data_types.SUBJECT,
        fields=draft.fields,
    )
    change.record(row["id"], data_types.SUBJECT, "Added Subject")
    return row


def _project_key(change: Change, project: str) -> int:
    row = by_id(change.db, ("project",), project)
    assert row is not None, project
    return int(row["pk"])
