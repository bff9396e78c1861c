"""Sessions that end all the time while eight workers upload: one login for each end, and nobody is told."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xnat_sync import workflow
from xnat_sync.core.outcome import Status
from xnat_sync.gateway.client import XnatConnection
from xnat_sync.gateway.retry import RetryingFactory
from xnat_sync.server.faults import Fault, Faults
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from tests.soak.conftest import Files, Look

EVERY = 15


class Ending(Faults):
    """Ends every session at each so manieth request that is no part of a login."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.end: Callable[[], None] = lambda: None
        self.requests = self.ends = 0

    def take(self, point: str, path: str, method: str = "") -> Fault | None:
        if point == "request" and path.startswith("/data/projects/"):
            with self.lock:
                self.requests += 1
                if self.requests % EVERY == 0:
                    self.ends += 1
                    self.end()
        return super().take(point, path, method)


def test_sessions_that_end_all_the_time_are_renewed_once_each(
    tmp_path: Path, crowd: Files, look_at: Callable[[str, str], Look], caplog: pytest.LogCaptureFixture
) -> None:
    crowd.crowd(sessions=6, scans=4, names=3)
    faults = Ending()
    with running(tmp_path / "xnat", faults=faults) as server:
        loaded = workflow.validate([crowd.manifest("R")])
        connection = XnatConnection(server.url, "admin", "admin")
        waits: list[float] = []
        connect = RetryingFactory(connection, sleep=waits.append)
        options = workflow.Options(jobs=8, reason="test")
        found = workflow.plan(loaded, connect, options=options)
        faults.end = server.context.sessions.revoke_all
        with caplog.at_level("INFO"):
            report = workflow.apply(found, connect, options)
        faults.end = lambda: None
        connection.close()
        logins = sum(entry.path.endswith("/services/auth") for entry in server.log)
        assert report.ok
        assert {outcome.status for outcome in report.outcomes} == {Status.APPLIED}
        assert not any("401" in outcome.message or "session" in outcome.message for outcome in report.outcomes)
        assert not any(word in caplog.text for word in ("401", "Unauthorized", "ends every session"))
        assert faults.ends >= 4
        assert 2 <= logins <= faults.ends + 1, "one at the beginning, and one for each end that anybody noticed"
        assert waits == [], "a session that ended is no failure"
        crowd.assert_held(look_at(server.url, "R"))
