"""Where the manifest's readers put what they find wrong, so that one run tells everything."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Problem, Severity
from xnat_sync.core.model.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.refs import Ref

_QUOTED = re.compile(r"'[^']*'")


class Problems:
    """A growing list of problems; equal ones at one place are kept once."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Problem] = {}
        self._names: dict[str, str] = {}
        self.told = 0
        """How often something was noted, equal problems too."""

    def add(self, rule: str, summary: str, origin: Origin | None, *, hint: str = "", ref: Ref | None = None) -> None:
        """Note a breach of a rule; the rule's remedy is the hint unless a better one is given."""
        known = RULES[rule]
        problem = Problem(
            rule=rule, summary=summary, hint=hint or known.remedy, severity=known.severity, origin=origin, ref=ref
        )
        self.extend((problem,))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note problems that were found elsewhere."""
        for problem in problems:
            self.told += 1
            self._found.setdefault((problem.rule, problem.summary, problem.origin), problem)

    def conceal(self, names: Mapping[str, str]) -> None:
        """Say in every problem another name in the place of some files' own, and show no line that has those."""
        self._names.update(names)

    @property
    def fatal(self) -> bool:
        """Whether an error is among them."""
        return any(problem.severity is Severity.ERROR for problem in self._found.values())

    def sorted(self) -> tuple[Problem, ...]:
        """All problems in the order of files and lines; what only informs comes last."""
        found = self._found.values()
        return tuple(
            sorted((_concealed(problem, self._names) for problem in found) if self._names else found, key=_place)
        )


def _concealed(problem: Problem, names: Mapping[str, str]) -> Problem:
    def other(quoted: re.Match[str]) -> str:
        base = quoted[0].strip("'").rpartition("/")[2]
        return repr(names[base]) if base in names else quoted[0]

    summary = _QUOTED.sub(other, problem.summary)
    ref, origin = problem.ref, problem.origin
    if ref is not None and ref.label.rpartition("/")[2] in names:
        ref = ref.parent
    if origin is not None and any(name in origin.excerpt for name in names):
        origin = origin._replace(excerpt="", path=())
    return replace(problem, summary=summary, ref=ref, origin=origin)


def _place(problem: Problem) -> tuple[bool, str, int, int, str, str]:
    origin = problem.origin
    last = problem.severity is Severity.INFO
    if origin is None:
        return (last, "", 0, 0, problem.rule, problem.summary)
    return (last, origin.file, origin.line, origin.column, problem.rule, problem.summary)
