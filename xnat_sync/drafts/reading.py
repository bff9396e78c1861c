"""Read what a draft needs from the disk: the names below a folder, and the headings of tables."""

from __future__ import annotations

import os
from pathlib import Path

from xnat_sync.core.errors import LocalFileError

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
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as stream:
            return stream.readline(_LONGEST).rstrip("\r\n").split("\t")
    except OSError as error:
        raise LocalFileError(f"cannot be read: {error}", path=str(path)) from error
