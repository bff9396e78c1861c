"""What a run tells while it goes on. The base class does nothing, so that a display overrides what it shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.core.changes import Plan
    from xnat_sync.core.outcome import Outcome, Report


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
