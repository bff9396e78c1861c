"""``POST /data/search``: a stored-search document as a table with display-field keys (``SearchResource``).

The document comes from xnatpy's ``Class.query()`` or pyxnat's ``select(...).where(...)``. Display ids are those that
``/data/search/elements/TYPE`` lists; a full schema path does as well. One root type per query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnat_sync.server import datatypes
from xnat_sync.server.access import Right, can
from xnat_sync.server.columns import UnknownColumnError, plan_of_paths
from xnat_sync.server.datatypes import Kind, UnknownTypeError, data_type, is_a, type_name
from xnat_sync.server.errors import XnatError
from xnat_sync.server.listing import Table, build_table, entries
from xnat_sync.server.values import InvalidValueError, normalize
from xnat_sync.server.xmltree import XmlError, parse_xml

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from xnat_sync.server.access import User
    from xnat_sync.server.columns import Column
    from xnat_sync.server.xmltree import Element

_NAMESPACE: Final = re.compile(r"\{[^}]*\}")
_FIELD_MAP: Final = re.compile(r"[A-Z0-9_]+_FIELD_MAP=(.+)", re.IGNORECASE)
_DEMOGRAPHICS: Final = "demographics[@xsi:type=xnat:demographicData]"
_META: Final = {"INSERT_DATE": "meta/insert_date", "INSERT_USER": "meta/insert_user/login"}

# The display ids that clients use, by root; their spelling is inferred from what xnatpy and pyxnat expect back.
_DISPLAY: Final[dict[str, dict[str, str]]] = {
    datatypes.PROJECT: {
        "ID": "ID",
        "NAME": "name",
        "DESCRIPTION": "description",
        "SECONDARY_ID": "secondary_ID",
        "PI": "PI/lastname",
        "KEYWORDS": "keywords",
        **_META,
    },
    datatypes.SUBJECT: {
        "SUBJECTID": "ID",
        "SUBJECT_ID": "ID",
        "PROJECT": "project",
        "SUBJECT_LABEL": "label",
        "SUB_GROUP": "group",
        "GENDER_TEXT": f"{_DEMOGRAPHICS}/gender",
        "DOB": f"{_DEMOGRAPHICS}/dob",
        "HANDEDNESS_TEXT": f"{_DEMOGRAPHICS}/handedness",
        "EDUC": f"{_DEMOGRAPHICS}/education",
        **_META,
    },
    datatypes.EXPERIMENT: {
        "SESSION_ID": "ID",
        "EXPT_ID": "ID",
        "PROJECT": "project",
        "SUBJECT_ID": "subject_ID",
        "LABEL": "label",
        **_META,
    },
    datatypes.IMAGE_SCAN: {"SCAN_ID": "ID", "SESSION_ID": "image_session_ID", **_META},
}
_KEY_FIELDS: Final[dict[str, tuple[str, ...]]] = {
    datatypes.PROJECT: ("ID",),
    datatypes.SUBJECT: ("SUBJECTID", "PROJECT"),
    datatypes.EXPERIMENT: ("SESSION_ID", "SUBJECT_ID", "PROJECT"),
    datatypes.IMAGE_SCAN: ("SCAN_ID", "SESSION_ID"),
}
_KINDS: Final = {
    datatypes.PROJECT: "i.kind = 'project'",
    datatypes.SUBJECT: "i.kind = 'subject'",
    datatypes.EXPERIMENT: "i.kind IN ('experiment', 'assessor')",
    datatypes.IMAGE_SCAN: "i.kind = 'scan'",
}


def display_fields(name: str) -> dict[str, str]:
    """Display id → full path for everything that a search on the type may name."""
    found: dict[str, str] = {}
    for root, table in _DISPLAY.items():
        if is_a(name, root):
            found.update({key: f"{name}/{path}" for key, path in table.items()})
    if is_a(name, datatypes.DERIVED):
        found.pop("SUBJECT_ID", None)
    kind = data_type(name)
    choices = [reference for reference in kind.references.values() if reference.is_choice]
    for item in kind.fields.values():
        path = item.path
        for reference in choices:
            if path.startswith(reference.path + "/"):
                path = f"{reference.path}[@xsi:type={reference.type}]{path.removeprefix(reference.path)}"
                found.setdefault(path.rpartition("]/")[2].replace("/", "_").upper(), f"{name}/{path}")
        found.setdefault(item.path.replace("/", "_").upper(), f"{name}/{path}")
    return found


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
    try:
        plan = plan_of_paths(search.root, search.shown, search.looked_at)
        plan.accepts = _condition(search, plan.hidden)
    except UnknownColumnError as error:
        raise XnatError(500, f"Unknown field {error.args[0]}") from None
    found = [entry for entry in entries(db, _KINDS[family], ()) if can(db, user, entry.row, Right.READ)]
    table = build_table(db, plan, found, lambda _: "")
    return search.root, Table(table.keys[:-1], [row[:-1] for row in table.rows], table.kinds[:-1])


def _local(element: Element) -> str:
    return _NAMESPACE.sub("", element.tag)


def _text(element: Element, name: str) -> str:
    return next(((child.text or "").strip() for child in element if _local(child) == name), "")


def _read(document: bytes) -> _Search:
    try:
        root = parse_xml(document)
        search = _Search(type_name(_text(root, "root_element_name")))
    except (XmlError, UnknownTypeError) as error:
        raise XnatError(422, str(error)) from error
    for element in root:
        if _local(element) == "search_field":
            owner, name = _text(element, "element_name"), _text(element, "field_ID")
            search.shown[_key(search.root, owner, name)] = _path(owner, name)
        elif _local(element) == "search_where":
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
    return path if "[" in path else path.replace("/demographics/", f"/{_DEMOGRAPHICS}/")


def _criteria(element: Element) -> list[Element]:
    """All criteria below an element, in document order."""
    return [child for child in element.iter() if _local(child) == "criteria"]


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
        if _local(child) == "criteria":
            tests.append(_criterion(child, number[id(child)], columns[number[id(child)]].kind))
        elif _local(child) == "child_set":
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
        target = _comparable(normalize(datatypes.Field(path="", kind=kind), wanted) or "", kind)
    except InvalidValueError:
        raise XnatError(500) from None

    def test(value: str) -> bool:
        if not value:
            return not wanted and comparison == "="
        held = _comparable(value, kind)
        return accepts((held > target) - (held < target))

    return test


def _comparable(value: str, kind: Kind) -> tuple[float, str]:
    if kind in {Kind.INTEGER, Kind.FLOAT} and value:
        return (float(value), "")
    return (0.0, value)
