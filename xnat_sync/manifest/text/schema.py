"""The manifest's JSON Schema, and its verdict in words that a person can act on."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnat_sync.manifest.text.document import Map, Seq, shown
from xnat_sync.manifest.text.fast_schema import Shape, broken_part, compiled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

    from xnat_sync.manifest.text.document import Data, Document, Node
    from xnat_sync.manifest.text.document import Path as Place
    from xnat_sync.manifest.text.problems import Problems

SCHEMA_NAME = "manifest.v1.json"


def schema_text(name: str = SCHEMA_NAME) -> str:
    """The text of one of the project's schemas: from the installed package, or from the checkout."""
    packaged = Path(__file__).parents[2] / "schemas" / name
    return (packaged if packaged.is_file() else packaged.parents[2] / "schemas" / name).read_text(encoding="utf-8")


@functools.cache
def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of the manifest, version 1. The caller must not change it."""
    loaded: dict[str, Any] = json.loads(schema_text())
    return loaded


@functools.cache
def _validator() -> Draft202012Validator:
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - only a manifest that is wrong needs it

    return Draft202012Validator(manifest_schema())


@functools.cache
def _shape() -> Shape:
    return compiled(manifest_schema())


def check(document: Document, problems: Problems) -> None:
    """Note every place that does not fit the schema, and mark it as broken so that nobody reads it further.

    What the schema says of labels is for editors only: the builder judges them, with better words.
    """
    if _shape().fits(document.data):
        return
    # Explaining takes a hundred times longer than judging, so it is asked about what does not fit alone.
    for error in _validator().iter_errors(broken_part(document.data, _shape())):
        for cause in _causes(error):
            _tell(cause, document, problems)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or nothing."""
    from difflib import get_close_matches  # noqa: PLC0415 - only who wrote something wrong waits for it

    near = get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def _any(value: object) -> Any:
    """An attribute of an error that is surely set."""
    return value


def _schema(error: ValidationError) -> dict[str, Any]:
    """The part of the schema that an error is about; only ``false`` as schema would be no mapping."""
    return error.schema if isinstance(error.schema, dict) else {}


def _causes(error: ValidationError) -> Iterator[ValidationError]:
    """The errors that a person can mend: of several forms, those of the form that was meant."""
    if "propertyNames" in error.absolute_schema_path:
        return
    if error.validator != "anyOf":
        yield error
        return
    branches: dict[object, list[ValidationError]] = {}
    for cause in error.context or ():
        branches.setdefault(cause.relative_schema_path[0], []).append(cause)
    meant = [causes for causes in branches.values() if not any(_is_other_form(cause, error) for cause in causes)]
    if not meant:
        yield error
        return
    for cause in meant[0]:
        yield from _causes(cause)


def _is_other_form(cause: ValidationError, error: ValidationError) -> bool:
    return cause.validator == "type" and cause.absolute_path == error.absolute_path


def _tell(error: ValidationError, document: Document, problems: Problems) -> None:
    place: Place = tuple(error.absolute_path)
    node = document.at(place)
    if error.validator == "additionalProperties":
        _tell_unknown(error, node, problems)
        return
    document.broken.add(place)
    rule = "XS015" if place == ("version",) else "XS021"
    summary = f"{_name(place)} {_verdict(error)}"
    origin = node.key_origin() if error.validator == "required" else node.origin()
    problems.add(rule, summary, origin, hint=_remedy(error, rule))


def _tell_unknown(error: ValidationError, node: Node, problems: Problems) -> None:
    known = _schema(error)["properties"]
    where = _name(node.path) if node.path else "the manifest"
    for child in node.children():
        key = str(child.key)
        if key in known or key.startswith("x-"):
            continue
        node.document.broken.add(child.path)
        hint = did_you_mean(key, known) or f"known here: {', '.join(sorted(known)[:12])}"
        problems.add("XS020", f"{key} is not a key of {where}", child.key_origin(), hint=hint)


_OBJECTS: dict[int | str, str] = {
    "subjects": "subject",
    "sessions": "session",
    "scans": "scan",
    "resources": "resource",
}
"""A label by itself may be a number or any word."""


def _name(place: Place) -> str:
    """What a person calls a place: its key, or which item of which list."""
    if not place:
        return "the manifest"
    if isinstance(place[-1], int) and len(place) > 1:
        return f"item {place[-1] + 1} of {place[-2]}"
    if len(place) > 1 and place[-2] in _OBJECTS:
        return f"{_OBJECTS[place[-2]]} {place[-1]}"
    return str(place[-1])


_WORDS = {
    "object": "a mapping",
    "array": "a list",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "null": "null",
}


def _verdict(error: ValidationError) -> str:
    match error.validator:
        case "type" | "anyOf":
            if error.instance is None:
                return "says nothing"
            return f"takes {_expected(error)}, not {_kind(_any(error.instance))}"
        case "enum":
            return f"is {_shown(error.instance)}; it takes {_choices(error)}"
        case "required":
            missing = [key for key in _any(error.validator_value) if key not in _any(error.instance)]
            return f"lacks {' and '.join(missing)}"
        case "minLength" | "minItems" | "minProperties":
            return "is empty"
        case "maxLength":
            return f"is longer than {error.validator_value} characters"
        case _:
            return f"is {_shown(error.instance)}, which does not fit"


def _remedy(error: ValidationError, rule: str) -> str:
    if rule == "XS015":
        return "this program reads version: 1"
    if error.instance is None and error.validator in ("type", "anyOf"):
        return "give it a value, write {} if there is nothing to say, or remove the key"
    examples = _schema(error).get("examples", ())
    return f"write it like {json.dumps(examples[0], ensure_ascii=False)}" if examples else ""


def _expected(error: ValidationError) -> str:
    if error.validator == "type":
        return _in_words(_type_names(error))
    wanted: list[str] = []
    for cause in error.context or ():
        wanted += [word for word in _type_names(cause) if word not in wanted]
    return _in_words(wanted)


def _type_names(cause: ValidationError) -> list[str]:
    if cause.validator != "type":
        return []
    types = _any(cause.validator_value)
    return [types] if isinstance(types, str) else list(types)


def _in_words(names: list[str]) -> str:
    if "string" in names:
        # To this reader every scalar is text; the other kinds are there for editors.
        names = [name for name in names if name in ("string", "array", "object")]
    return " or ".join(_WORDS[name] for name in names)


def _choices(error: ValidationError) -> str:
    words = dict.fromkeys(str(choice).lower() for choice in _any(error.validator_value))
    return " or ".join(words)


def _kind(value: Data) -> str:
    match value:
        case Map():
            return "a mapping"
        case Seq():
            return "a list"
        case None:
            return "null"
        case _:
            return f"the text {shown(value)}"


def _shown(value: object) -> str:
    return shown(value) if isinstance(value, str) else _kind(_any(value))
