"""``POST /data/search``: a stored-search document as a table with display-field keys (``SearchResource``).

The document comes from xnatpy's ``Class.query()`` or pyxnat's ``select(...).where(...)``. Display ids are those that
``/data/search/elements/TYPE`` lists; a full schema path does as well. One root type per query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.listings.columns import UnknownColumnError, plan_of_paths
from xnat_sync.server.listings.display_fields import COMPUTED, DEMOGRAPHICS, computed, display_fields
from xnat_sync.server.listings.rows import Table, build_table, entries
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import Kind, UnknownTypeError, is_a, type_name
from xnat_sync.server.schema.values import InvalidValueError, normalize
from xnat_sync.server.xml_tree import XmlError, parse_xml

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.listings.columns import Column
    from xnat_sync.server.xml_tree import Element

_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_FIELD_MAP: Final = re.compile(r"[A-Z0-9_]+_FIELD_MAP=(.+)", re.IGNORECASE)
_KEY_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    data_types.PROJECT: ("ID",),
    data_types.SUBJECT: ("SUBJECTID", "PROJECT"),
    data_types.EXPERIMENT: ("SESSION_ID", "SUBJECT_ID", "PROJECT"),
    data_types.IMAGE_SCAN: ("SCAN_ID", "SESSION_ID"),
}
_KINDS: Final = {
    data_types.PROJECT: "i.kind = 'project'",
    data_types.SUBJECT: "i.kind = 'subject'",
    data_types.EXPERIMENT: "i.kind IN ('experiment', 'assessor')",
    data_types.IMAGE_SCAN: "i.kind = 'scan'",
}


@dataclass(slots=True)
class _Search:
    """A document as understood: what to show, what to look at, and the condition on that."""

    root: str
    shown: dict[str, str] = field(default_factory=dict)
    looked_at: list[str] = field(default_factory=list)
    where: Element | None = None


def run_search(db: sqlite3.Connection, user: User, document: bytes) -> tuple[str, Table]:
    """The root type and the table. 422 for a document that cannot be read, 403 for a root that cannot be searched."""
    search = _read(document)
    family = next((root for root in _KINDS if is_a(search.root, root)), None)
    if family is None:
        raise XnatError(403)
    for key in _KEY_FIELDS[family]:
        fields = display_fields(search.root)
        if key in fields:
            search.shown.setdefault(key.lower(), fields[key])
    _collect(search)
    stored = {key: path for key, path in search.shown.items() if not path.startswith(COMPUTED)}
    try:
        plan = plan_of_paths(search.root, stored, search.looked_at)
        plan.accepts = _condition(search, plan.hidden)
    except UnknownColumnError as error:
        raise XnatError(500, f"Unknown field {error.args[0]}") from None
    found = [entry for entry in entries(db, _KINDS[family], ()) if can(db, user, entry.row, Right.READ)]
    table = build_table(db, plan, found, lambda _: "")
    return search.root, _completed(db, search, table, _KEY_FIELDS[family][0].lower())


def _completed(db: sqlite3.Connection, search: _Search, table: Table, id_key: str) -> Table:
    """The columns in the order of the document, computed ones filled in; without the ``URI`` of other listings."""
    place = {key: number for number, key in enumerate(table.keys)}

    def cell(row: list[str], key: str) -> str:
        if key in place:
            return row[place[key]]
        return computed(db, search.root, search.shown[key].removeprefix(COMPUTED), row[place[id_key]])

    kinds = tuple(table.kinds[place[key]] if key in place else Kind.TEXT for key in search.shown)
    return Table(tuple(search.shown), [[cell(row, key) for key in search.shown] for row in table.rows], kinds)


def local_name(element: Element) -> str:
    """The name of an element without its namespace."""
    return _NAMESPACE.sub("", element.tag)


def _text(element: Element, name: str) -> str:
    return next(((child.text or "").strip() for child in element if local_name(child) == name), "")


def _read(document: bytes) -> _Search:
    try:
        root = parse_xml(document)
        search = _Search(type_name(_text(root, "root_element_name")))
    except (XmlError, UnknownTypeError) as error:
        raise XnatError(422, str(error)) from error
    for element in root:
        if local_name(element) == "search_field":
            owner, name = _text(element, "element_name"), _text(element, "field_ID")
            search.shown[_key(search.root, owner, name)] = _path(owner, name)
        elif local_name(element) == "search_where":
            search.where = element
    return search


def _key(root: str, owner: str, name: str) -> str:
    """Lower-case display id, with its type before it when that is not the root's (``xnat_mrsessiondata_label``)."""
    short = name.rpartition("/")[2] if "/" in name else name
    short = short.lower().replace("=", "_")
    return short if owner.lower() == root.lower() else f"{owner.replace(':', '_')}_{short}".lower()


def _path(owner: str, name: str) -> str:
    """The full path behind a display id; a full path is itself."""
    if ":" in name.partition("[")[0] and "/" in name:
        return _path(*name.split("/", 1)) if "=" in name and "[" not in name else _with_choice(name)
    custom = _FIELD_MAP.fullmatch(name)
    if custom is not None:
        return f"{owner}/fields/field[name={custom[1]}]/field"
    try:
        return display_fields(type_name(owner)).get(name.upper(), _with_choice(f"{owner}/{name}"))
    except UnknownTypeError:
        raise XnatError(422, f"Unknown type {owner}") from None


def _with_choice(path: str) -> str:
    """Xnatpy leaves out the type of ``demographics``; a search finds it all the same."""
    return path if "[" in path else path.replace("/demographics/", f"/{DEMOGRAPHICS}/")


def _criteria(element: Element) -> list[Element]:
    """All criteria below an element, in document order."""
    return [child for child in element.iter() if local_name(child) == "criteria"]


def _collect(search: _Search) -> None:
    """Lists the paths that the condition looks at, one entry for each criterion."""
    if search.where is not None:
        search.looked_at = [_path(*_text(item, "schema_field").split("/", 1)) for item in _criteria(search.where)]


def _condition(search: _Search, columns: list[Column]) -> Callable[[list[str]], bool]:
    if search.where is None:
        return lambda _: True
    number = {id(item): position for position, item in enumerate(_criteria(search.where))}
    return _set(search.where, number, columns)


def _set(element: Element, number: dict[int, int], columns: list[Column]) -> Callable[[list[str]], bool]:
    """A ``search_where`` or ``child_set``: its parts joined by its method."""
    tests = []
    for child in element:
        if local_name(child) == "criteria":
            tests.append(_criterion(child, number[id(child)], columns[number[id(child)]].kind))
        elif local_name(child) == "child_set":
            tests.append(_set(child, number, columns))
    if not tests:
        return lambda _: True
    combine = any if element.get("method", "AND").upper() == "OR" else all
    return lambda values: combine(test(values) for test in tests)


def _criterion(element: Element, position: int, kind: Kind) -> Callable[[list[str]], bool]:
    comparison = _text(element, "comparison_type").upper()
    test = _comparison(comparison, _text(element, "value"), kind)
    return lambda values: test(values[position])


def _comparison(comparison: str, wanted: str, kind: Kind) -> Callable[[str], bool]:
    """A test of one value; a wildcard in LIKE is ``%``."""
    match comparison:
        case "LIKE":
            pattern = re.compile(re.escape(wanted).replace("%", ".*"), re.IGNORECASE | re.DOTALL)
            return lambda value: pattern.fullmatch(value) is not None
        case "IS NULL" | "IS":
            return lambda value: not value
        case "IS NOT NULL" | "IS NOT":
            return bool
        case "IN":
            choices = {choice.strip().strip("'\"") for choice in wanted.split(",")}
            return lambda value: value in choices
        case _:
            return _ordered(comparison, wanted, kind)


_ORDER: Final[dict[str, Callable[[int], bool]]] = {
    "=": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def _ordered(comparison: str, wanted: str, kind: Kind) -> Callable[[str], bool]:
    if comparison not in _ORDER:
        raise XnatError(422, f"Unknown comparison {comparison}")
    accepts = _ORDER[comparison]
    try:
        target = _comparable(normalize(data_types.Field(path="", kind=kind), wanted) or "", kind)
    except InvalidValueError:
        raise XnatError(500) from None

    def test(value: str) -> bool:
        if not value:
            return not wanted and comparison == "="
        held = _comparable(value, kind)
        return accepts((held > target) - (held < target))

    return test


def _comparable(value: str, kind: Kind) -> tuple[float, str]:
    if kind in {Kind.INTEGER, Kind.LONG, Kind.FLOAT} and value:
        return (float(value), "")
    return (0.0, value)
