"""What stands between a mistake and a server: deletes by number, plans that are overtaken."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
  sub-02: {group: controls}
"""
SCAN_FILE = "/data/projects/P/subjects/sub-01/experiments/sub-01_ses-01/scans/4/resources/NIFTI/files/"


@pytest.fixture
def study(images: Path, manifest: Manifest) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


def test_more_deletes_than_allowed_are_refused(
    cli: Cli, study: Path, manifest: Manifest, server: RunningServer
) -> None:
    assert cli("apply", "--yes", study).status == 0
    gone = manifest(STUDY.replace("sub-02: {group: controls}", "sub-02: {state: absent}"))
    server.log.clear()
    done = cli("apply", "--yes", "--allow-delete", "--max-delete", "0", gone)
    assert done.status == 7
    assert "deletes 1 things, and --max-delete allows 0" in done.err
    assert "subject sub-02" in done.err
    assert server.log.writes == []
    assert cli("apply", "--yes", "--allow-delete", "--max-delete", "1", gone).status == 0


def test_a_stored_plan_is_refused_object_by_object(
    cli: Cli, study: Path, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    """What moved is named and left alone, with what lies in it; the rest is carried out."""
    assert cli("apply", "--yes", "--only", "sub-01", study).status == 0
    changed = study.with_name("changed.yaml")
    changed.write_text(STUDY.replace("gender: female", "gender: male"), encoding="utf-8")
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, changed).status == 0
    assert http.put(f"{server.url}/data/projects/P/subjects/sub-01?gender=unknown").status_code == 200
    done = cli("apply", "--yes", stored)
    assert done.status == 6
    assert "refused update subject sub-01: since the plan was made it has become another one" in done.out
    assert "1 applied, 1 refused" in done.out
    again = cli("apply", "--yes", "--format", "json", stored)
    assert again.status == 7
    assert "sub-01" in again.err
    assert cli("apply", "--yes", changed).status == 0


def test_a_stored_plan_may_be_carried_out_twice(cli: Cli, study: Path, tmp_path: Path, server: RunningServer) -> None:
    """What is done already is not done again, so that a run that was killed can be repeated."""
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    assert cli("apply", "--yes", "--only", "sub-02", study).status == 0
    done = cli("apply", "--yes", "--format", "json", stored)
    assert done.status == 0, done.err
    assert json.loads(done.out)["counts"] == {
        "applied": 6, "unchanged": 2, "failed": 0, "blocked": 0, "refused": 0, "cancelled": 0,
    }  # fmt: skip
    server.log.clear()
    assert cli("apply", "--yes", stored).status == 0
    assert server.log.writes == []


def test_a_file_that_changed_on_the_server_is_not_overwritten_by_an_old_plan(
    cli: Cli, study: Path, images: Path, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    assert cli("apply", "--yes", study).status == 0
    name = "sub-01_ses-01_task-rest_bold.nii"
    image = images / "sub-01/ses-01/func" / name
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    sent = http.put(f"{server.url}{SCAN_FILE}{name}?inbody=true&overwrite=true", data=b"theirs")
    assert sent.status_code == 200
    done = cli("apply", "--yes", stored)
    assert done.status == 7
    assert name in done.err
    assert http.get(f"{server.url}{SCAN_FILE}{name}").content == b"theirs"
