"""Rows of resources that a document of their owner carries: ``resources/resource``, ``file`` of a scan."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.objects.archive_layout import catalog_path
from xnat_sync.server.schema.data_types import is_a
from xnat_sync.server.storage.archive import UnsafeNameError, safe_path

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from xnat_sync.server.objects.records import Change
    from xnat_sync.server.objects.submission import Draft

CATALOG: Final = "xnat:resourceCatalog"
_COLUMNS: Final = ("format", "content", "description", "file_count", "file_size")


def save_resources(change: Change, owner: sqlite3.Row, drafts: Sequence[Draft]) -> bool:
    """Adds or updates the rows; says whether anything changed.

    A row of the same label is the same resource, so that a document that was read can be put back (inferred). Files
    are not touched. Without ``URI`` the catalog is where an upload would put it.
    """
    changed = False
    for draft in drafts:
        if not is_a(draft.xsi_type, CATALOG):
            continue  # single files and links of a server's disk: nothing that a client can send
        changed = _save(change, owner, draft) or changed
    return changed


def _save(change: Change, owner: sqlite3.Row, draft: Draft) -> bool:
    values: dict[str, object] = {name: draft.get(name) for name in _COLUMNS if draft.get(name) is not None}
    if draft.get("URI"):
        values["catalog"] = _inside(change, draft.get("URI") or "")
    label = draft.get("label")
    held = change.db.execute(
        "SELECT * FROM resource WHERE parent = ? AND scope = '' AND label IS ?", (owner["pk"], label)
    ).fetchone()
    if held is None:
        columns: dict[str, object] = {"parent": owner["pk"], "label": label, **values}
        if label and "catalog" not in values:
            columns["catalog"] = _place(change, owner, label)
        marks = ", ".join("?" for _ in columns)
        change.db.execute(f"INSERT INTO resource({', '.join(columns)}) VALUES ({marks})", tuple(columns.values()))  # noqa: S608 - own names
        return True
    moved = {name: value for name, value in values.items() if str(held[name] or "") != str(value)}
    if moved:
        assignments = ", ".join(f"{name} = ?" for name in moved)
        change.db.execute(f"UPDATE resource SET {assignments} WHERE id = ?", (*moved.values(), held["id"]))  # noqa: S608 - own names
    return bool(moved)


def _place(change: Change, owner: sqlite3.Row, label: str) -> str:
    try:
        return catalog_path(change.db, owner, "", label, by_upload=True)
    except UnsafeNameError:
        return _refuse(label)


def _inside(change: Change, uri: str) -> str:
    """The catalog's path below the archive. XNAT would take any path of its machine; this server does not."""
    path = PurePosixPath(uri)
    archive = PurePosixPath(change.context.archive)
    if path.is_absolute() and path.is_relative_to(archive):
        path = path.relative_to(archive)
    try:
        return safe_path(str(path)) if not path.is_absolute() else _refuse(uri)
    except UnsafeNameError:
        return _refuse(uri)


def _refuse(uri: str) -> str:
    raise XnatError(400, f"Illegal place of a resource: {uri}")
