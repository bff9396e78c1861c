"""A folder that this program keeps for itself in a place that others fill too, like ``.xnat-sync`` in a checkout.

Whoever sends a pull request may put a link, or a file with something else in it, where this program is going to write.
So a folder counts as its own only if it is a real one, and a file only if it is a real one that no other name leads to:
nothing is opened through a link, and nothing is emptied that was not made here.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A pipe would be waited for without O_NONBLOCK.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class OwnFolder:
    """Real files in a real folder, and in real folders inside it. Names are relative to the folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def check(self, *names: str) -> None:
        """Find out whether the folder, and what it has under some names, are fit to be written to or missing.

        Raises:
            LocalFileError: one of them is a link, or something else that this program did not make.

        """
        for path in (self.path, *(self.path / name for name in names)):
            with suppress(OSError):
                _require_real(path, path.lstat())

    def make(self, *folders: str) -> None:
        """Make the folder, and some in it.

        Raises:
            LocalFileError: one of them is a link.
            OSError: one of them cannot be made.

        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for path in (self.path, *(self.path / name for name in folders)):
            with suppress(FileExistsError):
                path.mkdir()
            _require_folder(path)

    def names(self, folder: str) -> list[str]:
        """The names in one of its folders, sorted; none where there is no such folder.

        Raises:
            LocalFileError: it is a link.

        """
        try:
            with self._opened(f"{folder}/") as (place, _):
                return sorted(os.listdir(place))  # noqa: PTH208 - a descriptor, not a path
        except OSError:
            return []

    def size(self, name: str) -> int:
        """The size of a file, 0 if there is none.

        Raises:
            LocalFileError: it is none of ours.

        """
        path = self.path / name
        try:
            status = path.lstat()
        except OSError:
            return 0
        _require_real(path, status)
        return status.st_size

    def read(self, name: str) -> str:
        """The text of a file.

        Raises:
            LocalFileError: it, or its folder, is none of ours.
            OSError: it cannot be read.
            ValueError: it is no UTF-8.

        """
        with os.fdopen(self._open(name, os.O_RDONLY), encoding="utf-8") as stream:
            return stream.read()

    def create(self, name: str) -> int:
        """A descriptor of a new file.

        Raises:
            LocalFileError: its folder is none of ours.
            OSError: it cannot be made, or is there already.

        """
        return self._open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def open(self, name: str) -> int:
        """A descriptor of a file to read and write, made if it is missing and never emptied.

        Raises:
            LocalFileError: it, or its folder, is none of ours.
            OSError: it cannot be opened.

        """
        return self._open(name, os.O_RDWR | os.O_CREAT)

    def remove(self, name: str) -> None:
        """Take a file away; a link is taken away itself, not what it leads to. One that is missing is no error.

        Raises:
            LocalFileError: its folder is none of ours.
            OSError: it cannot be taken away.

        """
        with self._opened(name) as (place, base), suppress(FileNotFoundError):
            os.unlink(base, dir_fd=place)

    def _open(self, name: str, flags: int) -> int:
        with self._opened(name) as (place, base):
            try:
                file = os.open(base, flags | _SAFELY, 0o666, dir_fd=place)
            except OSError:
                self.check(name)
                raise
        try:
            _require_real(self.path / name, os.fstat(file))
        except LocalFileError:
            os.close(file)
            raise
        return file

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[int, str]]:
        """A descriptor of the folder that a name is in, and the rest of the name."""
        folder, _, base = name.rpartition("/")
        with ExitStack() as stack:
            place = _open_folder(self.path)
            stack.callback(os.close, place)
            if folder:
                place = _open_folder(self.path / folder, folder, place)
                stack.callback(os.close, place)
            yield place, base


def _open_folder(path: Path, name: str | None = None, above: int | None = None) -> int:
    try:
        return os.open(name or path, os.O_RDONLY | os.O_DIRECTORY | _SAFELY, dir_fd=above)
    except OSError:
        _require_folder(path)
        raise


def _require_folder(path: Path) -> None:
    status = path.lstat()
    _require_real(path, status)
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def _require_real(path: Path, status: os.stat_result) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _not_ours(path, "a link")
    if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
        raise _not_ours(path, "one file under several names")
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        raise _not_ours(path, "a pipe, a socket or a device")


def _not_ours(path: Path, what: str) -> LocalFileError:
    message = f"is {what}, and xnat-sync keeps only files of its own there: look at what it is, then remove it"
    return LocalFileError(message, path=str(path))
