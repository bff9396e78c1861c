"""The folders of objects as wholes: moved when an object is renamed, put aside when it is deleted with its files."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.objects.archive_layout import session_folder
from xnat_sync.server.objects.lookup import get
from xnat_sync.server.storage.archive import safe_segment

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change


def folder_of(db: sqlite3.Connection, item: sqlite3.Row) -> PurePosixPath:
    """Where everything of an object lies, relative to the archive root."""
    match item["kind"]:
        case "project":
            return PurePosixPath(safe_segment(item["id"]))
        case "subject":
            return subject_folder(item["project"], item["label"] or item["id"])
        case "experiment":
            return session_folder(item)
        case kind:
            part = {"scan": "SCANS", "assessor": "ASSESSORS", "reconstruction": "PROCESSED"}[kind]
            return session_folder(get(db, item["parent"])) / part / safe_segment(item["id"])


def subject_folder(project: str, label: str) -> PurePosixPath:
    """Where the resources of a subject lie."""
    return PurePosixPath(safe_segment(project), "subjects", safe_segment(label))


def move_folder(change: Change, old: PurePosixPath, new: PurePosixPath) -> None:
    """Renames a folder of the archive and every catalog path below it; an occupied destination is a conflict."""
    source, target = change.context.archive / old, change.context.archive / new
    if target.exists() and any(target.iterdir()):
        raise XnatError(409, "File system destination contains pre-existing files")
    _repoint(change.db, f"{old}/", f"{new}/")
    if source.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rmdir()
        source.rename(target)


def _repoint(db: sqlite3.Connection, old: str, new: str) -> None:
    db.execute(
        "UPDATE resource SET catalog = ? || substr(catalog, ?) WHERE substr(catalog, 1, ?) = ?",
        (new, len(old) + 1, len(old), old),
    )


def put_aside(change: Change, folder: PurePosixPath) -> None:
    """Moves a folder to the cache area (``removeFiles``)."""
    source = change.context.archive / folder
    if not source.exists():
        return
    stamp = f"{change.context.clock():%Y%m%d_%H%M%S_%f}"
    target = Path(change.context.cache, "DELETED", stamp, folder)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(source, target)
