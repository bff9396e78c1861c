"""Read what a draft needs from the disk: the names below a folder, tables and their headings, where files lie."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.importers.csv_manifest import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 1 << 16


def files_below(root: Path) -> list[str]:
    """The regular files below a folder, relative to it with ``/``, hidden ones left out, sorted.

    Raises:
        LocalFileError: the folder cannot be read.

    """
    if not root.is_dir():
        raise LocalFileError("not a folder", path=str(root))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        below = Path(folder).relative_to(root)
        found += [
            (below / name).as_posix()
            for name in sorted(names)
            if not name.startswith(".") or (name == ".bidsignore" and not below.parts)
        ]
    return found


def headings(path: Path) -> list[str]:
    """The columns of a TSV file.

    Raises:
        LocalFileError: it cannot be read.

    """
    first = start_of(path).partition(b"\n")[0]
    return first.decode("utf-8-sig", errors="replace").rstrip("\r").split("\t")


def start_of(path: Path) -> bytes:
    """The first bytes of a file that somebody found in a tree: a pipe of that name is not waited for.

    Raises:
        LocalFileError: it cannot be read, or is no regular file.

    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise LocalFileError("not a regular file", path=str(path))
            return stream.read(_LONGEST)
    except OSError as error:
        raise LocalFileError(f"cannot be read: {error.strerror or error}", path=str(path)) from error


def text_of(path: Path) -> str:
    """The content of a table, as UTF-8 or else Latin-1.

    Raises:
        LocalFileError: it cannot be read.

    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise LocalFileError(f"cannot be read: {error}", path=str(path)) from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of a table lie: ``home`` is the folder that they are relative to, ``root`` is above all."""

    home: Path
    root: Path

    @classmethod
    def of(cls, home: Path, files: Iterable[str]) -> Places:
        """The places of some files and folders; links are not followed."""
        absolute = Path(os.path.normpath(Path.cwd() / home))
        folders = {str(_folder_of(absolute / file)) for file in files}
        return cls(absolute, Path(os.path.commonpath(folders)) if folders else absolute)

    def locate(self, file: str) -> Place:
        """Where a file or folder lies relative to the root, and what is there."""
        path = Path(os.path.normpath(self.home / file))
        inside = path.relative_to(self.root).as_posix()
        if path.is_dir():
            return Place(inside, "folder" if files_below(path) else "empty folder")
        # A link that leads nowhere is for `validate`, which knows the ways of git-annex.
        return Place(inside, "file" if os.path.lexists(path) else "nothing")


def _folder_of(path: Path) -> Path:
    plain = Path(os.path.normpath(path))
    return plain if plain.is_dir() else plain.parent
