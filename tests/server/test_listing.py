"""Lists: default columns, key naming, root selection, joins, filters, formats (QueryOrganizer and its resources)."""

from __future__ import annotations

import csv
import io
import time
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

P = "/data/projects/P"


@pytest.fixture
def study(http: Any) -> Any:
    """S1: MR session M1 (scans 1, 2), PET session T1 (scan 1); S2: no session; S3: CT session without scans."""
    http.put(P)
    http.put(f"{P}/subjects/S1?gender=female&yob=1980&group=a&handedness=left")
    http.put(f"{P}/subjects/S2?gender=male&age=30&group=b")
    http.put(f"{P}/subjects/S3")
    m1 = f"{P}/subjects/S1/experiments/M1"
    http.put(f"{m1}?xsiType=xnat:mrSessionData&date=2001-02-03&time=12:30:15&fieldStrength=3.0&scanner=Trio&UID=1.2")
    http.put(
        f"{m1}/scans/1?xsiType=xnat:mrScanData&type=T1&series_description=MPRAGE&quality=usable&frames=176",
        params={"xnat:mrScanData/parameters/tr": "2.5"},
    )
    http.put(f"{m1}/scans/2?xsiType=xnat:mrScanData&type=T2", params={"xnat:mrScanData/parameters/tr": "3000"})
    t1 = f"{P}/subjects/S1/experiments/T1"
    http.put(f"{t1}?xsiType=xnat:petSessionData&date=2002-02-03&tracer_name=FDG")
    http.put(f"{t1}/scans/1?xsiType=xnat:petScanData&type=PET")
    http.put(f"{P}/subjects/S3/experiments/C1?xsiType=xnat:ctSessionData")
    return http


def labels(rows: list[dict[str, str]], key: str = "label") -> list[str]:
    return [row[key] for row in rows]


# --- envelope and formats -----------------------------------------------------------------------------------------


def test_envelope(study: Any) -> None:
    """XFTTable.toJSON: Result first, totalRecords as text, every value a string, null empty."""
    reply = study.get(f"{P}/subjects?columns=ID,label,yob,age")
    assert reply.headers["content-type"].startswith("application/json")
    envelope = reply.json()["ResultSet"]
    assert list(envelope) == ["Result", "totalRecords"]
    assert envelope["totalRecords"] == "3"
    assert envelope["Result"][0] == {
        "ID": "XNAT_S00001", "label": "S1", "yob": "1980", "age": "", "URI": "/data/subjects/XNAT_S00001"
    }  # fmt: skip


def test_title_only_on_the_site_list(study: Any) -> None:
    assert study.get("/data/experiments").json()["ResultSet"]["title"] == "Matching experiments"
    assert "title" not in study.get(f"{P}/experiments").json()["ResultSet"]


def test_times_and_numbers_as_text(study: Any) -> None:
    """Times have milliseconds in JSON and none in CSV (XNAT-7784); floats are Java's."""
    row = study.rows(f"{P}/experiments?columns=label,date,time")[0]
    assert (row["date"], row["time"]) == ("2001-02-03", "12:30:15.000")
    text = study.get(f"{P}/experiments?columns=label,time&format=csv").text
    assert "12:30:15," in text
    row = study.rows("/data/experiments/XNAT_E00001/scans?columns=ID,frames,xnat:mrScanData/parameters/tr")[1]
    assert row["xnat:mrscandata/parameters/tr"] == "3000.0"


def test_csv(study: Any) -> None:
    """A header line even when there is nothing."""
    rows = list(csv.DictReader(io.StringIO(study.get(f"{P}/subjects?format=csv&columns=label,group").text)))
    assert [(row["label"], row["group"]) for row in rows] == [("S1", "a"), ("S2", "b"), ("S3", "")]
    study.put("/data/projects/EMPTY")
    text = study.get("/data/projects/EMPTY/subjects?format=csv&columns=label").text
    assert text == "ID,label,URI\n"


def test_xml(study: Any) -> None:
    root = ET.fromstring(study.get(f"{P}/subjects?format=xml&columns=label").text)
    assert root.get("totalRecords") == "3"
    assert [node.text for node in root.iter("column")] == ["ID", "label", "URI"]
    assert [node.text for node in root.iter("cell")][:3] == ["XNAT_S00001", "S1", "/data/subjects/XNAT_S00001"]


@pytest.mark.parametrize(
    ("accept", "media"),
    [("*/*", "application/json"), ("text/xml", "text/xml"), ("text/html", "text/html"), ("text/csv", "text/csv")],
)
def test_accept_chooses_when_no_format_is_given(study: Any, accept: str, media: str) -> None:
    reply = study.get(f"{P}/subjects", headers={"Accept": accept})
    assert reply.headers["content-type"].startswith(media)


# --- default columns ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "keys"),
    [
        ("/data/projects", "ID secondary_ID name description pi_firstname pi_lastname URI"),
        (f"{P}/subjects", "ID project label insert_date insert_user URI"),
        ("/data/subjects", "ID project label insert_date insert_user URI"),
        (f"{P}/experiments", "xnat:subjectassessordata/id ID project date xsiType label insert_date URI"),
        (f"{P}/subjects/S1/experiments", "xnat:subjectassessordata/id ID project date xsiType label insert_date URI"),
        ("/data/experiments", "ID project date xsiType label insert_date URI"),
        (
            "/data/experiments/XNAT_E00001/scans",
            "xnat_imagescandata_id ID type quality xsiType note series_description URI",
        ),
    ],
)  # fmt: skip
def test_default_columns(study: Any, uri: str, keys: str) -> None:
    """TestDynamicSearch…DefaultColumns."""
    assert list(study.rows(uri)[0]) == keys.split()
    assert list(study.rows(f"{uri}?columns=DEFAULT")[0]) == keys.split()


def test_uris(study: Any) -> None:
    assert study.rows("/data/projects")[0]["URI"] == "/data/projects/P"
    assert study.rows(f"{P}/experiments")[0]["URI"] == "/data/experiments/XNAT_E00001"
    assert study.rows("/data/experiments/XNAT_E00001/scans")[1]["URI"] == "/data/experiments/XNAT_E00001/scans/2"


# --- keys and roots -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "key"),
    [
        ("xnat:experimentData/date", "date"),
        ("xnat:experimentdata/DATE", "date"),
        ("xnat:mrSessionData/fieldStrength", "fieldStrength"),
        ("xnat:subjectData/label", "subject_label"),
        ("xnat:subjectAssessorData/subject_ID", "subject_ID"),
        ("xnat:imageSessionData/subject_ID", "xnat:imagesessiondata/subject_id"),
        ("xnat:imageScanData/series_description", "xnat:imagescandata/series_description"),
        ("xnat:mrSessionData/fields/field/field", "xnat:mrsessiondata/fields/field/field"),
    ],
)
def test_keys(study: Any, column: str, key: str) -> None:
    """A short name if the list has one for that path, whatever was asked; else the path in lower case."""
    assert key in study.rows(f"{P}/experiments?columns=label,{column}")[0]


@pytest.mark.parametrize(
    ("columns", "key", "found"),
    [
        ("label", "xnat:subjectassessordata/id", ["M1", "T1", "C1"]),
        ("label,scanner", "session_ID", ["M1", "T1", "C1"]),
        ("label,modality", "session_ID", ["M1", "T1", "C1"]),
        ("label,fieldStrength", "xnat:mrsessiondata/id", ["M1"]),
        ("label,scanner,fieldStrength", "xnat:mrsessiondata/id", ["M1"]),
        ("label,tracer_name", "xnat:petsessiondata/id", ["T1"]),
    ],
)
def test_columns_choose_the_root(study: Any, columns: str, key: str, found: list[str]) -> None:
    """QueryOrganizerResource.getRootElementName: the most derived type mentioned; other rows vanish."""
    rows = study.rows(f"{P}/experiments?columns={columns}")
    assert labels(rows) == found
    assert next(iter(rows[0])) == key
    assert "ID" not in rows[0]


def test_xsi_type_wins_and_a_list_of_types_is_no_filter(study: Any) -> None:
    assert labels(study.rows(f"{P}/experiments?xsiType=xnat:ctSessionData&columns=label")) == ["C1"]
    assert labels(study.rows(f"{P}/experiments?xsiType=xnat:imageSessionData&columns=label")) == ["M1", "T1", "C1"]
    rows = study.rows(f"{P}/experiments?xsiType=xnat:ctSessionData,xnat:mrSessionData&columns=label")
    assert len(rows) == 3


def test_open_roots_carry_type_and_project(study: Any) -> None:
    assert "xsiType" in study.rows(f"{P}/experiments?columns=label")[0]
    assert "xsiType" not in study.rows(f"{P}/experiments?columns=label&xsiType=xnat:mrSessionData")[0]


def test_foreign_types_do_not_change_the_root_of_subject_lists(study: Any) -> None:
    """testStandardDynamicSubjectSearchGenericSessionJoin: a row per session, subjects without one keep a row."""
    rows = study.rows(f"{P}/subjects?columns=label,xnat:imageSessionData/label")
    pairs = [(row["label"], row["xnat:imagesessiondata/label"]) for row in rows]
    assert pairs == [("S1", "M1"), ("S1", "T1"), ("S2", ""), ("S3", "C1")]
    rows = study.rows(f"{P}/subjects?columns=label,xnat:mrSessionData/label,xnat:mrScanData/ID")
    found = [(row["label"], row["xnat:mrsessiondata/label"], row["xnat:mrscandata/id"]) for row in rows]
    assert found == [("S1", "M1", "1"), ("S1", "M1", "2"), ("S2", "", ""), ("S3", "", "")]


def test_unknown_columns(study: Any) -> None:
    """Unknown short names are skipped; an unknown path: 200 and nothing on the project list, 500 elsewhere."""
    assert list(study.rows(f"{P}/subjects?columns=ID,URI,bogus,label")[0]) == ["ID", "label", "URI"]
    reply = study.get(f"{P}/experiments?columns=xnat:mrSessionData/bogus")
    assert (reply.status_code, reply.text) == (200, "")
    assert study.get(f"{P}/subjects?columns=xnat:subjectData/bogus").status_code == 500
    assert study.get("/data/experiments?columns=xnat:noSuchData/x").status_code == 500


def test_columns_are_decoded_twice(study: Any) -> None:
    assert "xnat:imagescandata/id" in study.rows(f"{P}/experiments?columns=label%252Cxnat%253AimageScanData%252FID")[0]


def test_fields_lists_the_short_names(study: Any) -> None:
    rows = study.rows(f"{P}/subjects?fields=1")
    assert {"key": "group", "xpath": "xnat:subjectData/group"} in rows


# --- snapshots ----------------------------------------------------------------------------------------------------


def test_snapshot_of_subjects(study: Any) -> None:
    """testStandardDynamicSubjectSearchDemographicsColumns: one row per subject."""
    columns = (
        "ID,label,project,group,src,gender,handedness,dob,yob,age,education,ses,race,ethnicity,weight,height,"
        "insert_date,last_modified"
    )
    rows = study.rows(f"{P}/subjects?format=json&limit=*&columns={columns}")
    assert list(rows[0]) == [*columns.split(","), "URI"]
    assert [(row["label"], row["gender"], row["age"]) for row in rows] == [
        ("S1", "female", ""), ("S2", "male", "30"), ("S3", "", "")
    ]  # fmt: skip


def test_snapshot_of_experiments(study: Any) -> None:
    columns = "ID,label,xsiType,project,date,time,note,subject_ID,subject_label,insert_date,last_modified"
    rows = study.rows(f"{P}/experiments?limit=*&columns={columns}")
    assert [(row["label"], row["subject_label"], row["xsiType"]) for row in rows] == [
        ("M1", "S1", "xnat:mrSessionData"), ("T1", "S1", "xnat:petSessionData"), ("C1", "S3", "xnat:ctSessionData")
    ]  # fmt: skip
    assert rows[0]["subject_ID"] == "XNAT_S00001"


def test_snapshot_of_all_scans(study: Any) -> None:
    """Rows are sessions x scans; a session without scans keeps one row with blanks."""
    names = ("ID", "type", "series_description", "quality", "note", "frames", "UID")
    scan = ",".join(f"xnat:imageScanData/{name}" for name in names)
    rows = study.rows(
        f"{P}/experiments?xsiType=xnat:imageSessionData&limit=*&columns=ID,label,subject_label,{scan},"
        "xnat:imageScanData/extension_item/element_name"
    )
    found = [
        (row["label"], row["xnat:imagescandata/id"], row["xnat:imagescandata/extension_item/element_name"])
        for row in rows
    ]
    assert found == [
        ("M1", "1", "xnat:mrScanData"), ("M1", "2", "xnat:mrScanData"), ("T1", "1", "xnat:petScanData"), ("C1", "", "")
    ]  # fmt: skip
    assert rows[0]["xnat:imagescandata/frames"] == "176"


def test_snapshot_of_typed_scan_parameters(study: Any) -> None:
    rows = study.rows(
        f"{P}/experiments?xsiType=xnat:mrSessionData&columns=label,fieldStrength,xnat:mrScanData/ID,"
        "xnat:mrScanData/parameters/tr"
    )
    assert [(row["xnat:mrscandata/id"], row["xnat:mrscandata/parameters/tr"]) for row in rows] == [
        ("1", "2.5"), ("2", "3000.0")
    ]  # fmt: skip
    assert rows[0]["fieldStrength"] == "3.0"


def test_path_form_of_the_scan_join(study: Any) -> None:
    """TestAdvancedSearch: scans/scan/ID below the session; its key is the whole path in lower case."""
    rows = study.rows("/data/experiments?columns=label,xnat:mrSessionData/scans/scan/ID")
    assert [(row["label"], row["xnat:mrsessiondata/scans/scan/id"]) for row in rows] == [("M1", "1"), ("M1", "2")]


def test_production_query_of_dax(study: Any) -> None:
    """Lower-case types throughout; one row per scan and resource label; xsiType comes unasked."""
    binary = {"Content-Type": "application/octet-stream"}
    for label in ("NIFTI", "JSON"):
        uri = f"/data/experiments/XNAT_E00001/scans/1/resources/{label}/files/a"
        assert study.put(uri, data=b"x", headers=binary).status_code == 200
    columns = ",".join(
        (
            *("ID", "URI", "label", "subject_label", "project", "xnat:imagesessiondata/subject_id"),
            *("xnat:imagescandata/id", "xnat:imagescandata/type", "xnat:imagescandata/file/label"),
        )
    )
    text = study.get(
        f"/REST/archive/experiments?project=P&xsiType=xnat:imageSessionData&columns={columns}&format=csv"
    ).text
    rows = list(csv.DictReader(io.StringIO(text)))
    found = [(row["label"], row["xnat:imagescandata/id"], row["xnat:imagescandata/file/label"]) for row in rows]
    assert found == [("M1", "1", "NIFTI"), ("M1", "1", "JSON"), ("M1", "2", ""), ("T1", "1", ""), ("C1", "", "")]
    assert rows[0]["xnat:imagesessiondata/subject_id"] == "XNAT_S00001"
    assert rows[0]["xsiType"] == "xnat:mrSessionData"


def test_custom_variables_list_as_rows(study: Any) -> None:
    """One row per field: they multiply."""
    params = {f"xnat:subjectData/fields/field[name={name}]/field": name.upper() for name in "ab"}
    study.put(f"{P}/subjects/S1", params=params)
    columns = "label,xnat:subjectData/fields/field/name,xnat:subjectData/fields/field/field"
    rows = study.rows(f"{P}/subjects?columns={columns}")
    assert [list(row.values())[1:4] for row in rows] == [
        ["S1", "a", "A"], ["S1", "b", "B"], ["S2", "", ""], ["S3", "", ""]
    ]  # fmt: skip


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("label=S1", ["S1"]),
        ("label=s1", []),
        ("label=S1,S3", ["S1", "S3"]),
        ("label=*s*", ["S1", "S2", "S3"]),
        ("label=%251", ["S1"]),
        ("yob=1970-1990", ["S1"]),
        ("yob=1980", ["S1"]),
        ("age=31-40", []),
        ("gender=male", ["S2"]),
        ("xnat:subjectData/group=a", ["S1"]),
        ("project=OTHER", []),
        ("xnat:mrSessionData/label=M1", ["S1"]),
    ],
)
def test_filters(study: Any, query: str, found: list[str]) -> None:
    """SearchCriteria: comma is OR, exact and case-sensitive; a wildcard anywhere is *contains*, ignoring case."""
    assert labels(study.rows(f"{P}/subjects?columns=label&{query}")) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [("date=02/03/2001", ["M1"]), ("date=01/01/2001-12/31/2002", ["M1", "T1"]), ("date=01/01/1990", [])],
)
def test_date_filters_are_american(study: Any, query: str, found: list[str]) -> None:
    assert labels(study.rows(f"{P}/experiments?columns=label&{query}")) == found
    assert study.get(f"{P}/experiments?columns=label&date=2001-02-03").status_code == 500


def test_a_filter_chooses_the_root_like_a_column(study: Any) -> None:
    assert labels(study.rows(f"{P}/experiments?columns=label&fieldStrength=3.0")) == ["M1"]


def test_scan_lists_ignore_filters(study: Any) -> None:
    """ScanList overwrites the condition."""
    assert len(study.rows("/data/experiments/XNAT_E00001/scans?type=T2")) == 2


def test_sorting(study: Any) -> None:
    rows = study.rows(f"{P}/experiments?columns=label,date&sortBy=label")
    assert labels(rows) == ["C1", "M1", "T1"]
    rows = study.rows(f"{P}/experiments?columns=label,date&sortBy=label&sortOrder=DESC")
    assert labels(rows) == ["T1", "M1", "C1"]


def test_paging(study: Any) -> None:
    """Default 100 from 0 if only one is given; totalRecords is left out; not on every list."""
    page = study.get(f"{P}/subjects?columns=label&limit=2&offset=1").json()["ResultSet"]
    assert (labels(page["Result"]), "totalRecords" in page) == (["S2", "S3"], False)
    assert labels(study.rows(f"{P}/subjects?columns=label&offset=2")) == ["S3"]
    assert len(study.rows(f"{P}/subjects?columns=label&limit=*")) == 3
    assert len(study.rows("/data/experiments/XNAT_E00001/scans?limit=1")) == 2


def test_missing_parents(study: Any) -> None:
    """404 by project; by accession ID alone XNAT dies (ScanList dereferences a null project)."""
    assert study.get("/data/projects/X/subjects").status_code == 404
    assert study.get(f"{P}/subjects/X/experiments").status_code == 404
    assert study.get(f"{P}/subjects/S1/experiments/X/scans").status_code == 404
    assert study.get("/data/experiments/X/scans").status_code == 500


def test_project_display_search(study: Any) -> None:
    """ProjectListResource.FilteredProjects: another shape with lower-case keys."""
    row = study.rows("/data/projects?accessible=true")[0]
    assert (row["id"], row["secondary_id"], row["project_access"]) == ("P", "P", "protected")
    rows = study.rows("/data/projects?permissions=edit&dataType=xnat:mrSessionData")
    assert rows == [{"id": "P", "secondary_id": "P"}]
    assert study.rows("/data/projects?member=true") == []


def test_scan_types(study: Any) -> None:
    assert [row["type"] for row in study.rows(f"{P}/scan_types")] == ["PET", "T1", "T2"]


def test_thousand_sessions_of_ten_scans_list_in_seconds(server: RunningServer, http: Any) -> None:
    """One request, 10,000 rows; a join that is quadratic would take minutes."""
    http.put(P)
    http.put(f"{P}/subjects/S")
    with server.context.store.write() as db:
        subject = db.execute("SELECT pk FROM item WHERE kind = 'subject'").fetchone()[0]
        for number in range(1000):
            session = db.execute(
                "INSERT INTO item(kind, id, label, project, parent, xsi_type, insert_date, insert_user, last_modified)"
                " VALUES ('experiment', ?, ?, 'P', ?, 'xnat:mrSessionData', '', '', '')",
                (f"E{number}", f"M{number}", subject),
            ).lastrowid
            fields = '{"type": "T1", "parameters/tr": "2.5"}'
            db.executemany(
                "INSERT INTO item(kind, id, project, parent, xsi_type, fields, insert_date, insert_user, last_modified)"
                f" VALUES ('scan', ?, 'P', {session}, 'xnat:mrScanData', '{fields}', '', '', '')",
                [(str(scan),) for scan in range(10)],
            )
    columns = ",".join(
        f"xnat:mrScanData/{name}" for name in ("ID", "type", "quality", "parameters/tr", "parameters/te")
    )
    begun = time.perf_counter()
    rows = http.rows(f"{P}/experiments?xsiType=xnat:mrSessionData&columns=ID,label,subject_label,{columns}")
    assert len(rows) == 10_000
    assert time.perf_counter() - begun < 5
