"""A manifest file as plain data that still knows where everything was written."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from xnat_sync.core.model.errors import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Data: TypeAlias = "str | Map | Seq | None"
Path: TypeAlias = tuple[str | int, ...]

COLUMN_BITS = 32
_COLUMN_MASK = (1 << COLUMN_BITS) - 1


def pack(line: int, column: int) -> int:
    """A line and column from 0 as one number."""
    return line << COLUMN_BITS | column


_NOWHERE = array("Q")
"""The places in what was not read but made; never changed."""


class Map(dict[str, "str | Map | Seq | None"]):
    """A mapping with, in its own order, the place of each key and of each value."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks = _NOWHERE


class Seq(list["str | Map | Seq | None"]):
    """A list with the place of each item."""

    __slots__ = ("marks",)

    def __init__(self) -> None:
        super().__init__()
        self.marks = _NOWHERE


class FromEnvironment(str):
    """A text that came in part from the environment. Shown as it was written, so that no message tells the value."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, text: str, written: str) -> FromEnvironment:
        """The replaced text, and what stands in the manifest."""
        made = cls(text)
        made.written = written
        return made

    def __repr__(self) -> str:
        return repr(self.written)


def shown(text: str) -> str:
    """A text as a message may show it: short, in quotes, and never with a value of the environment."""
    written = text.written if isinstance(text, FromEnvironment) else text
    return repr(written if len(written) <= 60 else written[:57] + "…")


@dataclass(slots=True)
class Document:
    """One manifest: its name as people would type it, its lines, and its content.

    ``broken`` are the places whose content does not fit the schema; `Node.entries` passes over them. Without
    ``may_use_environment`` no text below has ``${env:`` in it; without ``may_have_notes`` no key begins with ``x-``.
    """

    name: str
    lines: list[str]
    data: Map
    broken: set[Path] = field(default_factory=set)
    may_use_environment: bool = True
    may_have_notes: bool = True

    def root(self) -> Node:
        """The whole content as a node."""
        return Node(self, None, "", self.data, (0, 0))

    def at(self, path: Path) -> Node:
        """The node at a path; a path that leads nowhere gives the deepest node on the way."""
        node = self.root()
        for step in path:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def origin(self, mark: int, path: Path = ()) -> Origin:
        """The origin of a packed place."""
        line = mark >> COLUMN_BITS
        excerpt = self.lines[line] if line < len(self.lines) else ""
        return Origin(self.name, line + 1, (mark & _COLUMN_MASK) + 1, path, excerpt)


class Node:
    """One value of a document with its place, or, after `merged`, a mapping put together from several.

    It knows the path that leads to it and not its parent: what has been built is let go at once, without a cycle.
    """

    __slots__ = ("_above", "_entries", "_marks", "_words", "document", "key", "value")

    def __init__(
        self, document: Document, above: Path | None, key: str | int, value: Data, marks: tuple[int, int]
    ) -> None:
        self.document = document
        self.key = key
        self.value = value
        self._above = above
        self._marks = marks
        self._entries: dict[str, Node] | None = None
        self._words: dict[str, Node] | None = None

    @property
    def text(self) -> str | None:
        """The value if it is text."""
        return self.value if isinstance(self.value, str) else None

    @property
    def is_map(self) -> bool:
        """Whether it is a mapping."""
        return isinstance(self.value, Map) or self._entries is not None

    def children(self) -> Iterator[Node]:
        """Everything directly below, in the order in which it was written."""
        here = self.path
        if isinstance(self.value, Map):
            marks = iter(self.value.marks)
            for (key, value), place in zip(self.value.items(), zip(marks, marks, strict=True), strict=True):
                yield Node(self.document, here, key, value, place)
        elif isinstance(self.value, Seq):
            for index, (value, mark) in enumerate(zip(self.value, self.value.marks, strict=True)):
                yield Node(self.document, here, index, value, (mark, mark))

    def child(self, key: str | int) -> Node | None:
        """The child of a key or index, ``None`` if there is none."""
        if isinstance(self.value, Map) and key in self.value:
            index = list(self.value).index(str(key))
            marks = self.value.marks
            return Node(self.document, self.path, key, self.value[str(key)], (marks[2 * index], marks[2 * index + 1]))
        if isinstance(self.value, Seq) and isinstance(key, int) and key < len(self.value):
            mark = self.value.marks[key]
            return Node(self.document, self.path, key, self.value[key], (mark, mark))
        return None

    def descendant(self, steps: Sequence[str]) -> Node:
        """What some keys lead to from here, which must be there: `child` after `child`, without those between."""
        value, marks = self.value, self._marks
        for step in steps:
            assert isinstance(value, Map)
            place = 2 * list(value).index(step)
            marks = (value.marks[place], value.marks[place + 1])
            value = value[step]
        return Node(self.document, (*self.path, *steps[:-1]), steps[-1], value, marks)

    def sound(self) -> Iterator[Node]:
        """The children that fit the schema."""
        broken = self.document.broken
        if self._entries is not None:
            return iter(self._entries.values())
        if not broken:
            return self.children()
        here = self.path
        return (child for child in self.children() if (*here, child.key) not in broken)

    def labels(self) -> dict[str, Node]:
        """The sound entries of a mapping whose keys are labels."""
        if self._entries is None:
            if not isinstance(self.value, Map):
                return {}
            if self.document.broken:
                self._entries = {str(child.key): child for child in self.sound()}
            else:
                # What `children` does, without a step for each.
                document, here, marks = self.document, self.path, iter(self.value.marks)
                pairs = zip(self.value.items(), zip(marks, marks, strict=True), strict=True)
                self._entries = {key: Node(document, here, key, value, place) for (key, value), place in pairs}
        return self._entries

    def entries(self) -> dict[str, Node]:
        """The sound entries of a mapping whose keys are words of the language, without the ``x-`` ones."""
        if self._words is None:
            # What was put together may come from several documents.
            may_have_notes = self._entries is not None or self.document.may_have_notes
            words = self.labels()
            if may_have_notes and any(key[:2] == "x-" for key in words):
                words = {key: node for key, node in words.items() if key[:2] != "x-"}
            self._words = words
        return self._words

    def get(self, key: str) -> Node | None:
        """One of the sound entries. Where no other is asked for, none of the others is made."""
        return self.child(key) if self.is_as_written else self.entries().get(key)

    def said(self, key: str) -> str | None:
        """The text of an entry, ``None`` where there is none."""
        if self.is_as_written and isinstance(self.value, Map):
            value = self.value.get(key)
            return value if isinstance(value, str) else None
        node = self.entries().get(key)
        return node.text if node is not None else None

    @property
    def is_as_written(self) -> bool:
        """Whether its entries are those of its value, all of them sound, and none was asked for yet."""
        return self._entries is None and not self.document.broken

    def has(self, key: str) -> bool:
        """Whether a key was written, be its value sound or not."""
        return (isinstance(self.value, Map) and key in self.value) or (
            self._entries is not None and key in self._entries
        )

    def with_entries(self, entries: dict[str, Node]) -> Node:
        """This node with other entries: how defaults are put below it."""
        made = Node(self.document, self._above, self.key, self.value, self._marks)
        made._entries = entries
        return made

    def with_value(self, value: Data, key: str | int | None = None) -> Node:
        """A node at this place with another value, and if given under another key: how templates are filled."""
        return Node(self.document, self._above, self.key if key is None else key, value, self._marks)

    def under(self, key: str) -> Node:
        """This node under another key."""
        made = self.with_value(self.value, key)
        return made if self._entries is None else made.with_entries(self._entries)

    def bare(self) -> Node:
        """This node without what was found out about its entries: light enough to be kept."""
        return Node(self.document, self._above, self.key, self.value, self._marks)

    @property
    def is_top(self) -> bool:
        """Whether it is the whole content of its document."""
        return self._above is None

    @property
    def path(self) -> Path:
        """The keys and indices from the top of the document."""
        return () if self._above is None else (*self._above, self.key)

    def origin(self) -> Origin:
        """Where the value was written."""
        return self.document.origin(self._marks[1], self.path)

    def key_origin(self) -> Origin:
        """Where the key was written; an item of a list has only its value."""
        return self.document.origin(self._marks[0], self.path)
