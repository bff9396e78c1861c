"""What the schema says about values, as the server obeys it and xnatpy reads it (xnat.xsd)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import xnat

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/P/subjects/S"


def _put_scan(http: Any, modality: str, **values: str) -> Any:
    """A scan 1 with these parameters in a session of the modality, both new if they have to be."""
    http.put("/data/projects/P")
    session = f"{SUBJECT}/experiments/{modality}"
    http.put(session, params={"xsiType": f"xnat:{modality}SessionData"})
    params = {f"xnat:{modality}ScanData/parameters/{path}": value for path, value in values.items()}
    return http.put(f"{session}/scans/1", params={"xsiType": f"xnat:{modality}ScanData", **params})


def _fields(http: Any, path: str) -> Any:
    return http.get(path, params={"format": "json"}).json()["items"][0]["data_fields"]


@pytest.mark.parametrize(
    ("modality", "path", "value", "held"),
    [
        ("mr", "diffusion/bMax", "1000 s/mm2", "1000 s/mm2"),
        ("mr", "diffusion/bValues", "0,1000", "0,1000"),
        ("mr", "diffusion/orientations", "64 + 1", "64 + 1"),
        ("mr", "pixelBandwidth", "0.123456789012", 0.123456789012),
        ("mr", "orientation", "Sag", "Sag"),
        ("ct", "subjectPosition", "HFS", "HFS"),
        ("ct", "rotationDirection", "cw", "CW"),
        ("rg", "addParam[name=k]/addField", "v", None),
    ],
)
def test_values_of_scans(http: Any, modality: str, path: str, value: str, held: object) -> None:
    assert _put_scan(http, modality, **{path: value}).status_code == 200
    if held is not None:
        assert _fields(http, f"{SUBJECT}/experiments/{modality}/scans/1")[f"parameters/{path}"] == held


@pytest.mark.parametrize(
    ("modality", "path", "value", "problem"),
    [
        ("mr", "orientation", "Sagittal", "Must Be Less Than 5 Characters"),
        ("mr", "orientation", "S>C", "Must Be Less Than 5 Characters : Current Length (6)"),  # as it is stored, escaped
        ("ct", "rotationDirection", "left", "Must Match Pre-Defined Values...(CW,CC)"),
        ("ct", "exposureTime", "-1", "Must Be Greater Than Or Equal To 0"),
    ],
)
def test_values_that_a_scan_refuses(http: Any, modality: str, path: str, value: str, problem: str) -> None:
    reply = _put_scan(http, modality, **{path: value})
    assert reply.status_code == 400
    assert problem in reply.text


def test_names_of_investigators_are_short(http: Any) -> None:
    assert http.put("/data/projects/P", params={"pi_lastname": "x" * 25, "pi_firstname": "y" * 25}).status_code == 200
    reply = http.put("/data/projects/P", params={"pi_lastname": "x" * 26})
    assert reply.status_code == 400
    assert "Must Be Less Than 25 Characters" in reply.text


def test_sessions_with_pet(http: Any) -> None:
    """Blood glucose belongs to both kinds; their start times are points in time, not times of day."""
    for kind in ("pet", "petmr"):
        http.put("/data/projects/P")
        session = f"{SUBJECT}/experiments/{kind}"
        full = f"xnat:{kind}SessionData"
        values = {"blood_glucose": "5.5", "blood_glucose_units": "mmol/l", "start_time": "2001-02-03T04:05:06"}
        params = {f"{full}/{path}": value for path, value in values.items()}
        assert http.put(session, params={"xsiType": full, **params}).status_code == 201
        held = _fields(http, session)
        assert (held["blood_glucose"], held["blood_glucose_units"]) == (5.5, "mmol/l")
        assert held["start_time"].startswith("2001-02-03")


def test_xnatpy_reads_added_parameters_by_name(server: RunningServer, http: Any) -> None:
    """``scan.fields`` of xnatpy is ``parameters/addParam`` of the type ``addField``, whose key is its name."""
    _put_scan(http, "mr", **{"addParam[name=rater]/addField": "AB"})
    with xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR") as session:
        scan = session.projects["P"].experiments["mr"].scans["1"]
        assert scan.fields["rater"] == "AB"
        scan.fields["site"] = "north & south"
        session.clearcache()
        assert dict(scan.fields) == {"rater": "AB", "site": "north &amp; south"}


def test_scripts_that_give_a_scan_a_label_work(server: RunningServer, http: Any) -> None:
    """A scan has no label: xnatpy's parameters after it are lost, those before it and the scan itself are not."""
    http.put("/data/projects/P")
    http.put(f"{SUBJECT}/experiments/E?xsiType=xnat:mrSessionData")
    with xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR") as session:
        parent = session.projects["P"].experiments["E"]
        values = {"id": "7", "type": "T1w", "series_description": "mprage", "label": "anat", "note": "lost"}
        session.classes.MrScanData(parent=parent, **values)
    held = _fields(http, f"{SUBJECT}/experiments/E/scans/7")
    assert (held["ID"], held["type"], held["series_description"]) == ("7", "T1w", "mprage")
    assert "note" not in held


@pytest.mark.parametrize(
    ("path", "status", "full"),
    [
        ("/subjects/NEW", 201, "xnat:subjectData"),
        ("/subjects/S/experiments/NEW", 201, "xnat:mrSessionData"),
        ("/subjects/S/experiments/E/scans/1", 200, "xnat:mrScanData"),
    ],
)
def test_an_unknown_field_keeps_the_new_item(http: Any, path: str, status: int, full: str) -> None:
    """``loadItem`` swallows FieldNotFoundException also where there was no template."""
    http.put("/data/projects/P")
    http.put(f"{SUBJECT}/experiments/E?xsiType=xnat:mrSessionData")
    before = {"xnat:subjectData": "group", "xnat:mrSessionData": "note", "xnat:mrScanData": "note"}[full]
    params = [("xsiType", full), (f"{full}/{before}", "kept"), (f"{full}/bogus", "x"), (f"{full}/{before}", "lost")]
    assert http.put(f"/data/projects/P{path}", params=params).status_code == status
    assert _fields(http, f"/data/projects/P{path}")[before] == "kept"
