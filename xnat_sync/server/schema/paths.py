"""Where a path leads: to a value of an object, or into one of its children (``GenericItemObject``, ``XFTItem``)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xnat_sync.server.schema.data_types import DEFAULT_MAX_LENGTH, Field, Repeat, UnknownFieldError, data_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a path leads to: a value of the object (``child`` empty), or of one of its child objects.

    For a child, ``child`` is the repeat (``scans/scan``), ``index`` and ``child_type`` its selectors (either may be
    unset) and ``rest`` the path within it.
    """

    path: str = ""
    field: Field | None = None
    child: str = ""
    index: int = 0
    child_type: str = ""
    rest: str = ""


_SEGMENT = re.compile(r"([^/\[\].@]+)((?:\[[^\]]*\])*)")
_SELECTOR = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class _Step:
    name: str
    index: int
    filters: dict[str, str]


def _steps(path: str) -> list[_Step]:
    """Segments of a path; ``.`` and ``@`` outside selectors separate like ``/`` (``GenericItemObject``)."""
    steps = []
    for name, selectors in _SEGMENT.findall(path):
        index, filters = 0, {}
        for text in _SELECTOR.findall(selectors):
            key, equals, value = text.lstrip("@").partition("=")
            if equals:
                filters[key.strip()] = value.strip().strip("'\"")
            elif text.strip().isdigit():
                index = int(text)
        steps.append(_Step(name, index, filters))
    return steps


def resolve(name: str, path: str) -> Target:
    """Finds ``path`` in the type ``name``; raises ``UnknownFieldError``."""
    kind = data_type(name)
    walked = ""
    steps = _steps(path)
    for number, step in enumerate(steps):
        walked = f"{walked}/{step.name.lower()}" if walked else step.name.lower()
        chosen = kind.references.get(walked)
        if chosen and chosen.is_choice and step.filters.get("xsi:type", "").lower() != chosen.type.lower():
            raise UnknownFieldError(path)  # the root type of a choice has no fields of its own
        repeat = kind.repeats.get(walked)
        if repeat is not None:
            return _into_repeat(repeat, step, steps[number + 1 :], path)
    found = kind.fields.get(walked)
    if found is None:
        raise UnknownFieldError(path)
    return Target(path=found.path, field=found)


def _into_repeat(repeat: Repeat, step: _Step, rest: list[_Step], path: str) -> Target:
    if repeat.element_type:
        tail = "/".join(_spelled(later) for later in rest)
        if not tail:
            raise UnknownFieldError(path)
        return Target(child=repeat.path, index=step.index, child_type=step.filters.get("xsi:type", ""), rest=tail)
    leaf = rest[0].name.lower() if rest else repeat.leaf.lower()
    selector = f"name={step.filters['name']}" if "name" in step.filters else str(step.index)
    row = f"{repeat.path}[{selector}]"
    if repeat.leaf and leaf == repeat.leaf.lower():
        return Target(path=f"{row}/{repeat.leaf}", field=Field(path=repeat.path, max_length=DEFAULT_MAX_LENGTH))
    for attribute, found in repeat.attributes.items():
        if attribute.lower() == leaf:
            return Target(path=f"{row}/{attribute}", field=found)
    raise UnknownFieldError(path)


def _spelled(step: _Step) -> str:
    filters = "".join(f"[@{key}={value}]" for key, value in step.filters.items())
    return f"{step.name}[{step.index}]{filters}" if step.index else f"{step.name}{filters}"
