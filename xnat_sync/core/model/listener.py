"""What a run tells while it goes on. The base class does nothing, so that a display overrides what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Outcome, Report


class Listener:
    """Called from one thread only, the one that runs the command."""

    def reading(self, what: str) -> None:
        """A reading step begins, named in a few words."""

    def started(self, plan: Plan) -> None:
        """A plan begins to be carried out."""

    def sent(self, count: int) -> None:
        """So many more bytes went out; negative where a transfer begins anew."""

    def finished(self, outcome: Outcome) -> None:
        """One change has its outcome."""

    def tick(self) -> None:
        """Nothing happened for a while; called at least every second during a run."""

    def ended(self, report: Report) -> None:
        """The run is over."""


class Several(Listener):
    """Tells several listeners, in order."""

    def __init__(self, *listeners: Listener) -> None:
        self._listeners = listeners

    def reading(self, what: str) -> None:
        """See `Listener.reading`."""
        for listener in self._listeners:
            listener.reading(what)

    def started(self, plan: Plan) -> None:
        """See `Listener.started`."""
        for listener in self._listeners:
            listener.started(plan)

    def sent(self, count: int) -> None:
        """See `Listener.sent`."""
        for listener in self._listeners:
            listener.sent(count)

    def finished(self, outcome: Outcome) -> None:
        """See `Listener.finished`."""
        for listener in self._listeners:
            listener.finished(outcome)

    def tick(self) -> None:
        """See `Listener.tick`."""
        for listener in self._listeners:
            listener.tick()

    def ended(self, report: Report) -> None:
        """See `Listener.ended`."""
        for listener in self._listeners:
            listener.ended(report)
