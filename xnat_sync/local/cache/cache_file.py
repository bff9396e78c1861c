"""One SQLite file of things that may be forgotten: whatever fails, it is done without.

Several processes may use it at a time, each from one thread.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

WAIT = 5.0
"""So many seconds another process may hold the file."""
_LOG = logging.getLogger(__name__)


def opened_cache(path: Path, *, version: int, layout: Sequence[str]) -> CacheFile | None:
    """The file at a path, made with its folder if it is missing; ``None`` after any error, which is logged."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return CacheFile(path, version=version, layout=layout)
    except (sqlite3.Error, OSError) as error:
        # A home that cannot be written to is usual for some; a damaged file stays damaged until somebody knows.
        level = logging.WARNING if type(error) is sqlite3.DatabaseError else logging.INFO
        _LOG.log(level, "running without the cache %s: %s", path, error)
        return None


class CacheFile:
    """A file of one version of one layout; one of another version is not touched."""

    def __init__(self, path: Path, *, version: int, layout: Sequence[str]) -> None:
        """Open or make the file.

        Raises:
            sqlite3.Error, OSError: it cannot be used.

        """
        # Statements outside of a transaction stand for themselves: nobody is locked out while we read files.
        self._database: sqlite3.Connection | None = sqlite3.connect(path, timeout=WAIT, isolation_level=None)
        try:
            _prepare(self._database, version, layout)
        except BaseException:
            self._database.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether anything can be had from it, or kept."""
        return self._database is not None

    def row(self, query: str, values: Sequence[bytes | int]) -> tuple[Any, ...] | None:
        """The first row that answers a query, ``None`` if there is none or the file fails."""
        if self._database is None:
            return None
        try:
            found: tuple[Any, ...] | None = self._database.execute(query, values).fetchone()
        except sqlite3.Error as error:
            self._give_up(error)
            return None
        return found

    def hold(self) -> None:
        """Keep other processes from writing, so that what is asked next need not lock the file each time."""
        self._do("BEGIN")

    def release(self) -> None:
        """Let others write again. Safe to repeat."""
        if self._database is not None and self._database.in_transaction:
            self._do("COMMIT")

    def _do(self, statement: str) -> None:
        if self._database is not None:
            try:
                self._database.execute(statement)
            except sqlite3.Error as error:
                self._give_up(error)

    def write(self, *work: tuple[str, Sequence[Sequence[bytes | int]]]) -> None:
        """Carry out statements for many rows each, all or none."""
        if self._database is None:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            for statement, rows in work:
                self._database.executemany(statement, rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)

    def close(self) -> None:
        """Let the file go. Safe to repeat."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _give_up(self, error: sqlite3.Error) -> None:
        _LOG.info("a cache fails, running without it: %s", error)
        with suppress(sqlite3.Error):
            self.close()
        self._database = None


def _prepare(database: sqlite3.Connection, version: int, layout: Sequence[str]) -> None:
    # SQLite's usual journal works on network disks too, where homes are; its WAL does not.
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found not in (0, version):
        raise sqlite3.NotSupportedError(f"it has version {found}, not {version}")
    if found == 0:
        for statement in layout:
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {version}")
