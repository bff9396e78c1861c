"""Looks into all files of one object together, so that each is opened as seldom as can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.local_port import Breach, Clue, Inspection, LocalFile
from xnat_sync.local.imaging.attributes import common, image_attributes
from xnat_sync.local.imaging.images import Look, look_at
from xnat_sync.local.imaging.side_files import (
    SideFile,
    Tables,
    check_side_files,
    companion,
    read_tables,
    sidecar_of,
    split_name,
    volumes,
)
from xnat_sync.local.imaging.sidecar import Document, is_json, read_json
from xnat_sync.local.privacy.identifier_scan import (
    gzip_clues,
    image_clues,
    is_table,
    is_text,
    json_clues,
    may_show_a_face,
    read_lines,
    start_of_gzip,
    table_clues,
    text_clues,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_NO_DOCUMENT = Document()


def inspect(files: Sequence[LocalFile]) -> Inspection:
    """What is wrong with some files, by themselves and with each other, as `LocalSide.inspect` promises."""
    looks = [look_at(file.path, file.name) for file in files]
    documents = [read_json(file.path) if is_json(file.name) else _NO_DOCUMENT for file in files]
    breaches: list[tuple[int, Breach]] = []
    for index, (look, document) in enumerate(zip(looks, documents, strict=True)):
        breaches += ((index, breach) for breach in (*look.breaches, *document.breaches))
    sides = [_side(index, file, looks[index], documents[index]) for index, file in enumerate(files)]
    tables, unreadable = read_tables(sides)
    breaches += unreadable
    breaches += check_side_files(sides, tables)
    clues = [(side.index, clue) for side in sides for clue in _clues(side, looks[side.index], sides)]
    attributes = [
        image_attributes(side.facts, sidecar_of(side, sides), _b_values(side, sides, tables))
        for side in sides
        if side.facts
    ]
    return Inspection(
        breaches=tuple(breaches),
        clues=tuple(dict.fromkeys(clues)),
        images=len(attributes),
        found=common(attributes),
    )


def _side(index: int, file: LocalFile, look: Look, document: Document) -> SideFile:
    stem, kind = split_name(file.name)
    return SideFile(
        index=index,
        path=file.path,
        name=file.name,
        stem=stem,
        kind=kind,
        facts=look.facts,
        value=document.value,
        repeated=document.repeated,
    )


def _b_values(image: SideFile, sides: Sequence[SideFile], tables: Tables) -> Sequence[float]:
    """The b-values of an image, none where their table does not fit it."""
    file = companion(image, ".bval", sides)
    values = tables[file.index][0] if file and file.index in tables else []
    return values if image.facts and len(values) == volumes(image.facts) else []


def _clues(side: SideFile, look: Look, sides: Sequence[SideFile]) -> Iterator[Clue]:
    yield from image_clues(look)
    if side.value is not None:
        yield from json_clues([side.value, *side.repeated], side.name)
    elif is_table(side.name):
        yield from table_clues(read_lines(side.path, table=True))
    elif side.name.lower().endswith(".gz") and not look.wrapping:
        yield from gzip_clues(start_of_gzip(side.path))
    elif is_text(side.name):
        yield from text_clues(read_lines(side.path))
    if side.facts and may_show_a_face(side.name, side.facts, sidecar_of(side, sides)):
        yield Clue(rule="XS541", what="")
