"""From paths on a command line to the documents of one study: folders, includes, roots."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Origin
from xnat_sync.manifest.text.document import Seq, shown
from xnat_sync.manifest.text.environment import fill_in
from xnat_sync.manifest.text.parser import parse
from xnat_sync.manifest.text.schema import check

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xnat_sync.core.model.local_port import Memory
    from xnat_sync.manifest.surroundings import Fence, Surroundings
    from xnat_sync.manifest.text.document import Document, Node
    from xnat_sync.manifest.text.problems import Problems

SUFFIXES = (".yaml", ".yml")
MOST_BYTES = 1 << 30
_PIECE = 1 << 20


@dataclass(slots=True, kw_only=True)
class Source:
    """One manifest that was read; ``includer`` is the one that includes it, if any."""

    path: Path
    document: Document
    includer: Source | None = None
    included_at: Node | None = None


class SourceReader:
    """Reads every manifest once, however often it is named."""

    def __init__(self, around: Surroundings, fence: Fence, problems: Problems, memory: Memory | None = None) -> None:
        self._around = around
        self._fence = fence
        self._memory = memory
        self._problems = problems
        self._here = Path.cwd()
        self._sources: dict[Path, Source | None] = {}

    def read(self, paths: Sequence[Path]) -> tuple[Source, ...]:
        """The manifests that some files and folders stand for, with all that they include, sorted by path."""
        for path in paths:
            for file in self.files_of(path):
                self._load(file, ())
        found = [source for source in self._sources.values() if source]
        return tuple(sorted(found, key=lambda source: source.path))

    def name_of(self, path: Path) -> str:
        """A path as a person would type it here."""
        try:
            return str(path.relative_to(self._here))
        except ValueError:
            return str(path)

    def files_of(self, path: Path) -> Iterator[Path]:
        """The manifest that a path names, or those in a folder that it names."""
        absolute = self._here / path
        if not os.path.isdir(absolute):  # noqa: PTH112 - unlike the method it never raises
            yield absolute
            return
        inside = sorted(file for file in absolute.iterdir() if file.suffix in SUFFIXES and file.is_file())
        if not inside:
            summary = f"the folder {path} has no manifest in it"
            hint = "manifests are its files that end in .yaml or .yml"
            self._problems.add("XS006", summary, self._top_of(absolute), hint=hint)
        yield from inside

    def _top_of(self, path: Path) -> Origin:
        return Origin(file=self.name_of(path), line=1, column=1)

    def _load(self, path: Path, above: tuple[Path, ...]) -> Source | None:
        key = path.resolve()
        if key in self._sources:
            return self._sources[key]
        self._sources[key] = None
        document = self._open(path)
        if document is None:
            return None
        source = Source(path=path, document=document)
        self._sources[key] = source
        if document.may_use_environment:
            fill_in(document, self._around, self._problems)
        check(document, self._problems)
        for node in _includes(document):
            for below in self._matches(path, node):
                self._include(source, node, below, (*above, key))
        return source

    def _include(self, source: Source, node: Node, path: Path, above: tuple[Path, ...]) -> None:
        if path.resolve() in above:
            names = " → ".join(self.name_of(step) for step in (*above[above.index(path.resolve()) :], path.resolve()))
            self._problems.add("XS010", f"the includes run in a circle: {names}", node.origin())
            return
        included = self._load(path, above)
        if included is None:
            return
        other = included.includer
        if other is not None and other is not source:
            summary = f"{included.document.name} is included here and by {other.document.name}"
            self._problems.add("XS012", summary, node.origin())
            return
        included.includer = source
        included.included_at = node

    def _matches(self, path: Path, node: Node) -> list[Path]:
        """The files of one include pattern, relative to the manifest that says it."""
        pattern = str(node.text)
        fixed, wild = _split(pattern)
        base = path.parent / fixed
        if not self._fence.admits(base) or ".." in wild:
            self._problems.add("XS016", f"the include {shown(node.text or '')} leads elsewhere", node.origin())
            return []
        if not wild:
            if os.path.isfile(base):  # noqa: PTH113 - unlike the method it never raises
                return [base]
            self._problems.add("XS011", f"the include {shown(node.text or '')} is no file", node.origin())
            return []
        files = sorted(match for match in _matching(base, wild) if self._fence.admits(match) and match.is_file())
        if not files:
            self._problems.add("XS011", f"the include {shown(node.text or '')} matches no file", node.origin())
        return files

    def text_of(self, path: Path) -> str | None:
        """The text of a manifest; what keeps it from being read is noted.

        A problem shows the line where it is: a link in a checkout must not lead to other people's files.
        """
        origin = self._top_of(path)
        if not self._fence.admits(path):
            self._problems.add("XS016", f"the manifest {origin.file} leads to a file elsewhere", origin)
            return None
        try:
            with path.open("rb") as file:
                # In pieces: one read of so much would take the memory for all of it first.
                content = b"".join(islice(iter(partial(file.read, _PIECE), b""), MOST_BYTES // _PIECE + 1))
            if len(content) > MOST_BYTES:
                self._problems.add("XS006", f"the manifest {origin.file} has more than {MOST_BYTES:,} bytes", origin)
                return None
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            column = error.start - error.object.rfind(b"\n", 0, error.start)
            place = Origin(file=origin.file, line=line, column=column)
            self._problems.add("XS006", "the file is not UTF-8 text", place, hint="save it as UTF-8")
            return None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            self._problems.add("XS006", f"the manifest {origin.file} cannot be opened: {reason}", origin)
            return None

    def _open(self, path: Path) -> Document | None:
        text = self.text_of(path)
        if text is None:
            return None
        document, problems = parse(text, self.name_of(path), self._memory)
        self._problems.extend(problems)
        return document


def _includes(document: Document) -> Iterator[Node]:
    include = document.root().entries().get("include")
    if include is None:
        return
    if isinstance(include.value, Seq):
        yield from (item for item in include.sound() if item.text)
    elif include.text:
        yield include


def _split(pattern: str) -> tuple[str, list[str]]:
    """The folder that a pattern begins with, or the file that it names, and the parts from the first wild one on."""
    parts = pattern.split("/")
    first = next((index for index, part in enumerate(parts) if any(sign in part for sign in "*?[")), len(parts))
    return "/".join(parts[:first]) or ("/" if pattern.startswith("/") else "."), parts[first:]


def _matching(folder: Path, wild: list[str]) -> list[Path]:
    try:
        return list(folder.glob("/".join(wild)))
    except (OSError, ValueError):  # Two stars beside other characters, a name that is too long.
        return []
