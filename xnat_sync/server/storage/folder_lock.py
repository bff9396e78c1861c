"""One server at a time over a folder: two would each believe their own sessions, catalogs and numbers."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOCK: Final = "server.lock"


class FolderInUseError(OSError):
    """Another server serves the folder."""

    def __init__(self, root: Path) -> None:
        super().__init__(errno.EBUSY, f"another server is using the folder {root}; stop it, or take another folder")
        self._said = str(self.strerror)

    def __str__(self) -> str:
        return self._said


@contextmanager
def only_server_of(root: Path) -> Iterator[None]:
    """Keeps the folder ``root`` (made if it is not there) for this server; raises ``FolderInUseError``.

    The lock is that of an SQLite file, which every system has and which ends with the process, however it ends.
    """
    root.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(root / LOCK, isolation_level=None, timeout=0, check_same_thread=False)) as lock:
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise FolderInUseError(root) from error
        yield
