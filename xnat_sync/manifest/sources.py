"""From paths on a command line to the documents of one study: folders, includes, roots."""

from __future__ import annotations

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
    from collections.abc import Iterator, Mapping, Sequence

    from xnat_sync.core.model.local_port import Memory
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

    def __init__(self, environ: Mapping[str, str], problems: Problems, memory: Memory | None = None) -> None:
        self._environ = environ
        self._memory = memory
        self._problems = problems
        self._here = Path.cwd()
        self._allowed = {self._here.resolve()}
        self._sources: dict[Path, Source | None] = {}

    def read(self, paths: Sequence[Path]) -> tuple[Source, ...]:
        """The manifests that some files and folders stand for, with all that they include, sorted by path."""
        for path in paths:
            for file in self.files_of(path):
                self._allowed.update(_neighbourhood(file))
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
        if not absolute.is_dir():
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
            fill_in(document, self._environ, self._problems)
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
        if not any(character in pattern for character in "*?["):
            named = path.parent / pattern
            if not self._is_near(named):
                self._problems.add("XS016", f"the include {shown(node.text or '')} leads elsewhere", node.origin())
                return []
            if named.is_file():
                return [named]
            self._problems.add("XS011", f"the include {shown(node.text or '')} is no file", node.origin())
            return []
        base = Path(pattern).anchor
        matches = Path(base).glob(pattern.removeprefix(base)) if base else path.parent.glob(pattern)
        files = sorted(match for match in matches if self._is_near(match) and match.is_file())
        if not files:
            self._problems.add("XS011", f"the include {shown(node.text or '')} matches no file", node.origin())
        return files

    def _is_near(self, path: Path) -> bool:
        """Whether a file may be included: a problem shows the line where it is, and who wrote the include may not know.

        Links count for where they lead.
        """
        real = path.resolve()
        return any(real.is_relative_to(folder) for folder in self._allowed)

    def text_of(self, path: Path) -> str | None:
        """The text of a manifest; what keeps it from being read is noted."""
        origin = self._top_of(path)
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


def _neighbourhood(manifest: Path) -> Iterator[Path]:
    """The folders that a manifest named on the command line may include from: its own, and its git checkout."""
    folder = manifest.resolve().parent
    yield folder
    yield from (above for above in (folder, *folder.parents) if (above / ".git").exists())


def _includes(document: Document) -> Iterator[Node]:
    include = document.root().entries().get("include")
    if include is None:
        return
    if isinstance(include.value, Seq):
        yield from (item for item in include.sound() if item.text)
    elif include.text:
        yield include
