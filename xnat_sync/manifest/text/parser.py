"""YAML text into plain data with places. Every scalar stays text, so that ``001``, ``12:30`` and ``NO`` are labels.

Only ``null``, ``~`` and nothing at all, written without quotes, are null. What `plain_lines` leaves is built from the
parser's events: many times faster than PyYAML's loaders, and the only level at which places, repeated keys and aliases
can all be seen.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from xnat_sync.manifest.text.document import COLUMN_BITS, Document, Map, Seq, pack
from xnat_sync.manifest.text.document_cache import keep, recall
from xnat_sync.manifest.text.fast_parser import MERGE, NULLS, WORD, read_plain
from xnat_sync.manifest.text.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.core.model.errors import Origin, Problem
    from xnat_sync.core.model.local_port import Memory
    from xnat_sync.manifest.text.document import Data

MOST_EXPANDED = 5_000_000
"""How many values aliases may add to what is written."""
DEEPEST = 100
"""How many mappings and lists may lie inside each other."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "map", "seq", "null"))
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PLAIN = ("", None)
_NULL_TAGS = (None, "tag:yaml.org,2002:null")


def parse(text: str, name: str, memory: Memory | None = None) -> tuple[Document | None, tuple[Problem, ...]]:
    """A document and what is wrong with its YAML; no document where the text cannot be read as one mapping.

    What a long text is read as may come from the ``memory`` of another run.
    """
    text = text.removeprefix("\ufeff")
    lines = text.splitlines()
    # A backslash may be the escape that spells any of its characters.
    escapes = "\\" in text
    document = Document(
        name=name,
        lines=lines,
        data=Map(),
        may_use_environment=escapes or "${env:" in text,
        may_have_notes=escapes or "x-" in text,
    )
    known = recall(memory, text)
    if known is not None:
        document.data = known
        return document, ()
    problems = Problems()
    unprintable = _UNPRINTABLE.search(text)
    if unprintable:
        line = text.count("\n", 0, unprintable.start())
        mark = pack(line, unprintable.start() - text.rfind("\n", 0, unprintable.start()) - 1)
        summary = f"the character U+{ord(unprintable.group()):04X} may not stand in YAML"
        problems.add("XS001", summary, document.origin(mark), hint="remove the character")
        return None, problems.sorted()
    plain = read_plain(text, lines)
    if plain is not None:
        keep(memory, text, plain)
        document.data = plain
        return document, ()
    composer = _Composer(document, problems)
    try:
        composer.read(text)
    except yaml.MarkedYAMLError as error:
        _tell_syntax(error, document, problems)
        return None, problems.sorted()
    except _StopReading:
        return None, problems.sorted()
    if composer.top is None:
        summary = "the file says nothing" if composer.empty else "the file is not a mapping of keys to values"
        problems.add("XS007", summary, document.origin(0))
        return None, problems.sorted()
    document.data = composer.top
    found = problems.sorted()
    if not found:
        keep(memory, text, composer.top)
    return document, found


_SYNTAX_HINTS = {
    "*": "a text that begins with * must stand in quotes: '*_T1w.nii.gz'",
    "%": "a text that begins with % must stand in quotes",
    "@": "a text that begins with @ must stand in quotes",
    "`": "a text that begins with ` must stand in quotes",
}


def _tell_syntax(error: yaml.MarkedYAMLError, document: Document, problems: Problems) -> None:
    """Turn a syntax error of the parser into a problem that says what to do."""
    # What is never closed, or is an alias by mistake, is told where it begins.
    begun = error.context == "while scanning an alias" or "end of stream" in (error.problem or "")
    mark = (error.context_mark if begun else error.problem_mark) or error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    written = document.lines[line] if line < len(document.lines) else ""
    indentation = written[: len(written) - len(written.lstrip())]
    if "\t" in indentation:
        origin = document.origin(pack(line, indentation.index("\t")))
        problems.add("XS002", "the indentation has a tab", origin)
        return
    reason = (error.problem or "it cannot be read").replace("did not find", "missing").replace("'", '"')
    place = document.origin(pack(line, column))
    hint = _syntax_hint(reason, written, column)
    if error.context and "flow" in error.context and error.context_mark:
        opening = error.context_mark
        hint = f"the bracket that is opened in line {opening.line + 1}, column {opening.column + 1} is not closed"
    problems.add("XS001", f"this is not YAML: {reason}", place, hint=hint)


def _syntax_hint(reason: str, written: str, column: int) -> str:
    hint = _SYNTAX_HINTS.get(written[column : column + 1], "") or _SYNTAX_HINTS.get(written[column - 1 : column], "")
    if "mapping values" in reason:
        hint = 'put a text that contains ": " in quotes, or check the indentation'
    elif "end of stream" in reason:
        hint = "a quote or bracket that is opened here is never closed"
    elif "expected key" in reason or '"-" indicator' in reason:
        hint = "line the keys of one mapping up in the same column"
    return hint


class _StopReading(Exception):
    """The rest of the text has no meaning; the problem is noted already."""


class _Frame:
    """A mapping or list that is being read, with the places of what is in it.

    Of a mapping that does not await a key, ``key`` and the last place are those of the key whose value comes next;
    ``is_usual`` says that nothing is odd about it: it is text and not there yet. ``heavier`` counts the values that lie
    below its own, ``expanded`` how many values its aliases stand for. Few frames differ from what the class says.
    """

    key = ""
    is_usual = False
    merging = False
    merges: tuple[tuple[Data, int], ...] = ()
    heavier = 0
    expanded = 0
    height = 1

    def __init__(self, container: Map | Seq, anchor: str | None, mark: int) -> None:
        self.container = container
        self.anchor = anchor
        self.mark = mark
        self.marks: list[int] = []
        self.awaits_key = type(container) is Map

    def hang(self, value: Data, mark: int) -> None:
        """Give a usual key its value."""
        container: Any = self.container
        container[self.key] = value
        self.marks.append(mark)
        self.awaits_key = True
        self.is_usual = False


class _Anchored:
    """What an anchor stands for, ``None`` as value while it is still being read."""

    __slots__ = ("height", "value", "weight")

    def __init__(self, value: Data, weight: int, height: int) -> None:
        self.value = value
        self.weight = weight
        self.height = height


class _Composer:
    """Events in, one tree out. Mappings and lists behind an alias are shared, never copied."""

    def __init__(self, document: Document, problems: Problems) -> None:
        self.top: Map | None = None
        self.empty = True
        self._document = document
        self._problems = problems
        self._stack: list[_Frame] = []
        self._anchors: dict[str, _Anchored | None] = {}
        # The same few words stand everywhere: each is kept once.
        self._words: dict[str, str] = {}
        self._handlers: dict[type[yaml.Event], Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.MappingStartEvent: self._open_map,
            yaml.MappingEndEvent: self._close_map,
            yaml.SequenceStartEvent: self._open_list,
            yaml.SequenceEndEvent: self._close_list,
            yaml.AliasEvent: self._alias,
            yaml.DocumentStartEvent: self._start,
        }

    def read(self, text: str) -> None:
        """Take in a whole text."""
        loader = _LOADER(text)
        next_event, handler_of = loader.get_event, self._handlers.get
        try:
            while event := next_event():
                handler = handler_of(type(event))
                if handler:
                    handler(event)
        finally:
            loader.dispose()

    def _start(self, event: yaml.DocumentStartEvent) -> None:
        if not self.empty:
            summary = "a second document begins here"
            self._stop("XS007", summary, _mark(event), hint="write one document into each file")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        # Two in three events come this way, so what is usual is asked first and needs no call.
        mark = _mark(event)
        text: str = event.value
        if len(text) <= WORD:
            text = self._words.setdefault(text, text)
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.awaits_key:
            if text and text not in frame.container and text != MERGE:
                frame.key = text
                frame.awaits_key = False
                frame.is_usual = True
                frame.marks.append(mark)
            else:
                self._take_odd_key(frame, text, mark, merges=text == MERGE and event.style in _PLAIN)
            if event.anchor:
                self._anchors[event.anchor] = _Anchored(text, 1, 0)
            return
        if event.tag is not None:
            self._check_tag(event, mark)
        is_null = text in NULLS and event.style in _PLAIN and event.tag in _NULL_TAGS
        value = None if is_null else text
        if event.anchor:
            self._anchors[event.anchor] = _Anchored(value, 1, 0)
        if frame is not None and frame.is_usual:
            frame.hang(value, mark)
        else:
            self._put(value, mark)

    def _take_odd_key(self, frame: _Frame, key: str, mark: int, *, merges: bool) -> None:
        """A key that is ``<<``, an alias, empty, or there already: then its value is passed over."""
        frame.merging = merges
        if not key:
            self._tell("XS008", "a key is empty", mark)
        elif key in frame.container and not merges:
            first = frame.marks[2 * list(frame.container).index(key)]
            line = self._origin(first).line
            self._tell("XS003", f"the key {key!r} stands here again; it was first said in line {line}", mark)
        frame.key = key
        frame.awaits_key = False
        frame.marks.append(mark)

    def _open_map(self, event: yaml.MappingStartEvent) -> None:
        self._open(Map(), event)

    def _open_list(self, event: yaml.SequenceStartEvent) -> None:
        self._open(Seq(), event)

    def _open(self, container: Map | Seq, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        mark = _mark(event)
        if event.tag is not None:
            self._check_tag(event, mark)
        if len(self._stack) >= DEEPEST:
            self._stop("XS004", f"more than {DEEPEST} mappings and lists lie inside each other", mark)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Frame(container, event.anchor, mark))

    def _close_list(self, _event: yaml.SequenceEndEvent) -> None:
        self._close()

    def _close_map(self, _event: yaml.MappingEndEvent) -> None:
        frame = self._stack[-1]
        for source, mark in frame.merges:
            self._merge(frame, source, mark)
        self._close()

    def _close(self) -> None:
        frame = self._stack.pop()
        frame.container.marks = array("Q", frame.marks)
        weight = 1 + len(frame.container) + frame.heavier
        if frame.anchor:
            self._anchors[frame.anchor] = _Anchored(frame.container, weight, frame.height)
        if self._stack:
            above = self._stack[-1]
            above.heavier += weight - 1
            above.expanded += frame.expanded
            if above.height <= frame.height:
                above.height = frame.height + 1
        self._put(frame.container, frame.mark)

    def _alias(self, event: yaml.AliasEvent) -> None:
        mark = _mark(event)
        name = event.anchor or ""
        if name not in self._anchors:
            hint = "a text that begins with * must stand in quotes; an anchor must be set above its use"
            self._stop("XS001", f"*{name} is the name of no anchor", mark, hint=hint)
        found = self._anchors[name]
        if found is None:
            self._stop("XS004", f"*{name} stands inside of what it names", mark)
        if len(self._stack) + found.height > DEEPEST:
            self._stop("XS004", f"more than {DEEPEST} mappings and lists lie inside each other", mark)
        frame = self._stack[-1] if self._stack else None
        if frame and frame.awaits_key and isinstance(found.value, str):
            self._take_odd_key(frame, found.value, mark, merges=False)
            return
        if frame:
            frame.heavier += found.weight - 1
            frame.expanded += found.weight
            frame.height = max(frame.height, found.height + 1)
            if frame.expanded > MOST_EXPANDED:
                self._stop("XS004", f"the aliases expand to more than {MOST_EXPANDED:,} values", mark)
        self._put(found.value, mark)

    def _put(self, value: Data, mark: int) -> None:
        """Hang a finished value into what is being read."""
        if not self._stack:
            self.empty = value is None
            self.top = value if isinstance(value, Map) else None
            return
        frame = self._stack[-1]
        container = frame.container
        if frame.is_usual:
            frame.hang(value, mark)
            return
        if isinstance(container, Seq):
            container.append(value)
            frame.marks.append(mark)
            return
        if frame.awaits_key:
            self._tell("XS008", "a key is not text but a mapping, a list or null", mark)
            frame.key = ""
            frame.marks.append(mark)
            frame.awaits_key = False
            return
        frame.awaits_key = True
        if frame.merging:
            frame.merging = False
            frame.merges += ((value, mark),)
            frame.marks.pop()
        elif frame.key and frame.key not in container:
            container[frame.key] = value
            frame.marks.append(mark)
        else:
            frame.marks.pop()

    def _merge(self, into: _Frame, source: Data, mark: int) -> None:
        """YAML's ``<<``: take over the entries that are not there yet, with the places where they were written."""
        container = into.container
        if isinstance(container, Map) and isinstance(source, Map):
            for index, (key, value) in enumerate(source.items()):
                if key not in container:
                    container[key] = value
                    into.marks += source.marks[2 * index : 2 * index + 2]
        elif isinstance(source, Seq) and all(isinstance(item, Map) for item in source):
            for item in source:
                self._merge(into, item, mark)
        else:
            self._tell("XS008", "<< takes a mapping, or a list of mappings", mark)

    def _check_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, mark: int) -> None:
        if event.tag not in (None, "!") and event.tag not in _STANDARD_TAGS:
            self._tell("XS005", f"the tag {_short_tag(event.tag)} has no meaning here", mark)

    def _origin(self, mark: int) -> Origin:
        return self._document.origin(mark)

    def _tell(self, rule: str, summary: str, mark: int, hint: str = "") -> None:
        self._problems.add(rule, summary, self._origin(mark), hint=hint)

    def _stop(self, rule: str, summary: str, mark: int, hint: str = "") -> NoReturn:
        self._tell(rule, summary, mark, hint)
        raise _StopReading


def _short_tag(tag: str) -> str:
    return tag.replace("tag:yaml.org,2002:", "!!")


def _mark(event: yaml.Event) -> int:
    mark: Any = event.start_mark
    # What `pack` does, half a million times for a large study.
    packed: int = mark.line << COLUMN_BITS | mark.column
    return packed
