"""Every run is on record, as it happens; a retry takes what the record says is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any

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


@pytest.fixture
def study(images: Path, manifest: Callable[[str], Path]) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


def records(study: Path) -> list[Path]:
    return sorted((study.parent / ".xnat-sync/runs").glob("*.jsonl"))


def lines(record: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]


def test_a_record_has_every_change_with_its_outcome(cli: Cli, study: Path, server: RunningServer) -> None:
    report = json.loads(cli("apply", "--yes", "--format", "json", "--reason", "first light", study).out)
    (record,) = records(study)
    assert report["run"] == record.stem
    head, *outcomes, end = lines(record)
    assert head["run"] == record.stem
    assert head["plan_fingerprint"] == report["plan_fingerprint"]
    assert (head["project"], head["server"], head["reason"]) == ("P", server.url, "first light")
    last = {line["ref"]: line["status"] for line in outcomes}
    assert last == {outcome["ref"]: outcome["status"] for outcome in report["outcomes"]}
    assert end["ended"]
    assert end["ok"]
    assert (study.parent / ".xnat-sync/.gitignore").read_text(encoding="utf-8") == "*\n"


def test_nothing_to_do_leaves_no_record(cli: Cli, study: Path) -> None:
    assert cli("apply", "--yes", study).status == 0
    assert cli("apply", "--yes", study).status == 0
    assert len(records(study)) == 1


def test_a_retry_takes_only_what_failed(cli: Cli, study: Path, server: RunningServer) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, method="PUT", path="scans/4/resources", status=403, times=0))
    done = cli("apply", "--yes", study)
    assert done.status == 6
    (record,) = records(study)
    assert f"--retry {record.stem}" in done.out
    server.faults.clear()
    study.write_text(STUDY + "  sub-02: {gender: male}\n", encoding="utf-8")
    server.log.clear()
    again = cli("apply", "--yes", "--retry", record.stem, study)
    assert again.status == 0, again.out + again.err
    assert all("/scans/4/" in entry.path for entry in server.log.writes)
    assert cli("apply", "--yes", "--retry", "last", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 2
    assert cli("apply", "--yes", study).status == 0


def test_a_retry_of_a_killed_run_takes_what_it_did_not_speak_of(cli: Cli, study: Path, server: RunningServer) -> None:
    server.faults.add(Fault(kind=FaultKind.DELAY, method="PUT", path="/files", seconds=30, times=0))
    environ = {
        **os.environ,
        "XNAT_SYNC_SERVER": server.url,
        "XNAT_SYNC_USER": "boss",
        "XNAT_SYNC_PASSWORD": "pass phrase&7",
        "XDG_CACHE_HOME": str(study.parent / "cache"),
    }
    command = [sys.executable, "-m", "xnat_sync", "apply", "--yes", str(study)]
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not any("/files" in entry.path for entry in server.log.writes) and process.poll() is None:
            if records(study) and len(lines(records(study)[0])) > 4:
                break
        process.kill()
    server.faults.clear()
    (record,) = records(study)
    assert not any(line.get("ended") for line in lines(record))
    again = cli("apply", "--yes", "--retry", "last", study)
    assert again.status == 0, again.out + again.err
    assert cli("plan", "--detailed-exitcode", study).status == 0


def test_a_record_that_cannot_be_kept_is_a_warning(cli: Cli, study: Path) -> None:
    (study.parent / ".xnat-sync").write_text("in the way", encoding="utf-8")
    done = cli("apply", "--yes", study)
    assert done.status == 0
    assert "Warning: no record of this run is kept: " in done.out
    assert cli("plan", "--detailed-exitcode", study).status == 0


@pytest.mark.parametrize("name", ["20240301T120000Z-aaaaaa", "../../etc/passwd", "last", "*"])
def test_an_unknown_run_is_wrong_usage(cli: Cli, study: Path, name: str) -> None:
    assert cli("apply", "--yes", "--retry", name, study).status == 64


@pytest.mark.parametrize(
    "text", ["", "nonsense\n", "[]\n", "{}\n", '{"project": "P"}\n{"ref": "/"}\n', "[" * 99999 + "\n"]
)
def test_a_record_that_makes_no_sense_is_wrong_usage(cli: Cli, study: Path, text: str) -> None:
    folder = study.parent / ".xnat-sync/runs"
    folder.mkdir(parents=True)
    (folder / "20240301T120000Z-aaaaaa.jsonl").write_text(text, encoding="utf-8")
    assert cli("apply", "--yes", "--retry", "last", study).status == 64


def test_a_retry_of_another_project_is_wrong_usage(cli: Cli, study: Path) -> None:
    assert cli("apply", "--yes", study).status == 0
    study.write_text(STUDY.replace("id: P", "id: Q"), encoding="utf-8")
    done = cli("apply", "--yes", "--retry", "last", study)
    assert done.status == 64
    assert "project P, not Q" in done.err
