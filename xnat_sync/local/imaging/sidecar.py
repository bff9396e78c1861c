"""JSON files, read with care: nothing in them can exhaust memory or stack."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from xnat_sync.core.model.local_port import Breach
from xnat_sync.local.imaging.streams import opened

MOST_BYTES = 1 << 26
"""No file beside an image is as long as this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a JSON file says, ``None`` where it cannot be read, and what is wrong with it.

    Of a key that stands there several times the last value counts, as for most readers; ``repeated`` are the others.
    """

    value: Any = None
    repeated: tuple[dict[str, Any], ...] = ()
    breaches: tuple[Breach, ...] = ()


def is_json(name: str) -> bool:
    """Whether a name is that of a JSON file."""
    return name.lower().endswith(".json")


def read_text(path: str, most: int = MOST_BYTES) -> bytes:
    """The content of a small regular file; one that is longer than ``most`` is an `OSError`."""
    with opened(path) as file:
        if file.size > most:
            raise OSError(0, f"it is {file.size:,} bytes long")
        return file.read(file.size, 0)


def read_json(path: str) -> Document:
    """The content of a JSON file. Latin-1, which converters of old wrote, is read too."""
    shown = repr(path.rpartition("/")[2])
    try:
        data = read_text(path)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return Document(breaches=(Breach(rule="XS206", summary=f"{shown} cannot be read: {why}"),))
    breaches: tuple[Breach, ...] = ()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        breaches = (Breach(rule="XS325", summary=f"{shown} is not UTF-8 text"),)
    try:
        repeated: list[dict[str, Any]] = []
        value = json.loads(text, object_pairs_hook=partial(_last, repeated))
        return Document(value=value, repeated=tuple(repeated), breaches=breaches)
    except json.JSONDecodeError as error:
        # The message quotes nothing of the text.
        why = f"line {error.lineno}, column {error.colno}: {error.msg}"
    except (RecursionError, ValueError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else "it has a number beyond measure"
    return Document(breaches=(*breaches, Breach(rule="XS320", summary=f"{shown} is not JSON: {why}")))


def _last(repeated: list[dict[str, Any]], pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The mapping that some pairs make; those that others hide are kept aside."""
    made = dict(pairs)
    if len(made) < len(pairs):
        repeated += ({key: value} for key, value in pairs if made[key] is not value)
    return made
