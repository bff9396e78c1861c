"""What a request is laid over, and what the documents of objects carry besides values (``SecureResource.loadItem``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/P/subjects/S"
SESSION = f"{SUBJECT}/experiments/E"
BY_LABEL = "/data/projects/P/experiments/E"
XML = {"Content-Type": "text/xml"}
BINARY = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def study(http: Any) -> Any:
    http.put("/data/projects/P")
    http.put(f"{SUBJECT}?group=g&src=s")
    http.put(f"{SESSION}?xsiType=xnat:mrSessionData&note=n&operator=o")
    http.put(f"{SESSION}/scans/1?xsiType=xnat:mrScanData&type=T1")
    http.put(f"{SESSION}/scans/2?xsiType=xnat:mrScanData&type=T2")
    return http


def fields(http: Any, uri: str) -> dict[str, Any]:
    held: dict[str, Any] = http.get(f"{uri}?format=json").json()["items"][0]["data_fields"]
    return held


def scans(http: Any) -> dict[str, str]:
    return {row["ID"]: row["type"] for row in http.rows(f"{SESSION}/scans")}


def test_without_the_template_nothing_tells_the_type(study: Any) -> None:
    """``populateFromDB=false``: short names alone are no item any more; what is stored keeps its type and its rest."""
    assert study.put(f"{SESSION}?note=x").status_code == 200
    reply = study.put(f"{SESSION}?note=y&populateFromDB=false")
    assert (reply.status_code, "Need PUT Contents" in reply.text) == (417, True)
    reply = study.put(f"{SESSION}?xsiType=xnat:petSessionData&note=z&patientName=p&populateFromDB=false")
    assert reply.status_code == 200
    held = fields(study, SESSION)
    assert (held["note"], held["operator"]) == ("z", "o")
    assert "patientName" not in held
    assert study.rows("/data/projects/P/experiments")[0]["xsiType"] == "xnat:mrSessionData"


def test_a_place_is_that_of_a_stored_scan_or_with_no_template_a_new_one(study: Any) -> None:
    """``scans/scan[0]`` is the first scan of the template; with ``populateFromDB=false`` it is a scan by its ID."""
    key = "xnat:mrSessionData/scans/scan[{}][@xsi:type=xnat:mrScanData]/{}"
    assert study.put(SESSION, params={key.format(1, "type"): "bold"}).status_code == 200
    assert scans(study) == {"1": "T1", "2": "bold"}
    query = {"xsiType": "xnat:mrSessionData", key.format(0, "ID"): "7", key.format(0, "type"): "dwi"}
    assert study.put(SESSION, params={**query, "populateFromDB": "false"}).status_code == 200
    assert scans(study) == {"1": "T1", "2": "bold", "7": "dwi"}
    assert study.put(SESSION, params={key.format(0, "ID"): "9"}).status_code == 200
    assert scans(study) == {"9": "T1", "2": "bold", "7": "dwi"}
    assert study.put(SESSION, params={key.format(0, "ID"): "7"}).status_code == 500
    assert study.put(SESSION, params={key.format(3, "ID"): "new", key.format(3, "type"): "t"}).status_code == 200
    assert scans(study)["new"] == "t"


@pytest.mark.parametrize("switch", ["populateFromDB", "loadExisting"])
def test_a_bare_query_can_be_the_whole_subject(study: Any, switch: str) -> None:
    """SubjectResource keeps the template of query parameters, unless told not to."""
    study.put(f"{SUBJECT}?group=a&allowDataDeletion=true")
    assert fields(study, SUBJECT)["src"] == "s"
    study.put(f"{SUBJECT}?group=b&allowDataDeletion=true&{switch}=false")
    held = fields(study, SUBJECT)
    assert held["group"] == "b"
    assert "src" not in held


def test_a_bare_query_can_be_the_whole_experiment(study: Any) -> None:
    """ExperimentResource: only the exact text ``true`` counts."""
    query = "xnat:mrSessionData/operator=p&populateFromDB=false&allowDataDeletion="
    study.put(f"{BY_LABEL}?{query}TRUE")
    assert fields(study, SESSION)["note"] == "n"
    study.put(f"{BY_LABEL}?{query}true")
    assert "note" not in fields(study, SESSION)
    assert scans(study) == {}


def _document(inner: str) -> str:
    namespaces = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    return f'<xnat:MRSession {namespaces} label="E" project="P">{inner}</xnat:MRSession>'


def _resource(tag: str, **values: str) -> str:
    said = "".join(f' {name}="{value}"' for name, value in values.items())
    return f'<xnat:{tag} xsi:type="xnat:resourceCatalog"{said}/>'


def test_a_document_carries_resources(study: Any) -> None:
    """Rows of the session and of a scan; a document that was read and is put back changes nothing."""
    note = _resource("resource", label="NOTES", format="TEXT", content="notes")
    image = _resource("file", label="NIFTI", format="NIFTI")
    scan = f'<xnat:scan ID="1" xsi:type="xnat:mrScanData">{image}</xnat:scan>'
    body = _document(f"<xnat:resources>{note}</xnat:resources><xnat:scans>{scan}</xnat:scans>")
    assert study.put(SESSION, data=body, headers=XML).status_code == 200
    held = study.rows(f"{SESSION}/resources")
    assert [(row["label"], row["format"], row["content"], row["file_count"]) for row in held] == [
        ("NOTES", "TEXT", "notes", "")
    ]
    assert [row["label"] for row in study.rows(f"{SESSION}/scans/1/resources")] == ["NIFTI"]
    assert study.put(f"{SESSION}/resources/NOTES/files/a", data=b"x", headers=BINARY).status_code == 200
    again = study.get(f"{SESSION}?format=xml").text
    before = study.rows(f"{SESSION}/resources")
    assert study.put(SESSION, data=again, headers=XML).status_code == 200
    assert study.rows(f"{SESSION}/resources") == before
    assert study.get(f"{SESSION}/resources/NOTES/files/a").content == b"x"


@pytest.mark.parametrize("uri", ["/etc/x_catalog.xml", "../../x_catalog.xml", "a/../../x.xml"])
def test_a_resource_outside_the_archive_is_refused(server: RunningServer, study: Any, uri: str) -> None:
    """Stricter than XNAT, which takes any path of its machine."""
    body = _document(f"<xnat:resources>{_resource('resource', label='X', URI=uri)}</xnat:resources>")
    assert study.put(SESSION, data=body, headers=XML).status_code == 400
    assert study.rows(f"{SESSION}/resources") == []
    body = _document(f"<xnat:resources>{_resource('resource', label=uri)}</xnat:resources>")
    assert study.put(SESSION, data=body, headers=XML).status_code == 400
    mine = server.context.archive / "P/arc001/E/RESOURCES/X/X_catalog.xml"
    body = _document(f"<xnat:resources>{_resource('resource', label='X', URI=str(mine))}</xnat:resources>")
    assert study.put(SESSION, data=body, headers=XML).status_code == 200


def test_identical_rows_of_a_project_are_one(study: Any) -> None:
    """QueryOrganizer.buildFullQuery: owned UNION shared; on the site's list nothing is merged."""
    study.put(f"{SESSION}/scans/2?type=T1")
    columns = "xsiType=xnat:imageSessionData&columns=label,xnat:imageScanData/type"
    assert len(study.rows(f"/data/projects/P/experiments?{columns}")) == 1
    assert len(study.rows(f"/data/experiments?{columns}")) == 2
    assert len(study.rows(f"/data/projects/P/experiments?{columns},xnat:imageScanData/ID")) == 2


def test_assessors_move_along_if_named(study: Any) -> None:
    """``moveAssessors``: the others stay in their project."""
    study.put("/data/projects/Q")
    ids = [study.put(f"{SESSION}/assessors/{label}?xsiType=xnat:qcManualAssessorData").text for label in ("A", "B")]
    assert study.put(f"{SESSION}/projects/Q?primary=true&moveAssessors={ids[1]},XNAT_E9").status_code == 200
    assert [fields(study, f"/data/experiments/{number}")["project"] for number in ids] == ["P", "Q"]


def test_employment_has_four_values(study: Any) -> None:
    """xnat.xsd: 0 to 3."""
    path = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/employment"
    assert [study.put(SUBJECT, params={path: value}).status_code for value in ("0", "3", "4")] == [200, 200, 400]
