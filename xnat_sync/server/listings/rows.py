"""The rows of a listing: one query for the roots, one for each join, then a product in memory, all linear."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import Kind, is_a

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable

    from xnat_sync.server.listings.columns import Column, Plan

_SELECT: Final = (
    "SELECT i.pk, i.kind, i.id, i.label, i.project, i.parent, i.xsi_type, i.fields, i.status, i.insert_date,"
    " i.insert_user, i.last_modified, p.id AS parent_id FROM item i LEFT JOIN item p ON p.pk = i.parent "
)
_ROW: Final = re.compile(r"(.+?)\[(name=)?(.*)\]/([^/\]]+)$")


@dataclass(slots=True)
class Entry:
    """An item as a listing sees it. ``shared`` holds what a sharing project shows in place of the item's own words."""

    row: sqlite3.Row
    fields: dict[str, str]
    shared: dict[str, str] = field(default_factory=dict)

    def text(self, path: str) -> str:
        """The value at a canonical or virtual path, empty when there is none."""
        virtual = _GETTERS.get(path)
        if virtual is not None:
            return str(virtual(self.row) or "")
        return self.fields.get(path, "")

    def row_dicts(self, repeat: str) -> list[dict[str, str]]:
        """The rows of plain values below ``repeat``."""
        rows: dict[str, dict[str, str]] = {}
        for path, value in self.fields.items():
            match = _ROW.match(path) if path.startswith(repeat + "[") else None
            if match is not None:
                row = rows.setdefault(match[3], {"name": match[3]} if match[2] else {})
                row[match[4]] = value
        return list(rows.values())


_GETTERS: dict[str, Callable[[sqlite3.Row], object]] = {
    "id": lambda row: row["id"],
    "ID": lambda row: row["id"],
    "label": lambda row: row["label"],
    "project": lambda row: row["project"],
    "subject_id": lambda row: row["parent_id"] if row["kind"] == "experiment" else "",
    "imagesession_id": lambda row: row["parent_id"] if row["kind"] == "assessor" else "",
    "image_session_id": lambda row: row["parent_id"],
    "meta/insert_date": lambda row: row["insert_date"],
    "meta/insert_user/login": lambda row: row["insert_user"],
    "meta/last_modified": lambda row: row["last_modified"],
    "meta/status": lambda row: row["status"],
    "extension_item/element_name": lambda row: row["xsi_type"],
    "xnat_imagescandata_id": lambda row: row["pk"],
    "xnat_reconstructedimagedata_id": lambda row: row["pk"],
}


def entries(db: sqlite3.Connection, where: str, values: Iterable[object]) -> list[Entry]:
    """The items that satisfy an SQL condition on ``i`` (the item) and ``p`` (its parent), oldest first."""
    rows = db.execute(f"{_SELECT} WHERE {where} ORDER BY i.pk", tuple(values))
    return [Entry(row, json.loads(row["fields"])) for row in rows]


@dataclass(frozen=True, slots=True)
class Table:
    """A finished listing: keys in order, rows of texts, and the kind of each column for its rendering."""

    keys: tuple[str, ...]
    rows: list[list[str]]
    kinds: tuple[Kind, ...]


def build_table(
    db: sqlite3.Connection, plan: Plan, roots: list[Entry], uri: Callable[[Entry], str], *, union: bool = False
) -> Table:
    """The listing that ``plan`` describes over ``roots``, with ``URI`` as the last column.

    Where XNAT asks for what is owned UNION what is shared, identical rows are one (``QueryOrganizer.buildFullQuery``).
    """
    roots = [entry for entry in roots if is_a(entry.row["xsi_type"], plan.root)]
    columns = [*plan.columns, *plan.hidden]
    sources = _sources(db, columns, roots)
    shown = len(plan.columns)
    rows: list[list[str]] = []
    for root in roots:
        address = uri(root)
        for cells in _rows_of(root, sources):
            values = [cells.get(number, "") for number in range(len(columns))]
            if plan.accepts(values[shown:]):
                rows.append([*_substituted(plan, root, values[:shown]), address])
    if union or plan.hidden:
        rows = list(map(list, dict.fromkeys(map(tuple, rows))))
    keys = (*(column.key for column in plan.columns), "URI")
    return Table(keys, rows, (*(column.kind for column in plan.columns), Kind.TEXT))


def _substituted(plan: Plan, root: Entry, values: list[str]) -> list[str]:
    """Words of the sharing project in place of the item's own (``ProjSubExptList``)."""
    if not root.shared:
        return values
    return [root.shared.get(column.key, value) for column, value in zip(plan.columns, values, strict=True)]


Cells = dict[int, str]


@dataclass(frozen=True, slots=True)
class _Source:
    """Columns taken from the root (``join`` empty) or from the items joined to it, by primary key of the root."""

    single: list[tuple[int, str]]
    repeats: dict[str, list[tuple[int, str]]]
    joined: dict[int, list[Entry]] | None
    repeated: dict[str, dict[int, list[dict[str, str]]]]


def _sources(db: sqlite3.Connection, columns: list[Column], roots: list[Entry]) -> list[_Source]:
    by_join: dict[str, list[tuple[int, Column]]] = defaultdict(list)
    for number, column in enumerate(columns):
        by_join[column.join].append((number, column))
    found = []
    for join, members in by_join.items():
        joined = _joined(db, join, roots) if join else None
        owners = roots if joined is None else [entry for group in joined.values() for entry in group]
        repeats: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for number, column in members:
            if column.repeat:
                repeats[column.repeat].append((number, column.path))
        single = [(number, column.path) for number, column in members if not column.repeat]
        repeated = {repeat: _stored_rows(db, repeat, owners) for repeat in repeats}
        found.append(_Source(single, dict(repeats), joined, repeated))
    return found


def _rows_of(root: Entry, sources: list[_Source]) -> list[Cells]:
    """The product over all sources; a source without rows leaves blanks (LEFT JOIN)."""
    product: list[Cells] = [{}]
    for source in sources:
        branch = _branch(root, source)
        product = [{**left, **right} for left in product for right in branch]
    return product


def _branch(root: Entry, source: _Source) -> list[Cells]:
    members = [root] if source.joined is None else source.joined.get(root.row["pk"], [])
    rows: list[Cells] = []
    for member in members:
        cells: list[Cells] = [{number: member.text(path) for number, path in source.single}]
        for repeat, wanted in source.repeats.items():
            held = source.repeated[repeat].get(member.row["pk"]) or [{}]
            found = [{number: row.get(path, "") for number, path in wanted} for row in held]
            cells = [{**left, **right} for left in cells for right in found]
        rows += cells
    return rows or [{}]


def _stored_rows(db: sqlite3.Connection, repeat: str, owners: list[Entry]) -> dict[int, list[dict[str, str]]]:
    """Rows of a repeat by primary key of their owner: shares and resources from their tables, others from fields."""
    keys = json.dumps([entry.row["pk"] for entry in owners])
    if repeat == "sharing/share":
        return _table_rows(db, "SELECT item AS owner, project, label FROM share", "item", keys)
    if repeat in {"resources/resource", "file", "in/file", "out/file"}:
        sql = (
            "SELECT parent AS owner, id AS xnat_abstractresource_id, label, format, content, description, file_count,"
            " file_size, catalog AS URI FROM resource"
        )
        return _table_rows(db, sql, "parent", keys)
    return {entry.row["pk"]: entry.row_dicts(repeat) for entry in owners}


def _table_rows(db: sqlite3.Connection, select: str, column: str, keys: str) -> dict[int, list[dict[str, str]]]:
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    sql = f"{select} WHERE {column} IN (SELECT value FROM json_each(?)) ORDER BY rowid"  # noqa: S608 - the callers' own names
    for row in db.execute(sql, (keys,)):
        values = {name: "" if row[name] is None else str(row[name]) for name in row.keys() if name != "owner"}  # noqa: SIM118 - a sqlite3.Row iterates over values
        found[row["owner"]].append(values)
    return found


def _joined(db: sqlite3.Connection, join: str, roots: list[Entry]) -> dict[int, list[Entry]]:
    """The items of type ``join`` that hang together with each root, by primary key of the root."""
    if not roots:
        return {}
    if is_a(join, data_types.PROJECT):
        return _by_project(db, roots)
    kind = roots[0].row["kind"]
    if is_a(join, data_types.SUBJECT) and kind in {"experiment", "assessor", "scan"}:
        return _above(db, roots, "subject")
    if is_a(join, data_types.EXPERIMENT) and kind in {"scan", "assessor", "reconstruction"}:
        return _of_type(_above(db, roots, "experiment"), join)
    return _of_type(_below(db, roots), join)


def _of_type(groups: dict[int, list[Entry]], join: str) -> dict[int, list[Entry]]:
    return {key: [entry for entry in group if is_a(entry.row["xsi_type"], join)] for key, group in groups.items()}


def _by_project(db: sqlite3.Connection, roots: list[Entry]) -> dict[int, list[Entry]]:
    projects = {entry.row["id"]: entry for entry in entries(db, "i.kind = 'project'", ())}
    return {root.row["pk"]: [projects[root.row["project"]]] for root in roots if root.row["project"] in projects}


def _above(db: sqlite3.Connection, roots: list[Entry], kind: str) -> dict[int, list[Entry]]:
    """The one ancestor of that kind of each root."""
    groups: dict[int, list[Entry]] = {}
    level = {root.row["pk"]: root.row["parent"] for root in roots}
    while level:
        keys = json.dumps(sorted({parent for parent in level.values() if parent is not None}))
        parents = {entry.row["pk"]: entry for entry in entries(db, "i.pk IN (SELECT value FROM json_each(?))", (keys,))}
        above: dict[int, int] = {}
        for root, parent in level.items():
            entry = parents.get(parent)
            if entry is None:
                continue
            if entry.row["kind"] == kind:
                groups[root] = [entry]
            else:
                above[root] = entry.row["parent"]
        level = above
    return groups


def _below(db: sqlite3.Connection, roots: list[Entry]) -> dict[int, list[Entry]]:
    """Children and children's children of each root."""
    groups: dict[int, list[Entry]] = defaultdict(list)
    origin = {root.row["pk"]: root.row["pk"] for root in roots}
    while origin:
        found = entries(db, "i.parent IN (SELECT value FROM json_each(?))", (json.dumps(list(origin)),))
        deeper = {}
        for entry in found:
            root = origin[entry.row["parent"]]
            groups[root].append(entry)
            if entry.row["kind"] == "experiment":
                deeper[entry.row["pk"]] = root
        origin = deeper
    return groups
