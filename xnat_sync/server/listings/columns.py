"""Which columns a listing has: short names, paths, the root type they choose, joins, and the keys of the result.

Read from ``QueryOrganizerResource`` (names, root) and ``QueryOrganizer`` (joins).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from xnat_sync.server.listings.filters import all_match
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import Kind, UnknownFieldError, UnknownTypeError, data_type, is_a, type_name
from xnat_sync.server.schema.paths import resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.server.schema.short_names import ShortNames

_SELECTOR: Final = re.compile(r"\[[^\]]*\]")
VIRTUAL: Final = {
    "id": Kind.TEXT,
    "label": Kind.TEXT,
    "project": Kind.TEXT,
    "subject_id": Kind.TEXT,
    "imagesession_id": Kind.TEXT,
    "image_session_id": Kind.TEXT,
    "meta/insert_date": Kind.DATETIME,
    "meta/insert_user/login": Kind.TEXT,
    "meta/last_modified": Kind.DATETIME,
    "meta/status": Kind.TEXT,
    "extension_item/element_name": Kind.TEXT,
    "xnat_imagescandata_id": Kind.INTEGER,
    "xnat_reconstructedimagedata_id": Kind.INTEGER,
}
"""Paths whose value is not among an item's fields."""

_PRIMARY_KEY: Final = {
    data_types.IMAGE_SCAN: "xnat_imagescandata_id",
    data_types.RECONSTRUCTION: "xnat_reconstructedimagedata_id",
}
_OPEN_ROOTS: Final = frozenset(
    {
        data_types.EXPERIMENT,
        data_types.SUBJECT_ASSESSOR,
        data_types.IMAGE_SESSION,
        data_types.IMAGE_ASSESSOR,
        data_types.DERIVED,
    }
)
"""Types without an entry in the element security: their lists always carry ``xsiType`` and ``project``."""


class UnknownColumnError(LookupError):
    """A full path that does not exist; an unknown *short* name is merely skipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. ``join`` is the type it is taken from, empty for the root; ``repeat`` a path that multiplies rows."""

    key: str
    owner: str
    path: str
    kind: Kind
    join: str = ""
    repeat: str = ""


@dataclass(slots=True, kw_only=True)
class Plan:
    """Everything that decides what a listing looks like."""

    root: str
    id_key: str
    columns: list[Column] = field(default_factory=list)
    hidden: list[Column] = field(default_factory=list)
    """Columns that only the condition looks at."""
    accepts: Callable[[list[str]], bool] = lambda _: True
    """The condition, on the values of the hidden columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListKind:
    """A list as the route table knows it. ``roots`` are the types that a mentioned type may narrow the root to."""

    root: str
    short: ShortNames
    defaults: tuple[str, ...]
    extra_defaults: dict[str, tuple[str, ...]] = field(default_factory=dict)


def make_plan(kind: ListKind, columns: str, xsi_type: str | None, filters: dict[str, str]) -> Plan:
    """The plan for ``columns=`` and the filter parameters; raises ``UnknownColumnError``."""
    wanted = {name: kind.short.readable.get(name, name) for name in filters}
    conditions = {name: path for name, path in wanted.items() if _is_path(path)}
    asked = _asked(kind, columns)
    root = _root(kind, xsi_type, [*asked, *conditions.values()])
    if not asked:
        asked = [kind.short.readable.get(name, name) for name in _defaults(kind, root)]
    key_path = f"{root}/{_primary_key(root)}"
    if root in _OPEN_ROOTS:
        asked = [*asked, kind.short.readable["xsiType"], f"{data_types.EXPERIMENT}/project"]
    keys = {path.lower(): name for name, path in kind.short.readable.items()}
    plan = Plan(root=root, id_key=keys.get(key_path.lower(), key_path.lower()))
    for path in dict.fromkeys([key_path, *asked]):
        column = _column(path, root, keys)
        if all(column.key != other.key for other in plan.columns):
            plan.columns.append(column)
    plan.hidden = [_column(path, root, keys) for path in conditions.values()]
    plan.accepts = all_match([filters[name] for name in conditions], [column.kind for column in plan.hidden])
    _unify_joins(plan)
    return plan


def plan_of_paths(root: str, shown: dict[str, str], hidden: list[str]) -> Plan:
    """A plan from full paths alone: key → path for what is shown; the caller sets the condition."""
    plan = Plan(root=root, id_key="")
    plan.columns = [replace(_column(path, root, {}), key=key) for key, path in shown.items()]
    plan.hidden = [_column(path, root, {}) for path in hidden]
    _unify_joins(plan)
    return plan


def _is_path(text: str) -> bool:
    return ":" in text.partition("[")[0] and "/" in text


def _asked(kind: ListKind, columns: str) -> list[str]:
    """Full paths of the requested columns; nothing for the default."""
    if columns.strip() in {"", "DEFAULT"}:
        return []
    names = (name.strip() for name in columns.split(","))
    paths = (kind.short.readable.get(name, name) for name in names)
    return [path for path in paths if _is_path(path)] or [f"{kind.root}/{_primary_key(kind.root)}"]


def _defaults(kind: ListKind, root: str) -> tuple[str, ...]:
    extra = [name for ancestor, names in kind.extra_defaults.items() if is_a(root, ancestor) for name in names]
    return (*kind.defaults, *extra)


def _primary_key(root: str) -> str:
    return next((key for ancestor, key in _PRIMARY_KEY.items() if is_a(root, ancestor)), "ID")


def _owner(path: str) -> str:
    try:
        return type_name(path.partition("/")[0])
    except UnknownTypeError:
        raise UnknownColumnError(path) from None


def _root(kind: ListKind, xsi_type: str | None, paths: list[str]) -> str:
    """``xsiType`` wins (a comma list is no filter); else the most derived type that is mentioned."""
    if xsi_type and "," not in xsi_type:
        try:
            return type_name(xsi_type)
        except UnknownTypeError:
            raise UnknownColumnError(xsi_type) from None
    root = kind.root
    for path in paths:
        owner = _owner(path)
        if is_a(owner, root):
            root = owner
    return root


def _column(path: str, root: str, keys: dict[str, str]) -> Column:
    hosted = _hosted(path)
    owner = _owner(hosted)
    join = "" if is_a(root, owner) else owner
    rest = hosted.partition("/")[2]
    found = _locate(owner, rest)
    column = replace(found, key=keys.get(path.lower(), path.lower()), join=join)
    child = data_type(owner).repeats.get(found.repeat.lower())
    if found.repeat and not join and child is not None and _is_object(child.element_type):
        return replace(column, join=child.element_type, repeat="", owner=child.element_type)
    return column


def _hosted(path: str) -> str:
    """The same value seen from the item that has it: demographics are part of a subject."""
    owner, _, rest = path.partition("/")
    choice = data_type(data_types.SUBJECT).references["demographics"]
    if owner.lower() != choice.type.lower():
        return path
    return f"{data_types.SUBJECT}/{choice.path}[@xsi:type={choice.type}]/{rest}"


def _is_object(element_type: str) -> bool:
    """Whether the elements of a repeat are items with a row of their own (scans, assessors, experiments)."""
    roots = (data_types.EXPERIMENT, data_types.IMAGE_SCAN, data_types.RECONSTRUCTION)
    return bool(element_type) and any(is_a(element_type, root) for root in roots)


def _locate(owner: str, path: str) -> Column:
    """Where in an item the value lies; the key and the join are filled in by the caller."""
    bare = _SELECTOR.sub("", path).lower()
    if bare in VIRTUAL and bare == path.lower():
        return Column(key="", owner=owner, path=bare, kind=VIRTUAL[bare])
    repeats = data_type(owner).repeats
    for prefix, repeat in repeats.items():
        rest = bare.removeprefix(prefix + "/")
        if bare not in {rest, prefix} and "[" not in path:
            if repeat.element_type:
                inner = _locate(repeat.element_type, path[len(prefix) + 1 :])
                return replace(inner, owner=owner, repeat=repeat.path)
            return _row_column(owner, path, prefix, rest)
        if bare == prefix and repeat.leaf:
            return Column(key="", owner=owner, path=repeat.leaf, kind=Kind.TEXT, repeat=repeat.path)
    try:
        target = resolve(owner, path)
    except UnknownFieldError:
        raise UnknownColumnError(f"{owner}/{path}") from None
    if target.field is None:
        raise UnknownColumnError(f"{owner}/{path}")
    return Column(key="", owner=owner, path=target.path, kind=target.field.kind)


def _row_column(owner: str, path: str, prefix: str, leaf: str) -> Column:
    repeat = data_type(owner).repeats[prefix]
    if leaf == repeat.leaf.lower():
        return Column(key="", owner=owner, path=repeat.leaf, kind=Kind.TEXT, repeat=repeat.path)
    for name, found in repeat.attributes.items():
        if name.lower() == leaf:
            return Column(key="", owner=owner, path=name, kind=found.kind, repeat=repeat.path)
    raise UnknownColumnError(f"{owner}/{path}")


def _unify_joins(plan: Plan) -> None:
    """Types of one line of descent are one join, that of the most derived (inferred for joins, as for the root)."""
    joins = {column.join for column in (*plan.columns, *plan.hidden) if column.join}

    def derived(join: str) -> str:
        return max((other for other in joins if is_a(other, join)), key=lambda other: len(data_types.ancestors(other)))

    plan.columns = [replace(item, join=derived(item.join)) if item.join else item for item in plan.columns]
    plan.hidden = [replace(item, join=derived(item.join)) if item.join else item for item in plan.hidden]
