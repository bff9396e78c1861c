"""What the rules of one document found: files by the subject, session and scan that each belongs to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.manifest.text.document import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xnat_sync.manifest.desired.templates import Filler
    from xnat_sync.manifest.discovery.rules import Hit
    from xnat_sync.manifest.text.problems import Problems


@dataclass(slots=True)
class FoundSession:
    """What was discovered of one session: its first file, what all its files say alike, and the scans' by ID."""

    first: Hit
    shared: dict[str, str]
    scans: dict[str, Hit] = field(default_factory=dict)


@dataclass(slots=True)
class FoundSubject:
    """What was discovered of one subject."""

    first: Hit
    shared: dict[str, str]
    sessions: dict[str, FoundSession] = field(default_factory=dict)


def sorted_out(hits: Iterable[Hit], fill: Filler, problems: Problems) -> dict[str, FoundSubject]:
    """Every file under its subject, session and scan; what would get one label and is not one is noted."""
    sorter = _Sorter(fill, problems)
    for hit in hits:
        sorter.place(hit)
    return sorter.found


class _Sorter:
    def __init__(self, fill: Filler, problems: Problems) -> None:
        self.found: dict[str, FoundSubject] = {}
        self._fill = fill
        self._problems = problems

    def place(self, hit: Hit) -> None:
        """Put a file under its subject, session and scan."""
        label = hit.rule.label("subject", hit, self._fill)
        if label is None:
            self._problems.add(
                "XS405", "the rule does not say which subject its files belong to", hit.rule.node.origin()
            )
            return
        told = _told(hit)
        subject = self.found.setdefault(label, FoundSubject(hit, dict(told)))
        _keep_shared(subject.shared, told)
        if _differ(subject.first, hit, "subject"):
            self._tell_collision("subject", label, subject.first, hit)
        session_label = hit.rule.label("session", hit, self._fill) or label
        session = subject.sessions.setdefault(session_label, FoundSession(hit, dict(told)))
        _keep_shared(session.shared, told)
        if _differ(session.first, hit, "session"):
            self._tell_collision("session", session_label, session.first, hit)
        scan = hit.rule.label("scan", hit, self._fill) or ""
        if scan in session.scans:
            self._tell_collision("scan", scan, session.scans[scan], hit)
            return
        session.scans[scan] = hit
        hit.rule.counts.setdefault(label, Counter())[session_label] += 1

    def _tell_collision(self, what: str, label: str, first: Hit, second: Hit) -> None:
        summary = f"{shown(first.path)} and {shown(second.path)} would both belong to {what} {label}"
        place = second.rule.part(what) or second.rule.node
        self._problems.add("XS403", summary, place.origin())


def _told(hit: Hit) -> dict[str, str]:
    """What the path of one file may say of its whole session or subject."""
    return {**{key: hit.values[key] for key in ("sub", "ses") if key in hit.values}, **hit.caught}


def _keep_shared(shared: dict[str, str], told: Mapping[str, str]) -> None:
    for key in [key for key, value in shared.items() if told.get(key) != value]:
        del shared[key]


def _differ(first: Hit, second: Hit, name: str) -> bool:
    """Whether two files were caught from different subjects or sessions."""
    short = "sub" if name == "subject" else "ses"
    both = first.values.keys() & second.values.keys() & {name, short}
    return any(first.values[key] != second.values[key] for key in both)
