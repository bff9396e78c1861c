"""Local files as bodies of requests: read once, hashed on the way, and never sent to the end if they changed."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from xnat_sync.core.state import FileSpec

CHUNK = 1 << 20


class Meter:
    """Tells a listener about bytes as they go, and takes them back when a transfer begins anew."""

    def __init__(self, sent: Callable[[int], None]) -> None:
        self._sent = sent
        self._count = 0

    def __call__(self, count: int) -> None:
        """So many more bytes went out; negative where a part of the transfer is taken back."""
        if count:
            self._count += count
            self._sent(count)

    def rewind(self) -> None:
        """Take back everything that was told so far."""
        self(-self._count)


class HashedFile:
    """One local file, read from start to end.

    The last bytes are handed out only after the size and, where the spec knows one, the digest were found to be those
    of the spec. So a receiver that was promised the size of the spec never takes a changed file for a whole one.
    """

    def __init__(self, spec: FileSpec) -> None:
        """Open the file.

        Raises:
            LocalFileError: it is gone, unreadable, no regular file, or has another size than its spec.

        """
        self.spec = spec
        self._hash = hashlib.md5(usedforsecurity=False)
        self._left = spec.size
        self._file = _open(spec.path)
        try:
            self._check_size(os.fstat(self._file.fileno()).st_size)
            if not self._left:
                self._check_end()
        except BaseException:
            self.close()
            raise

    @property
    def md5(self) -> str:
        """The digest, in hex, of what was read so far."""
        return self._hash.hexdigest()

    @property
    def left(self) -> int:
        """The bytes that are still to be read."""
        return self._left

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many, nothing at the end.

        Raises:
            LocalFileError: the file was changed while it was read.

        """
        try:
            chunk = self._file.read(min(size, self._left)) if self._left else b""
        except OSError as error:
            raise _failure(self.spec.path, error) from error
        if self._left and not chunk:
            raise self._changed("it became shorter while it was read")
        self._hash.update(chunk)
        self._left -= len(chunk)
        if chunk and not self._left:
            self._check_end()
        return chunk

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self._file.close()

    def _check_size(self, size: int) -> None:
        if size != self.spec.size:
            raise self._changed(f"it has {size} bytes, not the {self.spec.size} that were planned")

    def _check_end(self) -> None:
        if self._file.read(1):
            raise self._changed("it became longer while it was read")
        if self.spec.md5 is not None and self.md5 != self.spec.md5.lower():
            raise self._changed("its content is not what was planned")

    def _changed(self, what: str) -> LocalFileError:
        return LocalFileError(f"{self.spec.path} changed: {what}", path=self.spec.path)


def _open(path: str) -> BinaryIO:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise LocalFileError(f"{path} is no regular file", path=path)
        return Path(path).open("rb")
    except OSError as error:
        raise _failure(path, error) from error


def _failure(path: str, error: OSError) -> LocalFileError:
    return LocalFileError(f"{path} cannot be read: {error.strerror or error}", path=path)
