"""Ctrl-C against a server that does not answer: nobody has to wait for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Manifest = Callable[..., Path]

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*.nii}
"""
PATIENCE = 12.0
"""Seconds: below the time for which the server keeps silent."""
SILENCE = 15.0


@pytest.fixture
def study(images: Path, manifest: Manifest) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


@contextmanager
def started(server: RunningServer, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    environ = {
        **os.environ,
        "XNAT_SYNC_SERVER": server.url,
        "XNAT_SYNC_USER": "boss",
        "XNAT_SYNC_PASSWORD": "pass phrase&7",
    }
    command = [sys.executable, "-m", "xnat_sync", *arguments]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    while not happened() and process.poll() is None:
        time.sleep(0.01)


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_a_second_interrupt_does_not_wait_for_the_server(study: Path, server: RunningServer, jobs: str) -> None:
    server.faults.add(Fault(kind=FaultKind.DELAY, method="PUT", path="/files", seconds=SILENCE, times=0))
    ((_, calls),) = server.faults._rules
    with started(server, "apply", "--yes", "--format", "json", "--jobs", jobs, str(study)) as process:
        wait_until(lambda: calls[0], process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "once more to stop now" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["interrupted"]
    assert {status: count for status, count in report["counts"].items() if count} == {"applied": 5, "cancelled": 2}


def test_one_interrupt_ends_the_wait_for_another_try(study: Path, server: RunningServer) -> None:
    busy = {"Retry-After": str(int(SILENCE))}
    server.faults.add(Fault(kind=FaultKind.STATUS, method="PUT", path="/files", status=503, times=0, headers=busy))
    ((_, calls),) = server.faults._rules
    with started(server, "apply", "--yes", "--format", "json", str(study)) as process:
        wait_until(lambda: calls[0] == 2, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert json.loads(out)["counts"]["failed"] == 2
    assert calls[0] == 2


def test_an_interrupted_plan_does_not_wait_for_the_server(study: Path, server: RunningServer) -> None:
    server.faults.add(Fault(kind=FaultKind.DELAY, method="GET", path="/data/projects", seconds=SILENCE, times=0))
    ((_, calls),) = server.faults._rules
    with started(server, "plan", str(study)) as process:
        wait_until(lambda: calls[0], process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert out == ""
    assert err.endswith("xnat-sync: interrupted\n")
    assert [entry.path for entry in server.log if entry.method == "DELETE"] == ["/data/JSESSION"]


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]], ids=["plan", "apply"])
@pytest.mark.parametrize("path", ["^/$", "/data/services/auth", "/data/auth"])
def test_an_interrupt_does_not_wait_for_a_login(
    study: Path, server: RunningServer, command: list[str], path: str
) -> None:
    server.faults.add(Fault(kind=FaultKind.DELAY, path=path, seconds=SILENCE, times=0))
    ((_, calls),) = server.faults._rules
    with started(server, *command, str(study)) as process:
        wait_until(lambda: calls[0], process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert err == "reading the server\nxnat-sync: interrupted\n"


def test_a_second_interrupt_does_not_wait_for_a_new_login(study: Path, server: RunningServer) -> None:
    again = Fault(kind=FaultKind.DELAY, method="PUT", path="/services/auth", seconds=SILENCE, first=2, times=0)
    server.faults.add(again)
    server.faults.add(Fault(kind=FaultKind.ANONYMOUS, method="PUT", path="/files", times=0))
    (_, calls), _ = server.faults._rules
    with started(server, "apply", "--yes", "--format", "json", str(study)) as process:
        wait_until(lambda: calls[0] == 2, process)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        while "once more to stop now" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert json.loads(out)["interrupted"]
