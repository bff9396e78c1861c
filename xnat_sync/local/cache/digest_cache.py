"""Digests of files that were read before, so that an unchanged study need not be read again.

Losing the cache loses nothing but time. It is never asked what the server holds, and it never answers for a file that
may have changed: an entry holds for one path, size, inode and time of the last change, all to the nanosecond, and is
not kept at all if the file changed within two seconds before it was read, since a later change could then bear the same
time. The time of the last change is both that of the content, which programs can set, and that of the inode, which
they cannot.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from xnat_sync.local.cache.cache_file import opened_cache
from xnat_sync.local.file_stat import stamp_of

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.local.cache.cache_file import CacheFile
    from xnat_sync.local.file_stat import Stamp

NAME = "digests.v2.sqlite3"
VERSION = 2
"""Another version of the table has another number, and another file, so that programs of both can run."""

_BATCH = 5_000
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
    file = opened_cache(folder / NAME, version=VERSION, layout=(_TABLE,))
    return HashCache(file) if file else NoCache()


class HashCache:
    """Digests in one SQLite file, which several processes may use at a time."""

    def __init__(self, file: CacheFile) -> None:
        self._pending: list[tuple[bytes | int, ...]] = []
        self._file = file

    def get(self, path: str, *, sound: bool = False) -> str | None:
        """See `DigestCache.get`."""
        stamp = stamp_of(path) if self._file.is_open else None
        if stamp is None:
            return None
        query = (
            "SELECT md5 FROM digest WHERE path = ? AND size = ? AND mtime_ns = ? AND ctime_ns = ? AND inode = ?"
            " AND sound >= ?"
        )
        row = self._file.row(query, (os.fsencode(path), *stamp, int(sound)))
        return row[0].hex() if row else None

    def put(self, path: str, stamp: Stamp | None, md5: str, *, sound: bool = False) -> None:
        """See `DigestCache.put`."""
        if stamp is not None and self._file.is_open:
            self._pending.append((os.fsencode(path), *stamp, bytes.fromhex(md5), int(sound)))
            if len(self._pending) >= _BATCH:
                self._write()

    def close(self) -> None:
        """See `DigestCache.close`."""
        self._write()
        self._file.close()

    def _write(self) -> None:
        if self._pending:
            self._file.write((_PUT, self._pending))
            self._pending.clear()
