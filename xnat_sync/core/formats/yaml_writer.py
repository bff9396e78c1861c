"""Plain data as the text of a manifest: mappings in blocks, what is short in one line. Pure.

What it writes reads back as the same texts, in this program and in any YAML reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Scalar: TypeAlias = "str | int | bool | None"
Plain: TypeAlias = "Mapping[str, Plain] | Sequence[Plain] | Scalar"

_WIDTH = 112
_DEEPEST_IN_LINE = 3
_SAFE = re.compile(r"[A-Za-z_./][A-Za-z0-9_./+-]*(?: [A-Za-z0-9_./+-]+)*")
# What readers of YAML 1.1 take for something else.
_WORDS = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n", ".nan", ".inf", "nan", "inf"))
# What YAML does not take as it stands, and what a screen would obey: it hides text, or turns its direction.
_UNPRINTABLE = re.compile(
    "[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)


def yaml_text(data: Mapping[str, Plain]) -> str:
    """A mapping as YAML."""
    return "\n".join(_mapping(data, 0)) + "\n"


def scalar(value: Scalar) -> str:
    """One value; a text is quoted unless every reader takes it for that text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if _SAFE.fullmatch(value) and value.lower() not in _WORDS and not re.fullmatch(r"\.[0-9_.e+-]*", value):
        return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: _escaped(ord(found.group())), quoted)


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _mapping(data: Mapping[str, Plain], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in data.items():
        yield from _entry(f"{pad}{scalar(key)}:", value, indent + 2)


def _entry(head: str, value: Plain, indent: int) -> Iterator[str]:
    """A key or dash with what follows it, in its line where that is short."""
    flow = _flow(value, _WIDTH - len(head), 0)
    if flow is not None:
        yield f"{head} {flow}"
    elif isinstance(value, Mapping):
        yield head
        yield from _mapping(value, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield head
        for item in value:
            yield from _item(item, indent)
    else:
        yield f"{head} {scalar(value)}"


def _item(item: Plain, indent: int) -> Iterator[str]:
    dash = " " * indent + "-"
    flow = _flow(item, _WIDTH - len(dash), 0)
    if flow is not None or not isinstance(item, Mapping):
        yield from _entry(dash, item, indent + 2)
        return
    lines = list(_mapping(item, indent + 2))
    yield dash + " " + lines[0].lstrip(" ")
    yield from lines[1:]


def _flow(value: Plain, width: int, depth: int) -> str | None:
    """A value in one line, ``None`` where it would be too long or too deep."""
    if value is None or isinstance(value, str | int):
        return scalar(value) if depth == 0 or len(scalar(value)) <= width else None
    if depth > _DEEPEST_IN_LINE:
        return None
    if isinstance(value, Mapping):
        pairs = [(f"{scalar(key)}: ", below) for key, below in value.items()]
    else:
        pairs = [("", below) for below in value]
    parts: list[str] = []
    for head, below in pairs:
        inner = _flow(below, width - len(head), depth + 1)
        if inner is None:
            return None
        parts.append(head + inner)
        width -= len(head + inner) + 2
        if width < 0:
            return None
    joined = ", ".join(parts)
    return f"{{{joined}}}" if isinstance(value, Mapping) else f"[{joined}]"
