"""The MD5 of one file: XNAT's only digest."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 20
# A name that turned into a FIFO since it was listed must not make us wait.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def md5_of(path: str, progress: Callable[[int], None] | None = None) -> str:
    """The MD5 of a file in hex; ``progress`` is told the bytes of each chunk read.

    Raises:
        LocalFileError: it cannot be read, is not a regular file, or changed while it was read.

    """
    digest = hashlib.md5(usedforsecurity=False)
    read_through(path, digest.update, progress)
    return digest.hexdigest()


def read_through(path: str, take: Callable[[bytes], object], progress: Callable[[int], None] | None = None) -> None:
    """Hand every chunk of a file to ``take``, in order; ``progress`` is told the bytes of each.

    Raises:
        LocalFileError: as `md5_of`.

    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise LocalFileError("it is not a regular file", path=path)
            # Not to the end: a file that is being written to may have none.
            left = before.st_size
            while left > 0 and (chunk := os.read(descriptor, min(CHUNK, left))):
                left -= len(chunk)
                take(chunk)
                if progress:
                    progress(len(chunk))
        finally:
            os.close(descriptor)
        after = os.stat(path)  # noqa: PTH116 - plain text paths all the way, a million of them
    except OSError as error:
        raise LocalFileError((error.strerror or str(error)).lower(), path=path) from error
    if _identity(before) != _identity(after):
        raise LocalFileError("it changed while it was read", path=path)


def start_of(path: str, length: int) -> bytes:
    """The first bytes of a file, fewer if it has fewer.

    Raises:
        LocalFileError: it cannot be read.

    """
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            return os.read(descriptor, length)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise LocalFileError((error.strerror or str(error)).lower(), path=path) from error


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
