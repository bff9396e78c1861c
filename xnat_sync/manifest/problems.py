"""Where the manifest's readers put what they find wrong, so that one run tells everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.errors import Problem, Severity
from xnat_sync.core.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.errors import Origin
    from xnat_sync.core.refs import Ref


class Problems:
    """A growing list of problems; equal ones at one place are kept once."""

    def __init__(self) -> None:
        self._found: dict[tuple[object, ...], Problem] = {}

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
            self._found.setdefault((problem.rule, problem.summary, problem.origin), problem)

    @property
    def fatal(self) -> bool:
        """Whether an error is among them."""
        return any(problem.severity is Severity.ERROR for problem in self._found.values())

    def sorted(self) -> tuple[Problem, ...]:
        """All problems in the order of files and lines; what only informs comes last."""
        return tuple(sorted(self._found.values(), key=_place))


def _place(problem: Problem) -> tuple[bool, str, int, int, str, str]:
    origin = problem.origin
    last = problem.severity is Severity.INFO
    if origin is None:
        return (last, "", 0, 0, problem.rule, problem.summary)
    return (last, origin.file, origin.line, origin.column, problem.rule, problem.summary)
