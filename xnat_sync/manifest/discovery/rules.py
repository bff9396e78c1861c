"""``discover``: rules that catch files by their paths and say which subject, session and scan each belongs to."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.core.formats.bids import is_misfiled, known_values
from xnat_sync.manifest.desired.study import quoted
from xnat_sync.manifest.discovery.path_patterns import PathPattern
from xnat_sync.manifest.text.document import Seq, shown

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping, Sequence

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.manifest.desired.templates import Filler
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems


class Hit(NamedTuple):
    """One file that a rule caught, with all that its path says; ``caught`` are the parts that the rule names."""

    rule: Rule
    path: str
    values: Mapping[str, str]
    caught: Mapping[str, str]


@dataclass(slots=True, eq=False)
class Rule:
    """One rule: where it looks, what it lets pass, and what it makes of a file.

    ``counts`` are its scans by subject and session label; it is ``idle`` if it caught nothing that it looked for;
    ``misfiled`` are files in another subject's or session's folder.
    """

    node: Node
    patterns: tuple[PathPattern, ...]
    where: Mapping[str, tuple[str, ...]]
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    idle: bool = False
    misfiled: list[str] = field(default_factory=list)

    @property
    def skips(self) -> bool:
        """Whether it only takes files out of the sight of other rules."""
        said = self.node.entries().get("skip")
        return said is not None and said.text == "true"

    def part(self, name: str) -> Node | None:
        """What it says of the subject, session or scan."""
        return self.node.entries().get(name)

    def label(self, name: str, hit: Hit, fill: Filler) -> str | None:
        """The label of the subject or session, or the ID of the scan, that a file belongs to.

        ``+``, which BIDS has in labels and XNAT has not, becomes ``-``.
        """
        said = self.part(name)
        if said is not None and said.is_map:
            said = said.entries().get("id" if name == "scan" else "label")
        text = fill.text(said, hit.values) if said is not None else _usual(name, hit.values)
        return None if text is None else text.replace("+", "-")

    def lets_pass(self, values: Mapping[str, str]) -> bool:
        """Whether all its conditions hold; a name without a value has the empty text."""
        return all(_is_one(values.get(name, ""), wanted) for name, wanted in self.where.items())


def _usual(name: str, values: Mapping[str, str]) -> str | None:
    match name:
        case "scan":
            return values["name"]
        case "session" if "session" in values and "subject" in values:
            return f"{values['subject']}_{values['session']}"
        case _:
            return values.get("subject")


def _is_one(value: str, wanted: Sequence[str]) -> bool:
    allowed = [text for text in wanted if not text.startswith("!")]
    refused = [text[1:] for text in wanted if text.startswith("!")]
    return (not allowed or any(fnmatch.fnmatchcase(value, text) for text in allowed)) and not any(
        fnmatch.fnmatchcase(value, text) for text in refused
    )


def read_rules(top: Node, problems: Problems) -> list[Rule]:
    """The rules of a document, in their order."""
    listed = top.entries().get("discover")
    if listed is None or not isinstance(listed.value, Seq):
        return []
    found: list[Rule] = []
    for node in listed.sound():
        said = node.entries()
        patterns: list[PathPattern] = []
        for text in _texts(said.get("path")):
            try:
                patterns.append(PathPattern.of(str(text.text).removeprefix("./")))
            except ValueError as error:
                problems.add("XS405", f"the path {shown(text.text or '')} {error}", text.origin())
        conditions = said["where"].labels() if "where" in said else {}
        where = {name: tuple(str(text.text or "") for text in _texts(wanted)) for name, wanted in conditions.items()}
        found.append(Rule(node=node, patterns=tuple(patterns), where=where))
    return found


def _texts(node: Node | None) -> Iterator[Node]:
    """One text, or those of a list."""
    if node is None:
        return
    if isinstance(node.value, Seq):
        yield from node.sound()
    else:
        yield node


def catch(rules: Sequence[Rule], root: str, local: LocalSide) -> tuple[list[Hit], set[str]]:
    """All that the rules catch below a root, and every path that one of them took: the first that fits takes a file."""
    hits: list[Hit] = []
    caught: set[str] = set()
    for rule in rules:
        known = len(caught)
        for pattern in rule.patterns:
            for path in local.paths(root, pattern.glob):
                found = None if path in caught else pattern.match(path)
                if found is None:
                    continue
                values = {**known_values(path), **found}
                if rule.lets_pass(values):
                    caught.add(path)
                    if not rule.skips:
                        hits.append(Hit(rule, path, values, found))
                        rule.misfiled += [path] if is_misfiled(path) else []
        rule.idle = len(caught) == known and bool(rule.patterns) and not rule.skips
    return hits, caught


def tell_misfiled(rules: Sequence[Rule], problems: Problems) -> None:
    """Tell of files that lie in the folder of another subject or session."""
    for rule in rules:
        if rule.misfiled:
            files = "1 file lies" if len(rule.misfiled) == 1 else f"{len(rule.misfiled)} files lie"
            summary = f"{files} in the folder of another subject or session: {quoted(rule.misfiled)}"
            problems.add("XS406", summary, _place(rule).origin())


def tell_idle(rules: Sequence[Rule], problems: Problems, *, prunes: bool) -> None:
    """Tell of rules that caught nothing: where what nobody names is pruned, a missing disk must not empty a project."""
    for rule in rules:
        if rule.idle and prunes:
            problems.add("XS407", "the rule catches no file, and the manifest says prune", _place(rule).origin())
        elif rule.idle:
            problems.add("XS412", "the rule catches no file", _place(rule).origin())


def check_counts(rules: Sequence[Rule], problems: Problems) -> None:
    """Hold what each rule found against the numbers that it expects, for each subject and session."""
    for rule in rules:
        expected = rule.part("expect")
        if expected is None:
            continue
        said = expected.entries()
        if "sessions" in said:
            numbers = {subject: len(sessions) for subject, sessions in rule.counts.items()}
            _tell_unexpected("session", said["sessions"], numbers, problems)
        if "scans" in said:
            counts = {label: number for found in rule.counts.values() for label, number in found.items()}
            _tell_unexpected("scan", said["scans"], counts, problems)


def _tell_unexpected(what: str, node: Node, numbers: Mapping[str, int], problems: Problems) -> None:
    wanted = int(node.text or 0)
    odd = [f"{label} ({number})" for label, number in sorted(numbers.items()) if number != wanted]
    if odd:
        whose = "subject" if what == "session" else "session"
        summary = f"{len(odd)} of {len(numbers)} {whose}s have not {wanted} {what}s: {quoted(odd)}"
        problems.add("XS410", summary, node.origin())


def _place(rule: Rule) -> Node:
    return rule.node.entries().get("path", rule.node)
