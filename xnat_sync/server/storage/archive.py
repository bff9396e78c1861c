"""Files below the archive root: which names are allowed, where a resource lives, and getting bytes to and from disk.

No name that comes from a URL, a form or an archive reaches the file system without passing ``safe_path`` here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

BUFFER: Final = 4 * 1024 * 1024
"""How much of a body is held in memory at once."""
_MAX_COMPONENT: Final = 255
_MAX_PATH: Final = 2048
_UNMAPPABLE: Final = re.compile("[\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
CATALOG_SUFFIX: Final = "_catalog.xml"
LOCK_PREFIX: Final = ".~lock-"
TEMPORARY_PREFIX: Final = ".~new-"
"""What a catalog is called while it is being written; no file of a client may be called so."""


class UnsafeNameError(ValueError):
    """A file name that would leave its resource, or that no catalog could carry."""


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, none at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What was put on disk."""

    size: int
    md5: str


def safe_path(name: str) -> str:
    """The relative path that ``name`` means, without empty and ``.`` parts; raises ``UnsafeNameError``.

    XNAT itself does not look at the names inside an archive (``ZipUtils``, ``TarUtils``); here none can point outside.
    """
    if name.startswith("/"):
        message = f"Illegal file name, it is absolute: {name!r}"
        raise UnsafeNameError(message)
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if not parts:
        message = f"Illegal file name, it is empty: {name!r}"
        raise UnsafeNameError(message)
    for part in parts:
        _check_part(part, name)
    path = "/".join(parts)
    if len(path.encode()) > _MAX_PATH:
        message = "Illegal file name, it is too long"
        raise UnsafeNameError(message)
    return path


def safe_segment(name: str) -> str:
    """``name`` as one folder name below the archive (a label or an ID); raises ``UnsafeNameError``."""
    if "/" in name or name in {"", "."}:
        message = f"Illegal folder name: {name!r}"
        raise UnsafeNameError(message)
    _check_part(name, name)
    return name


def _check_part(part: str, name: str) -> None:
    if part == ".." or part.startswith(TEMPORARY_PREFIX):
        message = f"Illegal file name, it leaves its folder: {name!r}"
        raise UnsafeNameError(message)
    if _UNMAPPABLE.search(part):
        message = f"Malformed input or input contains unmappable characters: {name!r}"
        raise UnsafeNameError(message)
    if len(part.encode()) > _MAX_COMPONENT:
        message = "Illegal file name, a part of it is too long"
        raise UnsafeNameError(message)


def is_housekeeping(path: str) -> bool:
    """Whether XNAT never catalogues a file of this name from an archive or by refresh (``CatalogUtils``)."""
    name = path.rpartition("/")[2]
    return name.endswith(CATALOG_SUFFIX) or name.startswith((LOCK_PREFIX, TEMPORARY_PREFIX))


class Folder:
    """The folder of one resource, and the only way to the files in it."""

    def __init__(self, catalog: Path) -> None:
        self.catalog = catalog
        self.path = catalog.parent
        self._inside: set[str] = set()

    def file(self, path: str) -> Path:
        """Where ``path`` lies; raises ``UnsafeNameError`` for one that would be elsewhere, also by a symbolic link."""
        relative = safe_path(path)
        folder = relative.rpartition("/")[0]
        if folder not in self._inside:
            if not self._is_inside(self.path / folder):
                message = f"Illegal file name, it leaves its folder: {path!r}"
                raise UnsafeNameError(message)
            self._inside.add(folder)
        return self.path / relative

    def _is_inside(self, folder: Path) -> bool:
        real, home = os.path.realpath(folder), os.path.realpath(self.path)
        return real == home or real.startswith(home + os.sep)

    def existing(self, path: str) -> Path | None:
        """The regular file of ``path``, else ``path.gz`` (the old rule of ``CatalogUtils.getFile``), else ``None``."""
        with contextlib.suppress(UnsafeNameError):
            for candidate in (self.file(path), self.file(f"{path}.gz")):
                if candidate.is_file() and not candidate.is_symlink():
                    return candidate
        return None

    def write(self, path: str, source: Readable) -> Written:
        """Streams ``source`` into the file of ``path``, as XNAT does straight into the final name.

        If the source fails half-way, what came so far stays on disk, without a catalog entry.
        """
        return self.write_at(self.file(path), source)

    def write_at(self, target: Path, source: Readable) -> Written:
        """The same where the path is known already, as `file` gave it."""
        try:
            return write_new(target, source)
        except FileNotFoundError:
            # A new folder, or somebody took it away meanwhile; nothing was read yet.
            target.parent.mkdir(parents=True, exist_ok=True)
            return write_new(target, source)

    def move_in(self, path: str, spooled: Path) -> None:
        """Renames a spooled upload into place."""
        target = self.file(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(spooled, target)

    def make_folder(self, path: str) -> None:
        """A folder that an archive names; it is on disk only, in no catalog."""
        self.file(path).mkdir(parents=True, exist_ok=True)

    def remove(self, path: str, *, keep_in: Path | None = None) -> None:
        """Deletes the file, or moves it below ``keep_in``, and the folders that are empty then."""
        target = self.file(path)
        if keep_in is not None and target.is_file():
            kept = keep_in / str(target.resolve()).lstrip("/")
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(target, kept)
        target.unlink(missing_ok=True)
        self.prune(target.parent)

    def walk(self) -> Iterator[tuple[str, Path]]:
        """All files that a refresh would catalogue, sorted by path."""
        for path, file in walk(self.path):
            if not is_housekeeping(path):
                yield path, file

    def to_history(self, path: str, history: Path, timestamp: str) -> None:
        """Moves the file to ``<history>/<absolute folder>/<timestamp>/`` (``FileUtils.MoveToHistory``)."""
        source = self.file(path)
        target = history / str(source.parent.resolve()).lstrip("/") / timestamp / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(source, target)

    def prune(self, folder: Path) -> None:
        """Removes ``folder`` and those above it, as far as they are empty and inside the resource."""
        while folder != self.path and folder.is_relative_to(self.path):
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def discard(self) -> None:
        """Removes the catalog, and the folder if nothing unknown is in it."""
        self.catalog.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.rmdir()


def write_new(target: Path, source: Readable) -> Written:
    """Creates or truncates ``target`` and fills it from ``source``, hashing on the way; never follows a link."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        while chunk := source.read(BUFFER):
            digest.update(chunk)
            _write_all(descriptor, chunk)
            size += len(chunk)
    finally:
        os.close(descriptor)
    return Written(size, digest.hexdigest())


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]


def md5_of(path: Path) -> str:
    """The MD5 of a file's bytes in lower-case hex (``CatalogUtils.getHash``)."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def walk(root: Path) -> Iterator[tuple[str, Path]]:
    """All regular files below ``root`` with their relative paths, sorted; links are left out."""
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            file = Path(folder, name)
            if file.is_file() and not file.is_symlink():
                yield str(file.relative_to(root)), file
