"""Identity: which object, resource or file of an XNAT project is meant.

A `Ref` is made of labels only, never of server-side numbers, URLs or positions, so that the same value names a thing in
the manifest, on the server and in a report.
"""

from __future__ import annotations

import enum
import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Level(enum.IntEnum):
    """The levels of XNAT's tree, in the order in which they are created."""

    PROJECT = 0
    SUBJECT = 1
    SESSION = 2
    SCAN = 3
    RESOURCE = 4
    FILE = 5

    # That of an enum runs Python code, and levels are keys everywhere.
    __hash__ = int.__hash__

    @property
    def noun(self) -> str:
        """The word that people read, e.g. ``scan``."""
        return self.name.lower()


_MARKED = {Level.SCAN: "scan:", Level.RESOURCE: "resource:"}
_DEPTHS_ABOVE: tuple[tuple[int, ...], ...] = ((), (1,), (2,), (3,), (1, 2, 3, 4), (5,))
"""For each level how long the ref may be below which it lies."""


class _Skipped(str):
    """Stands in a ref for a level that it does not have. Sorts after every label, so that scans precede resources."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Skipped)

    def __lt__(self, other: str) -> bool:
        return False

    def __gt__(self, other: str) -> bool:
        return not isinstance(other, _Skipped)

    def __reduce__(self) -> str:
        # There is only one, in copies too.
        return "_SKIPPED"


_SKIPPED = _Skipped()
_LEVELS = tuple(Level)


class Ref(tuple[str, ...]):
    """The address of one thing: by labels from the project down, one for each level.

    The label of a file is its path inside the resource, with ``/`` between folders. Refs sort parents before children.
    A tuple, because a study has millions of them, and they do nothing but be hashed and compared.
    """

    __slots__ = ()

    @classmethod
    def of(cls, parts: Iterable[tuple[Level, str]]) -> Ref:
        """A ref of parts that are known to be in order; see `parts`."""
        labels: list[str] = []
        for level, label in parts:
            labels += [_SKIPPED] * (level - len(labels))
            labels.append(label)
        return cls(labels)

    @classmethod
    def project_of(cls, label: str) -> Ref:
        """The ref of a project."""
        return cls((label,))

    @classmethod
    def parse(cls, text: str) -> Ref:
        """The inverse of ``str(ref)``.

        Raises:
            ValueError: the text is not the text of a ref.

        """
        if not text:
            raise ValueError("an empty ref")
        head, *rest = text.split("/")
        ref = cls.project_of(_unescape(head))
        while rest:
            segment, *rest = rest
            if ref.level is Level.RESOURCE:
                return ref.child(Level.FILE, "/".join(_unescape(part) for part in (segment, *rest)))
            ref = ref.child(*_read_segment(ref, segment))
        return ref

    def child(self, level: Level, label: str) -> Ref:
        """The ref of a child; a level that cannot lie below this one is a ``ValueError``."""
        depth = len(self)
        if depth not in _DEPTHS_ABOVE[level]:
            raise ValueError(f"a {level.noun} cannot lie below a {self.level.noun}")
        return Ref((*self, label) if level == depth else (*self, *(_SKIPPED,) * (level - depth), label))

    @property
    def parts(self) -> tuple[tuple[Level, str], ...]:
        """The level and label of each step from the project down."""
        return tuple((level, label) for level, label in zip(_LEVELS, self, strict=False) if label is not _SKIPPED)

    @property
    def level(self) -> Level:
        """The level of the last part."""
        return _LEVELS[len(self) - 1]

    @property
    def label(self) -> str:
        """The label of the last part."""
        return self[-1]

    @property
    def project(self) -> str:
        """The label of the project."""
        return self[0]

    @property
    def parent(self) -> Ref | None:
        """The ref one level up, ``None`` for a project."""
        length = len(self) - 1
        while length and self[length - 1] is _SKIPPED:
            length -= 1
        return Ref(self[:length]) if length else None

    def ancestors(self) -> Iterator[Ref]:
        """Every ref above this one, nearest first."""
        for length in range(len(self) - 1, 0, -1):
            if self[length - 1] is not _SKIPPED:
                yield Ref(self[:length])

    def at(self, level: Level) -> Ref | None:
        """This ref or the ancestor at a level, ``None`` where there is none."""
        return Ref(self[: level + 1]) if level < len(self) and self[level] is not _SKIPPED else None

    @property
    def short(self) -> str:
        """The labels below the project joined by ``/``, for people; the project's label for a project."""
        return "/".join(label for label in self[1:] if label is not _SKIPPED) or self.project

    def is_named(self, pattern: str) -> bool:
        """Whether a shell pattern over `short` names this, or something that it lies in."""
        wanted = pattern.strip("/")
        shorts = (above.short for above in (self, *self.ancestors()) if above.level is not Level.PROJECT)
        return any(fnmatch.fnmatchcase(short, wanted) for short in shorts)

    def __str__(self) -> str:
        pairs = zip(_WRITERS, self, strict=False)
        return "/".join([write(label) for write, label in pairs if label is not _SKIPPED])

    def __repr__(self) -> str:
        return f"Ref({str(self)!r})"


def _read_segment(parent: Ref, segment: str) -> tuple[Level, str]:
    for level, mark in _MARKED.items():
        if segment.startswith(mark):
            return level, _unescape(segment.removeprefix(mark))
    below = {Level.PROJECT: Level.SUBJECT, Level.SUBJECT: Level.SESSION}.get(parent.level)
    if below is None:
        raise ValueError(f"{segment!r} names neither a scan nor a resource")
    return below, _unescape(segment)


def _write_scan(label: str) -> str:
    return _MARKED[Level.SCAN] + _escape(label)


def _write_resource(label: str) -> str:
    return _MARKED[Level.RESOURCE] + _escape(label)


def _write_file(label: str) -> str:
    return "/".join(map(_escape, label.split("/")))


def _escape(label: str) -> str:
    # Most labels have none of these, and millions are written.
    if not ("%" in label or "/" in label or ":" in label):
        return label
    return label.replace("%", "%25").replace("/", "%2F").replace(":", "%3A")


def _unescape(text: str) -> str:
    return text.replace("%3A", ":").replace("%2F", "/").replace("%25", "%")


_WRITERS = (_escape, _escape, _escape, _write_scan, _write_resource, _write_file)
"""How the label of each level is written."""
