"""Attributes and custom variables of an object: which its type has, and which values XNAT takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import (
    CUSTOM_PREFIX,
    Attribute,
    Kind,
    attribute_of,
    attributes_of,
    known_types,
)
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.values import value_error, without_backslashes
from xnat_sync.manifest.desired.label_rules import custom_variable_breach
from xnat_sync.manifest.text.document import shown
from xnat_sync.manifest.text.schema import did_you_mean

if TYPE_CHECKING:
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

STRUCTURE = frozenset(
    (
        "id",
        "create",
        "xsi_type",
        "fields",
        "resources",
        "sessions",
        "scans",
        "files",
        "defaults",
        "state",
        "prune",
        "from_image",
        "extends",
    )
)
"""The keys of an object's body that are not attributes."""

Values = dict[str, "tuple[str | None, Node]"]


def read_attributes(ref: Ref, xsi_type: str, body: Node, problems: Problems) -> Values:
    """The declared attributes of an object with the places where they were written; ``xsi_type`` may be empty.

    With an unknown type only the values are judged, not whether the type has the attribute.
    """
    values: Values = {}
    entries = body.entries()
    for name, node in entries.items():
        if name in STRUCTURE:
            continue
        attribute = attribute_of(ref.level, xsi_type, name) if xsi_type else _anywhere(ref.level, name)
        if attribute is None:
            _tell_foreign(ref, xsi_type, node, problems)
        else:
            _take(ref, attribute, node, values, problems)
    if "fields" in entries:
        for name, node in entries["fields"].labels().items():
            breach = custom_variable_breach(name)
            if breach:
                problems.add(breach.rule, breach.summary, node.key_origin(), ref=ref)
                continue
            custom = attribute_of(ref.level, xsi_type, CUSTOM_PREFIX + name)
            if custom:
                _take(ref, custom, node, values, problems)
    return values


def _take(ref: Ref, attribute: Attribute, node: Node, values: Values, problems: Problems) -> None:
    if node.value is None:
        if not attribute.clearable:
            summary = f"{attribute.name} cannot be cleared: XNAT takes one of {', '.join(attribute.choices)}"
            problems.add("XS114", summary, node.origin(), ref=ref)
            return
        values[attribute.name] = (None, node)
        return
    text = node.text or ""
    wrong = value_error(attribute, text)
    if wrong:
        summary = f"{attribute.name}: {shown(text)} {wrong}"
        problems.add("XS113", summary, node.origin(), hint=_remedy(attribute, text), ref=ref)
        return
    values[attribute.name] = (str(text), node)


def _remedy(attribute: Attribute, text: str) -> str:
    match attribute.kind:
        case Kind.CHOICE:
            return did_you_mean(text, attribute.choices) or f"write one of {', '.join(attribute.choices)}"
        case Kind.INTEGER | Kind.NUMBER | Kind.DOUBLE:
            bounds = f" from {attribute.low:g} to {attribute.high:g}" if attribute.low is not None else ""
            return f"write a {'whole ' if attribute.kind is Kind.INTEGER else ''}number{bounds}"
        case Kind.DATE:
            return "write year, month and day: 2024-03-01"
        case Kind.TIME:
            return "write hours, minutes and seconds: 09:30:00"
        case Kind.TEXT | Kind.WORDS if "\\" in text:
            words = without_backslashes(attribute, text)
            return f"write {shown(words)}" if "\\" not in words else "write / or a word in its place"
        case Kind.TEXT | Kind.WORDS:
            return "write another text, or null to clear it"


def _types_with(level: Level, name: str) -> list[str]:
    if level not in (Level.SESSION, Level.SCAN):
        return []
    return [xsi_type for xsi_type in known_types(level) if name in attributes_of(level, xsi_type)]


def _anywhere(level: Level, name: str) -> Attribute | None:
    types = _types_with(level, name)
    return attribute_of(level, types[0], name) if types else attribute_of(level, "", name)


def _tell_foreign(ref: Ref, xsi_type: str, node: Node, problems: Problems) -> None:
    name = str(node.key)
    owners = _types_with(ref.level, name)
    if owners:
        more = " and others" if len(owners) > 3 else ""
        hint = f"{name} belongs to {', '.join(owners[:3])}{more}; remove it, or make it a custom variable in fields"
    else:
        hint = did_you_mean(name, attributes_of(ref.level, xsi_type))
    problems.add("XS112", f"{xsi_type} has no attribute {name}", node.key_origin(), hint=hint, ref=ref)
