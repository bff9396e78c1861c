"""Sessions that end all the time while eight workers upload: one login for each end, and nobody is told."""

from __future__ import annotations

import io
import re
import threading
from typing import TYPE_CHECKING

import pytest

from xnat_sync import api
from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.core.model.outcome import Status
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.server.faults import Fault, Faults
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.soak.conftest import Files, Look
    from xnat_sync.server.running import RunningServer

JOBS = 8
TOLD = re.compile(r"\b401\b|Unauthorized|ends every session|accepted before|no longer valid")


class Ending(Faults):
    """Ends the account's session whenever so many requests have come since; ``ends`` says how many ended.

    Not before whoever lost the last one has got an answer, or one request might have bad luck three times in a row.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.server: RunningServer | None = None
        self.every = self.requests = self.ends = 0

    def take(self, point: str, path: str, method: str = "") -> Fault | None:
        if self.every and self.server and point == "request" and path.startswith("/data/projects/"):
            with self.lock:
                self.requests += 1
                if self.requests >= self.every and self.nobody_waits(self.server):
                    self.requests = 0
                    self.ends += len(self.server.context.sessions.revoke_user("admin"))
        return super().take(point, path, method)

    def nobody_waits(self, server: RunningServer) -> bool:
        last = {(entry.method, entry.path, entry.query): entry.status for entry in server.log}
        return 401 not in last.values()


@pytest.fixture
def faults() -> Ending:
    return Ending()


@pytest.fixture
def server(tmp_path: Path, faults: Ending) -> Iterator[RunningServer]:
    with running(tmp_path / "xnat", faults=faults) as started:
        faults.server = started
        yield started


def logins(server: RunningServer) -> int:
    return sum(entry.method == "PUT" and entry.path.endswith("/services/auth") for entry in server.log)


@pytest.mark.parametrize("every", [JOBS + 1, 15, 25])
def test_sessions_that_end_all_the_time_are_renewed_once_each(
    server: RunningServer,
    faults: Ending,
    crowd: Files,
    look_at: Callable[[str, str], Look],
    every: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    crowd.crowd(sessions=6, scans=4, names=3)
    loaded = api.validate([crowd.manifest("R")])
    connection = XnatConnection(server.url, "admin", "admin")
    waits: list[float] = []
    connect = RetryingFactory(connection, sleep=waits.append)
    options = api.Options(jobs=JOBS, reason="test")
    found = api.plan(loaded, connect, options=options)
    faults.every = every
    with caplog.at_level("INFO"):
        report = api.apply(found, connect, options)
    faults.every = 0
    connect().server()  # The last end too is noticed now.
    assert report.ok
    assert {outcome.status for outcome in report.outcomes} == {Status.APPLIED}
    assert {outcome.message for outcome in report.outcomes} == {""}
    said = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert [line for line in said if TOLD.search(line)] == [], "what the server says of itself is no part of it"
    assert faults.ends >= 2
    assert logins(server) == 1 + faults.ends
    assert waits == [], "a session that ended is no failure"
    connection.close()
    crowd.assert_held(look_at(server.url, "R"))


@pytest.mark.parametrize("every", [JOBS + 1, 15])
def test_who_applies_sees_nothing_of_it(
    server: RunningServer, faults: Ending, crowd: Files, tmp_path: Path, look_at: Callable[[str, str], Look], every: int
) -> None:
    crowd.crowd(sessions=6, scans=4, names=3)
    manifest = crowd.manifest("R")
    environ = {
        "XNAT_SYNC_SERVER": server.url,
        "XNAT_SYNC_USER": "admin",
        "XNAT_SYNC_PASSWORD": "admin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    console = Console(out=io.StringIO(), err=io.StringIO(), stdin=io.StringIO(), environ=environ)
    faults.every = every
    status = run(["apply", "--yes", "--jobs", str(JOBS), str(manifest)], console)
    faults.every = 0
    assert isinstance(console.out, io.StringIO)
    assert isinstance(console.err, io.StringIO)
    shown = console.out.getvalue() + console.err.getvalue()
    (record,) = (manifest.parent / ".xnat-sync/runs").glob("*.jsonl")
    assert status == 0, shown
    assert faults.ends >= 2
    assert logins(server) in (faults.ends, faults.ends + 1), "nobody notices an end after the last request"
    told = [*shown.splitlines(), *record.read_text(encoding="utf-8").splitlines()]
    assert [line for line in told if TOLD.search(line)] == []
    crowd.assert_held(look_at(server.url, "R"))
