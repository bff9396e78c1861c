"""Progress on standard error: a bar where somebody watches, a line every half minute where a log is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NoReturn, TextIO

from tqdm import tqdm

from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.outcome import Outcome, Report, Status
from xnat_sync.core.text import count, size, visible
from xnat_sync.views.run import outcome_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.core.model.changes import Plan

HEARTBEAT_SECONDS = 30.0
_TO_SHOW = (Status.FAILED, Status.BLOCKED, Status.REFUSED)


class _Counts:
    """What both displays keep count of."""

    def __init__(self, plan: Plan) -> None:
        self.changes = len(plan.changes)
        self.bytes = plan.bytes_to_send
        self.done: dict[str, Status] = {}
        self.sent = 0

    def settle(self, outcome: Outcome) -> None:
        self.done[str(outcome.change.ref)] = outcome.status

    @property
    def failed(self) -> int:
        return sum(status in _TO_SHOW for status in self.done.values())


class Bars(Listener):
    """One bar of bytes for a person who watches; failures scroll by above it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._counts: _Counts | None = None
        self._bar: tqdm[NoReturn] | None = None

    def reading(self, what: str) -> None:
        """Say it in one line."""
        self._stream.write(f"{visible(what)} …\n")
        self._stream.flush()

    def started(self, plan: Plan) -> None:
        """Open the bar."""
        if plan.is_empty:
            return
        self._counts = _Counts(plan)
        self._bar = tqdm(
            total=plan.bytes_to_send,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            file=self._stream,
            dynamic_ncols=True,
            leave=True,
            desc=f"0/{len(plan.changes)} changes",
        )

    def sent(self, count: int) -> None:
        """Move the bar, back too."""
        if self._bar is not None:
            self._bar.update(count)

    def finished(self, outcome: Outcome) -> None:
        """Count it; show it if it failed."""
        if self._bar is None or self._counts is None:
            return
        self._counts.settle(outcome)
        if outcome.status in _TO_SHOW:
            self._bar.write(outcome_line(outcome), file=self._stream)
        self._bar.set_description(f"{len(self._counts.done)}/{self._counts.changes} changes")

    def ended(self, report: Report) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()


class Heartbeat(Listener):
    """Lines for a log: the beginning, every failure, and a summary every half minute."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._counts: _Counts | None = None
        self._begun = self._last = clock()

    def reading(self, what: str) -> None:
        """Say it in one line."""
        self._write(visible(what))

    def started(self, plan: Plan) -> None:
        """Say what is to come."""
        self._counts = _Counts(plan)
        self._begun = self._last = self._clock()
        if not plan.is_empty:
            self._write(f"apply: {count(len(plan.changes), 'change')}, {size(plan.bytes_to_send)} to send")

    def sent(self, count: int) -> None:
        """Count it."""
        if self._counts is not None:
            self._counts.sent += count

    def finished(self, outcome: Outcome) -> None:
        """Count it; say it if it failed."""
        if self._counts is not None:
            self._counts.settle(outcome)
        if outcome.status in _TO_SHOW:
            self._write(outcome_line(outcome))

    def tick(self) -> None:
        """Say how far the run is, if the last time is long enough ago."""
        now = self._clock()
        if self._counts is None or now - self._last < HEARTBEAT_SECONDS:
            return
        self._last = now
        counts = self._counts
        rate = size(counts.sent / max(now - self._begun, 1e-9))
        self._write(
            f"progress: {len(counts.done)}/{counts.changes} changes, {size(counts.sent)} of {size(counts.bytes)},"
            f" {rate}/s, {counts.failed} failed"
        )

    def _write(self, line: str) -> None:
        self._stream.write(f"{line}\n")
        self._stream.flush()


def listener_for(stream: TextIO) -> Listener:
    """Bars on a terminal, a heartbeat anywhere else."""
    return Bars(stream) if stream.isatty() else Heartbeat(stream)
