"""What the site says about itself: version, schemas, data types, users, preferences; errors; odd paths."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest
import requests

from xnat_sync.server.app import Application
from xnat_sync.server.running import running
from xnat_sync.server.schema.data_types import IMAGE_SCAN, IMAGE_SESSION, concrete_types

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.server.running import RunningServer


def test_version(http: Any, tmp_path: Path) -> None:
    """/data/version has no route; buildInfo is a map of strings, readable without login."""
    assert http.get("/data/version").status_code == 404
    info = requests.get(http.url + "/xapi/siteConfig/buildInfo", timeout=10).json()
    assert info["version"] == "1.9.2.1"
    assert all(isinstance(value, str) for value in info.values())
    assert http.get("/xapi/siteConfig/buildInfo/version").text == "1.9.2.1"
    with running(tmp_path, version="1.8.11") as server:
        url = f"{server.url}/xapi/siteConfig/buildInfo"
        assert requests.get(url, timeout=10).json()["version"] == "1.8.11"


def test_older_versions_behave_as_they_did(tmp_path: Path) -> None:
    """Before 1.8.10 lists are not paged; before 1.8.6 a PUT on a scan must name its type."""
    scan = "/data/projects/P/subjects/S/experiments/E/scans/1"
    for version, page, status in (("1.8.5", 2, 417), ("1.8.9", 2, 200), ("1.8.10", 1, 200), ("1.10.0", 1, 200)):
        with running(tmp_path / version, version=version) as server:

            def put(path: str, url: str = server.url) -> int:
                return requests.put(url + path, auth=("admin", "admin"), timeout=10).status_code

            put("/data/projects/P")
            put("/data/projects/P/subjects/S2")
            put("/data/projects/P/subjects/S/experiments/E?xsiType=xnat:mrSessionData")
            put(f"{scan}?xsiType=xnat:mrScanData")
            assert put(f"{scan}?type=T1") == status
            url = f"{server.url}/data/projects/P/subjects?limit=1"
            rows = requests.get(url, auth=("admin", "admin"), timeout=10).json()["ResultSet"]["Result"]
            assert len(rows) == page


def test_every_listed_schema_can_be_fetched(http: Any) -> None:
    names = http.get("/xapi/schemas").json()
    assert set(names) >= {"xnat", "xdat"}
    for name in names:
        for uri in (
            f"/xapi/schemas/{name}",
            f"/schemas/{name}/{name}.xsd",
            f"/schemas/{name}.xsd",
            f"/xapi/{name}.xsd",
        ):
            reply = http.get(uri)
            assert reply.headers["content-type"] == "application/xml;charset=UTF-8"
            assert ET.fromstring(reply.content).tag.endswith("schema")
    assert http.get("/xapi/schemas/none").status_code == 404


def test_types_of_all_modalities() -> None:
    """The session and scan types of xnat.xsd that hold images."""
    sessions = {name.removeprefix("xnat:").removesuffix("SessionData") for name in concrete_types(IMAGE_SESSION)}
    scans = {name.removeprefix("xnat:").removesuffix("ScanData") for name in concrete_types(IMAGE_SCAN)}
    both = (
        "mr pet ct meg eeg us cr dx dx3DCraniofacial ecg eps es esv gm gmv hd io mg nm op opt rf sm sr xa xa3D xc xcv"
    )
    assert sessions >= {*both.split(), "petmr", "rt", "otherDicom"}
    assert scans >= {*both.split(), "mrs", "sc", "otherDicom", "rtImage", "seg"}


def test_search_elements(http: Any) -> None:
    """SearchElementListResource; each element's fields can be listed."""
    rows = http.rows("/data/search/elements")
    assert {"xnat:subjectData", "xnat:mrSessionData"} <= {row["ELEMENT_NAME"] for row in rows}
    assert "FIELD_ID" in http.rows("/data/search/elements/xnat:mrSessionData")[0]
    assert http.get("/data/search/elements/xnat:none").status_code == 404


def test_users(http: Any) -> None:
    assert http.get("/xapi/users/username").text == "admin"
    reply = http.post("/xapi/users", json={"username": "ann", "password": "x", "firstName": "Ann"})
    assert reply.status_code == 201
    assert http.get("/xapi/users/ann").json()["firstName"] == "Ann"
    assert http.get("/xapi/users/nobody").status_code == 404
    assert http.get("/xapi/users").json() == ["guest", "admin", "ann"]
    assert {row["login"] for row in http.rows("/data/users")} == {"guest", "admin", "ann"}
    assert "password" not in http.get("/xapi/users/profiles").text
    assert http.post("/xapi/users", json={"username": "ann", "password": "x"}).status_code == 409
    changed = http.put("/xapi/users/ann", json={"lastName": "Lee", "password": "y"})
    assert (changed.json()["firstName"], changed.json()["lastName"]) == ("Ann", "Lee")
    assert http.put("/xapi/users/ann", data="no JSON").status_code == 400
    assert http.put("/xapi/users/nobody", json={}).status_code == 404
    http.put("/xapi/users/ann/enabled/false")
    assert http.put("/xapi/users/ann", json={"password": "z"}).json()["enabled"] is False
    assert [profile["username"] for profile in http.get("/xapi/users/current").json()] == ["guest", "admin"]


def test_user_list_may_be_closed(server: RunningServer, http: Any) -> None:
    http.post("/xapi/users", json={"username": "ann", "password": "x"})
    http.post("/xapi/siteConfig", json={"restrictUserListAccessToAdmins": True})
    for path in ("/data/users", "/xapi/users"):
        assert requests.get(server.url + path, auth=("ann", "x"), timeout=10).status_code == 403


def test_plugins_are_none(http: Any) -> None:
    assert http.get("/xapi/plugins/").json() == {}
    assert http.get("/xapi/plugins/x").status_code == 404


def test_access_to_projects(http: Any) -> None:
    http.put("/data/projects/P?name=Title")
    assert http.get("/xapi/access/projects").json() == [{"ID": "P", "name": "Title", "role": "owner"}]


def test_preferences_by_reader(server: RunningServer, http: Any) -> None:
    """site-config-access.yaml: public, authenticated, administrators; 404 unknown."""
    http.post("/xapi/users", json={"username": "ann", "password": "x"})
    ann: dict[str, Any] = {"auth": ("ann", "x"), "timeout": 10}
    assert http.get("/xapi/siteConfig/checksums").text == "true"
    assert requests.get(f"{server.url}/xapi/siteConfig/siteId", timeout=10).text == "XNAT"
    assert requests.get(f"{server.url}/xapi/siteConfig/checksums", **ann).text == "true"
    assert requests.get(f"{server.url}/xapi/siteConfig/requireEventName", **ann).status_code == 403
    assert requests.get(f"{server.url}/xapi/siteConfig/checksums", timeout=10).status_code == 401
    assert http.get("/xapi/siteConfig/nothing").status_code == 404
    assert requests.post(f"{server.url}/xapi/siteConfig", json={"checksums": False}, **ann).status_code == 403
    http.put("/xapi/siteConfig/checksums", data="false")
    assert http.get("/xapi/siteConfig").json()["checksums"] is False


def test_site_id_is_in_accession_ids(http: Any) -> None:
    """IDGenerator: without spaces and quotes, dashes become underscores."""
    http.post("/xapi/siteConfig", json={"siteId": "My-Site 1"})
    http.put("/data/projects/P")
    assert http.put("/data/projects/P/subjects/S").text == "My_Site1_S00001"


def test_front_page(http: Any) -> None:
    page = requests.get(http.url + "/", timeout=10).text
    assert '<span id="user_info">Logged in as: <span style="color:red;">Guest</span>' in page


def test_error_page_is_restlets(http: Any) -> None:
    """Word for word, as VUIIS/dax issue 25 shows it."""
    assert http.get("/data/projects/NONE").text == (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n"
        "<h3>Unable to find the specified experiment.</h3><p>You can get technical details "
        '<a href="http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.4.5">here</a>.<br>\n'
        'Please continue your visit at our <a href="/">home page</a>.\n</p>\n</body>\n</html>\n'
    )


def test_unknown_routes_and_methods(http: Any) -> None:
    assert http.get("/data/nothing").status_code == 404
    assert http.get("/nothing").status_code == 404
    assert http.get("/data/archive/search/elements").status_code == 404
    assert http.delete("/data/projects").status_code == 405
    assert http.post("/data/subjects").status_code == 405
    assert http.request("PATCH", "/data/projects/P").status_code == 405


@pytest.mark.parametrize(
    "path", ["/data/projects/a%2Fb", "/data/projects/../x", "/data//projects", "/data/projects/a;b", "/data/%2e%2e/x"]
)
def test_odd_paths_are_refused_early(server: RunningServer, path: str) -> None:
    """StrictHttpFirewall."""
    connection = HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().status == 400
    connection.close()


def test_route_table_names_its_sources(server: RunningServer) -> None:
    """Every row says what it was read from; no two rows answer the same request."""
    routes = Application(server.context).router.routes
    assert [route.template for route in routes if not route.source] == []
    keys = [(route.method, route.template) for route in routes]
    assert len(keys) == len(set(keys))


def test_rows_that_nobody_has_verified_are_known(server: RunningServer) -> None:
    """*inferred* in the route table: no XNAT test or client has shown it; ``pytest -rP`` lists these rows."""
    routes = Application(server.context).router.routes
    unverified = [route for route in routes if "inferred" in route.source]
    for route in unverified:
        print(f"{route.method:6} {route.template:70} {route.source}")  # noqa: T201 - this listing is the test's use
    assert 0 < len(unverified) < len(routes) / 4


def test_log_is_there_to_be_asserted(server: RunningServer, http: Any) -> None:
    http.put("/data/projects/P?name=x%20y")
    entry = server.log.writes[-1]
    assert (entry.method, entry.path, entry.query, entry.status, entry.user) == (
        "PUT", "/data/projects/P", "name=x%20y", 200, "admin"
    )  # fmt: skip
    http.get("/data/projects")
    assert len(server.log.writes) == 1
