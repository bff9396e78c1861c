"""One local file as it is sent: read once, hashed on the way, and never given out to its end if it changed."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.gateway.bodies.hashing import Md5Beside

if TYPE_CHECKING:
    from xnat_sync.core.model.state import FileSpec

_CHUNK = 1 << 20
_CLOSED = -1
_RACY_NS = 2_000_000_000
"""A file that changed so shortly before it was opened may change again under the same time: FAT counts in 2 seconds."""


class HashedFile:
    """One local file, read from start to end.

    The last bytes are handed out only after the file was found to be the one that was opened: by its size, its times
    and, where the spec knows one, its digest. So a receiver that was promised the size of the spec never takes a
    changed file, nor a mixture of two, for a whole one.
    """

    def __init__(self, spec: FileSpec) -> None:
        """Open the file.

        Raises:
            LocalFileError: it is gone, unreadable, no regular file, or has another size than its spec.

        """
        self.spec = spec
        self._hash = Md5Beside(spec.size)
        self._left = spec.size
        self._began = time.time_ns()
        self._file = _open(spec.path)
        try:
            self._opened = os.fstat(self._file)
            check_size(spec, size_of(spec.path, self._opened))
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
        """Return the next bytes, at most so many, nothing at the end.

        Raises:
            LocalFileError: the file was changed while it was read.

        """
        chunk = self._read(min(size, self._left)) if self._left else b""
        if self._left and not chunk:
            raise _changed(self.spec, "it became shorter while it was read")
        self._hash.update(chunk)
        self._left -= len(chunk)
        if chunk and not self._left:
            self._check_end()
        return chunk

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self._hash.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = _CLOSED

    def _read(self, size: int) -> bytes:
        try:
            return os.read(self._file, size)
        except OSError as error:
            raise failure(self.spec.path, error) from error

    def _check_end(self) -> None:
        if self._read(1):
            raise _changed(self.spec, "it became longer while it was read")
        if self.spec.md5 is not None:
            if self.md5 != self.spec.md5.lower():
                raise _changed(self.spec, "its content is not what was planned")
            return
        # With no digest to hold against, what was read may be the beginning of one content and the end of another.
        now = _status(self.spec.path)
        if _identity(now) != _identity(self._opened):
            raise _changed(self.spec, "it was written to while it was read")
        if now.st_ctime_ns != self._opened.st_ctime_ns or not self._is_settled():
            self._read_again()

    def _is_settled(self) -> bool:
        """Whether the file had rested so long when it was opened that every later change shows in its times."""
        return self._began - max(self._opened.st_mtime_ns, self._opened.st_ctime_ns) >= _RACY_NS

    def _read_again(self) -> None:
        """Hold the content against what was read, where times cannot tell: they were set back, or are too coarse."""
        digest = hashlib.md5(usedforsecurity=False)
        at = 0
        while at < self.spec.size:
            try:
                chunk = os.pread(self._file, min(_CHUNK, self.spec.size - at), at)
            except OSError as error:
                raise failure(self.spec.path, error) from error
            if not chunk:
                break
            digest.update(chunk)
            at += len(chunk)
        if digest.hexdigest() != self.md5:
            raise _changed(self.spec, "it was written to while it was read")


def hashed(spec: FileSpec) -> FileSpec:
    """Return a spec that has the digest of its file; the file is read now if that has not been done before.

    One that is gone or has changed has none.
    """
    if spec.md5 is not None:
        return spec
    try:
        source = HashedFile(spec)
    except LocalFileError:
        return spec
    try:
        while source.read(_CHUNK):
            pass
        return replace(spec, md5=source.md5)
    except LocalFileError:
        return spec
    finally:
        source.close()


def _open(path: str) -> int:
    """Open a file for reading; a pipe of that name makes nobody wait."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise failure(path, error) from error


def size_of(path: str, status: os.stat_result) -> int:
    """Return the size of a regular file; anything else has none that could be relied on.

    Raises:
        LocalFileError: it is no regular file.

    """
    if not stat.S_ISREG(status.st_mode):
        raise LocalFileError(f"{path} is no regular file", path=path)
    return status.st_size


def regular_size(path: str) -> int:
    """Return the size of a file that is there and no folder, device or pipe.

    Raises:
        LocalFileError: there is none.

    """
    return size_of(path, _status(path))


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)  # noqa: PTH116 - plain text paths all the way, a million of them
    except OSError as error:
        raise failure(path, error) from error


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def check_size(spec: FileSpec, size: int) -> None:
    """Hold a size against that of a spec.

    Raises:
        LocalFileError: it is another.

    """
    if size != spec.size:
        raise _changed(spec, f"it has {size} bytes, not the {spec.size} that were planned")


def _changed(spec: FileSpec, what: str) -> LocalFileError:
    return LocalFileError(f"{spec.path} changed: {what}", path=spec.path)


def failure(path: str, error: OSError) -> LocalFileError:
    """Return the error of a file that cannot be read."""
    return LocalFileError(f"{path} cannot be read: {error.strerror or error}", path=path)
