"""The normal form of a manifest: the same data and the same comments, always laid out alike. Pure.

Words of the language stand in the order of the schema, labels in the author's; two spaces an indentation, lists too;
brackets stay where they fit into a line, with no comment between them; what a reader of YAML 1.1 would take for
something else than text is quoted.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Origin
from xnat_sync.manifest.formatting.key_order import Words, arranged
from xnat_sync.manifest.formatting.syntax_tree import read
from xnat_sync.manifest.text.parser import parse
from xnat_sync.manifest.text.problems import Problems

if TYPE_CHECKING:
    from xnat_sync.core.model.errors import Problem
    from xnat_sync.manifest.formatting.syntax_tree import Item, Value, Written
    from xnat_sync.manifest.text.document import Document

WIDTH = 120
_STEP = 2
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_MISREAD = re.compile(
    r"~|null|true|false|yes|no|on|off|y|n|[-+]?\.inf|\.nan"
    r"|[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-f_]+"
    r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[-+]?(?:\.[0-9_]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:e[-+]?[0-9]+)?"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?",
    re.IGNORECASE,
)
"""What some reader of YAML takes for a number, a date, a truth or nothing."""
_FAITHFUL = re.compile(r"true|false|[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|[0-9]{4}-[0-9]{2}-[0-9]{2}")
"""Of these, what is meant so where it is a value and no label."""
_NEEDS_ESCAPES = re.compile('["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]')


def normal_form(text: str, name: str) -> tuple[str | None, tuple[Problem, ...]]:
    """A manifest in its normal form, or what stands against it.

    The result reads as exactly the same data, and has the same comments.
    """
    before, problems = parse(text, name)
    if before is None or problems:
        return None, problems
    written = read(text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n"))
    if written is not None:
        # An anchor must stand above its use: where another order would lose one, the author's order stays.
        for words in (Words.of_a_manifest(), Words(())):
            after = _Layout().text(written, words)
            if _is_same(after, before, written):
                return after, ()
    found = Problems()
    found.add("XS036", "its normal form would not be the same manifest", Origin(file=name, line=1, column=1))
    return None, found.sorted()


def _is_same(after: str, before: Document, written: Written) -> bool:
    document, problems = parse(after, before.name)
    if document is None or problems or document.data != before.data:
        return False
    again = read(after)
    return again is not None and Counter(again.comments) == Counter(written.comments)


class _Layout:
    """Values in, lines out."""

    def __init__(self) -> None:
        # Whether the last line belongs to a text that would take an empty line below it for its own.
        self._takes_gaps = False

    def text(self, written: Written, words: Words) -> str:
        """A whole file."""
        top = written.top
        head = list(written.head)
        if properties := _properties(top):
            head.append(properties.rstrip())
        while head and not head[0]:
            del head[0]
        body = self._block(top, 0, words) if top.items else ["{}", *top.tail]
        # What stood first has left its empty line to the head.
        while not body[0] and (not head or not head[-1]):
            del body[0]
        return "\n".join((*head, *body)) + "\n"

    def _block(self, value: Value, indent: int, words: Words) -> list[str]:
        """A collection, an item below the other."""
        pad = " " * indent
        lines: list[str] = []
        for item in _sorted(value, words):
            first = indent and not lines
            lines += _padded(self._after_text(_without_first_gap(item.lead) if first else item.lead), pad)
            head = pad + ("-" if item.key is None else _key(item.key))
            below = words.within() if item.key is None else words.below(item.key.text)
            lines += self._item(head, item, indent, below)
        return lines + _padded(self._after_text(value.tail), pad)

    def _after_text(self, lines: list[str]) -> list[str]:
        """Comments and gaps that come next."""
        fit = _without_first_gap(lines) if self._takes_gaps else lines
        self._takes_gaps &= not fit
        return fit

    def _item(self, head: str, item: Item, indent: int, words: Words) -> list[str]:
        value = item.value
        beside = f"  {item.beside}" if item.beside else ""
        if not value.is_collection:
            first, *more = _scalar_lines(value, " " * (indent + _STEP))
            lines = [f"{head} {_properties(value)}{first}", *more]
            self._takes_gaps = value.is_block_text and "+" in first.partition("#")[0]
            return [*lines[:-1], lines[-1] + beside]
        self._takes_gaps = False
        line = _in_a_line(value, words)
        if line is not None and (not value.items or len(head) + 1 + len(_properties(value)) + len(line) <= WIDTH):
            return [f"{head} {_properties(value)}{line}{beside}"]
        lines = self._block(value, indent + _STEP, words)
        if item.key is None and not beside and not _properties(value):
            return _behind_dash(lines, head)
        return [f"{head} {_properties(value)}".rstrip() + beside, *lines]


def _behind_dash(lines: list[str], head: str) -> list[str]:
    """A collection that begins in the line of its dash; the comments above its first item go above the dash."""
    begin = next(index for index, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#"))
    above = [line.removeprefix(" " * _STEP) for line in lines[:begin]]
    return [*above, f"{head} {lines[begin].lstrip()}", *lines[begin + 1 :]]


def _sorted(value: Value, words: Words) -> list[Item]:
    """The entries of a mapping in their order, see `arranged`."""
    return arranged(value.items, words, lambda item: item.key.text if item.key and item.key.style != "*" else None)


def _without_first_gap(lead: list[str]) -> list[str]:
    return lead[1:] if lead[:1] == [""] else lead


def _padded(lines: list[str], pad: str) -> list[str]:
    return [pad + line if line else "" for line in lines]


def _properties(value: Value) -> str:
    """The anchor and tag before a value."""
    if _is_null(value):
        return f"&{value.anchor} " if value.anchor else ""
    anchor = f"&{value.anchor} " if value.anchor else ""
    return anchor + (f"{value.tag} " if value.tag else "")


def _key(value: Value) -> str:
    if value.style == "*":
        return f"*{value.text} :"
    return f"{_properties(value)}{_text(value, is_key=True)}:"


def _in_a_line(value: Value, words: Words) -> str | None:
    """A collection in brackets, ``None`` if it has to stand in several lines."""
    if not value.flow or value.crowded:
        return None
    parts = []
    for item in _sorted(value, words):
        head = "" if item.key is None else f"{_key(item.key)} "
        below = words.within() if item.key is None else words.below(item.key.text)
        inner = _in_a_line(item.value, below) if item.value.is_collection else _line_of(item.value)
        if inner is None:
            return None
        parts.append(f"{head}{_properties(item.value)}{inner}")
    joined = ", ".join(parts)
    return f"{{{joined}}}" if value.style == "{" else f"[{joined}]"


def _line_of(value: Value) -> str | None:
    return None if "\n" in value.source else _text(value)


def _is_null(value: Value) -> bool:
    return value.style == "" and value.text in _NULLS and value.tag in ("", "!!null")


def _text(value: Value, *, is_key: bool = False) -> str:
    """A scalar or alias in one line."""
    if value.style == "*":
        return f"*{value.text}"
    if not is_key and _is_null(value):
        return "null"
    if value.style == "":
        fine = value.text and (not _MISREAD.fullmatch(value.text) or (not is_key and _FAITHFUL.fullmatch(value.text)))
        return value.text if fine else f'"{value.text}"'
    return value.source if value.style == '"' or _NEEDS_ESCAPES.search(value.text) else f'"{value.text}"'


def _scalar_lines(value: Value, pad: str) -> list[str]:
    """A scalar as it follows its key; what is written over several lines keeps them."""
    if "\n" not in value.source:
        return [_text(value)]
    if value.is_block_text:
        return _block_text(value, pad)
    first, *more = value.source.split("\n")
    continued = [pad + line.lstrip(" \t") if line.strip() else "" for line in more]
    return [line if line.rstrip().endswith("\\") else line.rstrip() for line in (first, *continued)]


def _block_text(value: Value, pad: str) -> list[str]:
    """A text below ``|`` or ``>``: its lines as they are, its header as short as it can be."""
    head, *lines = value.source.removesuffix("\n").split("\n")
    content = next((line for line in value.text.split("\n") if line.strip(" ")), "")
    indent = next((_indent(line) for line in lines if line.strip(" ")), 0) - _indent(content)
    while lines and not lines[-1].strip():
        del lines[-1]
    ends = len(value.text) - len(value.text.rstrip("\n"))
    chomp = "-" if not ends and value.text else "+" if "+" in head.partition("#")[0] else ""
    if chomp == "+":
        lines += [""] * (ends - 1 if value.text.strip("\n") else ends)
    digit = str(_STEP) if content.startswith(" ") else ""
    comment = head[head.index("#") :].rstrip() if "#" in head else ""
    begin = f"{value.style}{digit}{chomp or ('-' if '-' in head.partition('#')[0] else '')}"
    body = [(pad + line[indent:] if line[indent:] else "") for line in lines]
    return [f"{begin}  {comment}" if comment else begin, *body]


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
