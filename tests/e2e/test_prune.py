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


@pytest.fixture
def put(server: RunningServer, http: requests.Session) -> Callable[..., str]:
    """Another client that writes."""

    def call(path: str, body: bytes | None = None, **query: str) -> str:
        answer = http.put(server.url + path, data=body, params=query)
        answer.raise_for_status()
        return answer.text

    return call


@pytest.fixture
def applied(cli: Cli, images: Path, manifest: Manifest) -> Path:
    """The manifest that prunes, and a server that says it."""
    assert images.is_dir()
    assert cli("apply", "--yes", manifest(STUDY)).status == 0
    return manifest(PRUNED, "pruned.yaml")


def test_what_other_projects_use_stays(
    cli: Cli, applied: Path, put: Callable[..., str], server: RunningServer, http: requests.Session
) -> None:
    subjects = "/data/projects/P/subjects"
    put("/data/projects/Q")
    put(f"{subjects}/seen")
    put(f"{subjects}/seen/projects/Q", format="json")
    put("/data/projects/Q/subjects/seen/experiments/theirs", xsiType="xnat:mrSessionData")
    put(f"{subjects}/ours/experiments/lent", xsiType="xnat:mrSessionData")
    put(f"{subjects}/ours/experiments/lent/projects/Q")
    put(f"{subjects}/sub-02/experiments/lent2", xsiType="xnat:mrSessionData")
    put(f"{subjects}/sub-02/experiments/lent2/projects/Q")
    put(f"{subjects}/left")
    assert deletes(cli("plan", applied).out) == ["subject left"]
    # Said by name it would take along what no listing of this project shows.
    applied.write_text(STUDY + "  seen: {state: absent}\n", encoding="utf-8")
    refused = cli("apply", "--yes", "--allow-delete", applied)
    assert refused.status == 7
    assert "! subject seen  has experiments of other projects" in refused.out
    left = http.get(f"{server.url}/data/projects/Q/experiments", params={"format": "json"}).json()
    assert {row["label"] for row in left["ResultSet"]["Result"]} == {"theirs", "lent", "lent2"}


def test_a_session_named_like_the_number_of_another_does_not_take_it_along(
    cli: Cli, applied: Path, put: Callable[..., str], server: RunningServer, http: requests.Session
) -> None:
    listed = http.get(f"{server.url}/data/projects/P/experiments", params={"format": "json"}).json()
    (number,) = [row["ID"] for row in listed["ResultSet"]["Result"]]
    put("/data/projects/P/subjects/sub-01/experiments/twin", xsiType="xnat:mrSessionData")
    put("/data/projects/P/subjects/sub-01/experiments/twin", label=number)
    assert deletes(cli("plan", applied).out) == [f"session sub-01/{number}"]
    done = cli("apply", "--yes", "--allow-delete", applied)
    assert done.status == 0, done.err
    assert cli("plan", "--detailed-exitcode", applied).status == 0
    assert cli("verify", "--download", applied).status == 0


def test_what_no_request_can_name_or_came_from_the_scanner_stays(
    cli: Cli, applied: Path, put: Callable[..., str]
) -> None:
    put(f"{SESSION}/scans/2/resources/DICOM/files/1.dcm", b"dicom", inbody="true")
    put(f"{SESSION}/scans/2/resources/17/files/n.txt", b"note", inbody="true")
    put("/data/projects/P/files/without-a-resource.txt", b"note", inbody="true")
    put(f"{SESSION}/resources/OLD/files/a.txt", b"note", inbody="true")
    done = cli("apply", "--yes", "--allow-delete", applied)
    assert done.status == 0, done.err
    assert deletes(done.out) == ["resource sub-01/sub-01_ses-01/OLD"]
    left = cli("plan", "--detailed-exitcode", applied)
    assert left.status == 0
    assert "left alone): 3 files" in left.out


def test_nothing_is_pruned_where_a_stored_plan_is_overtaken(
    cli: Cli, applied: Path, put: Callable[..., str], tmp_path: Path
) -> None:
    """What goes may be the only copy of what the overtaken change was to send."""
    put("/data/projects/P/resources/NOTES/files/old.json", b"{}", inbody="true")
    put("/data/projects/P/resources/MORE/files/x.json", b"{}", inbody="true")
    notes = "resources: {NOTES: {files: {new.json: sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.json}}}"
    text = PRUNED.replace("create: true", f"create: true, {notes}").replace("sub-02: {", "sub-02: {gender: male, ")
    applied.write_text(text, encoding="utf-8")
    stored = tmp_path / "plan.json"
    assert cli("plan", applied, "--out", stored).status == 0
    put("/data/projects/P/resources/NOTES/files/new.json", b"somebody else's", inbody="true")
    done = cli("apply", "--yes", "--allow-delete", "--format", "json", stored)
    assert done.status == 6
    assert {outcome["ref"]: outcome["status"] for outcome in json.loads(done.out)["outcomes"]} == {
        "P/resource:MORE": "blocked",
        "P/resource:NOTES/new.json": "refused",
        "P/resource:NOTES/old.json": "blocked",
        "P/sub-02": "applied",
    }
