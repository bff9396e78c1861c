"""A table that has a line for each file: dax's, or one with plain headings. Pure.

dax's `Xnatupload` reads eleven columns by their places: object_type, project_id, subject_label, session_type,
session_label, ID, type, series_description, quality, resource, fpath. The plain headings are those of `PLAIN`, and
``subject.gender``, ``session.date``, ``scan.fields.site`` for any attribute or custom variable of a level.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.core.formats.cell_values import says_nothing, understood
from xnat_sync.core.model.attributes import attribute_of, known_types
from xnat_sync.core.model.errors import Origin, Problem
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xnat_sync.core.model.attributes import Attribute

PLAIN = (
    *("project", "subject", "session", "session_type", "scan", "scan_type"),
    *("resource", "format", "content", "file"),
)
"""The plain headings besides attributes; ``type``, ``quality`` and ``series_description`` are a scan's."""
LEVELS = {"subject": Level.SUBJECT, "session": Level.SESSION, "scan": Level.SCAN}
"""The levels that a line has labels of, from the top."""

_SHORT = {name: f"scan.{name}" for name in ("type", "quality", "series_description")}
_DAX = (
    *("object_type", "project", "subject", "session_type", "session", "scan"),
    *("scan.type", "scan.series_description", "scan.quality", "resource", "file"),
)
_DAX_KINDS = ("scan", "assessor")
_TYPED = {"session_type": Level.SESSION, "scan_type": Level.SCAN}
# A modality's other name, which DICOM has.
_MODALITIES = {"PT": "PET"}


class Line(NamedTuple):
    """One line of a table: its number, and what its cells say by heading, empty ones left out."""

    number: int
    cells: Mapping[str, str]

    def owner(self) -> tuple[str, ...]:
        """The labels of what its file belongs to: subject, session and scan as far as they are said."""
        return tuple(self.cells[name] for name in LEVELS if name in self.cells)


@dataclass(slots=True, kw_only=True)
class Table:
    """A table that was read; ``left_out`` counts lines that no manifest can say, by the reason."""

    name: str
    is_dax: bool
    lines: list[Line] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, number: int, summary: str, hint: str = "", *, rule: str = "XS404") -> None:
        """Note what is wrong in a line."""
        known = RULES[rule]
        origin = Origin(file=self.name, line=number, column=1)
        self.problems.append(
            Problem(rule=rule, severity=known.severity, summary=summary, origin=origin, hint=hint or known.remedy)
        )

    def projects(self) -> list[str]:
        """The projects that it names."""
        return sorted({line.cells["project"] for line in self.lines if "project" in line.cells})


def read_table(text: str, name: str) -> Table:
    """The lines of a table, ``name`` that of its file; what is wrong with them is noted in it."""
    try:
        rows = list(_rows(text, "\t" if name.endswith(".tsv") else ","))
    except csv.Error as error:
        broken = Table(name=name, is_dax=False)
        broken.tell(1, f"the table cannot be read: {error}", "see to its quotes")
        return broken
    first = rows[0][1] if rows else []
    table = Table(name=name, is_dax=_is_daxs(first))
    if table.is_dax:
        lines = rows[1:] if first[0] == "object_type" else rows
        for number, row in lines:
            _take_daxs(table, number, row)
    else:
        headings = _headings(first, table)
        for number, row in rows[1:]:
            _take_plain(table, number, row, headings)
    if not table.lines and not table.problems:
        table.tell(1, "the table has no line about a subject")
    return table


def xsi_type_of(level: Level, said: str) -> str | None:
    """The type that a modality like ``MR`` or a whole name stands for, ``None`` if there is none in XNAT.

    Types of other namespaces than XNAT's are as they are: a server may have them.
    """
    modality = _MODALITIES.get(said.upper(), said)
    kind = "SessionData" if level is Level.SESSION else "ScanData"
    wanted = {said.casefold(), f"xnat:{modality}{kind}".casefold()}
    known = next((name for name in known_types(level) if name.casefold() in wanted), None)
    foreign = re.fullmatch(r"(?!xnat:)[A-Za-z_][\w.-]*:[A-Za-z_]\w*", said)
    return known or (said if foreign else None)


def attribute_at(heading: str) -> Attribute | None:
    """The attribute that a heading like ``session.date`` names, of whatever type."""
    level, name = LEVELS.get(heading.partition(".")[0]), heading.partition(".")[2]
    if level is None or not name:
        return None
    types = ("",) if level is Level.SUBJECT else known_types(level)
    return next((found for xsi_type in types if (found := attribute_of(level, xsi_type, name))), None)


def _rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that say anything, each with the number of its first line and its cells stripped."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 1
    for row in reader:
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield number, cells
        number = reader.line_num + 1


def _is_daxs(first: Sequence[str]) -> bool:
    # `scan` is a heading of plain tables too, but then there is one for subjects.
    return bool(first) and (first[0] == "object_type" or (first[0] in _DAX_KINDS and "subject" not in first))


def _headings(row: Sequence[str], table: Table) -> list[str]:
    found = [_SHORT.get(heading, heading) for heading in row]
    for heading, number in Counter(filter(None, found)).items():
        if heading not in PLAIN and attribute_at(heading) is None:
            hint = f"headings are {', '.join(PLAIN)}, and subject.…, session.… and scan.… with an attribute"
            table.tell(1, f"{heading!r} is no heading that is known here", hint)
        if number > 1:
            table.tell(1, f"{number} columns have the heading {heading!r}", "keep one of them")
    if "subject" not in found:
        table.tell(1, "no heading is subject", "the first line of a table has its headings")
    return found


def _take_daxs(table: Table, number: int, row: Sequence[str]) -> None:
    cells = {heading: cell for heading, cell in zip(_DAX, row, strict=False) if cell}
    kind = cells.pop("object_type", "")
    if kind == "assessor":
        table.left_out["an assessor"] += 1
    elif kind != "scan":
        table.tell(number, f"{kind!r} is neither scan nor assessor")
    elif len(row) < len(_DAX):
        table.tell(number, f"the line has {len(row)} columns, not {len(_DAX)}")
    else:
        needed = ("project", "subject", "session_type", "session", "scan", "resource", "file")
        _take(table, Line(number, cells), needed)


def _take_plain(table: Table, number: int, row: Sequence[str], headings: Sequence[str]) -> None:
    if any(row[len(headings) :]) or any(cell and not heading for heading, cell in zip(headings, row, strict=False)):
        table.tell(number, "a cell has no heading above it", "put a text with a comma in quotes")
        return
    cells: dict[str, str] = {}
    for heading, cell in zip(headings, row, strict=False):
        value = _value(table, number, heading, cell) if "." in heading else "" if cell.lower() == "n/a" else cell
        if value:
            cells[heading] = value
    # What is said of a scan needs its ID, and the ID its session.
    needed = ["subject", *(["session"] if cells.keys() & {"scan", "session_type"} else [])]
    needed += [level for level in LEVELS if any(heading.startswith(f"{level}.") for heading in cells)]
    needed += ["scan"] if "scan_type" in cells else []
    _take(table, Line(number, cells), needed)


def _take(table: Table, line: Line, needed: Sequence[str]) -> None:
    """Keep a line that says all that is needed and nothing that no manifest can say."""
    lacks = [name for name in dict.fromkeys(needed) if name not in line.cells]
    if lacks:
        table.tell(line.number, f"the line says no {' and no '.join(lacks)}")
        return
    if any("${env:" in cell for cell in line.cells.values()):
        table.tell(line.number, "a manifest would take a cell with ${env:…} from the environment", "write it otherwise")
        return
    cells = dict(line.cells)
    for heading, level in _TYPED.items():
        if heading in cells:
            found = xsi_type_of(level, cells[heading])
            if found is None:
                hint = f"write a modality like MR, or a whole name like {known_types(level)[0]}"
                table.tell(line.number, f"{cells[heading]!r} is no type of a {level.noun}", hint, rule="XS111")
                return
            cells[heading] = found
    table.lines.append(Line(line.number, cells))


def _value(table: Table, number: int, heading: str, cell: str) -> str | None:
    attribute = attribute_at(heading)
    if attribute is None or not cell or says_nothing(cell):
        return None
    value = understood(attribute, cell)
    if value is None:
        level, _, name = heading.partition(".")
        table.tell(number, f"the cell cannot be the {name} of a {level}", "correct it, or leave it empty")
    return value
