"""Read what a draft needs from the disk: the names below a folder, and the table of participants."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from xnat_sync.core.errors import LocalFileError


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
        found += [(below / name).as_posix() for name in sorted(names) if not name.startswith(".")]
    return found


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a TSV file by column; none if there is no such file.

    Raises:
        LocalFileError: it is there and cannot be read.

    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return [
                {key: value or "" for key, value in row.items() if key is not None}
                for row in csv.DictReader(stream, delimiter="\t", restval="")
            ]
    except (OSError, ValueError, csv.Error) as error:
        raise LocalFileError(f"cannot be read: {error}", path=str(path)) from error
