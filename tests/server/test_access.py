"""Who may do what (init_project_group_functions.sql, PermissionsServiceImpl): what is hidden is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/{p}/subjects/S1"
SESSION = SUBJECT + "/experiments/E1"
SCAN = SESSION + "/scans/1"


@dataclass(frozen=True)
class Caller:
    """A user who sends Basic credentials with every request."""

    url: str
    name: str

    def __call__(self, method: str, path: str) -> int:
        reply = requests.request(method, self.url + path, auth=(self.name, "x"), timeout=10)
        return reply.status_code


@pytest.fixture
def study(http: Any) -> Any:
    """A private, a protected and a public project, each with one session and scan; a member and a collaborator."""
    for name in ("owner", "member", "collaborator", "outsider"):
        assert http.post("/xapi/users", json={"username": name, "password": "x"}).status_code == 201
    for access in ("private", "protected", "public"):
        http.put(f"/data/projects/{access}?accessibility={access}")
        http.put(f"{SESSION.format(p=access)}?xsiType=xnat:mrSessionData")
        http.put(f"{SCAN.format(p=access)}?xsiType=xnat:mrScanData&type=T1")
        for name in ("owner", "member", "collaborator"):
            assert http.put(f"/data/projects/{access}/users/{name.title()}s/{name}").status_code == 200
    return http


GET_PROJECT = ("GET", "/data/projects/{p}?format=json")
LIST = ("GET", "/data/projects/{p}/subjects")
GET_SUBJECT = ("GET", SUBJECT + "?format=json")
GET_SESSION = ("GET", SESSION + "?format=json")
PUT_SUBJECT = ("PUT", SUBJECT + "?group=g")
NEW_SUBJECT = ("PUT", "/data/projects/{p}/subjects/NEW")
PUT_SESSION = ("PUT", SESSION + "?note=n")
PUT_SCAN = ("PUT", SCAN + "?note=n")
DELETE_SCAN = ("DELETE", SCAN)
DELETE_SESSION = ("DELETE", SESSION)
DELETE_SUBJECT = ("DELETE", SUBJECT)
DELETE_PROJECT = ("DELETE", "/data/projects/{p}")
PUT_PROJECT = ("PUT", "/data/projects/{p}?description=d")

READS = (GET_PROJECT, LIST, GET_SUBJECT, GET_SESSION)


@pytest.mark.parametrize(
    ("name", "project", "expected"),
    [
        (
            "outsider",
            "private",
            {
                GET_PROJECT: 404, LIST: 404, GET_SUBJECT: 404, GET_SESSION: 404, PUT_SUBJECT: 422, PUT_SESSION: 404,
                PUT_SCAN: 417, DELETE_PROJECT: 400, DELETE_SUBJECT: 404, DELETE_SESSION: 404, DELETE_SCAN: 404,
            },
        ),
        (
            "outsider",
            "protected",
            {
                GET_PROJECT: 200, LIST: 403, GET_SUBJECT: 404, GET_SESSION: 404, PUT_SUBJECT: 403, NEW_SUBJECT: 403,
                PUT_SESSION: 403, PUT_SCAN: 417, DELETE_PROJECT: 403, DELETE_SUBJECT: 404, DELETE_SESSION: 404,
                PUT_PROJECT: 403,
            },
        ),
        (
            "outsider",
            "public",
            {**dict.fromkeys(READS, 200), PUT_SUBJECT: 403, PUT_SESSION: 403, PUT_SCAN: 403, DELETE_SESSION: 403},
        ),
        (
            "collaborator",
            "private",
            {
                **dict.fromkeys(READS, 200), PUT_SUBJECT: 403, NEW_SUBJECT: 403, PUT_SESSION: 403, PUT_SCAN: 403,
                DELETE_SCAN: 403, DELETE_SESSION: 403, DELETE_SUBJECT: 403, DELETE_PROJECT: 403,
            },
        ),
        (
            "member",
            "private",
            {
                **dict.fromkeys(READS, 200), PUT_SUBJECT: 200, NEW_SUBJECT: 201, PUT_SESSION: 200, PUT_SCAN: 200,
                PUT_PROJECT: 403, DELETE_SCAN: 403, DELETE_SESSION: 403, DELETE_SUBJECT: 403, DELETE_PROJECT: 403,
            },
        ),
        (
            "owner",
            "private",
            {
                **dict.fromkeys(READS, 200), PUT_PROJECT: 200, DELETE_SCAN: 200, DELETE_SESSION: 200,
                DELETE_SUBJECT: 200, DELETE_PROJECT: 200,
            },
        ),
    ],
)  # fmt: skip
def test_statuses_by_role(
    server: RunningServer, study: Any, name: str, project: str, expected: dict[tuple[str, str], int]
) -> None:
    """TestInvalidUserAccess, TestCustomDataTypePermissions, TestSharing."""
    caller = Caller(server.url, name)
    found = {(method, path): caller(method, path.format(p=project)) for method, path in expected}
    assert found == expected


def test_project_list_shows_what_may_be_known(server: RunningServer, study: Any) -> None:
    reply = requests.get(f"{server.url}/data/projects", auth=("outsider", "x"), timeout=10)
    assert [row["ID"] for row in reply.json()["ResultSet"]["Result"]] == ["protected", "public"]


def test_site_lists_show_readable_objects_only(server: RunningServer, study: Any) -> None:
    reply = requests.get(f"{server.url}/data/experiments", auth=("outsider", "x"), timeout=10)
    assert [row["project"] for row in reply.json()["ResultSet"]["Result"]] == ["public"]


def test_sharing_in_gives_reading_only(server: RunningServer, study: Any) -> None:
    """Anyone who reads the target project reads what is shared into it, and edits nothing of it."""
    study.put("/data/projects/T?accessibility=private")
    study.put("/data/projects/T/users/Members/outsider")
    study.put(f"{SESSION.format(p='private')}/projects/T")
    caller = Caller(server.url, "outsider")
    assert caller("GET", "/data/projects/T/experiments/E1?format=json") == 200
    experiment = study.rows("/data/projects/T/experiments")[0]["ID"]
    uri = f"/data/projects/T/experiments/{experiment}"
    assert caller("PUT", "/data/projects/T/experiments/E1?xnat:mrSessionData/note=n") == 403
    assert caller("GET", f"{uri}?format=json") == 200


def test_quarantined_objects_are_hidden(server: RunningServer, study: Any) -> None:
    study.put("/data/projects/public/quarantine_code/1")
    study.put(f"{SESSION.format(p='public')}?note=n")
    assert Caller(server.url, "outsider")("GET", f"{SESSION.format(p='public')}?format=json") == 404
    assert Caller(server.url, "member")("GET", f"{SESSION.format(p='public')}?format=json") == 200


def test_members_are_managed_by_owners(server: RunningServer, study: Any) -> None:
    users = "/data/projects/private/users"
    assert Caller(server.url, "member")("PUT", f"{users}/Members/outsider") == 403
    assert Caller(server.url, "owner")("PUT", f"{users}/Members/outsider") == 200
    rows = {row["login"]: row["GROUP_ID"] for row in study.rows(users)}
    assert rows["outsider"] == "private_member"
    assert Caller(server.url, "owner")("DELETE", f"{users}/Members/outsider") == 200
    assert "outsider" not in {row["login"] for row in study.rows(users)}
