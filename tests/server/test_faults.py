"""Faults: ordered, counted, deterministic, set from Python."""

from __future__ import annotations

import base64
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from xnat_sync.server.faults import Fault, FaultKind, Faults, load_faults
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer


def statuses(http: Any, path: str, number: int) -> list[int]:
    return [http.get(path).status_code for _ in range(number)]


def test_nth_calls_of_a_route(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, method="GET", path="/data/projects$", first=2, times=2, status=503))
    assert statuses(http, "/data/projects", 5) == [200, 503, 503, 200, 200]
    assert statuses(http, "/data/users", 1) == [200]


def test_first_rule_that_is_due_wins_and_all_count(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, path="projects", first=1, status=500, message="one"))
    server.faults.add(Fault(kind=FaultKind.STATUS, path="projects", first=2, status=502))
    assert statuses(http, "/data/projects", 3) == [500, 502, 200]


def test_for_ever(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, times=0, status=504))
    assert statuses(http, "/data/projects", 3) == [504] * 3
    server.faults.clear()
    assert statuses(http, "/data/projects", 1) == [200]


def test_headers_and_message(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, status=429, message="slow down", headers={"Retry-After": "3"}))
    reply = http.get("/data/projects")
    assert reply.headers["retry-after"] == "3"
    assert "<h3>slow down</h3>" in reply.text


def test_delay(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.DELAY, seconds=0.2))
    begun = time.perf_counter()
    assert http.get("/data/projects").status_code == 200
    assert time.perf_counter() - begun >= 0.2


class Watched(Faults):
    """Rules that tell when a request has met them."""

    def __init__(self, rule: Fault) -> None:
        super().__init__([rule])
        self.met = threading.Event()

    def take(self, point: str, path: str, method: str = "") -> Fault | None:
        taken = super().take(point, path, method)
        if taken is not None:
            self.met.set()
        return taken


def raw_put(server: RunningServer, project: str) -> socket.socket:
    """A connection on which a PUT was sent and whose answer nobody reads."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    pair = base64.b64encode(b"admin:admin").decode()
    head = f"PUT /data/projects/{project} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {pair}\r\n\r\n"
    connection.sendall(head.encode())
    return connection


def test_a_delay_ends_when_its_client_is_gone(tmp_path: Path) -> None:
    """And nothing is done then."""
    faults = Watched(Fault(kind=FaultKind.DELAY, method="PUT", seconds=0.4, times=0))
    with running(tmp_path, faults=faults) as server:
        with raw_put(server, "P"):
            assert faults.met.wait(10)
        login = ("admin", "admin")
        assert requests.put(f"{server.url}/data/projects/Q", auth=login, timeout=10).status_code == 200
        assert requests.get(f"{server.url}/data/projects/Q", auth=login, timeout=10).status_code == 200
        assert requests.get(f"{server.url}/data/projects/P", auth=login, timeout=10).status_code == 404


def test_a_delay_ends_when_the_server_stops(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faults = Watched(Fault(kind=FaultKind.DELAY, method="PUT", seconds=60))
    with running(tmp_path, faults=faults) as server:
        connection = raw_put(server, "P")
        assert faults.met.wait(10)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5
    assert connection.recv(100) == b""
    connection.close()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.CUT_BODY])
def test_a_fault_is_no_error_in_the_log(
    server: RunningServer, http: Any, kind: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    """What was asked for is not reported as if the server had made a mistake."""
    server.faults.add(Fault(kind=kind, path="/data/projects$"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        http.get("/data/projects")
    assert http.get("/data/projects").status_code == 200
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize(("kind", "stored"), [(FaultKind.DROP_BEFORE, False), (FaultKind.DROP_AFTER, True)])
def test_dropped_connections(server: RunningServer, http: Any, kind: FaultKind, stored: bool) -> None:
    """Before the work nothing has happened; after it everything has, and nobody was told."""
    server.faults.add(Fault(kind=kind, method="PUT"))
    with pytest.raises(requests.ConnectionError):
        http.put("/data/projects/P")
    assert http.get("/data/projects/P").status_code == (200 if stored else 404)


def test_cut_body(server: RunningServer, http: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.CUT_BODY, path="/data/projects$"))
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        http.get("/data/projects")
    assert http.get("/data/projects").status_code == 200


def test_login_page(server: RunningServer, http: Any) -> None:
    """A lost login as some sites show it: 200 with a page."""
    server.faults.add(Fault(kind=FaultKind.LOGIN_PAGE))
    reply = http.put("/data/projects/P")
    assert reply.status_code == 200
    assert reply.text.startswith("<!DOCTYPE html>")
    assert http.get("/data/projects/P").status_code == 404


def test_anonymous_session(server: RunningServer, http: Any) -> None:
    """The session is gone; the heartbeat URL answers 200 with another id."""
    before = http.get("/data/JSESSION").text
    server.faults.add(Fault(kind=FaultKind.ANONYMOUS))
    after = http.get("/data/JSESSION")
    assert (after.status_code, after.text == before) == (200, False)
    assert http.get("/data/auth").status_code == 401


def test_points_of_the_file_half() -> None:
    """The file half asks at its own points with its own paths."""
    faults = Faults([Fault(kind=FaultKind.CATALOG_CONFLICT, path="NIFTI"), Fault(kind=FaultKind.DISK_FULL)])
    assert faults.take("catalog", "/P/JSON/x") is None
    taken = faults.take("catalog", "/P/NIFTI/x")
    assert taken is not None
    assert taken.kind is FaultKind.CATALOG_CONFLICT
    assert faults.take("catalog", "/P/NIFTI/x") is None
    assert faults.take("disk", "anything") is not None


def test_the_readme_tells_the_file_and_every_kind(tmp_path: Path) -> None:
    """Its example is a file that the server takes, and its table leaves nothing out."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    example = text.partition("<!-- faults -->")[2].partition("<!-- end: faults -->")[0]
    file = tmp_path / "faults.json"
    file.write_text(example, encoding="utf-8")
    faults = load_faults(file)
    fault = faults.take("request", "/data/projects", "GET")
    assert fault is not None
    assert (fault.kind, fault.status, fault.headers) == (FaultKind.STATUS, 503, {"Retry-After": "1"})
    taken = [faults.take("response", "/data/x/files/a", "PUT") for _ in range(5)]
    assert [fault is not None for fault in taken] == [False, False, True, True, False]
    table = text.partition("<!-- end: faults -->")[2].partition("### ")[0]
    assert [kind.value for kind in FaultKind if f"`{kind.value}`" not in table] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "expected a list"),
        ('[{"kind": "status"}, {"kind": "flood"}]', "fault rule 2"),
        ('[{"kind": "status", "staus": 503}]', "keys must be among"),
        ("[3]", "fault rule 1"),
        ("[", "Expecting"),
    ],
)
def test_a_file_that_makes_no_sense_is_told(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        load_faults(file)
