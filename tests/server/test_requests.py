"""How requests are read and answers are sent, whatever they are about."""

from __future__ import annotations

import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from xnat_sync.server.http import routing

if TYPE_CHECKING:
    import pytest

    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/P/subjects/S"
XML = '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="body" src="body"/>'


def test_the_query_wins_over_the_body(http: Any) -> None:
    """``SecureResource.loadItem`` applies the query last, whatever ``req_format`` says."""
    http.put("/data/projects/P")
    reply = http.put(f"{SUBJECT}?req_format=qs&group=query", data=XML, headers={"Content-Type": "text/xml"})
    assert reply.status_code == 201
    held = http.get(f"{SUBJECT}?format=json").json()["items"][0]["data_fields"]
    assert (held["group"], held["src"]) == ("query", "body")


def test_the_version_as_text(server: RunningServer, http: Any) -> None:
    reply = http.get("/xapi/siteConfig/buildInfo/version")
    assert reply.text == server.context.version
    assert reply.headers["content-type"].startswith("text/plain")


def test_an_answer_does_not_wait_for_an_acknowledgement(server: RunningServer, http: Any) -> None:
    """Head and body in two small segments would cost 40 ms each on a connection that is kept."""
    cookie = http.session.cookies["JSESSIONID"]
    connection = HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    seconds = []
    for _ in range(50):
        begun = time.perf_counter()
        connection.request("GET", "/data/auth", headers={"Cookie": f"JSESSIONID={cookie}"})
        assert connection.getresponse().read() == b"User 'admin' is logged in"
        seconds.append(time.perf_counter() - begun)
    connection.close()
    # Each would wait, so one that did not is enough, however busy the machine.
    assert min(seconds) < 0.03


def test_a_document_has_a_limit(http: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stricter than XNAT: a document or a form is read into memory, so it may not be of any size."""
    assert routing.MAX_BODY == 64 * 1024 * 1024
    monkeypatch.setattr(routing, "MAX_BODY", 1000)
    http.put("/data/projects/P")
    headers = {"Content-Type": "text/xml"}
    assert http.put(SUBJECT, data=XML, headers=headers).status_code == 201
    assert http.put(SUBJECT, data=XML + " " * 1000, headers=headers).status_code == 413
