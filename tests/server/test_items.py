"""One object as JSON and XML (ItemJSONBuilder, SAXWriter) and the choice of format (Restlet's handleGet)."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

SUBJECT = "/data/projects/P/subjects/S1"
SESSION = f"{SUBJECT}/experiments/E1"
XNAT = "{http://nrg.wustl.edu/xnat}"


@pytest.fixture
def study(http: Any) -> Any:
    """A subject with a session with a scan with a file."""
    http.put("/data/projects/P")
    http.put(f"{SUBJECT}?gender=female&weight=70.5&pi_lastname=Curie")
    http.put(f"{SESSION}?xsiType=xnat:mrSessionData&date=2001-02-03&scanner=Trio&fieldStrength=3.0")
    http.put(
        f"{SESSION}/scans/1?xsiType=xnat:mrScanData&type=T1&frames=176",
        params={"xnat:mrScanData/parameters/tr": "2400", "xnat:mrScanData/parameters/te": "2.5"},
    )
    http.put(
        f"{SESSION}/scans/1/resources/NIFTI/files/a.nii",
        data=b"abc",
        headers={"Content-Type": "application/octet-stream"},
    )
    return http


def test_subject_json_is_the_whole_tree(study: Any) -> None:
    item = study.get(f"{SUBJECT}?format=json").json()["items"][0]
    assert item["meta"]["xsi:type"] == "xnat:subjectData"
    assert item["meta"]["isHistory"] is False
    assert item["data_fields"] == {"ID": "XNAT_S00001", "project": "P", "label": "S1"}
    children = {entry["field"]: entry["items"] for entry in item["children"]}
    assert children["demographics"][0]["data_fields"] == {"gender": "female", "weight": 70.5}
    assert children["demographics"][0]["meta"]["xsi:type"] == "xnat:demographicData"
    assert children["investigator"][0]["data_fields"] == {"lastname": "Curie"}
    session = children["experiments/experiment"][0]
    assert session["meta"]["xsi:type"] == "xnat:mrSessionData"
    scan = session["children"][0]["items"][0]
    assert scan["data_fields"]["type"] == "T1"


def test_session_json(study: Any) -> None:
    """Both ID and id; numbers are numbers; nothing for what is not set."""
    item = study.get(f"{SESSION}?format=json").json()["items"][0]
    assert item["data_fields"] == {
        "id": "XNAT_E00001", "ID": "XNAT_E00001", "project": "P", "label": "E1", "subject_ID": "XNAT_S00001",
        "date": "2001-02-03", "scanner": "Trio", "fieldStrength": "3.0",
    }  # fmt: skip


def test_scan_json(study: Any) -> None:
    item = study.get(f"{SESSION}/scans/1?format=json").json()["items"][0]
    assert item["data_fields"]["frames"] == 176
    assert item["data_fields"]["parameters/tr"] == 2400
    assert item["data_fields"]["parameters/te"] == 2.5
    assert item["data_fields"]["image_session_ID"] == "XNAT_E00001"
    assert isinstance(item["data_fields"]["xnat_imageScanData_id"], int)
    files = next(entry["items"] for entry in item["children"] if entry["field"] == "file")
    assert files[0]["meta"]["xsi:type"] == "xnat:resourceCatalog"
    assert files[0]["data_fields"]["label"] == "NIFTI"
    assert files[0]["data_fields"]["file_count"] == 1


def test_start_date_is_java_text(study: Any) -> None:
    text = study.get(f"{SUBJECT}?format=json").json()["items"][0]["meta"]["start_date"]
    assert len(text.split()) == 6
    assert text.split()[4] == "UTC"


def test_xml_document(study: Any) -> None:
    reply = study.get(f"{SUBJECT}?format=xml")
    assert reply.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(reply.text)
    assert root.tag == f"{XNAT}Subject"
    assert root.get("label") == "S1"
    assert root.findtext(f"{XNAT}demographics/{XNAT}gender") == "female"
    scan = root.find(f"{XNAT}experiments/{XNAT}experiment/{XNAT}scans/{XNAT}scan")
    assert scan is not None
    assert scan.get("{http://www.w3.org/2001/XMLSchema-instance}type") == "xnat:mrScanData"
    assert scan.findtext(f"{XNAT}parameters/{XNAT}tr") == "2400.0"


def test_own_xml_can_be_sent_back(study: Any) -> None:
    """What GET gives, PUT takes, and nothing changes."""
    before = study.get(f"{SESSION}?format=json").json()
    document = study.get(f"{SESSION}?format=xml").text
    assert study.put(SESSION, data=document.encode(), headers={"Content-Type": "text/xml"}).status_code == 200
    assert study.get(f"{SESSION}?format=json").json() == before


@pytest.mark.parametrize(
    ("accept", "query", "status", "media"),
    [
        ("*/*", "", 200, "text/html"),
        ("*/*", "?format=json", 200, "application/json"),
        ("text/xml", "", 200, "text/xml"),
        ("application/json", "", 406, "text/html"),
        ("application/json", "?format=json", 406, "text/html"),
        ("text/html,application/xhtml+xml;q=0.9", "", 200, "text/html"),
    ],
)
def test_formats_of_one_object(study: Any, accept: str, query: str, status: int, media: str) -> None:
    """Only HTML and XML are offered to negotiation: Accept application/json is 406, even with format=json."""
    reply = study.get(SUBJECT + query, headers={"Accept": accept})
    assert reply.status_code == status
    assert reply.headers["content-type"].startswith(media)


def test_unknown_handler_is_400(study: Any) -> None:
    reply = study.get(f"{SUBJECT}?handler=x")
    assert reply.status_code == 400
    assert "Invalid handler definition: x" in reply.text


def test_head_is_get_without_body(study: Any) -> None:
    reply = study.head(f"{SUBJECT}?format=json")
    assert (reply.status_code, reply.content) == (200, b"")
    assert study.head("/data/projects/P/subjects/NONE").status_code == 404


def test_status_and_history(study: Any) -> None:
    assert study.get(f"{SESSION}/status").text == "active"
    assert study.get(f"{SESSION}/history").json()[0]["action"] == "Added MR Session"
