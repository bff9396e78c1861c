"""Slips and surprises that must not pass for a study in step, or for a harmless delete."""

from __future__ import annotations

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
defaults: {session: {xsi_type: "xnat:mrSessionData"}}
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
  sub-02:
    sessions:
      sub-02_ses-01:
        scans:
          "5": {type: dwi, resources: {BIDS: {files: "sub-02/ses-01/dwi/*.b*"}}}
"""
DELETES = """\
version: 1
project: P
subjects:
  sub-01: {sessions: {sub-01_ses-01: {xsi_type: "xnat:mrSessionData"}}}
  sub-02: {state: absent}
"""


@pytest.fixture
def study(images: Path, manifest: Manifest) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


@pytest.fixture
def deletes(manifest: Manifest) -> Path:
    return manifest(DELETES, "deletes.yaml")


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"], ["verify"]])
@pytest.mark.parametrize("pattern", ["sub-1", "", "sub-01/2"])
def test_a_pattern_that_names_nothing_is_wrong_usage(cli: Cli, study: Path, command: list[str], pattern: str) -> None:
    done = cli(*command, study, "--only", "sub-02", "--only", pattern)
    assert done.status == 64, done.out
    assert f"{pattern!r}: nothing in the manifest has that name" in done.err


def test_a_pattern_may_end_in_a_slash(cli: Cli, study: Path) -> None:
    assert "with 1 subject, 1 session, 1 scan, 1 file" in cli("plan", study, "--only", "sub-01/").out


def test_a_delete_says_what_it_takes_along(cli: Cli, study: Path, deletes: Path) -> None:
    assert cli("apply", "--yes", study).status == 0
    done = cli("plan", deletes)
    assert "- subject sub-02  the manifest says state: absent; takes 1 session, 1 scan, 2 files along" in done.out
    assert "left alone): 1 scan\n" in done.out, "what is deleted along with its parent is not left alone"


@pytest.mark.parametrize(
    "grown",
    ["subjects/sub-02/experiments/NEW?xsiType=xnat:mrSessionData", "subjects/sub-02/resources/R/files/x?inbody=true"],
)
def test_a_stored_delete_is_stale_when_it_would_take_more(
    cli: Cli, study: Path, deletes: Path, server: RunningServer, http: requests.Session, grown: str
) -> None:
    assert cli("apply", "--yes", study).status == 0
    stored = deletes.with_name("plan.json")
    assert cli("plan", deletes, "--out", stored).status == 0
    added = http.put(f"{server.url}/data/projects/P/{grown}", data=b"x", headers={"Content-Type": "text/plain"})
    assert added.status_code in (200, 201)
    done = cli("apply", "--yes", "--allow-delete", stored)
    assert done.status == 7, done.out
    assert "subject sub-02" in done.err
