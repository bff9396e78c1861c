"""Experiments and image assessors (``SubjectAssessmentResource``, ``ExperimentResource``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can, data_rights
from xnat_sync.server.objects.embedded_resources import save_resources
from xnat_sync.server.objects.lookup import EXPERIMENT_KINDS, by_id, by_label, find_part, get
from xnat_sync.server.objects.projects import setting
from xnat_sync.server.objects.records import ID_ALPHABET, insert, merge, new_accession_id, replace_fields, require_id
from xnat_sync.server.objects.scans import put_reconstruction, save_scan, save_scan_in_place, type_noun
from xnat_sync.server.objects.subjects import Saved, create_subject
from xnat_sync.server.objects.submission import Draft
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import IMAGE_ASSESSOR, IMAGE_SESSION, SUBJECT_ASSESSOR, is_a
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change

FORBIDDEN = "Specified user account has insufficient create/edit privileges for experiments in this project."
_SCANS = "scans/scan"


def find_subject(change: Change, project: str, text: str) -> sqlite3.Row | None:
    """The participant of an experiment: label in the project, else accession ID, even one outside the project.

    (A readable subject of another project is linked without being shared; inferred.)
    """
    found = by_label(change.db, ("subject",), project, text) or by_id(change.db, ("subject",), text)
    return found if found is not None and can(change.db, change.user, found, Right.READ) else None


def subject_or_new(change: Change, project: str, text: str) -> sqlite3.Row:
    """The participant, created with that label when there is none."""
    found = find_subject(change, project, text)
    if found is not None:
        return found
    if Right.CREATE not in data_rights(change.db, change.user, project):
        raise XnatError(
            403, f"User {change.user.login} has insufficient create privileges for subjects in this project."
        )
    return create_subject(change, project, escape(text), Draft(xsi_type=data_types.SUBJECT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an experiment goes: its project, the URL's name for it, what is there already, and its participant.

    ``subject`` is what the URL (or ``subject_ID``) says; a document's own wins.
    """

    project: str
    name: str
    existing: sqlite3.Row | None
    subject: str | None


def put_experiment(change: Change, place: Place, draft: Draft | None, *, whole: bool = False) -> Saved:
    """Creates or updates. ``whole``: what is not sent goes (``allowDataDeletion`` where the route obeys it)."""
    existing, project = place.existing, place.project
    draft = _require_experiment(draft, existing)
    wanted = draft.pop("subject_ID") or place.subject
    if existing is not None:
        if not can(change.db, change.user, existing, Right.EDIT):
            raise XnatError(403, FORBIDDEN)
        _update(change, existing, wanted, draft, whole=whole)
        return Saved(get(change.db, existing["pk"]), created=False)
    if wanted is None:
        raise XnatError(400, f"The content of element '{draft.xsi_type}' is not complete. 'subject_ID' Required Field")
    if Right.CREATE not in data_rights(change.db, change.user, project):
        raise XnatError(403, FORBIDDEN)
    owner = subject_or_new(change, project, wanted)
    label = draft.get("label") or escape(place.name)
    return Saved(create_experiment(change, project, owner, label, draft), created=True)


def _require_experiment(draft: Draft | None, existing: sqlite3.Row | None) -> Draft:
    if draft is None:
        raise XnatError(417, "Need PUT Contents")
    if not is_a(draft.xsi_type, SUBJECT_ASSESSOR):
        raise XnatError(422, "Only xnat:Subject documents can be PUT to this address.")  # sic
    return draft


def post_experiment(change: Change, project: str, subject: sqlite3.Row | None, draft: Draft | None) -> sqlite3.Row:
    """Creates only; needs a label."""
    if draft is None:
        raise XnatError(417, "Need POST Contents")
    draft = _require_experiment(draft, None)
    if Right.CREATE not in data_rights(change.db, change.user, project):
        raise XnatError(403, FORBIDDEN)
    label = draft.get("label")
    if label and by_label(change.db, EXPERIMENT_KINDS, project, label) is not None:
        raise XnatError(409, "Specified experiment already exists.")
    sent = draft.pop("subject_ID")
    if subject is None:
        if not sent:
            raise XnatError(422, "Submitted experiment record must include the subject.")
        subject = subject_or_new(change, project, sent)
    return create_experiment(change, project, subject, label or "", draft)


def create_experiment(change: Change, project: str, subject: sqlite3.Row, label: str, draft: Draft) -> sqlite3.Row:
    """A new experiment with whatever scans and assessors its draft carries."""
    change.require_justification(draft.xsi_type)
    chosen = draft.pop("ID")
    require_id(chosen, "Invalid character in experiment label.")
    draft.pop("project")
    draft.pop("label")
    draft.require_valid()
    if not ID_ALPHABET.fullmatch(label):
        raise XnatError(500)  # IllegalArgumentException in preSave
    if by_label(change.db, EXPERIMENT_KINDS, project, label) is not None:
        raise XnatError(409, "Conflict: Duplicate experiment label")
    row = insert(
        change,
        kind="experiment",
        id=chosen or new_accession_id(change, "E"),
        label=label,
        project=project,
        parent=subject["pk"],
        xsi_type=draft.xsi_type,
        status=_status(change, project),
        arc=setting(change.db, project, "current_arc"),
        fields=draft.fields,
    )
    save_children(change, row, draft)
    change.record(row["id"], row["xsi_type"], f"Added {type_noun(row['xsi_type'])}")
    return row


def _status(change: Change, project: str) -> str:
    return "quarantine" if setting(change.db, project, "quarantine_code") == "1" else "active"


def _update(change: Change, existing: sqlite3.Row, subject: str | None, draft: Draft, *, whole: bool) -> None:
    _refuse_moves(existing, draft)
    change.require_justification(existing["xsi_type"])
    draft.require_valid()
    columns: dict[str, object] = {}
    if subject is not None:
        owner = subject_or_new(change, existing["project"], subject)
        if owner["pk"] != existing["parent"]:
            columns["parent"] = owner["pk"]
            draft.fields.update({"visit": None, "visit_id": None, "protocol": None})
    if _status(change, existing["project"]) == "quarantine":
        columns["status"] = "quarantine"
    changed = (replace_fields if whole else merge)(change, existing, draft.fields)
    if columns:
        changed = merge(change, get(change.db, existing["pk"]), {}, **columns) or changed
    if whole:
        changed = _remove_missing_scans(change, existing, draft) or changed
    changed = save_children(change, existing, draft) or changed
    if changed:
        change.record(existing["id"], existing["xsi_type"], f"Modified {type_noun(existing['xsi_type'])}")


def _refuse_moves(existing: sqlite3.Row, draft: Draft) -> None:
    sent_id, sent_project = draft.pop("ID"), draft.pop("project")
    draft.pop("label")
    if sent_id and sent_id != existing["id"]:
        raise XnatError(400, "ID cannot be modified")
    if sent_project and sent_project != existing["project"]:
        raise XnatError(409, "Project must be modified through separate URI.")


def _remove_missing_scans(change: Change, session: sqlite3.Row, draft: Draft) -> bool:
    """``allowDataDeletion`` makes the request the whole truth: scans that it does not name go."""
    named = {child.get("ID") for child in draft.children.get(_SCANS, [])}
    rows = change.db.execute("SELECT pk, id FROM item WHERE parent = ? AND kind = 'scan'", (session["pk"],)).fetchall()
    gone = [row["pk"] for row in rows if row["id"] not in named]
    for pk in gone:
        change.db.execute("DELETE FROM item WHERE pk = ?", (pk,))
    return bool(gone)


def save_children(change: Change, session: sqlite3.Row, draft: Draft) -> bool:
    """Writes the resources, scans, reconstructions and assessors inside a draft; says whether there were any."""
    changed = save_resources(change, session, draft.children.get("resources/resource", []))
    if not is_a(session["xsi_type"], IMAGE_SESSION):
        return changed
    for child in draft.children.get(_SCANS, []):
        if child.stored is not None:
            save_scan_in_place(change, session, child)
            continue
        scan_id = child.get("ID") or ""
        save_scan(change, session, scan_id, find_part(change.db, "scan", session, scan_id), child)
    for child in draft.children.get("reconstructions/reconstructedImage", []):
        put_reconstruction(change, session, child.get("ID") or "", child)
    for child in draft.children.get("assessors/assessor", []):
        put_assessor(change, session, child.get("label") or "", child)
    return changed or any(held for path, held in draft.children.items() if path != "resources/resource")


def stored_scans(db: sqlite3.Connection, session: sqlite3.Row | None) -> dict[str, list[Draft]]:
    """The scans of a session in their places, for a request that says ``scans/scan[0]`` of what is stored."""
    if session is None or session["kind"] != "experiment":
        return {}
    rows = db.execute("SELECT pk, xsi_type FROM item WHERE parent = ? AND kind = 'scan' ORDER BY pk", (session["pk"],))
    held = [Draft(xsi_type=row["xsi_type"], stored=row["pk"]) for row in rows]
    return {_SCANS: held} if held else {}


def save_embedded(change: Change, subject: sqlite3.Row, draft: Draft) -> None:
    """Writes the experiments and resources inside a subject's document."""
    save_resources(change, subject, draft.children.get("resources/resource", []))
    for child in draft.children.get("experiments/experiment", []):
        label = child.get("label") or ""
        existing = by_label(change.db, EXPERIMENT_KINDS, subject["project"], label)
        place = Place(project=subject["project"], name=label, existing=existing, subject=subject["id"])
        put_experiment(change, place, child)


def find_assessor(db: sqlite3.Connection, session: sqlite3.Row, text: str) -> sqlite3.Row | None:
    """An assessor of the session by accession ID, else by label."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM item WHERE parent = ? AND kind = 'assessor' AND (id = ? OR label = ?) ORDER BY id = ? DESC",
        (session["pk"], escape(text), escape(text), escape(text)),
    ).fetchone()
    return row


def put_assessor(change: Change, session: sqlite3.Row, name: str, draft: Draft | None) -> Saved:
    """Creates or updates an image assessor; it has no rename by label (``ImgAssessResource``)."""
    if draft is None:
        raise XnatError(417, "Need PUT Contents")
    if not is_a(draft.xsi_type, IMAGE_ASSESSOR):
        raise XnatError(422, "Only xnat:Subject documents can be PUT to this address.")
    existing = find_assessor(change.db, session, name) if name else None
    label = draft.get("label")
    if existing is not None:
        if label and label != existing["label"]:
            raise XnatError(400, "Label must be modified through separate URI.")
        draft.pop("imageSession_ID")
        _update(change, existing, None, draft, whole=change.query.flag("allowDataDeletion"))
        return Saved(get(change.db, existing["pk"]), created=False)
    return Saved(_create_assessor(change, session, label or escape(name) or None, draft), created=True)


def _create_assessor(change: Change, session: sqlite3.Row, label: str | None, draft: Draft) -> sqlite3.Row:
    change.require_justification(draft.xsi_type)
    chosen = draft.pop("ID")
    require_id(chosen, "Invalid character in experiment label.")
    for name in ("project", "label", "imageSession_ID"):
        draft.pop(name)
    draft.require_valid()
    if label is not None and not ID_ALPHABET.fullmatch(label):
        raise XnatError(500)
    if label is not None and by_label(change.db, EXPERIMENT_KINDS, session["project"], label) is not None:
        raise XnatError(409, "Conflict: Duplicate experiment label")
    row = insert(
        change,
        kind="assessor",
        id=chosen or new_accession_id(change, "E"),
        label=label,
        project=session["project"],
        parent=session["pk"],
        xsi_type=draft.xsi_type,
        fields=draft.fields,
    )
    save_resources(change, row, draft.children.get("resources/resource", []))
    change.record(row["id"], row["xsi_type"], f"Added {type_noun(row['xsi_type'])}")
    return row
