"""How a run ended, for people: what failed and why, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.outcome import Outcome, Report, Status
from xnat_sync.core.text import count, duration, size, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.core.model.verify_result import Verification

SHOWN = 50
"""So many failures, and so many other remarks, are shown one by one."""


def report_text(report: Report) -> str:
    """Every failure with its reason, the counts, and what to do next."""
    stopped = (Status.FAILED, Status.BLOCKED, Status.REFUSED)
    lines = [*(line for status in stopped for line in _listed(report, status)), *_remarks(report)]
    lines += [f"Warning: {visible(warning)}" for warning in report.warnings]
    return "\n".join([*lines, _summary(report), *_next(report)]) + "\n"


def verification_text(proof: Verification) -> str:
    """Every finding, then what was proven and how."""
    lines = [
        f"{finding.fault.value:<8} {visible(finding.ref.short)}  {visible(finding.message)}"
        for finding in proof.findings[:SHOWN]
    ]
    if len(proof.findings) > SHOWN:
        lines.append(f"… and {len(proof.findings) - SHOWN} more (--format json has all)")
    ways = (
        (proof.by_download, "read back and equal"),
        (proof.by_digest, "proven by digest"),
        (proof.by_size, "equal in size only (the server states no digest)"),
    )
    proven = ", ".join(f"{number:,} {way}" for number, way in ways if number)
    verdict = "all as in the manifest" if proof.ok else f"{len(proof.findings):,} not as in the manifest"
    return (
        "\n".join([*lines, f"Verified {count(proof.files, 'file')}: {verdict}" + (f" ({proven})" if proven else "")])
        + "\n"
    )


def outcome_line(outcome: Outcome) -> str:
    """One outcome as one line."""
    change = outcome.change
    tail = f": {visible(outcome.message)}" if outcome.message else ""
    return f"{outcome.status.value} {change.action.value} {change.ref.level.noun} {visible(change.ref.short)}{tail}"


def _listed(report: Report, status: Status) -> Iterator[str]:
    found = [outcome for outcome in report.outcomes if outcome.status is status]
    yield from map(outcome_line, found[:SHOWN])
    if len(found) > SHOWN:
        yield f"… and {len(found) - SHOWN} more {status.value} (--format json has all)"


def _remarks(report: Report) -> Iterator[str]:
    """What is done but deserves a word: equal remarks of many files in one line."""
    groups: dict[str, int] = {}
    for outcome in report.outcomes:
        if outcome.message and outcome.status in (Status.APPLIED, Status.UNCHANGED):
            groups[outcome.message] = groups.get(outcome.message, 0) + 1
    for message, number in list(groups.items())[:SHOWN]:
        yield f"{count(number, 'change')}: {visible(message)}"


def _summary(report: Report) -> str:
    counts = [f"{number:,} {status.value}" for status, number in report.counts.items() if number]
    rate = f", {size(report.bytes_sent / report.seconds)}/s" if report.bytes_sent and report.seconds else ""
    sent = f" · {size(report.bytes_sent)} sent" if report.bytes_sent else ""
    head = "Interrupted" if report.interrupted else "Done" if report.ok else "Not done"
    return f"{head}: {', '.join(counts) or 'nothing to do'}{sent} in {duration(report.seconds)}{rate}"


def _next(report: Report) -> Iterator[str]:
    if not report.ok:
        yield "Run the same command again: it does only what is still missing."
        if report.run:
            yield f"With --retry {report.run} it leaves everything else alone, too."
