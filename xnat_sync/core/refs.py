"""Identity: which object, resource or file of an XNAT project is meant.

A `Ref` is made of labels only, never of server-side numbers, URLs or positions, so that the same value names a thing in
the manifest, on the server and in a report.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import total_ordering
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Level(enum.IntEnum):
    """The levels of XNAT's tree, in the order in which they are created."""

    PROJECT = 0
    SUBJECT = 1
    SESSION = 2
    SCAN = 3
    RESOURCE = 4
    FILE = 5

    @property
    def noun(self) -> str:
        """The word that people read, e.g. ``scan``."""
        return self.name.lower()


_MARKED = {Level.SCAN: "scan:", Level.RESOURCE: "resource:"}
_PARENTS = {
    Level.SUBJECT: {Level.PROJECT},
    Level.SESSION: {Level.SUBJECT},
    Level.SCAN: {Level.SESSION},
    Level.RESOURCE: {Level.PROJECT, Level.SUBJECT, Level.SESSION, Level.SCAN},
    Level.FILE: {Level.RESOURCE},
}


@total_ordering
@dataclass(frozen=True, slots=True)
class Ref:
    """The address of one thing: ``parts`` from the project down, each a level and a label.

    The label of a file is its path inside the resource, with ``/`` between folders. Refs sort parents before children.
    """

    parts: tuple[tuple[Level, str], ...]

    @classmethod
    def project_of(cls, label: str) -> Ref:
        """The ref of a project."""
        return cls(((Level.PROJECT, label),))

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
        if self.level not in _PARENTS[level]:
            raise ValueError(f"a {level.noun} cannot lie below a {self.level.noun}")
        return Ref((*self.parts, (level, label)))

    @property
    def level(self) -> Level:
        """The level of the last part."""
        return self.parts[-1][0]

    @property
    def label(self) -> str:
        """The label of the last part."""
        return self.parts[-1][1]

    @property
    def project(self) -> str:
        """The label of the project."""
        return self.parts[0][1]

    @property
    def parent(self) -> Ref | None:
        """The ref one level up, ``None`` for a project."""
        return Ref(self.parts[:-1]) if len(self.parts) > 1 else None

    def ancestors(self) -> Iterator[Ref]:
        """Every ref above this one, nearest first."""
        for length in range(len(self.parts) - 1, 0, -1):
            yield Ref(self.parts[:length])

    def at(self, level: Level) -> Ref | None:
        """This ref or the ancestor at a level, ``None`` where there is none."""
        for index, (own, _) in enumerate(self.parts):
            if own is level:
                return Ref(self.parts[: index + 1])
        return None

    @property
    def short(self) -> str:
        """The labels below the project joined by ``/``, for people; the project's label for a project."""
        return "/".join(label for _, label in self.parts[1:]) or self.project

    def __str__(self) -> str:
        return "/".join(_write_segment(level, label) for level, label in self.parts)

    def __lt__(self, other: Ref) -> bool:
        return self.parts < other.parts


def _read_segment(parent: Ref, segment: str) -> tuple[Level, str]:
    for level, mark in _MARKED.items():
        if segment.startswith(mark):
            return level, _unescape(segment.removeprefix(mark))
    below = {Level.PROJECT: Level.SUBJECT, Level.SUBJECT: Level.SESSION}.get(parent.level)
    if below is None:
        raise ValueError(f"{segment!r} names neither a scan nor a resource")
    return below, _unescape(segment)


def _write_segment(level: Level, label: str) -> str:
    if level is Level.FILE:
        return "/".join(map(_escape, label.split("/")))
    return _MARKED.get(level, "") + _escape(label)


def _escape(label: str) -> str:
    return label.replace("%", "%25").replace("/", "%2F").replace(":", "%3A")


def _unescape(text: str) -> str:
    return text.replace("%3A", ":").replace("%2F", "/").replace("%25", "%")
