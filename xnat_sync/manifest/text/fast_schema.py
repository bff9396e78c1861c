"""The schema's yes or no, a hundred times faster than its explanation.

Only what the manifest's schema uses is understood, and only values that the reader makes: text, mappings, lists and
nothing. Numbers and booleans, which the schema allows for the sake of editors, never come. What the schema says of the
names of properties is left out, as `schema.check` leaves it to the builder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from xnat_sync.manifest.text.document import Map, Seq

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from xnat_sync.manifest.text.document import Data

    Check: TypeAlias = Callable[[Data], bool]

_NOTES = frozenset(("$schema", "$id", "$defs", "title", "description", "examples", "propertyNames"))
_KINDS: dict[str, type] = {"string": str, "object": Map, "array": Seq, "null": type(None)}
_ANYTHING_GOES = {"^x-": True}


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of the schema: ``fits`` judges a value, ``known`` and ``rest`` are the shapes below a mapping."""

    fits: Check
    known: Mapping[str, Shape] = field(default_factory=dict)
    rest: Shape | None = None


def compiled(schema: Mapping[str, Any]) -> Shape:
    """A whole schema as a shape.

    Raises:
        NotImplementedError: the schema uses a keyword that nobody has taught here.

    """
    return _Compiler(schema["$defs"]).shape(schema)


def broken_part(value: Map, shape: Shape) -> Map:
    """A mapping without those entries of its own, and of mappings below, that are free in name and fit.

    What is wrong with the mapping is wrong with the part at the same places, and nothing else is.
    """
    part = Map()
    for key, below in value.items():
        inner = shape.known.get(key)
        if inner is None and shape.rest is not None:
            if shape.rest.fits(below):
                continue
            inner = shape.rest
        part[key] = broken_part(below, inner) if inner is not None and isinstance(below, Map) else below
    return part


class _Compiler:
    """Turns schemas into functions, each definition once."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions
        self._done: dict[str, Shape] = {}

    def shape(self, schema: Mapping[str, Any]) -> Shape:
        """The shape of any part of the schema."""
        said = {key: value for key, value in schema.items() if key not in _NOTES}
        match said:
            case {"$ref": str(ref), **more} if not more:
                return self._definition(ref.removeprefix("#/$defs/"))
            case {"anyOf": list(forms), **more} if not more:
                return _either([self.shape(form) for form in forms])
            case {"enum": list(choices), **more} if not more:
                words = frozenset(choice for choice in choices if isinstance(choice, str))
                return Shape(lambda value: isinstance(value, str) and value in words)
            case {"type": "object", **more}:
                return self._mapping(more)
            case {"type": "array", "items": dict(items), **more}:
                return _list(self.shape(items).fits, more.pop("minItems", 0), more)
            case {"type": kinds, **more}:
                return _scalar([kinds] if isinstance(kinds, str) else kinds, more)
            case _:
                raise NotImplementedError(f"a schema of {', '.join(said)}")

    def _definition(self, name: str) -> Shape:
        if name not in self._done:
            self._done[name] = self.shape(self._definitions[name])
        return self._done[name]

    def _mapping(self, said: dict[str, Any]) -> Shape:
        known = {key: self.shape(below) for key, below in said.pop("properties", {}).items()}
        others = said.pop("additionalProperties", True)
        fewest = said.pop("minProperties", 0)
        required = frozenset(said.pop("required", ()))
        notes = said.pop("patternProperties", None)
        if said or (notes != _ANYTHING_GOES if others is False else notes is not None or others is True):
            raise NotImplementedError(f"a mapping with {said or notes}")
        rest = self.shape(others) if others else None
        checks = {key: shape.fits for key, shape in known.items()}
        fits = _mapping_check(checks, rest.fits if rest else None, required, fewest)
        # A part of what must not be empty might be empty.
        return Shape(fits) if fewest else Shape(fits, known, rest)


def _mapping_check(known: Mapping[str, Check], rest: Check | None, required: frozenset[str], fewest: int) -> Check:
    def fits(value: Data) -> bool:
        if not isinstance(value, Map) or len(value) < fewest:
            return False
        for key, below in value.items():
            check = known.get(key, rest)
            if check is None:
                if not key.startswith("x-"):
                    return False
            elif not check(below):
                return False
        return required <= value.keys()

    return fits


def _list(item: Check, fewest: int, more: Mapping[str, Any]) -> Shape:
    if more:
        raise NotImplementedError(f"a list with {more}")
    return Shape(lambda value: isinstance(value, Seq) and len(value) >= fewest and all(map(item, value)))


def _scalar(kinds: list[str], said: dict[str, Any]) -> Shape:
    """Text with its limits, or one of several kinds; whatever is no text is under no limit."""
    classes = tuple(_KINDS[kind] for kind in kinds if kind in _KINDS)
    said.pop("minimum", None)
    if not said:
        return Shape(lambda value: isinstance(value, classes))
    fewest, most = said.pop("minLength", 0), said.pop("maxLength", None)
    search = re.compile(said.pop("pattern", "")).search
    if said:
        raise NotImplementedError(f"a value with {said}")

    def fits(value: Data) -> bool:
        if not isinstance(value, str):
            return isinstance(value, classes)
        return len(value) >= fewest and (most is None or len(value) <= most) and search(value) is not None

    return Shape(fits)


def _either(forms: list[Shape]) -> Shape:
    checks = tuple(form.fits for form in forms)
    inner = [form for form in forms if form.known or form.rest]
    # Of several forms with something below, nobody knows which was meant.
    known, rest = (inner[0].known, inner[0].rest) if len(inner) == 1 else ({}, None)
    if len(checks) == 2:
        first, second = checks
        return Shape(lambda value: first(value) or second(value), known, rest)
    return Shape(lambda value: any(check(value) for check in checks), known, rest)
