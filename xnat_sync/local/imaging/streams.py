"""Regular files opened so that nothing can block, and the gzip streams in them."""

from __future__ import annotations

import os
import stat
import zlib
from typing import TYPE_CHECKING, Self

from xnat_sync.local.imaging.magic import GZIP

if TYPE_CHECKING:
    from collections.abc import Iterator


class File:
    """An open regular file, closed at the end of a ``with``; see `opened`."""

    __slots__ = ("descriptor", "size")

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def read(self, count: int, offset: int) -> bytes:
        """At most so many bytes from an offset on."""
        return os.pread(self.descriptor, count, offset)


class GzipStream:
    """What a gzip file holds, all its members in a row (RFC 1952).

    After reading, ``complete`` says whether the last member had its end, and ``behind`` how many bytes of no member
    follow it.
    """

    def __init__(self, file: File, start: bytes = b"") -> None:
        """``start`` are bytes that were read from the file's beginning already."""
        self._file = file
        self._start = start
        self._offset = len(start)
        self.complete = False
        self.behind = 0

    def chunks(self, size: int) -> Iterator[bytes]:
        """The inflated bytes, at most ``size`` at a time; a damaged stream is a ``zlib.error``."""
        inflater = zlib.decompressobj(31)
        pending = self._more(self._start, size)
        while pending:
            chunk = inflater.decompress(pending, size)
            if chunk:
                yield chunk
            pending = inflater.unconsumed_tail
            if inflater.eof:
                pending = self._more(inflater.unused_data, size)
                if not pending.startswith(GZIP):
                    self.complete = True
                    self.behind = len(pending) + self._file.size - self._offset
                    return
                inflater = zlib.decompressobj(31)
            elif not pending:
                pending = self._more(b"", size)

    def _more(self, pending: bytes, size: int) -> bytes:
        """At least two bytes where there are so many left: as many as tell whether a member begins."""
        if len(pending) < 2:
            read = self._file.read(size, self._offset)
            self._offset += len(read)
            pending += read
        return pending


def opened(path: str) -> File:
    """A regular file, opened so that a pipe or device of that name can neither block nor be read; for a ``with``."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return File(descriptor, status.st_size)
