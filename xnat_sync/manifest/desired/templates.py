"""Templates: bodies of sessions and scans that others extend, and texts with names in braces that values fill."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.manifest.text.document import FromEnvironment, Map, Seq, shown
from xnat_sync.manifest.text.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xnat_sync.manifest.text.document import Data, Node
    from xnat_sync.manifest.text.problems import Problems

EVERY = "*"
"""The template that every scan or session begins with which extends one, or is discovered."""

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_WILD = re.compile(r"[*?\[{}]")
_PATTERNS = frozenset(("resources", "files"))
# Below resources these are no patterns of files.
_PLAIN = frozenset(("to", "relative_to", "format", "content", "state", "side_files_of"))


class Filler:
    """Fills names in braces with values; what stands for nothing is noted."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def text(self, node: Node, values: Mapping[str, str], *, pattern: bool = False) -> str:
        """The text of a node with its names filled; ``{{`` and ``}}`` are braces.

        In a ``pattern`` of files a value stands for itself, whatever characters it has.
        """
        written = node.text or ""
        if "{" not in written and "}" not in written:
            return written

        def value_of(found: re.Match[str]) -> str:
            whole = found.group()
            if whole in ("{{", "}}"):
                return whole[0]
            value = values.get(found[1]) if found[1] is not None else None
            if value is None:
                self._tell(node, whole, values)
                return ""
            return _WILD.sub(r"[\g<0>]", value) if pattern else value

        made = _BRACES.sub(value_of, written)
        return FromEnvironment.of(made, written) if isinstance(written, FromEnvironment) else made

    def node(self, node: Node, values: Mapping[str, str], *, pattern: bool = False) -> Node:
        """A node with every text below it filled."""
        if isinstance(node.value, str):
            return node.with_value(self.text(node, values, pattern=pattern))
        if node.is_map:
            entries = {}
            for key, child in node.labels().items():
                below = key in _PATTERNS or (pattern and key not in _PLAIN)
                entries[key] = self.node(child, values, pattern=below) if not key.startswith("x-") else child
            return node.with_entries(entries)
        return node.with_value(self._data(node, values, pattern=pattern))

    def _data(self, node: Node, values: Mapping[str, str], *, pattern: bool) -> Data:
        match node.value:
            case str():
                return self.text(node, values, pattern=pattern)
            case Seq() as items:
                made = Seq()
                made.marks = items.marks
                made += [self._data(child, values, pattern=pattern) for child in node.children()]
                return made
            case Map() as mapping:
                filled = Map()
                filled.marks = mapping.marks
                for child in node.children():
                    plain = child.key in _PLAIN
                    filled[str(child.key)] = self._data(child, values, pattern=pattern and not plain)
                return filled
            case _:
                return None

    def _tell(self, node: Node, whole: str, values: Mapping[str, str]) -> None:
        name = whole.strip("{}")
        hint = did_you_mean(name, values) or f"known here: {', '.join(sorted(values)[:20])}"
        self._problems.add("XS402", f"{shown(whole)} stands for nothing here", node.origin(), hint=hint)


@dataclass(frozen=True, slots=True)
class Templates:
    """The templates that hold in one document, by name."""

    sessions: Mapping[str, Node] = field(default_factory=dict)
    scans: Mapping[str, Node] = field(default_factory=dict)

    def within(self, top: Node) -> Templates:
        """Those that hold in a document: its own, and those of the one that includes it."""
        said = top.entries()
        if "session_templates" not in said and "scan_templates" not in said:
            return self
        own = {key: said[key].labels() if key in said else {} for key in ("session_templates", "scan_templates")}
        return Templates({**self.sessions, **own["session_templates"]}, {**self.scans, **own["scan_templates"]})

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.sessions or self.scans)


def chain(
    known: Mapping[str, Node], extends: Node | None, name: str, problems: Problems, *, may_lack: bool = False
) -> list[Node]:
    """The templates that a body extends, the farthest first; that for every body, if there is one, before all.

    With ``may_lack`` a name that no template has is fine where there is one for every body.
    """
    found: list[Node] = [known[EVERY]] if EVERY in known else []
    if extends is None:
        return found
    if name not in known:
        if not (may_lack and EVERY in known):
            hint = did_you_mean(name, known) or (f"known: {', '.join(sorted(known)[:12])}" if known else "")
            problems.add("XS401", f"there is no template {shown(name)}", extends.origin(), hint=hint)
        return found
    line = [node for node in _upwards(known, name, problems) if node.key != EVERY]
    return found + line[::-1]


def _upwards(known: Mapping[str, Node], name: str, problems: Problems) -> Iterator[Node]:
    seen: set[str] = set()
    while True:
        seen.add(name)
        yield known[name]
        above = known[name].entries().get("extends")
        if above is None or not above.text:
            return
        name = above.text
        if name in seen or name not in known:
            why = "extends itself in a circle" if name in seen else "is not there"
            problems.add("XS401", f"the template {shown(name)} {why}", above.origin())
            return
