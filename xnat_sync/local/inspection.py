"""Looks into all files of one object together, so that each is opened as seldom as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.localside import Breach, Inspection, LocalFile
from xnat_sync.local.imaging import look_at
from xnat_sync.local.sidecar import Document, is_json, read_json
from xnat_sync.local.sidefiles import SideFile, check_side_files

if TYPE_CHECKING:
    from collections.abc import Sequence


def inspect(files: Sequence[LocalFile]) -> Inspection:
    """What is wrong with some files, by themselves and with each other, as `LocalSide.inspect` promises."""
    looks = [look_at(file.path, file.name) for file in files]
    documents = [read_json(file.path) if is_json(file.name) else Document() for file in files]
    breaches: list[tuple[int, Breach]] = []
    for index, (look, document) in enumerate(zip(looks, documents, strict=True)):
        breaches += ((index, breach) for breach in (*look.breaches, *document.breaches))
    sides = [
        SideFile(index=index, path=file.path, name=file.name, facts=looks[index].facts, value=documents[index].value)
        for index, file in enumerate(files)
    ]
    breaches += check_side_files(sides)
    return Inspection(breaches=tuple(breaches))
