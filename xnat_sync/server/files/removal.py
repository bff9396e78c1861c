"""Deleting files of a resource: by prefix, as XNAT since 1.8 does (``FileList.handleDelete``, ``CatalogUtils``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.events import record
from xnat_sync.server.files.history import FileHistory
from xnat_sync.server.files.resource_records import count_files, save_counts
from xnat_sync.server.storage.archive import Folder
from xnat_sync.server.storage.catalog import CatalogChangedError

if TYPE_CHECKING:
    from xnat_sync.server.files.events import Event
    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.objects.resolve import Target
    from xnat_sync.server.storage.catalog import Catalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A request to delete files; ``url`` is the raw path, by which faults are chosen."""

    target: Target
    resource: Resource
    event: Event
    path: str
    keeps_files: bool
    url: str


def paths_within(catalog: Catalog, path: str) -> list[str]:
    """The entries that a delete of ``path`` takes: equal, beginning with it, or matching it when it ends in a star.

    ``a.nii`` takes ``a.nii.gz`` with it; ``a.nii$*`` is the regular expression ``a.nii$.*`` and does not.
    """
    pattern = _pattern(path)
    return [
        name
        for name in catalog.entries
        if name.startswith(path) or (pattern is not None and pattern.fullmatch(name) is not None)
    ]


def _pattern(path: str) -> re.Pattern[str] | None:
    if not path.endswith("*"):
        return None
    try:
        return re.compile(f"{path[:-1]}.*")
    except re.error as error:
        raise XnatError(500, str(error)) from error


def remove_files(context: Context, removal: Removal) -> int:
    """Drops the matching entries, then their files (unless they are kept); returns how many.

    Empty folders go too, and the statistics follow the catalog.
    """
    folder = Folder(context.archive / removal.resource.catalog)
    snapshot = context.catalogs.read(folder.catalog)
    gone = paths_within(snapshot.catalog, removal.path)
    if not gone:
        return 0
    _fail_if_told(context, removal, folder)
    catalog = snapshot.catalog.without(gone).audited(removal.event.stamp, "Removed", len(gone))
    context.catalogs.write(folder.catalog, catalog, expected=snapshot.md5)
    if not removal.keeps_files:
        history = FileHistory(context, folder)
        for name in gone:
            history.remove(name, snapshot.catalog.entries[name])
    with context.store.write() as db:
        save_counts(db, removal.resource.id, count_files(context, folder.catalog))
        if removal.target.security is not None:
            record(db, removal.event, removal.target.security)
    return len(gone)


def _fail_if_told(context: Context, removal: Removal, folder: Folder) -> None:
    if context.faults.take("lock", removal.url) is not None:
        raise XnatError(500, "Unable to acquire thread and process locks")
    if context.faults.take("catalog", removal.url) is not None:
        raise CatalogChangedError(folder.catalog)
