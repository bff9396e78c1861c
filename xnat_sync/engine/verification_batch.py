"""Judge many lanes by one listing: those of a session together, and those of some sessions that follow each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import GatewayError, NotFound
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.state import by_ref

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.outcome import Outcome
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import RemoteFile
    from xnat_sync.core.planning.schedule import Lane
    from xnat_sync.engine.resource_upload import LaneRun
    from xnat_sync.gateway.port import Gateway

SHARED_FROM = 3
"""Lanes. For fewer the server has less to do with a listing each: that of a session reads every catalog of it."""
MOST_SESSIONS, MOST_FILES = 8, 400
"""So much is judged at a time at the most: what was sent is soon known to have arrived, or is sent again."""


@dataclass(slots=True, kw_only=True)
class Sitting:
    """The lanes of some sessions: each is sent by whoever is free, and the last one's end opens the judging."""

    sessions: tuple[Ref, ...]
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
        sent = {run.lane.session for run in self._runs}
        held = _held(gateway, [session for session in self.sessions if session in sent])
        outcomes: list[Outcome] = []
        for run in self._runs:
            assert run.lane.session
            found = held[run.lane.session]
            run.gateway = gateway
            outcomes += run.unjudged(found) if isinstance(found, GatewayError) else run.judge(found)
        return outcomes


def _held(gateway: Gateway, sessions: Sequence[Ref]) -> dict[Ref, Mapping[Ref, RemoteFile] | GatewayError]:
    """The files that the server holds of each session, or why nobody knows."""
    together: dict[Ref, dict[Ref, RemoteFile]] = {}
    if len(sessions) > 1:
        try:
            for file in gateway.session_files(sessions):
                session = file.ref.at(Level.SESSION)
                assert session
                together.setdefault(session, {})[file.ref] = file
        except NotFound:
            # One of them was deleted meanwhile; the others are not to suffer from it.
            together.clear()
        except GatewayError as error:
            return dict.fromkeys(sessions, error)
    # A session of which nothing is shown may have been made anew, with another accession ID.
    return {session: together.get(session) or _held_alone(gateway, session) for session in sessions}


def _held_alone(gateway: Gateway, session: Ref) -> Mapping[Ref, RemoteFile] | GatewayError:
    try:
        return by_ref(gateway.own_files(session))
    except GatewayError as error:
        return error


def sittings(lanes: Sequence[Lane]) -> dict[Ref, Sitting]:
    """The sessions whose lanes are to be judged together, by the session."""
    found: dict[Ref, Sitting] = {}
    for together in _in_groups(lanes):
        sitting = Sitting(sessions=tuple(together), open=sum(map(len, together.values())))
        found.update(dict.fromkeys(together, sitting))
    return found


def _in_groups(lanes: Sequence[Lane]) -> Iterator[dict[Ref, list[Lane]]]:
    """Sessions of enough lanes, in the order in which the first lane of each is sent, as many as may be together."""
    by_session: dict[Ref, list[Lane]] = {}
    for lane in lanes:
        if lane.session:
            by_session.setdefault(lane.session, []).append(lane)
    group: dict[Ref, list[Lane]] = {}
    files = 0
    for session, own in by_session.items():
        if len(own) < SHARED_FROM:
            continue
        count = sum(len(lane.changes) for lane in own)
        if group and (len(group) >= MOST_SESSIONS or files + count > MOST_FILES):
            yield group
            group, files = {}, 0
        group[session] = own
        files += count
    if group:
        yield group
