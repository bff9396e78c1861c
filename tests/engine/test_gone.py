"""A server that goes away in the middle of a run, and a run that is stopped while it waits."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from xnat_sync.cli.exits import Exit, exit_of_report
from xnat_sync.core.model.errors import Unreachable
from xnat_sync.core.model.outcome import Failure, Report, Status
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.pool import open_pool
from xnat_sync.gateway.resilience.circuit_breaker import Health
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.views.run import report_text

if TYPE_CHECKING:
    from xnat_sync.core.model.changes import Plan
    from xnat_sync.testing.fake_xnat import Call, MemoryServer

    Study = Any


class Clock:
    """Time that passes only where somebody waits, for all threads together."""

    def __init__(self) -> None:
        self.now = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds


def grown(study: Study, sessions: int) -> Plan:
    for number in range(sessions):
        session = f"P/S1/N{number:03}"
        study.want(session, "xnat:mrSessionData")
        for name in "abc":
            study.file(f"{session}/resource:{name}/x", session.encode())
    return study.plan()  # type: ignore[no-any-return]


def run(study: Study, plan: Plan, factory: RetryingFactory) -> Report:
    with open_pool(factory, study.jobs) as pool:
        return Execution(plan=plan, pool=pool, width=study.jobs, reason="test", stop=study.stop).run()


def test_a_server_that_goes_away_ends_the_run_and_not_each_file(study: Study, server: MemoryServer) -> None:
    plan = grown(study, 80)
    clock = Clock()

    def fault(call: Call) -> None:
        if server.calls["upload"] > 20:
            raise Unreachable("connection refused")

    server.fault = fault
    report = run(study, plan, RetryingFactory(server, health=Health(clock=clock), sleep=clock.sleep))
    counts = report.counts
    assert counts[Status.APPLIED] > 0
    assert counts[Status.FAILED] < 80
    assert counts[Status.CANCELLED] > 120
    assert counts[Status.APPLIED] + counts[Status.FAILED] + counts[Status.CANCELLED] == len(plan.changes)
    assert Failure.GONE in {outcome.failure for outcome in report.outcomes}
    assert all("has not answered for" in o.message for o in report.outcomes if o.status is Status.CANCELLED)
    assert exit_of_report(report) is Exit.SERVER
    assert "has not answered for" in report_text(report)
    assert clock.now < 600
    server.fault = None
    assert study.run().ok
    assert study.plan().is_empty


def test_a_run_is_stopped_while_it_waits_for_another_try(study: Study, server: MemoryServer) -> None:
    plan = grown(study, 10)

    def fault(call: Call) -> None:
        if call.method == "upload":
            error = Unreachable("busy")
            error.retry_after = 250
            raise error

    server.fault = fault
    threading.Timer(0.3, study.stop.request).start()
    begun = time.monotonic()
    report = run(study, plan, RetryingFactory(server, sleep=study.stop.pause))
    assert time.monotonic() - begun < 5
    assert report.interrupted
    assert exit_of_report(report) is Exit.INTERRUPTED
