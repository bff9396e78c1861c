"""Digests of files that were read before, so that an unchanged study need not be read again.

Losing the cache loses nothing but time. It is never asked what the server holds, and it never answers for a file that
may have changed: an entry holds for one path, size, inode and time of the last change, all to the nanosecond, and is
not kept at all if the file changed within two seconds before it was read, since a later change could then bear the same
time. The time of the last change is both that of the content, which programs can set, and that of the inode, which
they cannot.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "digests.v2.sqlite3"
VERSION = 2
"""Another version of the table has another number, and another file, so that programs of both can run."""
RACY_NS = 2_000_000_000
"""A file that changed so shortly before it was read may change again unnoticed: some file systems count in seconds."""

_BATCH = 5_000
_WAIT = 5.0
_TABLE = """
    CREATE TABLE IF NOT EXISTS digest (
        path BLOB PRIMARY KEY,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL,
        inode INTEGER NOT NULL,
        md5 BLOB NOT NULL,
        sound INTEGER NOT NULL
    ) WITHOUT ROWID
"""
# What was found sound stays so while nothing has changed, though it was only hashed since.
_PUT = """
    INSERT INTO digest VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET
    sound = max(excluded.sound, CASE WHEN
        size = excluded.size AND mtime_ns = excluded.mtime_ns AND ctime_ns = excluded.ctime_ns
        AND inode = excluded.inode AND md5 = excluded.md5 THEN sound ELSE 0 END),
    size = excluded.size, mtime_ns = excluded.mtime_ns, ctime_ns = excluded.ctime_ns, inode = excluded.inode,
    md5 = excluded.md5
"""
_LOG = logging.getLogger(__name__)
Result = TypeVar("Result")


class Stamp(NamedTuple):
    """What of a file changes when its content does."""

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
    began = time.time_ns()
    before = stamp_of(path)
    result = read(path)
    settled = before is not None and began - max(before.mtime_ns, before.ctime_ns) >= RACY_NS
    return result, before if settled and before == stamp_of(path) else None


class DigestCache(Protocol):
    """Remembers digests. For one thread."""

    def get(self, path: str, *, sound: bool = False) -> str | None:
        """The MD5 of a file in hex, ``None`` unless it was read before and has not changed since.

        With ``sound`` also ``None`` unless it was found without fault when it was read (`whole.read_whole`).
        """
        ...

    def put(self, path: str, stamp: Stamp | None, md5: str, *, sound: bool = False) -> None:
        """Remember what `stamped` gave; nothing is kept without a stamp."""
        ...

    def close(self) -> None:
        """Keep what was put. Safe to repeat."""
        ...


class NoCache:
    """Remembers nothing."""

    def get(self, path: str, *, sound: bool = False) -> str | None:
        """Nothing."""
        return None

    def put(self, path: str, stamp: Stamp | None, md5: str, *, sound: bool = False) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to do."""


def open_cache(folder: Path | None) -> DigestCache:
    """The cache in a folder, which is made if it is missing; without a folder, or after any error, one that forgets."""
    if folder is None:
        return NoCache()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return HashCache(folder / NAME)
    except (sqlite3.Error, OSError) as error:
        # A home that cannot be written to is usual for some; a damaged file stays damaged until somebody knows.
        damaged = type(error) is sqlite3.DatabaseError
        level = logging.WARNING if damaged else logging.INFO
        _LOG.log(level, "running without the digest cache %s: %s", folder / NAME, error)
        return NoCache()


class HashCache:
    """Digests in one SQLite file, which several processes may use at a time."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            sqlite3.Error, OSError: it cannot be used.

        """
        self._pending: list[tuple[bytes | int, ...]] = []
        # Statements outside of a transaction stand for themselves: nobody is locked out while we hash.
        self._database: sqlite3.Connection | None = sqlite3.connect(path, timeout=_WAIT, isolation_level=None)
        try:
            self._prepare(self._database)
        except BaseException:
            self._database.close()
            raise

    def get(self, path: str, *, sound: bool = False) -> str | None:
        """See `DigestCache.get`."""
        if self._database is None:
            return None
        stamp = stamp_of(path)
        if stamp is None:
            return None
        query = (
            "SELECT md5 FROM digest WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?"
            " AND sound >= ?"
        )
        try:
            row = self._database.execute(query, (os.fsencode(path), *stamp, int(sound))).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return row[0].hex() if row else None

    def put(self, path: str, stamp: Stamp | None, md5: str, *, sound: bool = False) -> None:
        """See `DigestCache.put`."""
        if stamp is not None and self._database is not None:
            self._pending.append((os.fsencode(path), *stamp, bytes.fromhex(md5), int(sound)))
            if len(self._pending) >= _BATCH:
                self._write()

    def close(self) -> None:
        """See `DigestCache.close`."""
        self._write()
        if self._database is not None:
            self._database.close()
            self._database = None

    @staticmethod
    def _prepare(database: sqlite3.Connection) -> None:
        # SQLite's usual journal works on network disks too, where homes are; its WAL does not.
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.NotSupportedError(f"it has version {version}, not {VERSION}")
        if version == 0:
            database.execute(_TABLE)
            database.execute(f"PRAGMA user_version = {VERSION}")

    def _write(self) -> None:
        if self._database is None or not self._pending:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany(_PUT, self._pending)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        self._pending.clear()

    def _give_up(self, error: sqlite3.Error) -> None:
        _LOG.info("the digest cache fails, running without it: %s", error)
        with suppress(sqlite3.Error):
            if self._database is not None:
                self._database.close()
        self._database = None
