"""What looking into files showed before, so that an unchanged study need not be opened again.

Only what holds is kept: nothing is wrong with the files, none of them changed within two seconds before it was looked
at, and what was found depends on nothing but them. It holds as long as every one of them has the same path, name,
size, inode and both times of the last change, and as long as `CACHE_VERSION` and the Python that looks are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from xnat_sync.core.model.local_port import Clue, Inspection
from xnat_sync.core.model.state import Found
from xnat_sync.local.file_stat import is_settled, stamp_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from xnat_sync.core.model.local_port import LocalFile
    from xnat_sync.local.cache.cache_file import CacheFile

NAME = "looks.v1.sqlite3"
VERSION = 1
"""Layout of the file. A file of another layout is not touched."""
CACHE_VERSION = 3
"""Raise this whenever the code that looks into files may find something else than before.

Results kept under another number are forgotten. `tests/local/test_cache_versions.py` says when the number is due.
"""

_BATCH = 5_000
# So many hits come quickly enough for others to wait.
_HELD = 256
_STAMP = struct.Struct("<4q")
# What many looks showed alike is kept once, and decoded once.
_LAYOUT = (
    "CREATE TABLE IF NOT EXISTS look (files BLOB PRIMARY KEY, stamps BLOB NOT NULL, shown BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS shown (id BLOB PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS kept (number INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB UNIQUE, value BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS code (digest BLOB PRIMARY KEY) WITHOUT ROWID",
)
_MOST_DECODED = 4096
_MOST_KEPT = 32
# The other file of a pair is looked at too, wherever it is.
_PAIRS = (".hdr", ".img")


class LookCache(Protocol):
    """Remembers what looking into files showed, and what else may be kept. For one thread."""

    def look(self, files: Sequence[LocalFile], inspect: Callable[[Sequence[LocalFile]], Inspection]) -> Inspection:
        """What ``inspect`` shows of some files, without asking it where it surely would show the same as before."""
        ...

    def recall(self, key: bytes) -> bytes | None:
        """See `core.model.local_port.Memory`."""
        ...

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """See `core.model.local_port.Memory`."""
        ...

    def close(self) -> None:
        """Keep what was found. Safe to repeat."""
        ...


class NoLooks:
    """Remembers nothing."""

    def look(self, files: Sequence[LocalFile], inspect: Callable[[Sequence[LocalFile]], Inspection]) -> Inspection:
        """Ask."""
        return inspect(files)

    def recall(self, key: bytes) -> bytes | None:
        """Nothing."""
        return None

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """Forget it."""

    def close(self) -> None:
        """Nothing to do."""


def open_looks(folder: Path | None) -> LookCache:
    """The cache in a folder, made when it is first needed; without a folder, or after any error, one that forgets."""
    return LaterLooks(folder / NAME) if folder else NoLooks()


class LaterLooks:
    """A cache that is opened with the first look: SQLite takes longer to import than a study without files to judge."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._looks: LookCache | None = None

    def look(self, files: Sequence[LocalFile], inspect: Callable[[Sequence[LocalFile]], Inspection]) -> Inspection:
        """See `LookCache.look`."""
        return self._open().look(files, inspect)

    def recall(self, key: bytes) -> bytes | None:
        """See `core.model.local_port.Memory`."""
        return self._open().recall(key)

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """See `core.model.local_port.Memory`."""
        self._open().keep(key, make)

    def _open(self) -> LookCache:
        if self._looks is None:
            self._looks = _opened(self._path)
        return self._looks

    def close(self) -> None:
        """See `LookCache.close`."""
        if self._looks is not None:
            self._looks.close()


def _opened(path: Path) -> LookCache:
    from xnat_sync.local.cache.cache_file import opened_cache  # noqa: PLC0415 - see `LaterLooks`

    file = opened_cache(path, version=VERSION, layout=_LAYOUT)
    return KeptLooks(file) if file else NoLooks()


class KeptLooks:
    """What was seen, in one SQLite file."""

    def __init__(self, file: CacheFile) -> None:
        self._file = file
        self._code = _code()
        if file.row("SELECT 1 FROM code WHERE digest = ?", (self._code,)) is None:
            # What other code has seen is of no use any more, and would lie there for ever.
            forget = ("DELETE FROM look", "DELETE FROM shown", "DELETE FROM code")
            file.write(*((one, [()]) for one in forget), ("INSERT INTO code VALUES (?)", [(self._code,)]))
        self._empty = file.row("SELECT 1 FROM look LIMIT 1", ()) is None
        self._held = 0
        self._looks: list[tuple[bytes, bytes, bytes]] = []
        self._shown: dict[bytes, bytes] = {}
        self._encoded: dict[tuple[object, ...], bytes] = {}
        self._decoded: dict[bytes, Inspection] = {}

    def look(self, files: Sequence[LocalFile], inspect: Callable[[Sequence[LocalFile]], Inspection]) -> Inspection:
        """See `LookCache.look`."""
        began = time.time_ns()
        stamps = [stamp_of(file.path) for file in files]
        if not self._file.is_open or None in stamps or _has_pair(files):
            return inspect(files)
        key, state = self._key(files), _digest(b"".join(_STAMP.pack(*stamp) for stamp in stamps if stamp))
        known = None if self._empty else self._recall(key, state)
        if known is not None:
            return known
        seen = inspect(files)
        settled = not seen.breaches and all(is_settled(stamp, began) for stamp in stamps if stamp)
        if settled and stamps == [stamp_of(file.path) for file in files]:
            self._keep(key, state, seen)
        return seen

    def recall(self, key: bytes) -> bytes | None:
        """See `core.model.local_port.Memory`."""
        row = self._file.row("SELECT value FROM kept WHERE key = ?", (key,))
        return row[0] if row else None

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """See `core.model.local_port.Memory`: the newest few are kept."""
        self._release()
        value = make()
        self._file.write(
            ("INSERT OR REPLACE INTO kept (key, value) VALUES (?, ?)", [(key, value)]),
            ("DELETE FROM kept WHERE number <= (SELECT max(number) FROM kept) - ?", [(_MOST_KEPT,)]),
        )

    def close(self) -> None:
        """See `LookCache.close`."""
        self._write()
        self._file.close()

    def _key(self, files: Sequence[LocalFile]) -> bytes:
        return _digest(b"\0".join((self._code, *(os.fsencode(text) for file in files for text in file))))

    def _recall(self, key: bytes, state: bytes) -> Inspection | None:
        if not self._held:
            self._file.hold()
        self._held = (self._held + 1) % _HELD
        row = self._file.row("SELECT shown FROM look WHERE files = ? AND stamps = ?", (key, state))
        known = self._decode(row[0]) if row else None
        if known is None or not self._held:
            # Looking may take long.
            self._release()
        return known

    def _release(self) -> None:
        self._held = 0
        self._file.release()

    def _decode(self, shown: bytes) -> Inspection | None:
        if shown not in self._decoded:
            row = self._file.row("SELECT data FROM shown WHERE id = ?", (shown,))
            if row is None:
                return None
            if len(self._decoded) >= _MOST_DECODED:
                self._decoded.clear()
            self._decoded[shown] = _decoded(json.loads(row[0]))
        return self._decoded[shown]

    def _keep(self, key: bytes, state: bytes, seen: Inspection) -> None:
        content = (seen.images, *seen.clues, *seen.found.items())
        shown = self._encoded.get(content)
        if shown is None:
            data = json.dumps(_encoded(seen), separators=(",", ":")).encode()
            shown = _digest(data)
            self._shown[shown] = data
            self._encoded[content] = shown
        self._looks.append((key, state, shown))
        if len(self._looks) >= _BATCH:
            self._write()

    def _write(self) -> None:
        self._release()
        if self._looks:
            self._file.write(
                ("INSERT OR IGNORE INTO shown VALUES (?, ?)", list(self._shown.items())),
                ("INSERT OR REPLACE INTO look VALUES (?, ?, ?)", self._looks),
            )
            self._looks.clear()
            self._shown.clear()
            self._encoded.clear()


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _code() -> bytes:
    """Return a digest of what decides besides the files: the version of this code, and the Python that runs it."""
    return _digest(f"{CACHE_VERSION} {sys.version}".encode())


def _has_pair(files: Sequence[LocalFile]) -> bool:
    return any(file.name.lower().endswith(_PAIRS) or file.path.lower().endswith(_PAIRS) for file in files)


def _encoded(seen: Inspection) -> list[Any]:
    clues = [(index, clue.rule, clue.what, clue.name) for index, clue in seen.clues]
    return [clues, seen.images, list(seen.found.items())]


def _decoded(data: list[Any]) -> Inspection:
    clues, images, found = data
    return Inspection(
        clues=tuple((index, Clue(rule=rule, what=what, name=name)) for index, rule, what, name in clues),
        images=images,
        found={name: Found(*value) for name, value in found},
    )
