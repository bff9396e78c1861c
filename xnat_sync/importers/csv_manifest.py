"""The manifest of a table. Pure: the disk is asked through a function."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal, NamedTuple

from xnat_sync.core.formats.manifest_tree import exactly
from xnat_sync.core.model.attributes import (
    CUSTOM_PREFIX,
    SESSION_TYPES,
    attribute_of,
    attributes_of,
    default_scan_type,
    known_types,
)
from xnat_sync.core.model.refs import Level
from xnat_sync.importers.csv_table import LEVELS, xsi_type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from xnat_sync.core.formats.yaml_writer import Plain
    from xnat_sync.importers.csv_table import Line, Table

    Locate = Callable[[str], "Place"]
    Owner = tuple[str, ...]

# dax has no scan type for these and takes that of MR.
_DAX_AS_MR = ("xnat:rtSessionData",)
_FOREIGN = "other:type"
"""Stands for a type that has the attributes of any."""


class Place(NamedTuple):
    """Where a file or folder lies, relative to the root, and what is there."""

    path: str
    what: Literal["file", "folder", "empty folder", "nothing"]


def manifest_of(
    table: Table, *, project: str, root: str, locate: Locate, session_type: str | None = None
) -> dict[str, Plain]:
    """The manifest of the lines that name a project, or none; what is wrong with them is noted in the table.

    ``session_type`` is the type of sessions whose lines leave it open.
    """
    lines = [line for line in table.lines if line.cells.get("project", project) == project]
    types = _session_types(table, lines, session_type)
    numbers = Counter(types.values())
    usual = max(sorted(numbers), key=numbers.__getitem__, default=None)
    tree = _Tree(table, types, usual)
    for line in lines:
        tree.add(line, locate)
    data: dict[str, Plain] = {"version": 1, "project": {"id": project, "create": False}, "root": root}
    if usual:
        data["defaults"] = {"session": {"xsi_type": usual}}
    data["subjects"] = tree.subjects
    return data


def counts_of(data: Mapping[str, Plain]) -> tuple[int, int, int]:
    """How many subjects, sessions and scans a manifest of a table has."""
    subjects = list(_below([data], "subjects"))
    sessions = list(_below(subjects, "sessions"))
    return len(subjects), len(sessions), len(list(_below(sessions, "scans")))


def _below(bodies: Iterable[Mapping[str, Plain]], key: str) -> Iterable[Mapping[str, Plain]]:
    for body in bodies:
        found = body.get(key, {})
        assert isinstance(found, dict)
        yield from found.values()


# ---------------------------------------------------------------------- types of sessions


def _session_types(table: Table, lines: Sequence[Line], usual: str | None) -> dict[Owner, str]:
    """The type of each session: what its lines say, else the only one that their other cells leave, else ``usual``."""
    said: dict[Owner, tuple[str, int]] = {}
    first: dict[Owner, int] = {}
    possible: dict[Owner, set[str]] = {}
    for line in lines:
        session = line.owner()[:2]
        if "session" not in line.cells:
            continue
        first.setdefault(session, line.number)
        if "session_type" in line.cells:
            before, number = said.setdefault(session, (line.cells["session_type"], line.number))
            if before != line.cells["session_type"]:
                table.tell(line.number, f"the session_type of {'/'.join(session)} is another in line {number}")
        for heading, cell in line.cells.items():
            fit = _types_that_fit(heading, cell)
            if fit:
                possible[session] = possible.get(session, fit) & fit
    types = {session: found for session, (found, _) in said.items()}
    for session in first.keys() - types.keys():
        fit = possible.get(session, set())
        if found := (next(iter(fit)) if len(fit) == 1 else usual):
            types[session] = found
    lacking = [session for session in first if session not in types]
    if lacking:
        names = ", ".join("/".join(session) for session in lacking[:5]) + (", …" if len(lacking) > 5 else "")
        whose = "1 session has" if len(lacking) == 1 else f"{len(lacking)} sessions have"
        hint = "add a column session_type, or give --session-type: MR, PET, CT, or a whole name like xnat:mrSessionData"
        table.tell(first[lacking[0]], f"{whose} no type: {names}", hint, rule="XS110")
    return types


def _types_that_fit(heading: str, cell: str) -> set[str]:
    """The types of a session that a cell leaves possible; none where it says nothing about that."""
    level, _, name = heading.partition(".")
    if name == "modality" or heading == "scan_type":
        modality = cell.removeprefix("xnat:").removesuffix("ScanData")
        found = xsi_type_of(Level.SESSION, modality)
        return {found} if found in SESSION_TYPES else set()
    if level not in ("session", "scan") or name in attributes_of(LEVELS[level], _FOREIGN):
        return set()
    having = [one for one in known_types(LEVELS[level]) if name in attributes_of(LEVELS[level], one)]
    return {one.replace("ScanData", "SessionData") for one in having} & SESSION_TYPES.keys()


# ---------------------------------------------------------------------- the tree


class _Tree:
    """Subjects with what lies below them, in the order of the table."""

    def __init__(self, table: Table, types: Mapping[Owner, str], usual: str | None) -> None:
        self._table = table
        self._types = types
        self._usual = usual
        self._said: dict[tuple[Owner, str], tuple[str, int]] = {}
        self.subjects: dict[str, dict[str, Plain]] = {}

    def add(self, line: Line, locate: Locate) -> None:
        """Take what one line says."""
        owner = line.owner()
        xsi_types = {"session": self._types.get(owner[:2], "")}
        xsi_types["scan"] = self._scan_type(line, xsi_types["session"])
        for depth, level in enumerate(LEVELS, 1):
            if level == "session" and xsi_types[level] not in ("", self._usual):
                self._body(owner[:2])["xsi_type"] = xsi_types[level]
            for heading, value in line.cells.items():
                if heading.startswith(f"{level}."):
                    self._say(owner[:depth], heading.removeprefix(f"{level}."), value, line.number)
                    self._check(heading, xsi_types.get(level, ""), line.number)
        body = self._body(owner)
        if "file" in line.cells:
            self._add_file(body, line, locate(line.cells["file"]))

    def _scan_type(self, line: Line, session_type: str) -> str:
        """The type of a line's scan, written down where it does not follow from its session's."""
        if "scan" not in line.cells or not session_type:
            return ""
        said = line.cells.get("scan_type")
        if self._table.is_dax and session_type in _DAX_AS_MR:
            said = "xnat:mrScanData"
        if said:
            self._say(line.owner(), "xsi_type", said, line.number)
        found = said or default_scan_type(session_type)
        if found is None:
            what = f"no type of scan goes with {session_type}"
            self._table.tell(line.number, what, "add a column scan_type", rule="XS110")
        return found or ""

    def _check(self, heading: str, xsi_type: str, number: int) -> None:
        level, _, name = heading.partition(".")
        if xsi_type and attribute_of(LEVELS[level], xsi_type, name) is None:
            self._table.tell(number, f"{xsi_type} has no {name}", rule="XS112")

    def _say(self, owner: Owner, name: str, value: str, number: int) -> None:
        before, line = self._said.setdefault((owner, name), (value, number))
        if before != value:
            self._table.tell(number, f"the {name} of {'/'.join(owner)} is another in line {line}")
            return
        body = self._body(owner)
        if name.startswith(CUSTOM_PREFIX):
            custom = body.setdefault("fields", {})
            assert isinstance(custom, dict)
            custom[name.removeprefix(CUSTOM_PREFIX)] = value
        else:
            body[name] = value

    def _body(self, owner: Owner) -> dict[str, Plain]:
        body = self.subjects.setdefault(owner[0], {})
        for key, label in zip(("sessions", "scans"), owner[1:], strict=False):
            siblings = body.setdefault(key, {})
            assert isinstance(siblings, dict)
            body = siblings.setdefault(label, {})
        return body

    def _add_file(self, body: dict[str, Plain], line: Line, place: Place) -> None:
        if place.what == "nothing":
            self._table.tell(line.number, f"there is no file {line.cells['file']!r}", rule="XS201")
            return
        if place.what == "empty folder":
            self._table.tell(line.number, f"no file is in the folder {line.cells['file']!r}", rule="XS202")
            return
        resources = body.setdefault("resources", {})
        assert isinstance(resources, dict)
        resource = resources.setdefault(line.cells.get("resource", "NIFTI"), {"files": []})
        resource.update({name: line.cells[name] for name in ("format", "content") if name in line.cells})
        request = _request(place)
        if request not in resource["files"]:
            resource["files"].append(request)


def _request(place: Place) -> Plain:
    if place.what == "file":
        return exactly(place.path)
    if place.path == ".":
        return {"from": "**", "relative_to": "."}
    return {"from": f"{exactly(place.path)}/**", "relative_to": place.path}
