"""Looks into all files of one object together, so that each is opened as seldom as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.localside import Breach, Clue, Inspection, LocalFile
from xnat_sync.local.identity import (
    image_clues,
    is_table,
    is_text,
    json_clues,
    may_show_a_face,
    read_lines,
    table_clues,
    text_clues,
)
from xnat_sync.local.imaging import Look, look_at
from xnat_sync.local.sidecar import Document, is_json, read_json
from xnat_sync.local.sidefiles import SideFile, check_side_files, companion

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


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
    clues = [(side.index, clue) for side in sides for clue in _clues(side, looks[side.index], sides)]
    return Inspection(breaches=tuple(breaches), clues=tuple(dict.fromkeys(clues)))


def _clues(side: SideFile, look: Look, sides: Sequence[SideFile]) -> Iterator[Clue]:
    yield from image_clues(look)
    if side.value is not None:
        yield from json_clues(side.value, side.name)
    elif is_table(side.name):
        yield from table_clues(read_lines(side.path))
    elif is_text(side.name):
        yield from text_clues(read_lines(side.path))
    if side.facts:
        sidecar = companion(side, ".json", sides)
        if may_show_a_face(side.name, side.facts, sidecar.value if sidecar else None):
            yield Clue(rule="XS541", what="")
