"""Deleting objects (``ProjectResource``, ``SubjectResource``, ``ExperimentResource``, ``ScanResource``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.folders import folder_of, put_aside
from xnat_sync.server.objects.lookup import in_project
from xnat_sync.server.objects.scans import type_noun
from xnat_sync.server.objects.sharing import unshare

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change

_NO_PART: Final = "User account doesn't have permission to modify this session."


def delete_project(change: Change, project: sqlite3.Row) -> None:
    """Deletes a project with all that it owns and burns its ID.

    If one of its subjects has experiments of *other* projects, subject and project survive, yet the answer is 200.
    """
    if change.user.is_guest or not can(change.db, change.user, project, Right.DELETE):
        raise XnatError(403)
    db, name = change.db, project["id"]
    folder = folder_of(db, project)
    for kind in ("assessor", "experiment"):
        db.execute("DELETE FROM item WHERE kind = ? AND project = ?", (kind, name))
    db.execute(
        "DELETE FROM item WHERE kind = 'subject' AND project = ?"
        " AND NOT EXISTS (SELECT 1 FROM item AS child WHERE child.parent = item.pk)",
        (name,),
    )
    if db.execute("SELECT 1 FROM item WHERE kind = 'subject' AND project = ?", (name,)).fetchone() is None:
        for table in ("membership", "project_setting", "project_alias", "share"):
            db.execute(f"DELETE FROM {table} WHERE project = ?", (name,))  # noqa: S608 - names from the line above
        db.execute("INSERT OR IGNORE INTO burnt_project(id) VALUES (?)", (name,))
        db.execute("DELETE FROM item WHERE pk = ?", (project["pk"],))
    change.record(name, project["xsi_type"], "Removed Project")
    if _removes_files(change):
        put_aside(change, folder)


def _removes_files(change: Change) -> bool:
    return change.query.flag("removeFiles", blank=True)


def delete_subject(change: Change, subject: sqlite3.Row, project: str | None) -> None:
    """Deletes a subject and its experiments, or only unshares it when the URL's project does not own it."""
    if project is not None and subject["project"] != project:
        if not in_project(change.db, subject, project):
            raise XnatError(403, f"Subject is not assigned to specified project {project}")
        unshare(change, subject, project)
        return
    _require_delete(change, subject, f"User cannot delete subjects for project {subject['project']}")
    experiments = change.db.execute("SELECT * FROM item WHERE parent = ?", (subject["pk"],)).fetchall()
    for experiment in experiments:
        _refuse_on_safe_sites(change, "User account cannot delete experiments")
        _require_delete(change, experiment, f"User cannot delete experiments for project {experiment['project']}")
    change.require_justification(subject["xsi_type"], deleting=True)
    for experiment in experiments:
        _remove(change, experiment)
    _remove(change, subject)


def delete_experiment(change: Change, experiment: sqlite3.Row, project: str | None) -> None:
    """Deletes an experiment or assessor, or unshares it; one that is not in the URL's project stays, with 200."""
    if project is not None and experiment["project"] != project:
        if in_project(change.db, experiment, project):
            unshare(change, experiment, project)
        return
    _refuse_on_safe_sites(change, "User account cannot delete experiments")
    _require_delete(change, experiment, "User account doesn't have permission to delete this experiment.")
    change.require_justification(experiment["xsi_type"], deleting=True)
    _remove(change, experiment)


def delete_part(change: Change, session: sqlite3.Row, part: sqlite3.Row) -> None:
    """Deletes a scan or reconstruction; needs delete on the session."""
    _refuse_on_safe_sites(change, _NO_PART)
    _require_delete(change, session, _NO_PART)
    change.require_justification(session["xsi_type"], deleting=True)
    _remove(change, part)


def _refuse_on_safe_sites(change: Change, message: str) -> None:
    """Some sites let nobody delete data, administrators included."""
    if change.context.preferences.is_on("security.prevent-data-deletion"):
        raise XnatError(403, message)


def _require_delete(change: Change, item: sqlite3.Row, message: str) -> None:
    if not can(change.db, change.user, item, Right.DELETE):
        raise XnatError(403, message)


def _remove(change: Change, item: sqlite3.Row) -> None:
    folder = folder_of(change.db, item)
    change.db.execute("DELETE FROM item WHERE pk = ?", (item["pk"],))
    change.record(item["id"], item["xsi_type"], f"Removed {type_noun(item['xsi_type'])}")
    if _removes_files(change):
        put_aside(change, folder)
