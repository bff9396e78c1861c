"""Findings that a manifest lets pass, each with a reason."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Severity
from xnat_sync.core.model.rules import RULES
from xnat_sync.manifest.text.document import Seq, shown
from xnat_sync.manifest.text.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

IGNORABLE = frozenset(
    rule
    for rule, entry in RULES.items()
    if rule.startswith("XS5") or (rule.startswith(("XS1", "XS3")) and entry.severity is Severity.WARNING)
)
"""What one may know better than a rule: what identifies, what is odd about a label or an image; never damage."""


@dataclass(slots=True, kw_only=True)
class Ignore:
    """One entry of ``ignore``; without a pattern it holds for everything."""

    rule: str
    root: str
    pattern: list[str] | None
    node: Node
    used: bool = False

    @property
    def written(self) -> str | None:
        """The pattern as text."""
        return None if self.pattern is None else "/".join(self.pattern)

    @property
    def reason(self) -> str:
        """Why it is let pass."""
        said = self.node.entries().get("reason")
        return said.text or "" if said else ""

    def covers(self, rule: str, path: str | None) -> bool:
        """Whether a finding in a file, or with no path one in the manifest itself, is let pass."""
        if rule != self.rule:
            return False
        if self.pattern is not None and (path is None or not path.startswith(self.root + "/")):
            return False
        hit = self.pattern is None or _fits((path or "")[len(self.root) + 1 :].split("/"), self.pattern)
        self.used = self.used or hit
        return hit


class Ignores:
    """All entries of a study's manifests."""

    def __init__(self, entries: Iterable[Ignore] = ()) -> None:
        self.entries = tuple(entries)

    def covers(self, rule: str, path: str | None) -> bool:
        """Whether any entry lets a finding pass; each that does counts as used."""
        return any([entry.covers(rule, path) for entry in self.entries if entry.rule == rule])  # noqa: C419 - all

    def tell_unused(self, problems: Problems) -> None:
        """Note every entry that has become pointless."""
        for entry in self.entries:
            if not entry.used:
                problems.add("XS035", f"nothing breaks {entry.rule} here", entry.node.origin())


def read_ignores(tops: Iterable[tuple[Node, str]], problems: Problems) -> Ignores:
    """The ``ignore`` lists of some documents, each with the root that its patterns are relative to."""
    found: list[Ignore] = []
    for top, root in tops:
        listed = top.entries().get("ignore")
        if listed is None or not isinstance(listed.value, Seq):
            continue
        for node in listed.sound():
            said = node.entries()
            if "rule" not in said:
                continue
            rule = said["rule"].text or ""
            if rule not in IGNORABLE:
                why = "is no rule" if rule not in RULES else "says that something is broken"
                hint = did_you_mean(rule, IGNORABLE) if rule not in RULES else "mend it; it cannot be ignored"
                problems.add("XS034", f"{shown(rule)} {why}", said["rule"].origin(), hint=hint)
                continue
            pattern = (said["files"].text or "").removeprefix("./").split("/") if "files" in said else None
            found.append(Ignore(rule=rule, root=root, pattern=pattern, node=node))
    return Ignores(found)


def _fits(names: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path fits a pattern, both in parts: ``**`` is any folders, as in ``files``."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        rest = pattern[1:] or ["*"]
        return any(_fits(names[start:], rest) for start in range(len(names)))
    return bool(names) and fnmatch.fnmatchcase(names[0], pattern[0]) and _fits(names[1:], pattern[1:])
