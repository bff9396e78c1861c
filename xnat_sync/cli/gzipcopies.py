"""``validate --fix-gzip-names``: copies of the files whose gzip headers tell who packed them, what, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.text import count, visible
from xnat_sync.local.disk import Disk
from xnat_sync.local.privacy.gzip_names import copy_nameless, tells

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.core.model.local_port import Matches


class RememberingDisk(Disk):
    """A disk that knows afterwards which files it was asked for, also where the study turned out to be not valid."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, str] = {}

    def find(self, root: str, pattern: str) -> Matches:
        """See `Disk.find`."""
        matches = super().find(root, pattern)
        self.names.update((found.path, found.name) for found in matches.files)
        return matches


def write_copies(disk: RememberingDisk, folder: Path, console: Console) -> None:
    """Copy what tells, each file to its place relative to root; what cannot be copied is told and left out."""
    copied = 0
    for path, name in sorted(disk.names.items()):
        if name.lower().endswith(".gz") and tells(path):
            try:
                copy_nameless(path, folder / name)
                copied += 1
            except LocalFileError as error:
                console.err.write(f"{visible(error.path)}: {visible(str(error))}\n")
    text = f"{count(copied, 'file')} copied below {folder} without names and times in gzip headers"
    console.err.write(f"{visible(text)}\n")
