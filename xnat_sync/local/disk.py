"""The local disk as the manifest sees it: `LocalSide` over real files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.local.digest import md5_of
from xnat_sync.local.files import FileFinder
from xnat_sync.local.imaging.integrity import read_whole
from xnat_sync.local.imaging.sidecar import read_text
from xnat_sync.local.inspection import inspect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xnat_sync.core.model.local_port import Inspection, LocalFile, Matches, Whole
    from xnat_sync.local.cache.inspection_cache import LookCache


class Disk:
    """Answers from the file system, each folder listed once. Make a new one for each run.

    What looking into files shows goes into ``looks``, and comes out of it where nothing changed; what else is to be
    remembered goes there too.
    """

    def __init__(self, looks: LookCache | None = None) -> None:
        self._finder = FileFinder()
        self._looks = looks

    def find(self, root: str, pattern: str) -> Matches:
        """The files that a pattern names, see `FileFinder.find`."""
        return self._finder.find(root, pattern)

    def paths(self, root: str, pattern: str) -> Sequence[str]:
        """The names that a pattern matches, see `FileFinder.paths`."""
        return self._finder.paths(root, pattern)

    def side_files(self, root: str, image: str) -> Sequence[str]:
        """The files that apply to an image, see `FileFinder.side_files`."""
        return self._finder.side_files(root, image)

    def text(self, path: str) -> str:
        """The content of a small text, as UTF-8 or else Latin-1."""
        try:
            data = read_text(path)
        except OSError as error:
            raise LocalFileError((error.strerror or str(error)).lower(), path=path) from error
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError:
            return data.decode("latin-1")

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        """What is wrong with the files of one object, see `inspection.inspect`."""
        return self._looks.look(files, inspect) if self._looks else inspect(files)

    def md5(self, path: str) -> str:
        """The MD5 of a file, see `digest.md5_of`."""
        return md5_of(path)

    def read_whole(self, path: str) -> Whole:
        """The MD5 of a file and what reading all of it shows, see `whole.read_whole`."""
        return read_whole(path)

    def recall(self, key: bytes) -> bytes | None:
        """What another run kept, if there is anything to keep it in."""
        return self._looks.recall(key) if self._looks else None

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """Keep something for other runs, if there is anything to keep it in."""
        if self._looks:
            self._looks.keep(key, make)
