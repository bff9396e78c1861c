"""Carry a plan out: objects in waves, files in lanes, deletes last, and one outcome for every change.

Workers compute; the calling thread hands out the work, collects the outcomes and talks to the listener.
"""

from __future__ import annotations

import queue
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnat_sync.core.changes import Action, Change, Plan
from xnat_sync.core.errors import GatewayError, Rejected, XnatSyncError
from xnat_sync.core.events import Listener
from xnat_sync.core.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.planner import desired_of
from xnat_sync.core.refs import Level, Ref
from xnat_sync.core.schedule import Lane, schedule
from xnat_sync.core.state import DesiredState, ObjectSpec
from xnat_sync.core.verdict import failed, failure_of, judge_object
from xnat_sync.engine.lanes import LaneRun
from xnat_sync.engine.observe import read_back
from xnat_sync.engine.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.api import Gateway

TICK_SECONDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """Work for one worker: the changes that it answers for, and the function that does it."""

    changes: tuple[Change, ...]
    work: Callable[[Gateway], Sequence[Outcome]]


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
    _fatal: str = ""

    def run(self) -> Report:
        """Carry the plan out and report on every change of it. Failed changes are outcomes, not exceptions."""
        begun = self.clock()
        order = schedule(self.plan)
        self.listener.started(self.plan)
        for wave in order.waves:
            self._drive([_Job(changes=(change,), work=self._object_work(change)) for change in wave])
        self._check_objects([change for wave in order.waves for change in wave])
        self._drive([_Job(changes=lane.changes, work=self._lane_work(lane)) for lane in order.lanes])
        for wave in order.deletes:
            self._drive([_Job(changes=group, work=self._delete_work(group)) for group in _delete_groups(wave)])
        self._check_deletes()
        report = Report(
            project=self.plan.project,
            plan_fingerprint=self.plan.fingerprint,
            outcomes=tuple(self._outcomes[change.ref] for change in self.plan.changes),
            seconds=self.clock() - begun,
            interrupted=self.stop.draining,
        )
        self.listener.ended(report)
        return report

    def _drive(self, jobs: Iterable[_Job]) -> None:
        """Run jobs, ``width`` at a time, until all have ended or nothing new may begin."""
        waiting = list(jobs)[::-1]
        running: dict[Future[Sequence[Outcome]], _Job] = {}
        while waiting or running:
            while waiting and len(running) < self.width:
                job = waiting.pop()
                refused = self._refusal(job)
                if refused:
                    self._settle([replace(refused, change=change) for change in job.changes])
                else:
                    running[self.pool.submit(job.work)] = job
            done, _ = wait(running, timeout=TICK_SECONDS, return_when=FIRST_COMPLETED)
            self._tell_progress()
            for future in done:
                del running[future]
                self._settle(future.result())

    def _refusal(self, job: _Job) -> Outcome | None:
        """Why a job may not begin, as the outcome of its changes; ``None`` if it may."""
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
        for outcome in outcomes:
            self._outcomes[outcome.change.ref] = outcome
            if outcome.failure is Failure.LOGIN:
                self._fatal = f"stopped, since the login is no longer valid: {outcome.message}"
            if outcome.status is not Status.APPLIED and outcome.change.action is Action.CREATE:
                self._missing.add(outcome.change.ref)
            self.listener.finished(outcome)

    def _tell_progress(self) -> None:
        while not self._sent.empty():
            self.listener.sent(self._sent.get())
        self.listener.tick()

    def _object_work(self, change: Change) -> Callable[[Gateway], Sequence[Outcome]]:
        def work(gateway: Gateway) -> Sequence[Outcome]:
            return (_attempt(_put, gateway, change, self.reason),)

        return work

    def _lane_work(self, lane: Lane) -> Callable[[Gateway], Sequence[Outcome]]:
        def work(gateway: Gateway) -> Sequence[Outcome]:
            run = LaneRun(gateway=gateway, lane=lane, reason=self.reason, stop=self.stop, sent=self._sent.put)
            return run.run()

        return work

    def _delete_work(self, group: tuple[Change, ...]) -> Callable[[Gateway], Sequence[Outcome]]:
        def work(gateway: Gateway) -> Sequence[Outcome]:
            return [_attempt(_delete, gateway, change, self.reason) for change in group]

        return work

    def _check_objects(self, changes: Sequence[Change]) -> None:
        """Read back what was created and updated; the server drops what it does not understand and answers 200."""
        applied = [change for change in changes if self._outcomes[change.ref].status is Status.APPLIED]
        if not applied:
            return
        try:
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
        for outcome in outcomes:
            if outcome != self._outcomes[outcome.change.ref]:
                self._outcomes[outcome.change.ref] = outcome
                self.listener.finished(outcome)


def _attempt(action: Callable[[Gateway, Change, str], None], gateway: Gateway, change: Change, reason: str) -> Outcome:
    try:
        action(gateway, change, reason)
    except XnatSyncError as error:
        return failed(change, error)
    return Outcome(change=change, status=Status.APPLIED)


def _put(gateway: Gateway, change: Change, reason: str) -> None:
    spec = change.wanted
    if not isinstance(spec, ObjectSpec):
        raise TypeError("a change of an object without the object")
    match change.action:
        case Action.CREATE:
            fields: dict[str, str | None] = {key: value for key, value in spec.fields.items() if value is not None}
        case Action.UPDATE:
            fields = {diff.name: diff.after for diff in change.diffs}
        case _:
            raise TypeError(f"{change.action.value} is no change of an object")
    gateway.put_object(spec, exists=change.action is Action.UPDATE, fields=fields, reason=reason)


def _delete(gateway: Gateway, change: Change, reason: str) -> None:
    """Delete, and look: for a file or a resource one listing says whether it is gone."""
    ref = change.ref
    gateway.delete(ref, reason=reason)
    resource = ref.at(Level.RESOURCE)
    if resource is None:
        return
    left = [file.ref for file in gateway.resource_files(resource) if ref in (file.ref, resource)]
    if left:
        raise Rejected("the server answered success but it is still there", ref=ref)


def _delete_groups(wave: Sequence[Change]) -> list[tuple[Change, ...]]:
    """Deletes that may run at once: those of files of one resource share its catalog and go one after another."""
    groups: dict[Ref, list[Change]] = {}
    for change in wave:
        key = change.ref.parent if change.ref.level is Level.FILE and change.ref.parent else change.ref
        groups.setdefault(key, []).append(change)
    return [tuple(group) for group in groups.values()]
