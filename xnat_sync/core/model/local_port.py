"""What the manifest asks of the local disk, as a port: `xnat_sync.local.disk` answers it, and so can a test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xnat_sync.core.model.state import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One thing that is wrong with a local file: a rule of `rules`, a sentence, and what to do if it is special."""

    rule: str
    summary: str
    hint: str = ""


class FoundFile(NamedTuple):
    """One regular, readable local file: ``name`` is relative to the root with ``/``, ``path`` is absolute."""

    name: str
    path: str
    size: int
    mtime_ns: int


class Matches(NamedTuple):
    """What a pattern means on the disk: the files sorted by name, and what forbids to take them as they are."""

    files: tuple[FoundFile, ...] = ()
    breaches: tuple[Breach, ...] = ()


class LocalFile(NamedTuple):
    """A local file to look into, with its name inside the resource, which says what it should be."""

    path: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """Something that may say who somebody is: a rule, and in words where it is, never what it is.

    ``name`` is how the file may be called in a message, ``None`` for its own name: that may be the clue itself.
    """

    rule: str
    what: str
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What some files show; each breach and each clue with the place of its file in their list.

    ``images`` are so many, and ``found`` the attributes that they agree on, whatever type the scan has.
    """

    breaches: tuple[tuple[int, Breach], ...] = ()
    clues: tuple[tuple[int, Clue], ...] = ()
    images: int = 0
    found: Mapping[str, Found] = field(default_factory=dict)


class Whole(NamedTuple):
    """What one pass over a whole file gives: its MD5 in hex, and what is wrong with its bytes."""

    md5: str
    findings: tuple[Breach, ...]


class Memory(Protocol):
    """What may be remembered between runs, or forgotten at any time."""

    def recall(self, key: bytes) -> bytes | None:
        """What was kept under a key, ``None`` where nothing is."""

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        """Remember a value, made only if there is anything to keep it in; not for ever."""


class LocalSide(Memory, Protocol):
    """The local disk, as far as a manifest needs it. Of what a study consists of it only reads."""

    def find(self, root: str, pattern: str) -> Matches:
        """The files below an absolute root that a pattern names; never one outside of it, links resolved.

        No match at all, for a pattern that is a plain path, is a breach; for one with wildcards it is not.
        """

    def paths(self, root: str, pattern: str) -> Sequence[str]:
        """The names below an absolute root that a pattern matches, folders left out; nothing is said of the files."""

    def side_files(self, root: str, image: str) -> Sequence[str]:
        """The files that apply to an image by the rules of BIDS, see `bids.side_files`; paths relative to the root."""

    def text(self, path: str) -> str:
        """The content of a table or another small text; one that cannot be read is a `LocalFileError`."""

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        """What is wrong with all files of one object: images by their headers, side files by their image."""

    def md5(self, path: str) -> str:
        """The MD5 of a file in hex; an unreadable file is a `LocalFileError`."""

    def read_whole(self, path: str) -> Whole:
        """The MD5 of a file, and what reading it to its end shows; an unreadable file is a `LocalFileError`."""
