"""A BIDS study from manifest to server and back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xnat

if TYPE_CHECKING:
    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any

MANIFEST = Path(__file__).parent / "bids-study.yaml"
PASSWORD = "pass phrase&7"


@pytest.fixture
def study(bids: Path, cli: Cli) -> Any:
    """Run a command on the study."""

    def call(command: str, *options: str) -> Any:
        return cli(
            command, MANIFEST, *options, environ={"XNAT_SYNC_VAR_BIDS": str(bids), "XNAT_SYNC_ALLOW_ROOT": str(bids)}
        )

    return call


@pytest.fixture
def applied(study: Any, server: RunningServer) -> Any:
    done = study("apply", "--yes")
    assert done.status == 0, done.out + done.err
    server.log.clear()
    return study


def uploads(server: RunningServer) -> list[str]:
    return [entry.path for entry in server.log.writes if "/files" in entry.path]


def test_the_manifest_is_short_and_names_every_file(study: Any, bids: Path) -> None:
    assert len(MANIFEST.read_text(encoding="utf-8").splitlines()) < 60
    done = study("validate")
    assert done.status == 0, done.out
    files = sum(path.is_file() for path in bids.rglob("*"))
    assert f" {files} files" in done.out


def test_every_file_is_found_by_xnatpy_with_the_same_bytes(applied: Any, server: RunningServer, bids: Path) -> None:
    local = {path.name: path.read_bytes() for path in bids.rglob("*") if path.is_file()}
    found: dict[str, bytes] = {}
    with xnat.connect(server.url, user="boss", password=PASSWORD, loglevel="ERROR") as connection:
        project = connection.projects["BIDS"]
        resources = list(project.resources.values())
        for experiment in project.experiments.values():
            resources += experiment.resources.values()
            for scan in experiment.scans.values():
                resources += scan.resources.values()
        for resource in resources:
            for name, file in resource.files.items():
                with file.open() as stream:
                    found[name] = stream.read()
        assert project.subjects["sub-01"].demographics.gender == "F"
        assert project.experiments["sub-01_ses-01"].scans["rest_e1"].quality == "usable"
    assert found == local


def test_a_second_apply_sends_nothing(applied: Any, server: RunningServer) -> None:
    done = applied("apply", "--yes")
    assert done.status == 0
    assert "Nothing to do" in done.out
    assert server.log.writes == []
    assert applied("plan", "--detailed-exitcode").status == 0


def test_one_changed_byte_is_one_replacement(applied: Any, server: RunningServer, bids: Path) -> None:
    image = bids / "sub-01/ses-01/fmap/sub-01_ses-01_phasediff.nii"
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    plan = applied("plan", "--detailed-exitcode")
    assert plan.status == 2
    assert "1 to replace" in plan.out
    assert applied("apply", "--yes").status == 0
    assert [path.rpartition("/")[2] for path in uploads(server)] == [image.name]
    assert len(server.log.writes) == 1
    assert applied("verify", "--download").status == 0
    assert applied("plan", "--detailed-exitcode").status == 0


def test_an_attribute_changed_by_another_client_is_shown_and_put_back(
    applied: Any, server: RunningServer, http: requests.Session
) -> None:
    reply = http.put(f"{server.url}/data/projects/BIDS/subjects/sub-01?group=drifted%20%26%20lost")
    assert reply.status_code == 200
    plan = applied("plan", "--detailed-exitcode")
    assert plan.status == 2
    assert "group: drifted & lost → control" in plan.out
    assert applied("apply", "--yes").status == 0
    assert applied("plan", "--detailed-exitcode").status == 0


def test_a_file_deleted_on_the_server_is_uploaded_again(
    applied: Any, server: RunningServer, http: requests.Session
) -> None:
    where = f"{server.url}/data/projects/BIDS/subjects/sub-03/experiments/sub-03/scans/dwi_1/resources/BIDS/files"
    assert http.delete(f"{where}/sub-03_dwi.bval").status_code == 200
    server.log.clear()
    assert applied("apply", "--yes").status == 0
    assert [path.rpartition("/")[2] for path in uploads(server)] == ["sub-03_dwi.bval"]
    assert len(server.log.writes) == 1
    assert applied("plan", "--detailed-exitcode").status == 0


def test_a_plan_takes_few_requests_and_writes_nothing(applied: Any, server: RunningServer) -> None:
    """6 + S/50 for S sessions, the project's own resources and what images say included; the login apart."""
    assert applied("plan").status == 0
    login = re.compile(r"^/$|/data/(JSESSION|auth|services/auth)|/xapi/siteConfig")
    reads = [entry for entry in server.log if not login.search(entry.path)]
    assert len(reads) <= 6, [entry.path for entry in reads]
    assert server.log.writes == []


def test_every_write_says_why(study: Any, server: RunningServer) -> None:
    assert study("apply", "--yes", "--reason", "first light").status == 0
    assert server.log.writes
    marker, ours = "/resources/xnat_sync", server.log.writes
    assert all("event_reason=first" in entry.query for entry in ours if marker not in entry.path)
    assert all("event_reason=xnat-sync" in entry.query for entry in ours if marker in entry.path)
