"""Storing files in a resource (``FileList.handlePost``, ``ResourceModifierA.addFile``, ``CatalogUtils``).

The order is XNAT's and shows after a failure: files first, then the catalog, and the resource is kept in any case. Only
reading and writing the catalog are locked; whoever changes it in between makes the upload fail, with its files on disk.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.faults import FaultKind
from xnat_sync.server.files.events import record
from xnat_sync.server.files.extract import format_of, members
from xnat_sync.server.files.history import FileHistory
from xnat_sync.server.files.incoming import FullDisk
from xnat_sync.server.files.resource_records import count_files, describe_resource, insert_resource, save_counts
from xnat_sync.server.storage.archive import Folder, UnsafeNameError, is_housekeeping, md5_of, safe_path
from xnat_sync.server.storage.catalog import Catalog, CatalogChangedError, Entry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from xnat_sync.server.files.description import Description
    from xnat_sync.server.files.events import Event
    from xnat_sync.server.files.extract import Format
    from xnat_sync.server.files.incoming import Incoming
    from xnat_sync.server.files.resource_records import Place
    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.storage.archive import Readable, Written
    from xnat_sync.server.storage.catalog import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the URL and the query ask for. ``path`` is the file path, empty when the URL names no file."""

    url: str
    path: str
    label: str
    overwrite: bool
    extract: bool
    update_stats: bool
    about: Description


class Upload:
    """One request's worth of files for one resource."""

    def __init__(self, context: Context, place: Place, wish: Wish, event: Event) -> None:
        self._context = context
        self._place = place
        self._wish = wish
        self._event = event
        self._stamp = event.stamp
        self._folder = Folder(context.archive / place.catalog)
        self._checksums = context.preferences.is_on("checksums")
        self._history = FileHistory(context, self._folder)
        self._entries: dict[str, Entry] = {}
        self._duplicates: list[str] = []
        self._catalog = Catalog(id="")

    def run(self, files: Iterable[Incoming]) -> list[str]:
        """Stores the files and returns the paths of those that were there already and were not to be overwritten."""
        complete = False
        try:
            snapshot = self._begin()
            self._catalog = snapshot.catalog
            for file in files:
                self._take(file)
            self._commit(snapshot)
            complete = True
        finally:
            self._save(workflow=complete and not self._duplicates)
        return self._duplicates

    def _begin(self) -> Snapshot:
        """Step 4 and 5: the folder and an empty catalog for a new resource; the catalog as it is when we begin."""
        catalogs, path = self._context.catalogs, self._folder.catalog
        if self._place.resource is None:
            name = path.name.removesuffix("_catalog.xml")
            return catalogs.create(path, Catalog(id=name, project=self._place.project))
        path.parent.mkdir(parents=True, exist_ok=True)
        return catalogs.read(path)

    def _take(self, file: Incoming) -> None:
        # The name in the URL decides for a body, the name of the part for a form.
        kind = format_of(file.name) if self._wish.extract else None
        if kind is not None:
            self._unpack(kind, file)
            return
        path = safe_path(self._wish.path or file.name)
        if self._make_way(path):
            self._note(path, self._stored(file, path))

    def _stored(self, file: Incoming, path: str) -> Written:
        if self._fault("disk") is not None:
            with file.opened() as content:
                return self._folder.write(path, FullDisk(content))
        return file.store(self._folder, path)

    def _make_way(self, path: str) -> bool:
        """Whether ``path`` may be written; an old catalogued file is removed before the new bytes arrive."""
        target = self._folder.file(path)
        if not target.exists():
            return True
        if is_housekeeping(path):
            raise XnatError(500, f"XNAT cannot catalog {target.name}")
        if not self._wish.overwrite:
            self._duplicates.append(path)
            return False
        if self._history.is_kept:
            self._history.keep(path, self._known(path))
        elif target.is_file() and self._known(path) is not None:
            target.unlink()
        return True

    def _unpack(self, kind: Format, file: Incoming) -> None:
        with file.opened() as content:
            for member in members(kind, file.name, content, length=file.length):
                if member.is_folder:
                    self._folder.make_folder(member.path)
                else:
                    self._take_member(member.path, member.content)

    def _take_member(self, path: str, content: Readable) -> None:
        if path == self._folder.catalog.name:
            message = f"Illegal archive member, it is the catalog itself: {path!r}"
            raise UnsafeNameError(message)
        target = self._folder.file(path)
        if os.path.exists(target):  # noqa: PTH110 - half the time, and archives have thousands of members
            if not self._wish.overwrite:
                self._duplicates.append(path)
                return
            # Unlike a plain overwrite, extraction always keeps the old file (ZipUtils, TarUtils).
            self._history.move(path)
        source = FullDisk(content) if self._fault("disk") is not None else content
        written = self._folder.write_at(target, source)
        if not is_housekeeping(path):
            self._note(path, written)

    def _known(self, path: str) -> Entry | None:
        return self._entries.get(path) or self._catalog.entries.get(path)

    def _note(self, path: str, written: Written) -> None:
        """Adds or updates the entry; with checksums off an overwritten file keeps its old, now wrong, digest."""
        old, size = self._known(path), str(written.size)
        digest = self._faulty(written.md5) if self._checksums else old.digest if old else ""
        if old is None:
            entry = Entry(path=path, created=self._stamp, size=size, digest=digest)
        else:
            entry = replace(old, modified=self._stamp, size=size, digest=digest)
        self._entries[path] = self._wish.about.applied(entry)

    def _commit(self, snapshot: Snapshot) -> None:
        """Steps 7 and 8: digests that are missing anywhere in the catalog, then the catalog, if it is still the one."""
        changed = [*self._entries.values(), *self._missing_digests()]
        if self._fault("lock") is not None:
            raise XnatError(500, "Unable to acquire thread and process locks")
        if self._fault("catalog") is not None:
            raise CatalogChangedError(self._folder.catalog)
        if not changed:
            return
        catalog = snapshot.catalog.with_entries(changed)
        added = len(catalog.entries) - len(snapshot.catalog.entries)
        catalog = catalog.audited(self._stamp, "Added" if added else "Modified", len(self._entries))
        self._context.catalogs.write(self._folder.catalog, catalog, expected=snapshot.md5)

    def _missing_digests(self) -> list[Entry]:
        if not self._checksums:
            return []
        blank = [
            entry for path, entry in self._catalog.entries.items() if not entry.digest and path not in self._entries
        ]
        found = [(entry, self._folder.existing(entry.path)) for entry in blank]
        return [replace(entry, digest=md5_of(file)) for entry, file in found if file is not None]

    def _faulty(self, digest: str) -> str:
        fault = self._context.faults.take("digest", self._wish.url)
        if fault is None:
            return digest
        return "" if fault.kind is FaultKind.BLANK_DIGEST else digest[::-1]

    def _fault(self, point: str) -> object | None:
        return self._context.faults.take(point, self._wish.url)

    def _save(self, *, workflow: bool) -> None:
        """Steps 9 and 10: statistics, the resource's row (also after a failure), the completed workflow."""
        with self._context.store.write() as db:
            if self._place.resource is None:
                insert_resource(db, self._place, self._wish.label, self._wish.about, self._counted())
            else:
                self._update(db, self._place.resource)
            security = self._place.target.security
            if workflow and security is not None:
                record(db, self._event, security)

    def _update(self, db: sqlite3.Connection, resource: Resource) -> None:
        describe_resource(db, resource, self._wish.about)
        save_counts(db, resource.id, self._counted())

    def _counted(self) -> tuple[int, int] | None:
        return count_files(self._context, self._folder.catalog) if self._wish.update_stats else None
