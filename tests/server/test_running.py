"""Starting, stopping, killing and restarting the server, as a block and as a process."""

from __future__ import annotations

import base64
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests

from xnat_sync.server.__main__ import main
from xnat_sync.server.running import running
from xnat_sync.server.storage.folder_lock import FolderInUseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ADMIN = ("admin", "admin")


@contextmanager
def process(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of its own and the address that it prints."""
    command = [sys.executable, "-m", "xnat_sync.server", "--dir", str(folder), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        line = started.stdout.readline()
        assert line.startswith("XNAT at http://127.0.0.1:"), line
        try:
            yield started, line.split()[-1]
        finally:
            started.kill()


def put(url: str, path: str, **options: Any) -> requests.Response:
    return requests.put(url + path, auth=ADMIN, timeout=10, **options)


def get(url: str, path: str, **options: Any) -> requests.Response:
    return requests.get(url + path, auth=options.pop("auth", ADMIN), timeout=10, **options)


def test_everything_survives_kill_9(tmp_path: Path) -> None:
    """What was answered 200 is there after a restart, and numbers go on where they stopped."""
    session = "/data/projects/P/subjects/S1/experiments/E1"
    file = f"{session}/scans/1/resources/NIFTI/files/a.nii"
    with process(tmp_path) as (started, url):
        put(url, "/data/projects/P?accessibility=public")
        put(url, f"{session}?xsiType=xnat:mrSessionData&date=2001-02-03")
        put(url, f"{session}/scans/1?xsiType=xnat:mrScanData&type=T1")
        binary = {"Content-Type": "application/octet-stream"}
        assert put(url, file, data=b"abc", headers=binary).status_code == 200
        started.send_signal(signal.SIGKILL)
        started.wait()
    with process(tmp_path) as (_, url):
        assert get(url, "/data/projects/P/accessibility").text == "public"
        row = get(url, "/data/projects/P/experiments?columns=label,date").json()["ResultSet"]["Result"][0]
        assert (row["label"], row["date"]) == ("E1", "2001-02-03")
        assert get(url, file).content == b"abc"
        assert put(url, "/data/projects/P/subjects/S2").text == "XNAT_S00002"


def test_interrupt_ends_it_in_order(tmp_path: Path) -> None:
    with process(tmp_path) as (started, url):
        assert get(url, "/data/auth").status_code == 200
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=10) == 0


def test_options(tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps([{"kind": "status", "path": "/data/projects$", "status": 503}]))
    options = ("--user", "ann", "--password", "secret", "--xnat-version", "1.8.10", "--faults", str(faults))
    with process(tmp_path / "xnat", *options) as (_, url):
        ann = ("ann", "secret")
        assert get(url, "/data/auth", auth=ann).text == "User 'ann' is logged in"
        assert get(url, "/data/auth").status_code == 401
        assert get(url, "/xapi/siteConfig/buildInfo/version", auth=ann).text == "1.8.10"
        assert [get(url, "/data/projects", auth=ann).status_code for _ in range(2)] == [503, 200]


def test_a_taken_port_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running(tmp_path / "a") as server:
        port = server.url.rpartition(":")[2]
        assert main(["--dir", str(tmp_path / "b"), "--port", port]) == 2
    assert "xnat-sync-server: " in capsys.readouterr().err


def test_one_folder_has_one_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second is told so, in the same process or another; the folder is free again when the first has ended."""
    with process(tmp_path) as (started, url):
        assert main(["--dir", str(tmp_path), "--port", "0"]) == 2
        words = f"another server is using the folder {tmp_path}; stop it, or take another folder"
        assert capsys.readouterr().err == f"xnat-sync-server: {words}\n"
        with pytest.raises(FolderInUseError, match="stop it"), running(tmp_path):
            pass
        assert get(url, "/data/auth").status_code == 200
        started.kill()
        started.wait()
    with running(tmp_path) as server:
        assert get(server.url, "/data/auth").status_code == 200
        with pytest.raises(FolderInUseError), running(tmp_path):
            pass


def test_a_folder_of_an_earlier_server_is_taken_over(tmp_path: Path) -> None:
    """Before sessions knew their arc."""
    session = "/data/projects/P/subjects/S/experiments/E"
    with running(tmp_path) as server:
        put(server.url, "/data/projects/P")
        put(server.url, f"{session}?xsiType=xnat:mrSessionData")
    with closing(sqlite3.connect(tmp_path / "xnat.db")) as db:
        db.execute("ALTER TABLE item DROP COLUMN arc")
    with running(tmp_path) as server:
        binary = {"Content-Type": "application/octet-stream"}
        put(server.url, f"{session}/resources/R/files/a", data=b"x", headers=binary)
        assert (tmp_path / "archive/P/arc001/E/RESOURCES/R/a").read_bytes() == b"x"


@pytest.mark.parametrize("body", ["stalled", "cut off"])
def test_a_client_that_stops_sending_is_no_error_of_the_server(
    tmp_path: Path, body: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No trace is logged, neither when the client goes nor when the server ends in the middle of its body."""
    monkeypatch.setattr("xnat_sync.server.running.PATIENCE", 1)
    with running(tmp_path) as server:
        host, port = server.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)), timeout=10)
        pair = base64.b64encode(b"admin:admin").decode()
        head = (
            "PUT /data/projects/P HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n"
            f"Authorization: Basic {pair}\r\nExpect: 100-continue\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100")  # the server has begun to read the body
        connection.sendall(b"<x")
        if body == "cut off":
            connection.close()
    connection.close()
    assert [record for record in caplog.records if record.exc_info] == []


def test_a_wrong_faults_file_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('[{"kind": "flood"}]')
    assert main(["--dir", str(tmp_path / "x"), "--port", "0", "--faults", str(faults)]) == 2
    assert "fault rule 1: 'flood' is not a valid FaultKind" in capsys.readouterr().err


def test_block_can_be_entered_again_on_the_same_folder(tmp_path: Path) -> None:
    for expected in ("XNAT_S00001", "XNAT_S00002"):
        with running(tmp_path) as server:
            put(server.url, "/data/projects/P")
            assert put(server.url, f"/data/projects/P/subjects/{expected}").text == expected


def test_login_of_ones_own(tmp_path: Path) -> None:
    with running(tmp_path, user="ann", password="secret") as server:
        assert get(server.url, "/data/auth", auth=("ann", "secret")).status_code == 200
        assert get(server.url, "/data/auth").status_code == 401
