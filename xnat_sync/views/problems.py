"""Problems of a manifest as text: where, what, the line with a caret, and the remedy."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.errors import Problem, Severity
from xnat_sync.core.text import count, levels, size, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.core.model.state import DesiredState

PROBLEMS_FORMAT = 1
_WIDEST = 100


def problems_text(problems: Sequence[Problem]) -> str:
    """Every problem, in the order of file and line, errors and warnings together."""
    return "".join(_problem_text(problem) for problem in problems)


def summary_text(problems: Sequence[Problem]) -> str:
    """One phrase: ``2 errors, 1 warning``."""
    found = Counter(problem.severity for problem in problems)
    return ", ".join(count(found[severity], severity.value) for severity in (Severity.ERROR, Severity.WARNING))


def study_text(desired: DesiredState) -> str:
    """One line that says what a valid study holds."""
    numbers = Counter(ref.level for ref in (*desired.objects, *desired.files))
    total = sum(spec.size for spec in desired.files.values())
    return f"Valid: {levels(sorted(numbers.items()))} ({size(total)})\n"


def problems_data(problems: Sequence[Problem]) -> dict[str, Any]:
    """Plain JSON values, described by ``schemas/problems.v1.json``."""
    return {
        "format_version": PROBLEMS_FORMAT,
        "ok": all(problem.severity is not Severity.ERROR for problem in problems),
        "problems": [problem.to_data() for problem in problems],
    }


def _problem_text(problem: Problem) -> str:
    origin = problem.origin
    place = f"{visible(origin.file)}:{origin.line}:{origin.column}  " if origin else ""
    lines = [f"{place}{problem.severity.value} {problem.rule}  {visible(problem.summary)}"]
    if origin and origin.excerpt:
        lines += _caret(origin.excerpt, origin.line, origin.column)
    if problem.hint:
        lines.append(f"    {visible(problem.hint)}")
    return "\n".join(lines) + "\n"


def _caret(excerpt: str, line: int, column: int) -> list[str]:
    """The line as it stands in the file, and a mark below the place; a long line is shown around the place."""
    start = max(0, column - 1 - _WIDEST // 2) if len(excerpt) > _WIDEST else 0
    shown = visible(excerpt[start : start + _WIDEST].replace("\t", " "))
    gutter = f"{line:>6} │ "
    return [f"{gutter}{shown}", f"{' ' * (len(gutter) - 2)}│ {' ' * (column - 1 - start)}^"]
