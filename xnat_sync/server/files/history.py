"""What becomes of files that are replaced or deleted: nothing, a copy in the cache, or a history with a catalog.

``maintainFileHistory`` keeps both kinds in ``<cache>/.history/<absolute folder>/<timestamp>/`` and tells of them in a
catalog beside the timestamps; an archive that replaces files moves them there in any case, without the catalog
(``FileUtils.MoveToHistory``, ``CatalogUtils``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from xnat_sync.server.storage.catalog import Entry

if TYPE_CHECKING:
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.storage.archive import Folder

DELETED: Final = "DELETED"
HISTORY: Final = ".history"


@dataclass(frozen=True, slots=True)
class FileHistory:
    """The past of one resource's files."""

    context: Context
    folder: Folder

    @property
    def is_kept(self) -> bool:
        """Whether the site wants a history."""
        return self.context.preferences.is_on("maintainFileHistory")

    def move(self, path: str) -> str:
        """Moves a file into the history; returns where it is now, relative to the resource's folder there."""
        timestamp = f"{self.context.clock():%Y%m%d_%H%M%S%f}"[:-3]
        self.folder.to_history(path, self.context.cache / HISTORY, timestamp)
        folder, slash, name = path.rpartition("/")
        return f"{folder}{slash}{timestamp}/{name}"

    def keep(self, path: str, entry: Entry | None) -> None:
        """Moves a file into the history and writes its entry down there."""
        moved = self.move(path)
        home = self.context.cache / HISTORY / str(self.folder.path.resolve()).lstrip("/")
        self.context.catalogs.append(home / self.folder.catalog.name, replace(entry or Entry(path=path), path=moved))

    def remove(self, path: str, entry: Entry) -> None:
        """Deletes a file in the way that the site wants, and the folders that are empty then."""
        if self.is_kept and self.folder.file(path).is_file():
            self.keep(path, entry)
        kept = None
        if self.context.preferences.is_on("backupDeletedToCache"):
            kept = self.context.cache / DELETED / f"{self.context.clock():%Y%m%d_%H%M%S}"
        self.folder.remove(path, keep_in=kept)
