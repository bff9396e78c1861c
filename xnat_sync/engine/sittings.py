"""Judge the lanes of one session together: one listing of the session in the place of one for each resource."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.errors import GatewayError
from xnat_sync.core.state import by_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xnat_sync.core.outcome import Outcome
    from xnat_sync.core.refs import Ref
    from xnat_sync.core.schedule import Lane
    from xnat_sync.engine.lanes import LaneRun
    from xnat_sync.gateway.api import Gateway

SHARED_FROM = 3
"""Lanes. For fewer the server has less to do with a listing each: that of a session reads every catalog of it."""


@dataclass(slots=True, kw_only=True)
class Sitting:
    """The lanes of one session: each is sent by whoever is free, and the last one's end opens the judging."""

    session: Ref
    open: int
    """Lanes that were neither sent nor given up. Counted in the thread that hands out the work."""
    _runs: list[LaneRun] = field(default_factory=list)

    def sending(self, make_run: Callable[[Gateway], LaneRun]) -> Callable[[Gateway], Sequence[Outcome]]:
        """The work of sending one lane; it has no outcome yet."""

        def work(gateway: Gateway) -> Sequence[Outcome]:
            run = make_run(gateway)
            self._runs.append(run)
            run.send()
            return ()

        return work

    def judge(self, gateway: Gateway) -> Sequence[Outcome]:
        """The outcomes of all lanes that were sent. To be called when none is being sent any more."""
        try:
            held = by_ref(gateway.own_files(self.session))
        except GatewayError as error:
            return [outcome for run in self._runs for outcome in run.unjudged(error)]
        found: list[Outcome] = []
        for run in self._runs:
            run.gateway = gateway
            found += run.judge(held)
        return found


def sittings(lanes: Sequence[Lane]) -> dict[Ref, Sitting]:
    """The sessions whose lanes are to be judged together, by the session."""
    counts: dict[Ref, int] = {}
    for lane in lanes:
        if lane.session:
            counts[lane.session] = counts.get(lane.session, 0) + 1
    return {ref: Sitting(session=ref, open=count) for ref, count in counts.items() if count >= SHARED_FROM}
