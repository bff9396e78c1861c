"""``tables``: attributes out of TSV and CSV files, joined to subjects, sessions and scans by a key."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.formats.cell_values import says_nothing, understood
from xnat_sync.core.model.attributes import CUSTOM_PREFIX, Attribute, attribute_of, known_types
from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.refs import Level
from xnat_sync.manifest.text.document import Seq, shown
from xnat_sync.manifest.text.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.manifest.desired.templates import Filler
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

_MATCH = {Level.SUBJECT: "subject", Level.SESSION: "session", Level.SCAN: "path"}

Rows = dict[str, dict[str, str]]


@dataclass(slots=True, eq=False)
class Table:
    """One entry of ``tables``. ``odd`` counts the cells that XNAT cannot keep, by attribute."""

    node: Node
    level: Level
    odd: dict[str, int] = field(default_factory=dict)


class Tables:
    """The tables of one document, each read when something asks for a row of it."""

    def __init__(self, top: Node, root: str, local: LocalSide, fill: Filler, problems: Problems) -> None:
        self._root = root
        self._local = local
        self._fill = fill
        self._problems = problems
        self._rows: dict[str, Rows | None] = {}
        self._tables = [_table(node) for node in _listed(top) if {"file", "key", "set"} <= node.entries().keys()]

    @property
    def files(self) -> set[str]:
        """The files that were read, relative to the root."""
        return set(self._rows)

    def bodies(self, level: Level, label: str, values: Mapping[str, str]) -> Iterator[Node]:
        """What the tables say of one object, a body for each table that has a row for it."""
        for table in self._tables:
            if table.level is level:
                row = self._row(table, label, values)
                if row is not None:
                    yield self._body(table, row)

    def tell(self) -> None:
        """Note once for each attribute how many cells of its column XNAT cannot keep; never what they say."""
        for table in self._tables:
            for name, number in table.odd.items():
                node = table.node.entries()["set"]
                cells = "1 cell" if number == 1 else f"{number} cells"
                self._problems.add("XS413", f"{cells} cannot be the {name} of a {table.level.noun}", node.origin())

    def _row(self, table: Table, label: str, values: Mapping[str, str]) -> dict[str, str] | None:
        said = table.node.entries()
        match = said.get("match")
        usual = (values.get(_MATCH[table.level], ""), label)
        wanted = (self._fill.text(match, values),) if match is not None else usual
        name = self._fill.text(said["file"], values)
        if name not in self._rows:
            self._rows[name] = self._read(table, name)
        rows = self._rows[name]
        return next((rows[key] for key in wanted if key in rows), None) if rows else None

    def _read(self, table: Table, name: str) -> Rows | None:
        said = table.node.entries()
        origin = said["file"].origin()
        matches = self._local.find(self._root, name)
        if not matches.files:
            # Where each session has a table of its own, one may have none.
            if "{" not in (said["file"].text or ""):
                self._problems.add("XS404", f"there is no table {shown(name)}", origin)
            return None
        try:
            text = self._local.text(matches.files[0].path)
        except LocalFileError as error:
            self._problems.add("XS404", f"the table {shown(name)} cannot be read: {error}", origin)
            return None
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter="\t" if name.endswith(".tsv") else ",")
        columns = list(reader.fieldnames or ())
        key = said["key"].text or ""
        for node in (said["key"], *_columns(said["set"])):
            if node.text not in columns:
                hint = did_you_mean(node.text or "", columns)
                self._problems.add(
                    "XS404", f"{shown(name)} has no column {shown(node.text or '')}", node.origin(), hint=hint
                )
        if key not in columns:
            return None
        rows: Rows = {}
        for row in reader:
            label = (row[key] or "").strip()
            if label in rows:
                summary = f"{shown(name)} has two rows for one {key}, the second in line {reader.line_num}"
                self._problems.add("XS404", summary, said["key"].origin())
            rows.setdefault(label, {column: cell for column, cell in row.items() if isinstance(cell, str)})
        return rows

    def _body(self, table: Table, row: Mapping[str, str]) -> Node:
        wanted = table.node.entries()["set"]
        entries = self._cells(table, wanted, row, "")
        custom = wanted.entries().get("fields")
        if custom is not None and custom.is_map:
            entries["fields"] = custom.with_entries(self._cells(table, custom, row, CUSTOM_PREFIX))
        return wanted.with_entries(entries)

    def _cells(self, table: Table, wanted: Node, row: Mapping[str, str], prefix: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for name, node in wanted.labels().items():
            if name.startswith("x-") or (not prefix and name == "fields"):
                continue
            said = node.entries() if node.is_map else {"column": node}
            text = row.get(str(said["column"].text), "").strip() if "column" in said else ""
            values = said["values"].labels() if "values" in said else {}
            if text in values:
                entries[name] = node.with_value(values[text].value)
                continue
            attribute = _attribute(table.level, prefix + name)
            if says_nothing(text):
                continue
            value = text if attribute is None else understood(attribute, text)
            if value is None:
                table.odd[name] = table.odd.get(name, 0) + 1
            else:
                entries[name] = node.with_value(value)
        return entries


def _attribute(level: Level, name: str) -> Attribute | None:
    """An attribute of that name of any type: which type it is for is asked later, with better words."""
    types = known_types(level) if level is not Level.SUBJECT else ("",)
    return next((found for xsi_type in types if (found := attribute_of(level, xsi_type, name))), None)


def _listed(top: Node) -> Iterator[Node]:
    listed = top.entries().get("tables")
    if listed is not None and isinstance(listed.value, Seq):
        yield from listed.sound()


def _table(node: Node) -> Table:
    said = node.entries().get("level")
    return Table(node=node, level=Level[(said.text if said and said.text else "subject").upper()])


def _columns(wanted: Node) -> Iterator[Node]:
    for name, node in wanted.entries().items():
        if name == "fields":
            yield from _columns(node)
        elif not node.is_map:
            yield node
        elif "column" in node.entries():
            yield node.entries()["column"]
