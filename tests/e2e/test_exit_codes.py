"""Every exit status of the table, by a command that ends with it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.exits import BY_ERROR, Exit, exit_of_error
from xnat_sync.core.model import errors
from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any
    Manifest = Callable[..., Path]

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    gender: female
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*.nii}
"""


@pytest.fixture
def study(images: Path, manifest: Manifest) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


def test_0_done(cli: Cli, study: Path) -> None:
    assert cli("validate", study).status == 0
    assert cli("plan", study).status == 0
    assert cli("apply", "--yes", study).status == 0
    assert cli("verify", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0
    assert cli("schema").status == 0


def test_1_unexpected(cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours keeps its trace; Python itself leaves with 1."""

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("xnat_sync.api.plan", broken)
    with pytest.raises(ZeroDivisionError):
        cli("plan", study)
    assert int(Exit.UNEXPECTED) == 1


def test_2_differences(cli: Cli, study: Path) -> None:
    assert cli("plan", "--detailed-exitcode", study).status == 2
    done = cli("verify", study)
    assert done.status == 2
    assert done.out.count("missing") == 2


def test_3_not_valid(cli: Cli, images: Path, manifest: Manifest, server: RunningServer) -> None:
    assert images.is_dir()
    server.log.clear()
    wrong = manifest(STUDY.replace("gender: female", "gendr: female").replace("anat/*.nii", "anat/*.gz"))
    for command in (["validate"], ["plan"], ["apply", "--yes"], ["verify"]):
        done = cli(*command, wrong)
        assert done.status == 3
        assert "study.yaml:6:5" in done.out
        assert "did you mean gender?" in done.out
        assert "2 errors" in done.out
    assert len(server.log) == 0


def test_3_as_json(cli: Cli, manifest: Manifest) -> None:
    done = cli("validate", "--format", "json", manifest("version: 2\n"))
    assert done.status == 3
    data = json.loads(done.out)
    assert not data["ok"]
    assert {problem["severity"] for problem in data["problems"]} == {"error"}


def test_4_login_refused(cli: Cli, study: Path) -> None:
    done = cli("plan", study, environ={"XNAT_SYNC_PASSWORD": "wrong-guess"})
    assert done.status == 4
    assert "wrong-guess" not in done.out + done.err


def test_4_right_missing(cli: Cli, study: Path, server: RunningServer, http: requests.Session) -> None:
    for login in ("member", "stranger"):
        made = http.post(
            f"{server.url}/xapi/users",
            json={
                "username": login,
                "password": "secret",
                "firstName": "M",
                "lastName": "E",
                "email": f"{login}@x.org",
                "enabled": True,
                "verified": True,
            },
        )
        assert made.status_code in (200, 201), made.text
    assert http.put(f"{server.url}/data/projects/P?accessibility=private").status_code == 200
    assert http.put(f"{server.url}/data/projects/P/users/Collaborators/member").status_code == 200
    member = {"XNAT_SYNC_USER": "member", "XNAT_SYNC_PASSWORD": "secret"}
    writes = server.log.writes
    done = cli("apply", "--yes", study, environ=member)
    assert done.status == 4, done.out + done.err
    assert "member is a collaborator of project P and may not change its data" in done.err
    assert server.log.writes == writes


def test_5_server_gone(cli: Cli, study: Path) -> None:
    done = cli("plan", study, "--server", "http://127.0.0.1:9")
    assert done.status == 5
    assert "127.0.0.1" in done.err


def test_6_partly_done(cli: Cli, study: Path, server: RunningServer) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, method="PUT", path="scans/4/resources", status=403, times=0))
    done = cli("apply", "--yes", study)
    assert done.status == 6, done.out
    assert "failed upload file sub-01/sub-01_ses-01/4/NIFTI/sub-01_ses-01_task-rest_bold.nii" in done.out
    server.faults.clear()
    assert cli("apply", "--yes", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0


def test_7_deletes_nobody_allowed(cli: Cli, study: Path, manifest: Manifest, server: RunningServer) -> None:
    assert cli("apply", "--yes", study).status == 0
    server.log.clear()
    gone = manifest(STUDY.replace('"4": {type: bold, files: sub-01/ses-01/func/*.nii}', '"4": {state: absent}'))
    done = cli("apply", "--yes", gone)
    assert done.status == 7
    assert "--allow-delete" in done.err
    assert server.log.writes == []
    assert cli("apply", "--yes", "--allow-delete", gone).status == 0
    assert cli("plan", "--detailed-exitcode", gone).status == 0


def test_7_a_stale_plan(cli: Cli, study: Path, tmp_path: Path, server: RunningServer, http: requests.Session) -> None:
    stored = tmp_path / "plan.json"
    assert cli("plan", study, "--out", stored).status == 0
    assert http.put(f"{server.url}/data/projects/P").status_code == 200
    done = cli("apply", "--yes", stored)
    assert done.status == 7
    assert "project P" in done.err
    assert cli("plan", study, "--out", stored).status == 0
    server.log.clear()
    assert cli("apply", "--yes", stored).status == 0
    assert server.log.writes
    assert cli("plan", "--detailed-exitcode", study).status == 0


def test_7_a_conflict(cli: Cli, study: Path, manifest: Manifest) -> None:
    assert cli("apply", "--yes", study).status == 0
    other = manifest(STUDY.replace("xnat:mrSessionData", "xnat:petSessionData"))
    done = cli("apply", "--yes", other)
    assert done.status == 7
    assert "session sub-01/sub-01_ses-01" in done.err


def test_64_usage(cli: Cli, study: Path, tmp_path: Path) -> None:
    for arguments in (
        ["plan", study, "--jobs", "0"],
        ["nonsense"],
        [],
        ["apply", study],
        ["plan", study, "--server", "ftp://x"],
        ["plan", study, "--server", "https://me:pw@x.org"],
        ["plan", study, "--user", "me"],
        ["apply", "--yes", tmp_path / "missing.json"],
        ["apply", "--yes", study, tmp_path / "plan.json"],
    ):
        done = cli(*arguments)
        assert done.status == 64, arguments
        assert done.err.startswith("xnat-sync: ")
        assert "pw@" not in done.err


def test_64_no_server(cli: Cli, study: Path) -> None:
    done = cli("plan", study, environ={"XNAT_SYNC_SERVER": ""})
    assert done.status == 64
    for way in ("--server", "XNAT_SYNC_SERVER", "XNAT_HOST", "server:"):
        assert way in done.err


def test_130_interrupted(study: Path, server: RunningServer) -> None:
    """Ctrl-C lets the running upload finish, reports, and a further run completes the study."""
    server.faults.add(Fault(kind=FaultKind.DELAY, method="PUT", path="/files", seconds=1.5, times=0))
    ((_, calls),) = server.faults._rules
    environ = {
        **os.environ,
        "XNAT_SYNC_SERVER": server.url,
        "XNAT_SYNC_USER": "boss",
        "XNAT_SYNC_PASSWORD": "pass phrase&7",
    }
    command = [sys.executable, "-m", "xnat_sync", "apply", "--yes", "--jobs", "1", "--format", "json", str(study)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not calls[0] and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    report = json.loads(out)
    assert report["interrupted"]
    assert report["counts"]["applied"] == 6
    assert report["counts"]["cancelled"] == 1


def test_every_error_has_an_exit_status() -> None:
    def leaves(kind: type[errors.XnatSyncError]) -> list[type[errors.XnatSyncError]]:
        below = kind.__subclasses__()
        return [leaf for child in below for leaf in leaves(child)] if below else [kind]

    for leaf in leaves(errors.XnatSyncError):
        assert exit_of_error(leaf.__new__(leaf)) is not Exit.UNEXPECTED, leaf
    assert Exit.UNEXPECTED not in BY_ERROR.values()


def test_a_person_at_a_terminal_is_asked(cli: Cli, study: Path, server: RunningServer) -> None:
    class Answer(io.StringIO):
        def isatty(self) -> bool:
            return True

    server.log.clear()
    done = cli("apply", study, stdin=Answer("no\n"))
    assert done.status == 7
    assert "Apply these changes?" in done.err
    # Nobody agrees to what was not shown, and standard output is for the document.
    as_data = cli("apply", "--format", "json", study, stdin=Answer("no\n"))
    assert as_data.status == 7
    assert "Plan: " in as_data.err.partition("Apply these changes?")[0]
    assert json.loads(as_data.out)["error"]["kind"] == "Unconfirmed"
    assert server.log.writes == []
    assert cli("apply", study, stdin=Answer("yes\n")).status == 0
    assert server.log.writes
