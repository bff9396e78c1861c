"""The MD5 of one file: XNAT's only digest."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.errors import LocalFileError

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 20


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
        # A name that turned into a FIFO since it was listed must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise LocalFileError("it is not a regular file", path=path)
            # Not to the end: a file that is being written to may have none.
            left = before.st_size
            while left > 0 and (chunk := stream.read(min(CHUNK, left))):
                left -= len(chunk)
                take(chunk)
                if progress:
                    progress(len(chunk))
        after = Path(path).stat()
    except OSError as error:
        raise LocalFileError((error.strerror or str(error)).lower(), path=path) from error
    if _identity(before) != _identity(after):
        raise LocalFileError("it changed while it was read", path=path)


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
