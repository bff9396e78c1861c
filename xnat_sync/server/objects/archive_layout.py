"""Where the folder of a resource lies below the archive root, and what its catalog is called.

From ``ResourceModifierA`` (``Direct*ResourceImpl.buildDestinationPath``) for a resource that an upload creates, and
``DefaultCatalogService.insert*ResourceCatalog`` for one that a ``PUT`` of the resource creates; they do not agree.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, assert_never

from xnat_sync.server.objects.resolve import parent_of
from xnat_sync.server.storage.archive import CATALOG_SUFFIX, safe_segment

if TYPE_CHECKING:
    import sqlite3


def session_folder(session: sqlite3.Row) -> PurePosixPath:
    """The folder of an experiment, relative to the archive root, below what was its project's ``current_arc``."""
    return PurePosixPath(session["project"], session["arc"], safe_segment(session["label"] or session["id"]))


def catalog_path(db: sqlite3.Connection, item: sqlite3.Row, scope: str, folder: str, *, by_upload: bool) -> str:
    """The catalog file of a new resource, relative to the archive root; ``folder`` is its label or a timestamp."""
    name = safe_segment(folder)
    home, part = _home(db, item, scope, by_upload=by_upload)
    stem = name if by_upload or item["kind"] not in {"scan", "reconstruction"} else part
    return str(home / name / f"{stem}{CATALOG_SUFFIX}")


def _home(db: sqlite3.Connection, item: sqlite3.Row, scope: str, *, by_upload: bool) -> tuple[PurePosixPath, str]:
    """The folder that holds the resources of an object, and the object's own folder name."""
    match item["kind"]:
        case "project":
            return PurePosixPath(safe_segment(item["id"]), "resources"), item["id"]
        case "subject":
            label = safe_segment(item["label"] or item["id"])
            return PurePosixPath(safe_segment(item["project"]), "subjects", label), label
        case "experiment":
            return session_folder(item) / "RESOURCES", ""
        case _:
            return _part_home(session_folder(parent_of(db, item)), item, scope, by_upload=by_upload)


def _part_home(session: PurePosixPath, item: sqlite3.Row, scope: str, *, by_upload: bool) -> tuple[PurePosixPath, str]:
    part = safe_segment(item["id"])
    match item["kind"]:
        case "scan":
            return session / "SCANS" / part, part
        case "assessor":
            label = safe_segment(item["label"] or item["id"])
            return (session / "ASSESSORS" / part / scope if by_upload else session / "ASSESSORS" / label), part
        case "reconstruction":
            return (session / "PROCESSED" / part if by_upload else session / "ASSESSORS" / "PROCESSED" / part), part
        case kind:
            assert_never(kind)
