"""Making objects visible in other projects, renaming them, moving them (``SecureResource``, ``Rename``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can, data_rights
from xnat_sync.server.objects.archive_layout import session_folder
from xnat_sync.server.objects.folders import folder_of, move_folder, subject_folder
from xnat_sync.server.objects.lookup import EXPERIMENT_KINDS, by_id, by_label, find_project, get
from xnat_sync.server.objects.projects import setting
from xnat_sync.server.objects.records import fields_of, merge
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3
    from pathlib import PurePosixPath

    from xnat_sync.server.objects.records import Change

_NOUNS = {"subject": "subjects"}


def _kinds(item: sqlite3.Row) -> tuple[str, ...]:
    return ("subject",) if item["kind"] == "subject" else EXPERIMENT_KINDS


def target_project(change: Change, tail: str) -> sqlite3.Row:
    """The project in a tail ``projects/P2``; anything else is 400, an unknown or hidden one 404."""
    head, _, name = tail.partition("/")
    if head != "projects" or not name:
        raise XnatError(400, f"Illegal file path '{tail}' does not start with 'projects/'.")
    found = find_project(change.db, name)
    if found is None or not can(change.db, change.user, found, Right.READ):
        raise XnatError(404, f"Unable to identify project: {name}")
    return found


def share(change: Change, item: sqlite3.Row, target: sqlite3.Row) -> None:
    """Makes an object visible in ``target``, under ``label=`` if given. Its experiments are not shared with it."""
    project, label = target["id"], change.query.get("label")
    label = escape(label) if label else None
    _require_share_rights(change, item, project)
    existing = change.db.execute("SELECT * FROM share WHERE item = ? AND project = ?", (item["pk"], project)).fetchone()
    if item["project"] == project or (existing is not None and label in {None, existing["label"]}):
        raise XnatError(409, f"Already assigned to project:{project}")
    shown = label or item["label"]
    clash = by_label(change.db, _kinds(item), project, shown) if shown else None
    if clash is not None and clash["pk"] != item["pk"]:
        raise XnatError(409, f"Label already in use:{shown}")
    change.db.execute(
        "INSERT INTO share(item, project, label) VALUES (?, ?, ?)"
        " ON CONFLICT(item, project) DO UPDATE SET label = excluded.label",
        (item["pk"], project, label),
    )
    # A session takes its scans along, each under its own ID (``shareScanToProject``).
    change.db.execute(
        "INSERT OR IGNORE INTO share(item, project, label)"
        " SELECT pk, ?, id FROM item WHERE parent = ? AND kind = 'scan'",
        (project, item["pk"]),
    )
    change.record(item["id"], item["xsi_type"], "Shared into project")


def share_scan(change: Change, session: sqlite3.Row, scan: sqlite3.Row, target: sqlite3.Row) -> None:
    """Makes one scan visible in ``target``, and its session with it but no other scan (``ScanResource``)."""
    project = target["id"]
    _require_share_rights(change, session, project)
    if _is_shared(change.db, scan, project):
        raise XnatError(409, f"Already assigned to project: {project}")
    rows = [(scan["pk"], project, scan["id"])]
    if not _is_shared(change.db, session, project):
        rows.append((session["pk"], project, session["label"]))
    change.db.executemany("INSERT INTO share(item, project, label) VALUES (?, ?, ?)", rows)
    change.record(session["id"], session["xsi_type"], "Shared into project")


def _is_shared(db: sqlite3.Connection, item: sqlite3.Row, project: str) -> bool:
    found = db.execute("SELECT 1 FROM share WHERE item = ? AND project = ?", (item["pk"], project)).fetchone()
    return found is not None


def _require_share_rights(change: Change, item: sqlite3.Row, project: str) -> None:
    is_subject = item["kind"] == "subject"
    noun = "subjects" if is_subject else "experiments"
    if not can(change.db, change.user, item, Right.READ):
        message = f"Specified user account has insufficient privileges for {noun} in this project."
        raise XnatError(403 if is_subject else 404, message)
    if Right.CREATE not in data_rights(change.db, change.user, project):
        raise XnatError(
            403, f"Specified user account has insufficient create privileges for {noun} in the {project} project."
        )


def unshare(change: Change, item: sqlite3.Row, project: str) -> None:
    """Takes an object out of a project that does not own it; a subject takes its experiments along, they their scans.

    Refused while an assessor owned by that project hangs on the session.
    """
    owned = change.db.execute(
        "SELECT 1 FROM item WHERE parent = ? AND kind = 'assessor' AND project = ?", (item["pk"], project)
    ).fetchone()
    if owned is not None:
        raise XnatError(403)
    if Right.DELETE not in data_rights(change.db, change.user, project):
        raise XnatError(403)
    below = "SELECT pk FROM item WHERE parent = :item"
    change.db.execute(
        f"DELETE FROM share WHERE project = :project AND (item = :item OR item IN ({below})"  # noqa: S608 - the line above
        f" OR item IN (SELECT pk FROM item WHERE parent IN ({below})))",
        {"project": project, "item": item["pk"]},
    )
    change.record(item["id"], item["xsi_type"], "Removed from project")


def shares(db: sqlite3.Connection, item: sqlite3.Row) -> list[dict[str, str]]:
    """The projects that an object is in, its own first (``…/S/projects``)."""
    held = db.execute("SELECT project, label FROM share WHERE item = ? ORDER BY rowid", (item["pk"],))
    pairs = [(item["project"], item["label"]), *((row["project"], row["label"]) for row in held)]
    rows = []
    for project, label in pairs:
        found = by_id(db, ("project",), project)
        fields = {} if found is None else fields_of(found)
        rows.append(
            {
                "label": label or "",
                "ID": project,
                "Secondary_ID": fields.get("secondary_ID", ""),
                "Name": fields.get("name", ""),
            }
        )
    return rows


def rename(change: Change, item: sqlite3.Row, project: str, label: str) -> None:
    """Gives an object another label and its folder another name; under a sharing project only the share's label.

    No check of the alphabet (``Rename`` writes past ``preSave``).
    """
    new = escape(label)
    if not can(change.db, change.user, item, Right.EDIT):
        noun = _NOUNS.get(item["kind"], "experiments")
        raise XnatError(
            403, f"Specified user account has insufficient create/edit privileges for {noun} in this project."
        )
    if project != item["project"]:
        change.db.execute("UPDATE share SET label = ? WHERE item = ? AND project = ?", (new, item["pk"], project))
        return
    if new == item["label"]:
        return
    if by_label(change.db, _kinds(item), project, label) is not None:
        raise XnatError(409, f"Specified label {new} is already in use.")
    change.require_justification(item["xsi_type"])
    old_folder = folder_of(change.db, item)
    merge(change, item, {}, label=new)
    change.record(item["id"], item["xsi_type"], "Renamed")
    if item["kind"] != "assessor":
        move_folder(change, old_folder, folder_of(change.db, get(change.db, item["pk"])))


def move(change: Change, item: sqlite3.Row, target: sqlite3.Row) -> bool:
    """Gives an object to another project (``primary=true``); says whether its label was free there.

    A subject's experiments stay where they are, and so do a session's assessors but those in ``moveAssessors``.
    ``SecureResource.changeExperimentPrimaryProject`` sets 409 for an experiment whose label is taken and goes on: what
    is only shared into the target does not hinder it, and what the target owns makes the save fail (its unique
    constraint; inferred).
    """
    is_subject, project = item["kind"] == "subject", target["id"]
    if not can(change.db, change.user, item, Right.DELETE):
        noun = "subjects" if is_subject else "experiments"
        raise XnatError(403, f"Specified user account has insufficient privileges for {noun} in this project.")
    if item["project"] == project:
        if is_subject:
            return True
        raise XnatError(409, f"Already assigned to project: {project}")
    if Right.CREATE not in data_rights(change.db, change.user, target["id"]):
        raise XnatError(403)
    label = escape(change.query.get("label") or "") or item["label"]
    clash = by_label(change.db, _kinds(item), target["id"], label) if label else None
    is_free = clash is None or clash["pk"] == item["pk"]
    if not is_free and is_subject:
        raise XnatError(409, f"Label already in use:{label}")
    if clash is not None and not is_free and clash["project"] == project:
        raise XnatError(500)
    _move(change, item, target, label)
    return is_free


def _move(change: Change, item: sqlite3.Row, target: sqlite3.Row, label: str) -> None:
    old_folder = folder_of(change.db, item)
    change.db.execute("DELETE FROM share WHERE item = ? AND project = ?", (item["pk"], target["id"]))
    columns: dict[str, object] = {"project": target["id"], "label": label}
    if item["kind"] == "subject":
        columns["parent"] = target["pk"]
    else:
        columns["arc"] = setting(change.db, target["id"], "current_arc")
    merge(change, item, {}, **columns)
    change.db.execute(
        "UPDATE item SET project = ? WHERE parent = ? AND kind IN ('scan', 'reconstruction')",
        (target["id"], item["pk"]),
    )
    _move_assessors(change, item, target)
    change.record(item["id"], item["xsi_type"], "Modified project")
    move_folder(change, old_folder, _new_folder(get(change.db, item["pk"])))


def _move_assessors(change: Change, session: sqlite3.Row, target: sqlite3.Row) -> None:
    """Takes the named assessors of the session along; IDs of others are passed over (inferred)."""
    named = [part.strip() for part in (change.query.get("moveAssessors") or "").split(",")]
    for row in change.db.execute(
        "SELECT * FROM item WHERE parent = ? AND kind = 'assessor' ORDER BY pk", (session["pk"],)
    ).fetchall():
        if row["id"] not in named or row["project"] == target["id"]:
            continue
        if not can(change.db, change.user, row, Right.DELETE):
            raise XnatError(403)
        change.db.execute("DELETE FROM share WHERE item = ? AND project = ?", (row["pk"], target["id"]))
        merge(change, row, {}, project=target["id"])
        change.record(row["id"], row["xsi_type"], "Modified project")


def _new_folder(item: sqlite3.Row) -> PurePosixPath:
    if item["kind"] == "subject":
        return subject_folder(item["project"], item["label"] or item["id"])
    return session_folder(item)
