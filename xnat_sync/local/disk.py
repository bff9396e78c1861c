"""The local disk as the manifest sees it: `LocalSide` over real files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.local.digest import md5_of
from xnat_sync.local.files import FileFinder
from xnat_sync.local.inspection import inspect
from xnat_sync.local.whole import read_whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.core.localside import Inspection, LocalFile, Matches, Whole


class Disk:
    """Answers from the file system, each folder listed once. Make a new one for each run."""

    def __init__(self) -> None:
        self._finder = FileFinder()

    def find(self, root: str, pattern: str) -> Matches:
        """The files that a pattern names, see `FileFinder.find`."""
        return self._finder.find(root, pattern)

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        """What is wrong with the files of one object, see `inspection.inspect`."""
        return inspect(files)

    def md5(self, path: str) -> str:
        """The MD5 of a file, see `digest.md5_of`."""
        return md5_of(path)

    def read_whole(self, path: str) -> Whole:
        """The MD5 of a file and what reading all of it shows, see `whole.read_whole`."""
        return read_whole(path)
