"""Two runs on one project: one waits or is refused, and without a lock nothing is lost either."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.lock_owner import STALE_SECONDS, Holder
from xnat_sync.core.model.refs import Ref
from xnat_sync.core.model.state import ObjectSpec
from xnat_sync.guards.lock import Held, machine
from xnat_sync.guards.remote_lock import Marker
from xnat_sync.server.faults import Fault, FaultKind
from xnat_sync.testing.fake_xnat import MemoryServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any
    Manifest = Callable[..., Path]

FILES = 20
MARKERS = "/data/projects/P/resources/xnat_sync"


@pytest.fixture
def study(tmp_path: Path, manifest: Manifest, server: RunningServer, http: requests.Session) -> Path:
    """A project that exists, and a study for it that is worth a marker."""
    assert http.put(f"{server.url}/data/projects/P?accessibility=private").status_code == 200
    (tmp_path / "data").mkdir()
    for number in range(FILES):
        (tmp_path / f"data/{number}.txt").write_text(str(number), encoding="utf-8")
    lines = [f'  S{number}: {{resources: {{R: {{files: "{number}.txt"}}}}}}' for number in range(FILES)]
    return manifest("version: 1\nproject: P\nroot: data\nsubjects:\n" + "\n".join(lines) + "\n")


def leave(server: RunningServer, http: requests.Session, **about: Any) -> None:
    """The marker of another run."""
    now = time.time()
    other = Holder(
        run="20240301T120000Z-aaaaaa", user="alice", host="pc7", machine="", pid=1, since=now - 600, seen=now
    )
    text = json.dumps({**json.loads(other.to_text()), **about})
    sent = http.put(f"{server.url}{MARKERS}/files/{other.run}.json?inbody=true&overwrite=true", data=text)
    assert sent.status_code == 200


def markers(server: RunningServer, http: requests.Session) -> list[str]:
    reply = http.get(f"{server.url}/data/projects/P/files?format=json")
    return [row["Name"] for row in reply.json()["ResultSet"]["Result"] if row["collection"] == "xnat_sync"]


def resources(server: RunningServer, http: requests.Session) -> list[str]:
    reply = http.get(f"{server.url}/data/projects/P/resources?format=json")
    return [row["label"] for row in reply.json()["ResultSet"]["Result"]]


def test_the_marker_is_gone_with_its_run_and_an_empty_plan_leaves_none(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session
) -> None:
    assert cli("apply", "--yes", study).status == 0
    marks = [entry for entry in server.log.writes if "/xnat_sync" in entry.path]
    assert [entry.method for entry in marks] == ["PUT", "DELETE"]
    assert resources(server, http) == []
    server.log.clear()
    assert cli("apply", "--yes", study).status == 0
    assert server.log.writes == []
    assert not any("xnat_sync" in entry.path for entry in server.log)


def test_another_runs_marker_refuses_and_names_its_owner(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session
) -> None:
    leave(server, http)
    server.log.clear()
    done = cli("apply", "--yes", study)
    assert done.status == 7
    assert "alice on pc7, for 10 min (run 20240301T120000Z-aaaaaa)" in done.err
    assert "--force-unlock" in done.err
    assert server.log.writes == []
    assert cli("plan", "--detailed-exitcode", study).status == 2
    assert cli("apply", "--yes", "--no-lock", study).status == 0
    assert len(markers(server, http)) == 1


@pytest.mark.parametrize(
    "about", [{"seen": 1.0}, {"machine": machine(), "pid": 4_194_305}, {"seen": "soon"}], ids=["old", "dead", "none"]
)
def test_the_marker_of_a_dead_run_counts_for_nothing(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session, about: dict[str, Any]
) -> None:
    leave(server, http, **about)
    assert cli("apply", "--yes", study).status == 0
    assert resources(server, http) == []


def test_a_short_run_heeds_markers_and_clears_dead_ones_but_leaves_none(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session
) -> None:
    leave(server, http)
    one = ("apply", "--yes", "--only", "S1", study)
    assert cli(*one).status == 7
    leave(server, http, seen=1.0)
    server.log.clear()
    assert cli(*one).status == 0
    assert not any("/xnat_sync/files" in entry.path for entry in server.log.writes)
    assert resources(server, http) == []


def test_a_marker_is_broken_by_force(cli: Cli, study: Path, server: RunningServer, http: requests.Session) -> None:
    leave(server, http)
    assert cli("apply", "--yes", "--force-unlock", study).status == 0
    assert resources(server, http) == []


def test_a_run_that_makes_the_project_leaves_its_marker_there(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session, tmp_path: Path
) -> None:
    study.write_text(study.read_text("utf-8").replace("project: P", "project: {id: NEW, create: true}"), "utf-8")
    server.faults.add(Fault(kind=FaultKind.DELAY, method="PUT", path="subjects/.*/files", seconds=0.2, times=0))
    first: list[Any] = []
    thread = threading.Thread(target=lambda: first.append(cli("apply", "--yes", study)))
    thread.start()
    while not any("/resources/R" in entry.path for entry in server.log.writes) and thread.is_alive():
        time.sleep(0.005)
    elsewhere = {"XDG_CACHE_HOME": str(tmp_path / "of another machine")}
    second = cli("apply", "--yes", study, environ=elsewhere)
    thread.join()
    assert first[0].status == 0, first[0].err
    assert second.status == 7
    assert "another run is working on the project" in second.err
    rows = http.get(f"{server.url}/data/projects/NEW/resources?format=json").json()["ResultSet"]["Result"]
    assert rows == []


def test_a_member_cannot_leave_a_marker_and_is_told_so(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session
) -> None:
    http.post(f"{server.url}/xapi/users", json={"username": "member", "password": "secret"})
    http.put(f"{server.url}/data/projects/P/users/members/member")
    member = {"XNAT_SYNC_USER": "member", "XNAT_SYNC_PASSWORD": "secret"}
    done = cli("apply", "--yes", study, environ=member)
    assert done.status == 0
    assert "no lock on the server, where only owners can leave one" in done.err
    assert resources(server, http) == []


def test_two_runs_at_once_the_second_waits_and_finds_all_done(cli: Cli, study: Path, server: RunningServer) -> None:
    done = at_once(cli, server, study, ["--wait-lock", "60"])
    assert [run.status for run in done] == [0, 0]
    assert "waiting for another run: " in done[1].err
    assert "Nothing to do" in done[1].out
    assert cli("plan", "--detailed-exitcode", study).status == 0


def test_two_runs_at_once_the_second_is_refused(cli: Cli, study: Path, server: RunningServer) -> None:
    done = at_once(cli, server, study, [])
    assert [run.status for run in done] == [0, 7]
    assert "another run is working on the project" in done[1].err
    assert f"(run {json.loads((newest(study)).read_text().splitlines()[0])['run']})" in done[1].err


def test_two_runs_at_once_without_a_lock_lose_nothing(
    cli: Cli, study: Path, server: RunningServer, http: requests.Session
) -> None:
    at_once(cli, server, study, ["--no-lock"], first=["--no-lock"])
    assert cli("apply", "--yes", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0
    assert cli("verify", "--download", study).status == 0
    rows = http.get(f"{server.url}/data/projects/P/subjects?format=json").json()["ResultSet"]["Result"]
    assert sorted(row["label"] for row in rows) == sorted(f"S{number}" for number in range(FILES))


def at_once(cli: Cli, server: RunningServer, study: Path, second: list[str], first: list[str] | None = None) -> Any:
    """Two runs, the second begun while the first uploads."""
    server.faults.add(Fault(kind=FaultKind.DELAY, method="PUT", path="subjects/.*/files", seconds=0.2, times=0))
    done: list[Any] = [None, None]

    def run() -> None:
        done[0] = cli("apply", "--yes", *(first or []), study)

    thread = threading.Thread(target=run)
    thread.start()
    while not any("/resources/R" in entry.path for entry in server.log.writes) and thread.is_alive():
        time.sleep(0.005)
    done[1] = cli("apply", "--yes", *second, study)
    thread.join()
    server.faults.clear()
    return done


def newest(study: Path) -> Path:
    return max((study.parent / ".xnat-sync/runs").glob("*.jsonl"))


def test_a_holder_is_read_back_and_grows_stale() -> None:
    now = 1_000_000.0
    holder = Holder(run="r", user="u", host="h", machine=machine(), pid=os.getpid(), since=now, seen=now)
    assert Holder.from_text(holder.to_text()) == holder
    assert not holder.is_stale(now + STALE_SECONDS)
    assert holder.is_stale(now + STALE_SECONDS + 1)
    assert not holder.is_stale(now - 9999)
    for text in ("", "{}", "[" * 100_000, '{"run": 1}'):
        assert Holder.from_text(text) is None


@pytest.mark.parametrize("name", ["pid", "since", "seen"])
@pytest.mark.parametrize("value", ["NaN", "Infinity", "-1e999", '"soon"', "[]", "9" * 5000], ids=lambda text: text[:9])
def test_a_marker_with_times_that_cannot_be_is_none(name: str, value: str) -> None:
    holder = Holder(run="r", user="u", host="h", machine="m", pid=7, since=1.0, seen=1.0)
    text = json.dumps({**json.loads(holder.to_text()), name: "HERE"}).replace('"HERE"', value)
    assert Holder.from_text(text) is None


def test_a_clock_that_was_put_back_keeps_no_marker_from_being_renewed() -> None:
    server = MemoryServer()
    server.add(ObjectSpec(ref=Ref.project_of("P"), xsi_type="xnat:projectData"))
    me = Holder(run="r", user="u", host="h", machine="m", pid=7, since=1.0, seen=1.0)
    marker = Marker(server(), "P", me, Listener(), leave=True)
    now = [1_000_000.0]
    marker.take(now[0], force=False)
    held = Held(marker, lambda: now[0], waited=False)
    uploads = []
    for moment in (1_000_300.0, 1_000_601.0, 500_000.0, 500_300.0, 500_601.0):
        now[0] = moment
        held.tick()
        uploads.append(server.calls["upload"])
    assert uploads == [1, 2, 3, 3, 4]


def test_no_room_for_a_marker_costs_the_marker_only(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch, server: RunningServer, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    done = cli("apply", "--yes", study)
    assert done.status == 0, done.err
    assert "no lock on the server: No such file or directory" in done.err
