"""Texts that become values, as XFTValidator and DateUtils read them."""

from __future__ import annotations

from typing import Any

import pytest

P = "/data/projects/P"
SUBJECT = f"{P}/subjects/S"
SESSION = f"{SUBJECT}/experiments/E"
SCAN = f"{SESSION}/scans/1"


@pytest.fixture
def study(http: Any) -> Any:
    http.put(P)
    http.put(f"{SESSION}?xsiType=xnat:petSessionData")
    http.put(f"{SCAN}?xsiType=xnat:petScanData&type=PET")
    return http


def fields(http: Any, uri: str) -> dict[str, Any]:
    held: dict[str, Any] = http.get(f"{uri}?format=json").json()["items"][0]["data_fields"]
    return held


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("2147483647", 200),
        ("-2147483648", 200),
        ("2147483648", 400),
        ("-2147483649", 400),
        ("9" * 5000, 400),
        ("٣", 400),
    ],
)
def test_whole_numbers_have_32_bits(study: Any, sent: str, status: int) -> None:
    """XFTValidator parses them as java.lang.Integer."""
    reply = study.put(SCAN, params={"frames": sent})
    assert reply.status_code == status
    assert ("Must Be A Valid Integer" in reply.text) == (status == 400)
    assert fields(study, SCAN).get("frames") == (int(sent) if status == 200 else None)


@pytest.mark.parametrize(("size", "status"), [("9223372036854775807", 200), ("9223372036854775808", 400)])
def test_sizes_of_files_have_64_bits(study: Any, size: str, status: int) -> None:
    body = (
        '<xnat:PETSession xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<xnat:resources><xnat:resource xsi:type="xnat:resourceCatalog" label="R" file_size="{size}"/>'
        "</xnat:resources></xnat:PETSession>"
    )
    assert study.put(SESSION, data=body, headers={"Content-Type": "text/xml"}).status_code == status


@pytest.mark.parametrize(
    ("sent", "status", "stored"),
    [("-1", 200, "-1"), ("2147483647", 200, "2147483647"), ("2147483648", 400, "4"), ("4.5", 400, "4")],
)
def test_codes_of_projects_are_whole_numbers(study: Any, sent: str, status: int, stored: str) -> None:
    """TestProjectURIs: any integer is stored."""
    assert study.put(f"{P}/prearchive_code/{sent}").status_code == status
    assert study.get(f"{P}/prearchive_code").text == stored


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("Thu Apr 08 19:28:45 UTC 2021", "2021-04-08"),
        ("Thu Apr 8 19:28:45 CEST 2021 or so", "2021-04-08"),
        ("Thu Foo 08 19:28:45 UTC 2021", None),
        ("Thu Apr 31 19:28:45 UTC 2021", None),
    ],
)
def test_dates_as_java_writes_them(study: Any, sent: str, stored: str | None) -> None:
    """DateUtils: what java.util.Date.toString says is a date too."""
    reply = study.put(SESSION, params={"date": sent})
    assert reply.status_code == (400 if stored is None else 200)
    assert fields(study, SESSION).get("date") == stored


@pytest.mark.parametrize(
    ("sent", "stored"), [("12:30:15", "12:30:15"), ("123015", "12:30:15"), ("25:00:00", "01:00:00")]
)
def test_times(study: Any, sent: str, stored: str) -> None:
    """DateUtils: with colons or without, leniently."""
    assert study.put(SESSION, params={"time": sent}).status_code == 200
    assert fields(study, SESSION)["time"] == stored


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2001-02-03 10:20:30", "2001-02-03 10:20:30.0"),
        ("2001-02-03T10:20:30.5", "2001-02-03 10:20:30.5"),
        ("Sat Feb 03 10:20:30 UTC 2001", "2001-02-03 10:20:30.0"),
        ("02/03/2001", "2001-02-03 00:00:00.0"),
        ("2001-02-03", "2001-02-03 00:00:00.0"),
        ("2001-02-30 10:20:30", "2001-03-02 10:20:30.0"),
    ],
)
def test_moments(study: Any, sent: str, stored: str) -> None:
    """DateUtils; in a document they have their T (TestXmlOddities)."""
    assert study.put(SESSION, params={"scan_start_time": sent}).status_code == 200
    assert fields(study, SESSION)["start_time_scan"] == stored
    document = study.get(f"{SESSION}?format=xml").text
    assert f"<xnat:start_time_scan>{stored.replace(' ', 'T')}</xnat:start_time_scan>" in document
    assert study.put(SESSION, data=document.encode(), headers={"Content-Type": "text/xml"}).status_code == 200
    assert fields(study, SESSION)["start_time_scan"] == stored


def test_no_moment(study: Any) -> None:
    reply = study.put(SESSION, params={"scan_start_time": "soon"})
    assert (reply.status_code, "'soon' Must Be A Valid DateTime" in reply.text) == (400, True)


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("xnat:experimentData/note", 2500),
        ("xnat:experimentData/acquisition_site", 255),
        ("xnat:imageScanData/note", 2500),
        ("xnat:imageScanData/documentation", 1000),
        ("xnat:imageScanData/series_description", 255),
        ("xnat:projectData/description", 10000),
    ],
)
def test_how_long_texts_may_be(study: Any, field: str, longest: int) -> None:
    """xnat.xsd: 255 characters unless it says otherwise."""
    uri = {"xnat:experimentData": SESSION, "xnat:imageScanData": SCAN}.get(field.partition("/")[0], P)
    binary = {"Content-Type": "application/x-www-form-urlencoded"}
    assert study.put(uri, data={field: "x" * longest}, headers=binary).status_code == 200
    reply = study.put(uri, data={field: "x" * (longest + 1)}, headers=binary)
    assert reply.status_code == 400
    assert f"Must Be Less Than {longest} Characters : Current Length ({longest + 1})" in reply.text


def test_scripts_are_refused_where_they_are_not_escaped(study: Any) -> None:
    """InvalidValueException carries no words; a query value was escaped before and is none any more."""
    assert study.put(SUBJECT, params={"group": "<script>"}).status_code == 200
    body = '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="&lt;script>x"/>'
    reply = study.put(SUBJECT, data=body, headers={"Content-Type": "text/xml"})
    assert reply.status_code == 400
    assert "<h3>The request could not be understood by the server due to malformed syntax</h3>" in reply.text


def test_a_json_body_says_nothing_of_an_object(study: Any) -> None:
    """SecureResource.loadItem knows documents and forms only."""
    assert study.put(SUBJECT, json={"group": "g"}).status_code == 200
    assert "group" not in fields(study, SUBJECT)
