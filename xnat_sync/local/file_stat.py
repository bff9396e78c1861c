"""What of a file changes when its content does, and when that can be relied on."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

RACY_NS = 2_000_000_000
"""A file that changed so shortly before it was read may change again unnoticed: some file systems count in seconds."""
Result = TypeVar("Result")


class Stamp(NamedTuple):
    """A file as it was at one moment."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def stamp_of(path: str) -> Stamp | None:
    """The stamp of a file as it is now, ``None`` if there is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - plain text paths all the way, a million of them
    except OSError:
        return None
    return Stamp(
        size=status.st_size,
        mtime_ns=_signed(status.st_mtime_ns),
        ctime_ns=_signed(status.st_ctime_ns),
        inode=_signed(status.st_ino),
    )


def _signed(number: int) -> int:
    """A number as SQLite can keep it, in 64 bits with a sign: some inodes need all bits, and dates after 2262 more."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def stamped(read: Callable[[str], Result], path: str) -> tuple[Result, Stamp | None]:
    """What reading a file gives, with the stamp under which it holds; without one if the file is too young for that.

    Safe to call from any thread.
    """
    before = rested(path, time.time_ns())
    result = read(path)
    return result, before if before and before == stamp_of(path) else None


def rested(path: str, now: int) -> Stamp | None:
    """The stamp of a file that has rested for so long that any later change shows."""
    stamp = stamp_of(path)
    return stamp if stamp and is_settled(stamp, now) else None


def is_settled(stamp: Stamp, now: int) -> bool:
    """Whether a file has rested for so long that any later change shows."""
    return now - max(stamp.mtime_ns, stamp.ctime_ns) >= RACY_NS
