"""Carry a plan out: objects in waves, files in lanes, deletes last, and one outcome for every change.

Workers compute; the calling thread hands out the work, collects the outcomes and talks to the listener.
"""

from __future__ import annotations

import queue
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.errors import GatewayError, Rejected, XnatSyncError
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState
from xnat_sync.core.planning.confirm import failed, failure_of, judge_object
from xnat_sync.core.planning.planner import desired_of
from xnat_sync.core.planning.prune import withheld
from xnat_sync.core.planning.schedule import Group, Lane, schedule
from xnat_sync.engine.checksum_support import DigestHabit
from xnat_sync.engine.identity import created_for_more, strayed
from xnat_sync.engine.object_writer import ObjectWriter, lacks
from xnat_sync.engine.observe import read_back
from xnat_sync.engine.resource_upload import LaneRun
from xnat_sync.engine.stop import Stop
from xnat_sync.engine.verification_batch import Sitting, sittings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.state import RemoteObject
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Gateway

TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Work for one worker: the changes that it answers for, and the function that does it."""

    changes: tuple[Change, ...]
    work: Callable[[Gateway], Sequence[Outcome]]
    looks_only: bool = False
    """Whether it finds out what became of work that was done: then it may always begin."""
    then: Callable[[], Iterable[_Job]] = tuple
    """What may begin when it has ended, or may not begin."""


@dataclass(slots=True, kw_only=True)
class Execution:
    """One plan being carried out. ``width`` is how many jobs run at a time; ``reason`` goes into XNAT's history."""

    plan: Plan
    pool: Pool[Gateway]
    width: int
    reason: str
    listener: Listener = field(default_factory=Listener)
    stop: Stop = field(default_factory=Stop)
    clock: Callable[[], float] = time.monotonic
    _outcomes: dict[Ref, Outcome] = field(default_factory=dict)
    _missing: set[Ref] = field(default_factory=set)
    _sent: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    _habit: DigestHabit = field(default_factory=DigestHabit)
    _fatal: str = ""

    def run(self) -> Report:
        """Carry the plan out and report on every change of it. Failed changes are outcomes, not exceptions."""
        begun = self.clock()
        order = schedule(self.plan)
        self.listener.started(self.plan)
        groups = [group for wave in order.waves for group in wave]
        writer = ObjectWriter(self.reason)
        for number, wave in enumerate(order.waves, 1):
            self._drive([_Job(changes=group, work=partial(writer.write, group=group)) for group in wave])
            self._check_identity(created_for_more(wave, order.waves[number:]))
        self._check_objects(groups, writer)
        self._drive(self._lane_jobs(order.lanes))
        for deletes in order.deletes:
            due = self._due(deletes)
            self._drive([_Job(changes=group, work=self._delete_work(group)) for group in _delete_groups(due)])
        self._check_deletes()
        report = Report(
            project=self.plan.project,
            plan_fingerprint=self.plan.fingerprint,
            outcomes=tuple(self._outcomes[change.ref] for change in self.plan.changes),
            seconds=self.clock() - begun,
            interrupted=self.stop.draining,
            warnings=tuple(f"{found.ref.short} {found.summary}" for found in self.plan.damage),
        )
        self.listener.ended(report)
        return report

    def _drive(self, jobs: Iterable[_Job], settle: Callable[[Iterable[Outcome]], None] | None = None) -> None:
        """Run jobs, ``width`` at a time, until all have ended or nothing new may begin; ``settle`` takes outcomes."""
        settle = settle or self._settle
        waiting = list(jobs)[::-1]
        running: dict[Future[Sequence[Outcome]], _Job] = {}
        while waiting or running:
            while waiting and len(running) < self.width:
                job = waiting.pop()
                refused = self._refusal(job)
                if refused:
                    settle([replace(refused, change=change) for change in job.changes])
                    waiting.extend(job.then())
                else:
                    running[self.pool.submit(job.work)] = job
            done, _ = wait(running, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            self._tell_progress()
            for future in done:
                settle(future.result())
                waiting.extend(running.pop(future).then())

    def _refusal(self, job: _Job) -> Outcome | None:
        """Why a job may not begin, as the outcome of its changes; ``None`` if it may."""
        if job.looks_only:
            return None
        change = job.changes[0]
        if self._fatal:
            return Outcome(change=change, status=Status.CANCELLED, message=self._fatal)
        if self.stop.draining:
            return Outcome(change=change, status=Status.CANCELLED, message="the run was stopped")
        missing = self._missing.intersection(change.ref.ancestors())
        if missing:
            return Outcome(change=change, status=Status.BLOCKED, message=f"{min(missing).short} could not be created")
        return None

    def _settle(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in map(self._given_up, outcomes):
            self._outcomes[outcome.change.ref] = outcome
            if outcome.failure is Failure.LOGIN:
                self._fatal = f"stopped, since the login is no longer valid: {outcome.message}"
            elif outcome.failure is Failure.GONE:
                self._fatal = f"stopped, since {outcome.message}"
            if outcome.status is not Status.APPLIED and outcome.change.action is Action.CREATE:
                self._missing.add(outcome.change.ref)
            self.listener.finished(outcome)

    def _given_up(self, outcome: Outcome) -> Outcome:
        """What the server did not answer in a run that is stopped at once was not refused by it, but broken off."""
        if not self.stop.now or outcome.failure is not Failure.SERVER:
            return outcome
        return replace(outcome, status=Status.CANCELLED, failure=None, message="given up, since the run was stopped")

    def _tell_progress(self) -> None:
        while not self._sent.empty():
            self.listener.sent(self._sent.get())
        self.listener.tick()

    def _lane_jobs(self, lanes: Sequence[Lane]) -> list[_Job]:
        """Jobs for the lanes: those of one session are sent one by one and judged together where they are many."""
        shared = sittings(lanes)
        jobs = []
        for lane in lanes:
            sitting = shared.get(lane.session) if lane.session else None
            make_run = partial(self._lane_run, lane)
            if sitting is None:
                jobs.append(_Job(changes=lane.changes, work=_running(make_run)))
            else:
                ended = partial(_sent_in, sitting)
                jobs.append(_Job(changes=lane.changes, work=sitting.sending(make_run), then=ended))
        return jobs

    def _lane_run(self, lane: Lane, gateway: Gateway) -> LaneRun:
        return LaneRun(
            gateway=gateway, lane=lane, reason=self.reason, stop=self.stop, sent=self._sent.put, habit=self._habit
        )

    def _due(self, deletes: Sequence[Change]) -> list[Change]:
        """The deletes that may be tried."""
        blocked = withheld(deletes, self._outcomes.values())
        self._settle(blocked.values())
        return [change for change in deletes if change.ref not in blocked]

    def _delete_work(self, group: tuple[Change, ...]) -> Callable[[Gateway], Sequence[Outcome]]:
        return lambda gateway: tuple(self._delete_each(gateway, group))

    def _delete_each(self, gateway: Gateway, group: tuple[Change, ...]) -> Iterator[Outcome]:
        """Delete one after another, as far as nobody says stop; some files may go along with one before them."""
        doomed = held = frozenset(change.ref for change in group)
        for change in group:
            if change.ref in held and self.stop.draining:
                yield Outcome(change=change, status=Status.CANCELLED, message="the run was stopped")
                continue
            try:
                if change.ref in held:
                    held = _delete(gateway, change.ref, self.reason, doomed)
            except XnatSyncError as error:
                yield failed(change, error)
            else:
                yield Outcome(change=change, status=Status.APPLIED)

    def _check_identity(self, created: Sequence[Change]) -> None:
        """Look whether what was created below which more is to be written is what was meant."""
        applied = [change for change in created if self._is_applied(change)]
        if applied and not self._fatal and not self.stop.draining:
            outcomes = strayed(self.plan.project, applied, self.pool)
            self._correct(outcomes)
            self._missing.update(outcome.change.ref for outcome in outcomes)

    def _check_objects(self, groups: Sequence[Group], writer: ObjectWriter) -> None:
        """Read back what was created and updated; the server drops what it does not understand and answers 200.

        What a session that was written whole lacks is written once more, one by one.
        """
        applied = [change for group in groups for change in group if self._is_applied(change)]
        if not applied:
            return
        try:
            held = read_back(self.plan.project, desired_of(self.plan), self.pool)
            if self._mend(groups, held, writer):
                held = read_back(self.plan.project, desired_of(self.plan), self.pool)
        except GatewayError as error:
            message = f"written, but could not be checked: {error}"
            unchecked = Outcome(
                change=self.plan.changes[0], status=Status.FAILED, message=message, failure=failure_of(error)
            )
            self._correct([replace(unchecked, change=change) for change in applied])
            return
        self._correct([judge_object(self._outcomes[change.ref], held.get(change.ref)) for change in applied])
        self._missing.update(change.ref for change in applied if change.ref not in held)

    def _mend(self, groups: Sequence[Group], held: Mapping[Ref, RemoteObject], writer: ObjectWriter) -> bool:
        """Write what sessions that were written whole lack; whether there was any."""
        jobs = []
        for group in groups:
            lacking = tuple(
                change for change in group if self._is_applied(change) and lacks(change, held.get(change.ref))
            )
            if len(group) > 1 and lacking:
                jobs.append(_Job(changes=lacking, work=partial(writer.mend, lacking=lacking, held=held)))
        self._drive(jobs, self._correct)
        return bool(jobs)

    def _is_applied(self, change: Change) -> bool:
        return self._outcomes[change.ref].status is Status.APPLIED

    def _check_deletes(self) -> None:
        """Look whether deleted objects are gone: XNAT answers 200 to deletes that it does not carry out."""
        deleted = [
            change
            for change in self.plan.of(Action.DELETE)
            if change.ref.level < Level.RESOURCE and self._outcomes[change.ref].status is Status.APPLIED
        ]
        if not deleted:
            return
        try:
            held = read_back(self.plan.project, DesiredState(objects={}, files={}), self.pool)
        except GatewayError as error:
            message, failure, left = f"deleted, but could not be checked: {error}", failure_of(error), deleted
        else:
            message, failure = "the server answered success but the object is still there", Failure.OTHER
            left = [change for change in deleted if change.ref in held]
        self._correct(
            [Outcome(change=change, status=Status.FAILED, message=message, failure=failure) for change in left]
        )

    def _correct(self, outcomes: Iterable[Outcome]) -> None:
        """Put outcomes in the place of earlier ones, and tell of those that changed."""
        for outcome in map(self._given_up, outcomes):
            if outcome != self._outcomes[outcome.change.ref]:
                self._outcomes[outcome.change.ref] = outcome
                self.listener.finished(outcome)


def _running(make_run: Callable[[Gateway], LaneRun]) -> Callable[[Gateway], Sequence[Outcome]]:
    return lambda gateway: make_run(gateway).run()


def _sent_in(sitting: Sitting) -> Iterable[_Job]:
    """One more lane of a session is over; the last one's end opens the judging."""
    sitting.open -= 1
    return () if sitting.open else (_Job(changes=(), work=sitting.judge, looks_only=True),)


def _delete(gateway: Gateway, ref: Ref, reason: str, doomed: frozenset[Ref]) -> frozenset[Ref]:
    """Delete, and look: for a file or a resource one listing says whether it is gone, and which of its files are not.

    ``doomed`` are files that may go along.
    """
    gateway.delete(ref, reason=reason, along=doomed)
    resource = ref.at(Level.RESOURCE)
    if resource is None:
        return frozenset()
    held = frozenset(file.ref for file in gateway.resource_files(resource))
    if held and ref in (resource, *held):
        raise Rejected("the server answered success but it is still there", ref=ref)
    return held


def _delete_groups(wave: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Deletes that may run at once: those of files of one resource share its catalog and go one after another."""
    groups: dict[Ref, list[Change]] = {}
    for change in wave:
        key = change.ref.parent if change.ref.level is Level.FILE and change.ref.parent else change.ref
        groups.setdefault(key, []).append(change)
    return [tuple(group) for group in groups.values()]
