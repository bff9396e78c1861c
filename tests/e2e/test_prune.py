"""A project that is to hold what the manifest names, and nothing else."""

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
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
  sub-02: {group: controls}
"""
PRUNED = STUDY.replace("create: true", "create: true, prune: [subjects, sessions, scans, resources, files]")
SESSION = "/data/projects/P/subjects/sub-01/experiments/sub-01_ses-01"
LEFTOVERS = [
    "file sub-01/sub-01_ses-01/2/NIFTI/mine.nii",
    "resource sub-01/sub-01_ses-01/2/EMPTY",
    "scan sub-01/sub-01_ses-01/9",
    "resource sub-01/sub-01_ses-01/NOTES",
    "session sub-01/sub-01_ses-02",
    "resource FORMS",
]


@pytest.fixture
def study(cli: Cli, images: Path, manifest: Manifest, server: RunningServer, http: requests.Session) -> Path:
    """The manifest that prunes, and a server on which somebody else has left things."""
    assert images.is_dir()
    assert cli("apply", "--yes", manifest(STUDY)).status == 0

    def put(path: str, body: bytes | None = None, **query: str) -> None:
        http.put(server.url + path, data=body, params=query).raise_for_status()

    put(f"{SESSION}/scans/2/resources/NIFTI/files/mine.nii", b"mine", inbody="true")
    put(f"{SESSION}/scans/2/resources/EMPTY")
    put(f"{SESSION}/scans/9", xsiType="xnat:mrScanData")
    put(f"{SESSION}/resources/NOTES/files/n.txt", b"note", inbody="true")
    put("/data/projects/P/subjects/sub-01/experiments/sub-01_ses-02", xsiType="xnat:petSessionData")
    put("/data/projects/P/subjects/sub-02/experiments/visit", xsiType="xnat:subjectVariablesData")
    put("/data/projects/P/subjects/sub-03")
    put("/data/projects/P/subjects/sub-04/experiments/sub-04_ses-01", xsiType="xnat:mrSessionData")
    put(
        "/data/projects/P/subjects/sub-04/experiments/sub-04_ses-01/assessors/qc",
        xsiType="xnat:qcManualAssessorData",
    )
    put("/data/projects/P/subjects/sub-03/experiments/visit3", xsiType="xnat:subjectVariablesData")
    put("/data/projects/P/resources/FORMS/files/f.txt", b"form", inbody="true")
    return manifest(PRUNED, "pruned.yaml")


def deletes(text: str) -> list[str]:
    changes = text.partition("delete\n")[2]
    return sorted(line.strip()[2:].partition("  ")[0] for line in changes.splitlines() if line.startswith("  - "))


def test_what_nobody_names_is_shown_by_name_and_goes_when_allowed(
    cli: Cli, study: Path, manifest: Manifest, server: RunningServer, tmp_path: Path
) -> None:
    shown = cli("plan", study)
    assert shown.status == 0
    assert deletes(shown.out) == sorted(LEFTOVERS)
    assert "not in the manifest, which says prune" in shown.out
    server.log.clear()
    refused = cli("apply", "--yes", study)
    assert refused.status == 7
    assert "--allow-delete" in refused.err
    assert server.log.writes == []
    stored = tmp_path / "plan.json"
    assert cli("plan", study, "--out", stored).status == 0
    assert {change.get("pruned") for change in json.loads(stored.read_text())["changes"]} == {True}
    done = cli("apply", "--yes", "--allow-delete", stored)
    assert done.status == 0, done.err
    assert cli("plan", "--detailed-exitcode", study).status == 0
    assert cli("verify", manifest(STUDY)).status == 0
    # What no manifest can speak of is still there.
    assert "2 subjects, 3 sessions" in cli("plan", study).out


def test_only_some_of_it_is_pruned(cli: Cli, study: Path) -> None:
    shown = cli("plan", "--only", "sub-01/sub-01_ses-01", study)
    assert deletes(shown.out) == sorted(LEFTOVERS[:4])


def test_without_prune_it_is_left_alone(cli: Cli, study: Path, manifest: Manifest) -> None:
    assert study.is_file()
    done = cli("plan", "--detailed-exitcode", manifest(STUDY))
    assert done.status == 0
    assert "left alone" in done.out
