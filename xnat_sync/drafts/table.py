"""The manifest of a table that has a line for each file: dax's, or one with plain headings. Pure.

dax's `Xnatupload` reads eleven columns by their places: object_type, project_id, subject_label, session_type,
session_label, ID, type, series_description, quality, resource, fpath. The plain headings are those of `PLAIN`, and
``subject.gender``, ``session.date``, ``scan.fields.site`` for any attribute or custom variable of a level.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.core.datatypes import CUSTOM_PREFIX, SESSION_TYPES, attribute_of, known_types
from xnat_sync.core.errors import Origin, Problem
from xnat_sync.core.explicit import exactly
from xnat_sync.core.refs import Level
from xnat_sync.core.rules import RULES
from xnat_sync.core.spellings import says_nothing, understood

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from xnat_sync.core.datatypes import Attribute
    from xnat_sync.core.yamltext import Plain

    Locate = Callable[[str], tuple[str, bool]]

PLAIN = ("project", "subject", "session", "session_type", "scan", "resource", "format", "content", "file")
"""The plain headings besides attributes; ``type``, ``quality`` and ``series_description`` are a scan's."""

_SHORT = {name: f"scan.{name}" for name in ("type", "quality", "series_description")}
_DAX = (
    *("object_type", "project", "subject", "session_type", "session", "scan"),
    *("scan.type", "scan.series_description", "scan.quality", "resource", "file"),
)
_DAX_STARTS = ("object_type", "scan", "assessor")
_LEVELS = {"subject": Level.SUBJECT, "session": Level.SESSION, "scan": Level.SCAN}
# dax has no scan type for these and takes that of MR.
_DAX_AS_MR = ("RT",)


class Line(NamedTuple):
    """One line of a table: its number, and what its cells say by heading, empty ones left out."""

    number: int
    cells: Mapping[str, str]

    def owner(self) -> tuple[str, ...]:
        """The labels of what its file belongs to: subject, session and scan as far as they are said."""
        return tuple(self.cells[name] for name in _LEVELS if name in self.cells)


@dataclass(slots=True, kw_only=True)
class Table:
    """A table that was read; ``left_out`` counts lines that no manifest can say, by the reason."""

    name: str
    is_dax: bool
    lines: list[Line] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    def tell(self, number: int, summary: str, hint: str = "") -> None:
        """Note what is wrong in a line."""
        rule = RULES["XS404"]
        origin = Origin(file=self.name, line=number, column=1)
        self.problems.append(
            Problem(rule="XS404", severity=rule.severity, summary=summary, origin=origin, hint=hint or rule.remedy)
        )

    def projects(self) -> list[str]:
        """The projects that it names."""
        return sorted({line.cells["project"] for line in self.lines if "project" in line.cells})


def read_table(text: str, name: str) -> Table:
    """The lines of a table, ``name`` that of its file; what is wrong with them is noted in it."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ","))
    except csv.Error as error:
        broken = Table(name=name, is_dax=False)
        broken.tell(1, f"the table cannot be read: {error}")
        return broken
    table = Table(name=name, is_dax=bool(rows and rows[0] and rows[0][0].strip() in _DAX_STARTS))
    headings = _DAX if table.is_dax else _headings(rows[0] if rows else [], table)
    for number, row in enumerate(rows, 1):
        cells = {heading: cell.strip() for heading, cell in zip(headings, row, strict=False) if cell.strip()}
        if (number == 1 and not (table.is_dax and cells.get("object_type") in _DAX_STARTS[1:])) or not cells:
            continue
        _take(table, Line(number, cells), len(row))
    if not table.lines and not table.problems:
        table.tell(1, "the table has no line about a subject")
    return table


def _headings(row: Sequence[str], table: Table) -> list[str]:
    found = [_SHORT.get(heading.strip(), heading.strip()) for heading in row]
    for heading in found:
        if heading not in PLAIN and _attribute_at(heading) is None:
            hint = f"headings are {', '.join(PLAIN)}, and subject.…, session.… and scan.… with an attribute"
            table.tell(1, f"{heading!r} is no heading that is known here", hint)
    if "subject" not in found:
        table.tell(1, "no heading is subject", "the first line of a table has its headings")
    return found


def _take(table: Table, line: Line, width: int) -> None:
    cells = dict(line.cells)
    kind = cells.pop("object_type", "scan")
    if table.is_dax and kind == "assessor":
        table.left_out["an assessor"] += 1
        return
    missing = _missing(table, cells, width)
    if kind != "scan":
        missing = f"{kind!r} is neither scan nor assessor"
    if missing:
        table.tell(line.number, missing)
        return
    for heading in [name for name in cells if "." in name]:
        value = cells[heading] if table.is_dax else _value(table, line.number, heading, cells[heading])
        if value is None:
            del cells[heading]
        else:
            cells[heading] = value
    if "session_type" in cells:
        cells["session_type"] = _session_type(cells["session_type"])
    table.lines.append(Line(line.number, cells))


def _missing(table: Table, cells: Mapping[str, str], width: int) -> str:
    """What a line lacks, in words; nothing if it says enough."""
    if table.is_dax and width < len(_DAX):
        return f"the line has {width} columns, not {len(_DAX)}"
    always = ("project", "subject", "session_type", "session", "scan", "resource", "file")
    lacks = [name for name in (always if table.is_dax else ("subject",)) if name not in cells]
    # What is said of a scan needs its ID, and the ID its session.
    needed = ["session"] if "scan" in cells else []
    needed += [level for level in _LEVELS if any(heading.startswith(f"{level}.") for heading in cells)]
    lacks += [name for name in dict.fromkeys(needed) if name not in cells and name not in lacks]
    return f"the line says no {' and no '.join(lacks)}" if lacks else ""


def _value(table: Table, number: int, heading: str, cell: str) -> str | None:
    attribute = _attribute_at(heading)
    if attribute is None or says_nothing(cell):
        return None
    value = understood(attribute, cell)
    if value is None:
        level, _, name = heading.partition(".")
        table.tell(number, f"the cell cannot be the {name} of a {level}", "correct it, or leave it empty")
    return value


def _attribute_at(heading: str) -> Attribute | None:
    """The attribute that a heading like ``session.date`` names, of whatever type."""
    level = _LEVELS.get(heading.partition(".")[0])
    name = heading.partition(".")[2]
    if level is None or not name:
        return None
    types = ("",) if level is Level.SUBJECT else known_types(level)
    return next((found for xsi_type in types if (found := attribute_of(level, xsi_type, name))), None)


def _session_type(said: str) -> str:
    """The xsi type that a modality like ``MR`` stands for; anything else as it is."""
    wanted = f"xnat:{said}SessionData".casefold()
    return next((name for name in SESSION_TYPES if name.casefold() == wanted), said)


# ---------------------------------------------------------------------- the manifest


def manifest_of(table: Table, *, project: str, root: str, locate: Locate) -> dict[str, Plain]:
    """The manifest of the lines that name a project, or none; what contradicts itself is noted in the table.

    ``locate`` gives the path of a file relative to the root, and whether it is a folder.
    """
    lines = [line for line in table.lines if line.cells.get("project", project) == project]
    types = Counter(line.cells["session_type"] for line in lines if "session_type" in line.cells)
    usual = max(sorted(types), key=lambda name: types[name]) if types else None
    tree = _Tree(table)
    for line in lines:
        tree.add(line, usual, locate)
    data: dict[str, Plain] = {"version": 1, "project": {"id": project, "create": False}, "root": root}
    if usual:
        data["defaults"] = {"session": {"xsi_type": usual}}
    data["subjects"] = tree.subjects
    return data


class _Tree:
    """Subjects with what lies below them, in the order of the table."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.subjects: dict[str, dict[str, Plain]] = {}
        self._said: dict[tuple[tuple[str, ...], str], tuple[str, int]] = {}

    def add(self, line: Line, usual: str | None, locate: Locate) -> None:
        """Take what one line says."""
        owner = line.owner()
        said = line.cells.get("session_type")
        if said is not None and len(owner) > 1 and self._agrees(owner[:2], "session_type", said, line.number):
            if said != usual:
                self._body(owner[:2])["xsi_type"] = said
            if self._table.is_dax and said in {f"xnat:{stem.lower()}SessionData" for stem in _DAX_AS_MR}:
                self._body(owner)["xsi_type"] = "xnat:mrScanData"
        for depth, level in enumerate(_LEVELS, 1):
            for heading, value in line.cells.items():
                if heading.startswith(f"{level}."):
                    self._say(owner[:depth], heading.removeprefix(f"{level}."), value, line.number)
        body = self._body(owner)
        if "file" in line.cells:
            labels = {name: line.cells[name] for name in ("format", "content") if name in line.cells}
            _put(body, line.cells.get("resource", "NIFTI"), _request(*locate(line.cells["file"])), labels)

    def _say(self, owner: tuple[str, ...], name: str, value: str, number: int) -> None:
        if not self._agrees(owner, name, value, number):
            return
        body = self._body(owner)
        if name.startswith(CUSTOM_PREFIX):
            custom = body.setdefault("fields", {})
            assert isinstance(custom, dict)
            custom[name.removeprefix(CUSTOM_PREFIX)] = value
        else:
            body[name] = value

    def _agrees(self, owner: tuple[str, ...], name: str, value: str, number: int) -> bool:
        before, line = self._said.setdefault((owner, name), (value, number))
        if before != value:
            self._table.tell(number, f"the {name} of {'/'.join(owner)} is another in line {line}")
        return before == value

    def _body(self, owner: tuple[str, ...]) -> dict[str, Plain]:
        body = self.subjects.setdefault(owner[0], {})
        for key, label in zip(("sessions", "scans"), owner[1:], strict=False):
            siblings = body.setdefault(key, {})
            assert isinstance(siblings, dict)
            body = siblings.setdefault(label, {})
        return body


def _request(path: str, is_folder: bool) -> Plain:  # noqa: FBT001 - the pair that `locate` gives
    if not is_folder:
        return exactly(path)
    if path == ".":
        return {"from": "**", "relative_to": "."}
    return {"from": f"{exactly(path)}/**", "relative_to": path}


def _put(body: dict[str, Plain], label: str, request: Plain, labels: Mapping[str, str]) -> None:
    resources = body.setdefault("resources", {})
    assert isinstance(resources, dict)
    resource = resources.setdefault(label, {"files": []})
    resource.update(labels)
    if request not in resource["files"]:
        resource["files"].append(request)


def scans_in(data: Mapping[str, Plain]) -> tuple[int, int, int]:
    """How many subjects, sessions and scans a manifest of a table has."""
    subjects = list(_below([data], "subjects"))
    sessions = list(_below(subjects, "sessions"))
    return len(subjects), len(sessions), len(list(_below(sessions, "scans")))


def _below(bodies: Iterable[Mapping[str, Plain]], key: str) -> Iterable[Mapping[str, Plain]]:
    for body in bodies:
        found = body.get(key, {})
        assert isinstance(found, dict)
        yield from found.values()
