"""Rights are found out when planning: who may not do it is told so before anything is sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
project: P
root: images
subjects:
  sub-01:
    gender: female
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
"""
NOTES = STUDY.replace("project: P\n", "project: {id: P, resources: {notes: {files: sub-01/ses-01/func/*.json}}}\n")
DESCRIBED = STUDY.replace("project: P\n", "project: {id: P, description: ours}\n")
EMPTIED = STUDY.replace("files: sub-01/ses-01/anat/*.nii}", "resources: {NIFTI: {state: absent}}}")
NEW = STUDY.replace("project: P\n", "project: {id: NEW, create: true}\n")


@pytest.fixture
def site(server: RunningServer, http: requests.Session, images: Path) -> requests.Session:
    """Project P, protected, and an account for each role in it."""
    assert images.is_dir()
    assert http.put(f"{server.url}/data/projects/P?accessibility=protected").status_code == 200
    for name in ("owner", "member", "collaborator", "outsider"):
        made = http.post(f"{server.url}/xapi/users", json={"username": name, "password": "secret"})
        assert made.status_code == 201
        if name != "outsider":
            assert http.put(f"{server.url}/data/projects/P/users/{name}s/{name}").status_code == 200
    return http


def login(name: str) -> dict[str, str]:
    return {"XNAT_SYNC_USER": name, "XNAT_SYNC_PASSWORD": "secret"}


@pytest.mark.parametrize(
    "case",
    [
        ("collaborator", STUDY, "collaborator is a collaborator of project P and may not change its data"),
        ("member", NOTES, "may not change the project itself or its own resources: ask an owner of P to make member"),
        ("member", DESCRIBED, "may not change the project itself or its own resources: ask an owner of P to make"),
    ],
)
def test_a_missing_right_ends_with_4_and_nothing_sent(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer, case: tuple[str, str, str]
) -> None:
    name, text, said = case
    study = manifest(text)
    server.log.clear()
    shown = cli("plan", study, environ=login(name))
    assert shown.status == 0
    assert "Not possible: " in shown.out
    document = json.loads(cli("plan", "--format", "json", study, environ=login(name)).out)
    assert document["problems"][0]["refs"]
    done = cli("apply", "--yes", study, environ=login(name))
    assert done.status == 4
    assert said in done.err
    assert server.log.writes == []
    assert cli("apply", "--yes", study, environ=login("owner")).status == 0


def test_a_member_may_write_data_but_not_delete(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    assert cli("apply", "--yes", manifest(STUDY), environ=login("member")).status == 0
    server.log.clear()
    done = cli("apply", "--yes", "--allow-delete", manifest(EMPTIED), environ=login("member"))
    assert done.status == 4
    assert "member is a member of project P and may not delete: ask an owner of P" in done.err
    assert "resource sub-01/sub-01_ses-01/2/NIFTI" in done.err
    assert server.log.writes == []
    assert cli("apply", "--yes", "--allow-delete", manifest(EMPTIED), environ=login("owner")).status == 0


def test_an_outsider_of_a_public_project_reads_only(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    site.put(f"{server.url}/data/projects/P/accessibility/public")
    done = cli("apply", "--yes", manifest(STUDY), environ=login("outsider"))
    assert done.status == 4
    assert "outsider is no member of project P" in done.err


def test_an_outsider_of_a_protected_project_cannot_even_plan(
    cli: Cli, site: requests.Session, manifest: Manifest
) -> None:
    assert cli("plan", manifest(STUDY), environ=login("outsider")).status == 4


def test_a_hidden_project_may_be_missing_or_not(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    site.put(f"{server.url}/data/projects/P/accessibility/private")
    done = cli("plan", manifest(STUDY), environ=login("outsider"))
    assert "or this account may not see it" in done.out
    assert cli("apply", "--yes", manifest(STUDY), environ=login("outsider")).status == 7
    proof = cli("verify", manifest(STUDY), environ=login("outsider"))
    assert proof.status == 2
    assert "the project does not exist, or this account may not see it" in proof.out


def test_projects_that_only_administrators_create(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    site.post(f"{server.url}/xapi/siteConfig/uiAllowNonAdminProjectCreation", json=False)
    server.log.clear()
    done = cli("apply", "--yes", manifest(NEW), environ=login("outsider"))
    assert done.status == 4
    assert "outsider may not create projects on this server: ask an administrator" in done.err
    assert server.log.writes == []
    site.post(f"{server.url}/xapi/siteConfig/uiAllowNonAdminProjectCreation", json=True)
    assert cli("apply", "--yes", manifest(NEW), environ=login("outsider")).status == 0


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_probe_that_fails_is_held_against_nobody(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer, status: int
) -> None:
    for path in ("/xapi/users/", "/data/projects/P/users"):
        server.faults.add(Fault(kind=FaultKind.STATUS, method="GET", path=path, status=status, times=0))
    study = manifest(STUDY)
    assert "Not possible" not in cli("plan", study, environ=login("collaborator")).out
    assert cli("apply", "--yes", study, environ=login("member")).status == 0


def test_a_projects_list_of_users_tells_where_an_account_may_not_be_asked_for(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, method="GET", path="/xapi/users/", status=404, times=0))
    done = cli("apply", "--yes", manifest(STUDY), environ=login("collaborator"))
    assert done.status == 4
    assert "collaborator is a collaborator of project P" in done.err


def test_a_stored_plan_is_held_against_the_account_that_applies_it(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer, tmp_path: Path
) -> None:
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, manifest(STUDY), environ=login("collaborator")).status == 0
    assert cli("apply", "--yes", stored, environ=login("collaborator")).status == 4
    assert cli("apply", "--yes", stored, environ=login("member")).status == 0


def test_a_plan_without_changes_asks_for_no_rights(
    cli: Cli, site: requests.Session, manifest: Manifest, server: RunningServer
) -> None:
    study = manifest(STUDY)
    assert cli("apply", "--yes", study, environ=login("member")).status == 0
    server.log.clear()
    assert cli("plan", "--detailed-exitcode", study, environ=login("collaborator")).status == 0
    assert not any("/groups" in entry.path for entry in server.log)
