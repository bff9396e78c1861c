"""A manifest as somebody wrote it: values with their style, and comments with what each of them is about.

The parser's tokens say where everything stands. What lies between two of them is white space and comments, so that none
can be lost. For `layout`, which writes it anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

_COMMENT = re.compile("#[^\n]*")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STANDARD = "tag:yaml.org,2002:"


@dataclass(slots=True, eq=False)
class Value:
    """A text, an alias, a mapping or a list.

    ``text`` is that of a scalar or the name of an alias. ``style`` is the sign that it begins with: none if it is
    plain, ``*`` for an alias, ``{`` or ``[`` for a collection. ``source`` is how a scalar stands in the file. ``flow``
    is a collection in brackets, ``crowded`` one with comments between them; ``tail`` are comments behind the last item.
    """

    style: str
    start: int
    end: int = 0
    text: str = ""
    source: str = ""
    anchor: str = ""
    tag: str = ""
    flow: bool = False
    crowded: bool = False
    items: list[Item] = field(default_factory=list)
    tail: list[str] = field(default_factory=list)
    owner: Item | None = None

    @property
    def is_collection(self) -> bool:
        """Whether it is a mapping or a list."""
        return self.style in ("{", "[")

    @property
    def is_block_text(self) -> bool:
        """Whether it is a text below a ``|`` or ``>``."""
        return self.style in ("|", ">")


@dataclass(slots=True, eq=False)
class Item:
    """An entry of a mapping, or an item of a list, which has no key.

    ``lead`` are the comments above it, an empty text for each run of empty lines, ``beside`` the one in its line.
    """

    start: int
    holder: Value
    key: Value | None
    value: Value
    lead: list[str] = field(default_factory=list)
    beside: str = ""


@dataclass(slots=True)
class Written:
    """A whole file: what stands above its first key, all below, and every comment."""

    head: list[str]
    top: Value
    comments: list[str]


class _Span(NamedTuple):
    start: int
    end: int


class _Tokens:
    """Where the tokens of a text stand: ``gaps`` lie between them, ``dashes`` begin items of lists."""

    def __init__(self, text: str) -> None:
        self.gaps: list[_Span] = []
        self.dashes: list[int] = []
        self.scalars: dict[int, int] = {}
        """Where each scalar begins, by where it ends."""
        self.head_end = 0
        last = 0
        for token in yaml.scan(text, Loader=_LOADER):
            start, end = _place(token.start_mark), _place(token.end_mark)
            if start > last:
                self.gaps.append(_Span(last, start))
            last = max(last, end)
            if isinstance(token, yaml.ScalarToken):
                self.scalars[end] = start
            elif isinstance(token, yaml.BlockEntryToken):
                self.dashes.append(start)
            elif isinstance(token, yaml.DocumentStartToken):
                self.head_end = end


def read(text: str) -> Written | None:
    """Take a text apart whose lines end with line feeds alone; ``None`` where it is not YAML.

    PyYAML's own parser is asked: its places are exact. It refuses a little that the one behind `yaml_source` reads.
    """
    try:
        return _Reader(text).read()
    except yaml.YAMLError:
        return None


class _Reader:
    """Builds the values out of the parser's events, then hangs each comment where it belongs."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _Tokens(text)
        self._events = iter(yaml.parse(text, Loader=_LOADER))
        self._items: list[Item] = []
        # Where something of an item ends that a comment in the same line would be about, in order.
        self._marks: list[tuple[int, Item]] = []
        self._lines = [0, *(found.end() for found in re.finditer("\n", text))]

    def read(self) -> Written:
        top = Value(style="{", start=0)
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                top = self._value(event, None)
        written = Written(head=self._prefix(), top=top, comments=[])
        self._starts = [item.start for item in self._items]
        self._mark_places = [place for place, _ in self._marks]
        self._space()
        for gap in self._tokens.gaps:
            for found in _COMMENT.finditer(self._text, *gap):
                comment = found.group().rstrip()
                written.comments.append(comment)
                if found.start() >= self._tokens.head_end:
                    self._hang(comment, found.start(), written)
        if self._items and self._items[0].lead:
            written.head += self._items[0].lead
            self._items[0].lead = []
        return written

    # ------------------------------------------------------------------ values

    def _value(self, event: yaml.Event, owner: Item | None) -> Value:
        match event:
            case yaml.AliasEvent():
                made = Value(style="*", start=_place(event.start_mark), end=_place(event.end_mark))
                made.text = event.anchor or ""
            case yaml.ScalarEvent():
                made = self._scalar(event)
            case _:
                return self._collection(event, owner)
        made.owner = owner
        if owner:
            self._marks.append((made.end, owner))
        return made

    def _scalar(self, event: yaml.ScalarEvent) -> Value:
        made = Value(style=event.style or "", start=_place(event.start_mark), end=_place(event.end_mark))
        made.text = event.value or ""
        # What is not written at all ends where the key before it does.
        if made.text or made.style:
            made.source = self._text[self._tokens.scalars[made.end] : made.end]
        made.anchor, made.tag = event.anchor or "", _short(event.tag)
        return made

    def _collection(self, event: yaml.Event, owner: Item | None) -> Value:
        is_map = isinstance(event, yaml.MappingStartEvent)
        assert isinstance(event, yaml.CollectionStartEvent)
        made = Value(
            style="{" if is_map else "[", start=_place(event.start_mark), flow=bool(event.flow_style), owner=owner
        )
        made.anchor, made.tag = event.anchor or "", _short(event.tag)
        while not isinstance(below := next(self._events), yaml.CollectionEndEvent):
            self._item(made, below)
        made.end = _place(below.end_mark)
        if made.flow and owner:
            self._marks.append((made.end, owner))
        return made

    def _item(self, holder: Value, event: yaml.Event) -> None:
        start, key = _place(event.start_mark), None
        if holder.style == "[" and not holder.flow:
            start = self._tokens.dashes[bisect_left(self._tokens.dashes, start) - 1]
        item = Item(start=start, holder=holder, key=None, value=holder)
        self._items.append(item)
        self._marks.append((start, item))
        holder.items.append(item)
        if holder.style == "{":
            key = self._value(event, None)
            event = next(self._events)
        item.key = key
        item.value = self._value(event, item)

    # ------------------------------------------------------------------ comments and empty lines

    def _prefix(self) -> list[str]:
        """What stands before the sign that the document begins, with that sign."""
        head = self._text[: self._tokens.head_end]
        return [line.rstrip() for line in head.split("\n")] if head else []

    def _line(self, place: int) -> int:
        return bisect_right(self._lines, place) - 1

    def _column(self, place: int) -> int:
        return place - self._lines[self._line(place)]

    def _is_free_above(self, place: int) -> bool:
        """Whether the line above is empty, and not the end of a text that keeps its empty lines."""
        line = self._line(place)
        if line == 0 or self._text[self._lines[line - 1] : self._lines[line]].strip():
            return False
        index = bisect_left(self._mark_places, place)
        before = self._marks[index - 1][1].value if index else None
        inside = before is not None and self._lines[line - 1] < before.end
        return not (before and inside and before.is_block_text and "+" in before.source.partition("\n")[0])

    def _space(self) -> None:
        """Note the empty lines above items."""
        last = -1
        for item in self._items:
            line = self._line(item.start)
            if line != last and self._is_free_above(item.start):
                item.lead.append("")
            last = line

    def _hang(self, comment: str, place: int, written: Written) -> None:
        line = self._lines[self._line(place)]
        before = self._before(place)
        around = [before.value, *_holders(before)] if before else []
        flows = [one for one in around if one.flow and one.start < place < one.end]
        if flows and flows[0].items:
            for one in flows:
                one.crowded = True
        if self._text[line:place].strip():
            self._hang_beside(comment, place, written)
            return
        lines = ["", comment] if self._is_free_above(place) else [comment]
        kept = self._place_of(place, flows[0] if flows else None)
        if isinstance(kept, Value):
            kept.tail += lines
        elif kept:
            # The empty line right above the item is there already.
            at = len(kept.lead) - (kept.lead[-1:] == [""])
            kept.lead[at:at] = lines
        else:
            written.top.tail += lines

    def _hang_beside(self, comment: str, place: int, written: Written) -> None:
        """A comment in a line with something else is about that."""
        index = bisect_right(self._mark_places, place) - 1
        if index < 0:
            beside = written.head if written.head else written.top.tail
            beside[-1:] = ["  ".join((*beside[-1:], comment))]
            return
        owner = self._marks[index][1]
        if not owner.beside and not owner.value.is_block_text:
            owner.beside = comment
        elif owner.value.is_collection and owner.value.items:
            owner.value.tail.append(comment)
        else:
            owner.lead.append(comment)

    def _before(self, place: int) -> Item | None:
        index = bisect_right(self._starts, place)
        return self._items[index - 1] if index else None

    def _place_of(self, place: int, flow: Value | None) -> Item | Value | None:
        """The item that a comment in a line of its own stands above, or the collection at whose end it stands."""
        index = bisect_right(self._starts, place)
        following = self._items[index] if index < len(self._items) else None
        before = self._before(place)
        # What stands above a bracket is about its key.
        while following and following.holder.flow and following.holder.start > place and following.holder.owner:
            following = following.holder.owner
        if flow and not flow.items:
            return flow.owner
        if flow:
            return following if following and following.start < flow.end else flow
        if before and not before.value.is_collection and place < before.value.end:
            return before
        ended = [holder for holder in _holders(before) if not holder.flow and holder not in _holders(following)]
        limit = self._column(following.start) if following else -1
        columns = {holder: self._column(holder.items[0].start) for holder in ended}
        fit = [holder for holder in ended if limit < columns[holder] <= self._column(place)]
        # A list may stand in the column of its key: then what is there is about the key's mapping.
        return max(reversed(fit), key=columns.__getitem__, default=following)


def _holders(item: Item | None) -> list[Value]:
    """The collections that an item lies in, the nearest first."""
    found = []
    while item:
        found.append(item.holder)
        item = item.holder.owner
    return found


def _place(mark: Any) -> int:
    return int(mark.index)


def _short(tag: str | None) -> str:
    return tag.replace(_STANDARD, "!!") if tag else ""
