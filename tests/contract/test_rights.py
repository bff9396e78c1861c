"""What a gateway tells of an account's rights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import requests

from xnat_sync.core.model.permissions import ALL, COLLABORATOR, MEMBER, OUTSIDER, OWNER, UNKNOWN, Rights
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.protocol.permissions import names_in, rights_of_groups, rights_without_group
from xnat_sync.gateway.protocol.replies import Reply
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from xnat_sync.server.running import RunningServer

ROLES = {"owner": OWNER, "member": MEMBER, "collaborator": COLLABORATOR, "outsider": OUTSIDER}


def test_an_administrator_may_everything(study: Any) -> None:
    for project in (study.project.label, "NO_SUCH_PROJECT"):
        assert replace(study.gateway.rights(project), user="") == ALL


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("roles")) as started:
        with requests.Session() as http:
            http.auth = ("admin", "admin")
            http.put(f"{started.url}/data/projects/P?accessibility=public").raise_for_status()
            for name in ROLES:
                account = {"username": name, "password": "x"}
                http.post(f"{started.url}/xapi/users", json=account).raise_for_status()
                if name != "outsider":
                    http.put(f"{started.url}/data/projects/P/users/{name}s/{name}").raise_for_status()
        yield started


def rights(server: RunningServer, name: str, project: str = "P") -> Rights:
    connection = XnatConnection(server.url, name, "x")
    try:
        return connection().rights(project)
    finally:
        connection.close()


@pytest.mark.parametrize("name", ROLES)
def test_each_role_has_its_rights(server: RunningServer, name: str) -> None:
    found = rights(server, name)
    assert found.role == ROLES[name].role
    assert (found.write_data, found.delete_data, found.write_project) == (
        ROLES[name].write_data,
        ROLES[name].delete_data,
        ROLES[name].write_project,
    )
    assert found.create_project is True


def test_only_administrators_may_create_projects_where_the_site_says_so(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        requests.post(
            f"{server.url}/xapi/siteConfig/uiAllowNonAdminProjectCreation",
            json=False,
            auth=("admin", "admin"),
            timeout=10,
        ).raise_for_status()
        account = {"username": "somebody", "password": "x"}
        requests.post(f"{server.url}/xapi/users", json=account, auth=("admin", "admin"), timeout=10).raise_for_status()
        assert rights(server, "somebody", "NEW").create_project is False


def test_what_is_not_told_for_certain_is_unknown() -> None:
    assert rights_of_groups("P", {"P_readers"}) is UNKNOWN
    assert rights_of_groups("P", {"P_collaborator", "P_uploaders"}) is UNKNOWN
    assert rights_of_groups("P", {"P_owner", "P_uploaders"}) is OWNER
    assert rights_of_groups("P", {"P2_member"}) is None
    assert rights_without_group(None) is UNKNOWN
    assert names_in(Reply(status=403, text="")) is None
    assert names_in(Reply(status=200, text="<html>")) is None
    assert names_in(Reply(status=200, text='{"a": 1}')) is None
    assert names_in(Reply(status=200, text='["P_member"]')) == frozenset({"P_member"})
