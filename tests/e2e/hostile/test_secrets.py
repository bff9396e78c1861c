"""No secret in anything that the program writes, at the most talkative level."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.identity.login_sessions import Sessions
from xnat_sync.server.running import RunningServer, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECRET = "s3cr3t-Pa55&word"
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
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RunningServer]:
    with running(tmp_path / "guarded", user="boss", password=SECRET) as started:
        yield started


def test_no_secret_in_any_output(
    guarded: RunningServer,
    images: Path,
    manifest: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert images.is_dir()
    path = manifest(STUDY)
    tokens: list[str] = []
    opening = Sessions.open

    def recorded(self: Sessions, *arguments: Any) -> Any:
        session = opening(self, *arguments)
        tokens.append(session.id)
        return session

    monkeypatch.setattr(Sessions, "open", recorded)
    environ = {
        **os.environ,
        "XNAT_SYNC_SERVER": guarded.url,
        "XNAT_SYNC_USER": "boss",
        "XNAT_SYNC_PASSWORD": SECRET,
    }
    told = ""
    commands = (
        ["plan", "--out", str(tmp_path / "plan.json"), str(path)],
        ["apply", "--yes", str(tmp_path / "plan.json")],
        ["verify", "--download", "--format", "json", str(path)],
        ["plan", "--format", "json", str(path)],
        ["plan", str(path), "--server", guarded.url.replace("http://", f"http://boss:{SECRET}@")],
    )
    for command in commands:
        done = subprocess.run(
            [sys.executable, "-m", "xnat_sync", *command, "--debug"],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        told += done.stdout + done.stderr
    wrong = subprocess.run(
        [sys.executable, "-m", "xnat_sync", "plan", str(path), "--debug"],
        env={**environ, "XNAT_SYNC_PASSWORD": SECRET + "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 4
    told += wrong.stdout + wrong.stderr + (tmp_path / "plan.json").read_text(encoding="utf-8")
    assert "DEBUG" in told
    assert "PUT /data/projects/P" in told
    assert tokens
    for secret in (SECRET, *tokens):
        assert secret not in told
