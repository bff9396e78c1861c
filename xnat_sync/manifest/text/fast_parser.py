"""The plainest YAML, read line by line in less than half of the time that a parser's events take.

That is how programs write large manifests, this one too: ``key: value`` in blocks, where a value is a short text or
stands in one line in brackets. Whatever else a text has in it, be it right or wrong, is left to `yaml_source`, which
reads all of YAML and explains what is none: this reader says what that one would, or nothing.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING

from xnat_sync.manifest.text.document import COLUMN_BITS, Map, Seq

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.manifest.text.document import Data

NULLS = frozenset(("", "~", "null", "Null", "NULL"))
"""What is null where it stands without quotes."""
WORD = 24
"""A text up to this length is likely to stand there again."""
MERGE = "<<"

_DEEPEST = 50
# Line breaks that are not \n, and what is not a space but looks like one to somebody.
_STRANGE = re.compile(r"[\r\t\x85\xa0\u2028\u2029\ufeff]")

_BARE_KEY = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_KEY = rf'(?:({_BARE_KEY})|"([^"\\]{{0,127}})"|\'([^\']{{0,127}})\')'
# Texts without quotes have nothing in them that could be anything else, at least not where they stand.
_TEXT = r"[A-Za-z0-9_./][A-Za-z0-9_./+*@() -]*(?<! )"
_LINE_TEXT = r"[A-Za-z0-9_./][A-Za-z0-9_./+*@(),;= -]*(?::(?=[A-Za-z0-9_./])[A-Za-z0-9_./+*@(),;= -]*)*(?<! )"
_QUOTED = r'"([^"\\]*)"|\'([^\']*)\''
_LINE = re.compile(rf"( *){_KEY}:(?:$| +(?:({_LINE_TEXT})$|(?:{_QUOTED})$|(?=[{{\[])))")
_NO_LINE = re.compile(r" *(?:#.*)?$")
_FLOW_KEY = re.compile(rf" *{_KEY}:(?= )")
_FLOW_VALUE = re.compile(rf" *(?:({_TEXT})(?= *[,}}\]])|{_QUOTED}|(?=[{{\[]))")
# What most entries are, in one step.
_FLOW_PAIR = re.compile(rf" *({_BARE_KEY}): +({_TEXT})(?= *([,}}]))")
_FLOW_NEXT = re.compile(r" *([,}\]])")
_EMPTY = re.compile(r"\{ *\}|\[ *\]")


class _NotPlain(Exception):
    """Something that is left to the other reader."""


def read_plain(text: str, lines: Sequence[str]) -> Map | None:
    """A document whose lines are all plain, ``None`` where one is not, or anything is wrong."""
    if _STRANGE.search(text):
        return None
    reader = _Reader()
    try:
        reader.read(lines)
    except _NotPlain:
        return None
    return reader.top


class _Reader:
    """Lines in, one tree out."""

    def __init__(self) -> None:
        self.top = self._here = Map()
        self._marks: list[int] = []
        self._column = -1
        # The mappings around it, with the places in them and their columns.
        self._above: list[tuple[Map, list[int], int]] = []
        # The key whose value begins in a later line.
        self._open = ""
        # The same few words stand everywhere: each is kept once.
        self._words: dict[str, str] = {}

    def read(self, lines: Sequence[str]) -> None:
        """Take in all lines of a document."""
        match, word = _LINE.match, self._words.setdefault
        for number, line in enumerate(lines):
            found = match(line)
            if found is None:
                if _NO_LINE.match(line):
                    continue
                raise _NotPlain
            indent, bare, double, single, text = found.group(1, 2, 3, 4, 5)
            row = number << COLUMN_BITS
            if self._open or len(indent) != self._column:
                self._move(len(indent), row)
            key, here = bare or double or single or "", self._here
            if key in here or not key or key == MERGE:
                raise _NotPlain
            key = word(key, key)
            self._marks.append(row | self._column)
            if text is None:
                self._take_rest(key, found, row)
            else:
                here[key] = None if text in NULLS else word(text, text) if len(text) <= WORD else text
                self._marks.append(row | found.start(5))
        self._end()

    def _move(self, column: int, row: int) -> None:
        """Go to the mapping whose keys stand in a column."""
        if self._column < 0:
            self._column = column
            return
        if self._open:
            if column <= self._column or len(self._above) > _DEEPEST:
                raise _NotPlain
            below = self._here[self._open] = Map()
            self._marks.append(row | column)
            self._above.append((self._here, self._marks, self._column))
            self._here, self._marks, self._column, self._open = below, [], column, ""
            return
        while column < self._column and self._above:
            self._here.marks = array("Q", self._marks)
            self._here, self._marks, self._column = self._above.pop()
        if column != self._column:
            raise _NotPlain

    def _take_rest(self, key: str, found: re.Match[str], row: int) -> None:
        """Read a value that is no text without quotes."""
        line, at = found.string, found.end()
        if found[6] is None and found[7] is None:
            if at == len(line):
                self._open = key
                return
            value, end = self._flow(line, row, at, 0)
            if line[end:].strip(" "):
                raise _NotPlain
            self._here[key] = value
            self._marks.append(row | at)
        else:
            self._here[key], at = self._quoted(found, 6)
            self._marks.append(row | at)

    def _quoted(self, found: re.Match[str], group: int) -> tuple[str, int]:
        """A text in quotes of either kind, and where it begins."""
        group = group if found[group] is not None else group + 1
        text = found[group]
        return self._words.setdefault(text, text) if len(text) <= WORD else text, found.start(group) - 1

    def _flow(self, line: str, row: int, at: int, depth: int) -> tuple[Map | Seq, int]:
        """What stands in the brackets that open at a place, and where it ends."""
        if depth > _DEEPEST:
            raise _NotPlain
        made: Map | Seq = Map() if line[at] == "{" else Seq()
        marks: list[int] = []
        empty = _EMPTY.match(line, at)
        if empty:
            end = empty.end()
        elif isinstance(made, Map):
            end = self._flow_map(made, marks, line, row, at, depth)
        else:
            end = self._flow_list(made, marks, line, row, at, depth)
        made.marks = array("Q", marks)
        return made, end

    def _flow_map(self, made: Map, marks: list[int], line: str, row: int, at: int, depth: int) -> int:
        """Read the entries that follow a bracket; where the other one ends."""
        pair, word = _FLOW_PAIR.match, self._words.setdefault
        while line[at] != "}":
            quick = pair(line, at + 1)
            if quick:
                key, text, _ = quick.groups()
                value = None if text in NULLS else word(text, text) if len(text) <= WORD else text
                place, start, at = quick.start(1), quick.start(2), quick.start(3)
            else:
                key, place, at = self._flow_key(line, at + 1)
                value, start, at = self._flow_value(line, row, at, depth)
                at = _flow_next(line, at, "}")
            if key in made or not key or key == MERGE:
                raise _NotPlain
            made[word(key, key)] = value
            marks += (row | place, row | start)
        return at + 1

    def _flow_list(self, made: Seq, marks: list[int], line: str, row: int, at: int, depth: int) -> int:
        """Read the items that follow a bracket; where the other one ends."""
        while line[at] != "]":
            value, start, at = self._flow_value(line, row, at + 1, depth)
            made.append(value)
            marks.append(row | start)
            at = _flow_next(line, at, "]")
        return at + 1

    def _flow_key(self, line: str, at: int) -> tuple[str, int, int]:
        """A key inside of brackets, where it begins, and where its colon ends."""
        found = _FLOW_KEY.match(line, at)
        if found is None:
            raise _NotPlain
        start = found.start(1) if found[1] else max(found.start(2), found.start(3)) - 1
        return found[1] or found[2] or found[3] or "", start, found.end()

    def _flow_value(self, line: str, row: int, at: int, depth: int) -> tuple[Data, int, int]:
        """A value inside of brackets, where it begins and ends."""
        found = _FLOW_VALUE.match(line, at)
        if found is None:
            raise _NotPlain
        text = found[1]
        if text is not None:
            return None if text in NULLS else self._words.setdefault(text, text), found.start(1), found.end()
        if found[2] is None and found[3] is None:
            inner, end = self._flow(line, row, found.end(), depth + 1)
            return inner, found.end(), end
        quoted, start = self._quoted(found, 2)
        return quoted, start, found.end()

    def _end(self) -> None:
        """After the last line."""
        if self._open or self._column < 0:
            raise _NotPlain
        for mapping, marks, _ in (*self._above, (self._here, self._marks, 0)):
            mapping.marks = array("Q", marks)


def _flow_next(line: str, at: int, closing: str) -> int:
    """The place of the comma or bracket that follows."""
    then = _FLOW_NEXT.match(line, at)
    if then is None or then[1] not in (",", closing):
        raise _NotPlain
    return then.start(1)
