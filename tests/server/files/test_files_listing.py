"""Listings of files: scopes, URIs, filters, formats (FileList.represent, CatalogUtils.getEntryDetails)."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import pytest

NIFTI = "/resources/NIFTI/files"


def uris(http: Any, path: str) -> list[str]:
    return [row["URI"] for row in http.rows(path)]


@pytest.fixture
def filled(put: Any, study: Any) -> Any:
    """A file in each corner of the study; resource numbers in this order from 1."""
    put(f"{study.scan}{NIFTI}/t1.nii", b"1", format="NIFTI", content="T1")
    put(f"{study.scan2}{NIFTI}/bold.nii", b"22", format="NIFTI")
    put(f"{study.scan2}/resources/BIDS/files/bold.json", b"333", format="JSON")
    put(f"{study.session}{NIFTI}/note.txt", b"4444")
    put(f"{study.assessor}/resources/QC/files/qc.txt", b"55555")
    put(f"{study.reconstruction}/resources/REC/files/rec.txt", b"666666")
    put(f"{study.session2}/scans/1{NIFTI}/t1.nii", b"7777777")
    put(f"{study.subject}/resources/SUB/files/s.txt", b"8")
    put(f"{study.project}/resources/PROJ/files/p.txt", b"9")
    return study


E1, E2 = "/data/experiments/XNAT_E00001", "/data/experiments/XNAT_E00002"
SCAN1 = f"{E1}/scans/1/resources/1/files/t1.nii"
SCAN2 = [f"{E1}/scans/2/resources/2/files/bold.nii", f"{E1}/scans/2/resources/3/files/bold.json"]
OWN = f"{E1}/resources/4/files/note.txt"
QC = f"{E1}/assessors/XNAT_E00003/out/resources/5/files/qc.txt"
REC = f"{E1}/reconstructions/R1/out/resources/6/files/rec.txt"
OTHER = f"{E2}/scans/1/resources/7/files/t1.nii"
SUBJECT = "/data/projects/P/subjects/XNAT_S00001/resources/8/files/s.txt"
PROJECT = "/data/projects/P/resources/9/files/p.txt"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{E1}/files", [OWN]),
        (f"{E1}/files?all=true", [OWN, SCAN1, *SCAN2, REC, QC]),
        (f"{E1},XNAT_E00002/files?all=true", [OWN, SCAN1, *SCAN2, OTHER, REC, QC]),
        (f"{E1}/resources/NIFTI/files?all=true", [OWN, SCAN1, SCAN2[0]]),
        (f"{E1}/scans/ALL/files", [SCAN1, *SCAN2]),
        (f"{E1}/scans/*/files", [SCAN1, *SCAN2]),
        (f"{E1}/scans/1,2/files", [SCAN1, *SCAN2]),
        (f"{E1}/scans/2,3/files", SCAN2),
        (f"{E1}/scans/T1w/files", [SCAN1]),
        (f"{E1}/scans/bold[SLASH]x/files".replace("[", "%5B").replace("]", "%5D"), SCAN2),
        (f"{E1}/scans/NULL/files", []),
        (f"{E1},XNAT_E00002/scans/ALL/files", [SCAN1, *SCAN2, OTHER]),
        (f"{E1}/scans/ALL/resources/NIFTI,BIDS/files", [SCAN1, *SCAN2]),
        (f"{E1}/scans/ALL/resources/NIFTI/files", [SCAN1, SCAN2[0]]),
        (f"{E1}/assessors/ALL/files", [QC]),
        (f"{E1}/assessors/xnat:qcManualAssessorData/files", [QC]),
        (f"{E1}/assessors/QC/out/files", [QC]),
        (f"{E1}/assessors/QC/in/files", []),
        ("/data/experiments/XNAT_E00003/files", [QC]),
        (f"{E1}/reconstructions/*/files", [REC]),
        ("/data/projects/P/subjects/SUB1/files", [SUBJECT]),
        ("/data/subjects/XNAT_S00001/files?all=true", [SUBJECT]),
        ("/data/projects/P/files", [PROJECT]),
        (f"{E1}/resources/MISSING/files", []),
        (f"{E1}/scans/2/resources/2,3/files", SCAN2),
        ("/data/projects/P/subjects/SUB1/experiments/MR1/files", [OWN]),
        ("/data/projects/P/subjects/SUB1/experiments/MR1/scans/2/files", SCAN2),
    ],
)
def test_what_one_get_covers(http: Any, filled: Any, path: str, expected: list[str]) -> None:
    """XNATTemplate.loadCatalogs; several resources always have URIs by their own session."""
    assert uris(http, path) == expected


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        (
            "/data/projects/P/subjects/SUB1/experiments/MR1/scans/1/resources/NIFTI/files",
            "scans/1/resources/1/files/t1.nii",
        ),
        ("/data/projects/P/subjects/SUB1/experiments/MR1/resources/NIFTI/files", "resources/4/files/note.txt"),
        ("/data/projects/P/subjects/SUB1/experiments/MR1/resources/4/files", "resources/4/files/note.txt"),
    ],
)
def test_a_single_resource_has_the_context_of_the_request_by_ids(http: Any, filled: Any, path: str, uri: str) -> None:
    """XNATCatalogTemplate.getBaseURI: project and subject if the URL names them, by accession IDs."""
    assert uris(http, path) == [f"/data/projects/P/subjects/XNAT_S00001/experiments/XNAT_E00001/{uri}"]


def test_a_single_resource_without_project(http: Any, filled: Any) -> None:
    assert uris(http, f"{E1}/resources/NIFTI/files") == [OWN]
    assert uris(http, "/data/projects/P/experiments/MR1/resources/NIFTI/files") == [OWN]
    assert uris(http, "/data/subjects/XNAT_S00001/resources/SUB/files") == [SUBJECT]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/projects/P/subjects/SUB1/experiments/NO/files", [SUBJECT]),
        ("/data/projects/P/subjects/SUB1/experiments/NO/scans/1/files", [SUBJECT]),
        ("/data/projects/P/subjects/SUB1/experiments/MR1/scans/NO/files", [SUBJECT]),
        ("/data/projects/P/experiments/NO/resources/PROJ/files", [PROJECT]),
    ],
)
def test_a_missing_session_or_scan_falls_back_when_reading(
    http: Any, filled: Any, path: str, expected: list[str]
) -> None:
    """Below a project a GET silently lists the subject's or project's own files (XNATTemplate.loadCatalogs)."""
    assert uris(http, path) == expected


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/data/experiments/NO/files", 404),
        (f"{E2}/scans/9/files", 500),
        (f"{E2}/scans/9/resources", 404),
        ("/data/projects/NO/files", 404),
        ("/data/projects/P/subjects/NO/files", 404),
        (f"{E1}/resources/99999999999/files", 500),
    ],
)
def test_what_is_missing_elsewhere_is_an_error(http: Any, filled: Any, path: str, status: int) -> None:
    assert http.get(path).status_code == status


def test_the_envelope(http: Any, filled: Any) -> None:
    """Columns, Result, title; no totalRecords, no Content-Length (JSONTableRepresentation)."""
    reply = http.get(f"{E1}/files?format=json")
    assert reply.json() == {
        "ResultSet": {
            "Columns": [{"key": "URI", "serverRoot": ""}],
            "Result": http.rows(f"{E1}/files"),
            "title": "Files",
        }
    }
    assert reply.headers["Content-Type"].startswith("application/json")
    assert "Content-Length" not in reply.headers
    assert list(reply.json()["ResultSet"]["Result"][0]) == [
        *("Name", "Size", "URI", "collection", "file_tags", "file_format", "file_content", "cat_ID", "digest")
    ]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("file_format=NIFTI", ["t1.nii", "bold.nii"]),
        ("file_format=NIFTI&file_format=JSON", ["t1.nii", "bold.nii", "bold.json"]),
        ("file_content=T1", ["t1.nii"]),
        ("file_format=NIFTI&file_content=NULL", ["bold.nii"]),
        ("file_content=NULL&file_format=NULL", []),
        ("sortBy=Size&sortOrder=DESC", ["bold.json", "bold.nii", "t1.nii"]),
        ("sortBy=Name", ["bold.json", "bold.nii", "t1.nii"]),
    ],
)
def test_filters_and_order(http: Any, filled: Any, query: str, names: list[str]) -> None:
    """TestFileFiltering: repeatable, NULL is unset."""
    assert [row["Name"] for row in http.rows(f"{E1}/scans/ALL/files?{query}")] == names


def test_index_downloads_the_nth_match(http: Any, filled: Any) -> None:
    """TestFileFiltering.testFileFiltering: 404 beyond the last."""
    assert http.get(f"{E1}/scans/ALL/files?file_format=NIFTI&index=1").content == b"22"
    assert http.get(f"{E1}/scans/ALL/files?file_format=NIFTI&index=2").status_code == 404


def test_locators(http: Any, server: Any, filled: Any) -> None:
    absolute = http.rows(f"{E1}/files?locator=absolutePath")[0]
    assert "URI" not in absolute
    assert absolute["absolutePath"] == str(server.context.archive / "P/arc001/MR1/RESOURCES/NIFTI/note.txt")
    assert http.rows(f"{E1}/files?locator=projectPath")[0]["projectPath"] == "/P/arc001/MR1/RESOURCES/NIFTI/note.txt"


def test_folder_listing(http: Any, put: Any, study: Any) -> None:
    """A trailing slash lists everything below, without it 404 (TestFileUpload.testResourcesUpload)."""
    for name in ("sub/a", "sub/deep/b", "subway", "sub/deep/er/c"):
        put(f"{study.scan}{NIFTI}/{name}", b"x")
    names = [row["Name"] for row in http.rows(f"{study.scan}{NIFTI}/sub/")]
    assert names == ["a", "b", "c"]
    assert http.get(f"{study.scan}{NIFTI}/sub").status_code == 404
    assert http.rows(f"{study.scan}{NIFTI}/none/") == []
    # The inverted test of XNAT: only what has another folder in it.
    assert [row["Name"] for row in http.rows(f"{study.scan}{NIFTI}/sub/?recursive=false")] == ["b", "c"]
    assert [row["Name"] for row in http.rows(f"{study.scan}/files/sub*")] == ["a", "b", "subway", "c"]


def test_csv_xml_and_html(http: Any, filled: Any) -> None:
    reply = http.get(f"{E1}/scans/ALL/files?format=csv")
    rows = list(csv.DictReader(io.StringIO(reply.text)))
    assert rows == http.rows(f"{E1}/scans/ALL/files")
    assert http.get(f"{E2}/files?format=csv").text.startswith("Name,Size,URI,")
    assert http.get(f"{E1}/files?format=xml").text.startswith('<ResultSet totalRecords="1"><results><columns>')
    assert "<td>note.txt</td>" in http.get(f"{E1}/files?format=html").text


def test_xcat(http: Any, server: Any, filled: Any) -> None:
    """One catalog of full URLs, with the path that a zip would have."""
    reply = http.get(f"{E1}/scans/1/files?format=xcat")
    assert f'URI="{server.url}{SCAN1}" cachePath="MR1/scans/1-T1w/resources/NIFTI/files/t1.nii"' in reply.text
    assert '<cat:metaField name="SIZE">1</cat:metaField>' in reply.text


@pytest.mark.parametrize(
    ("accept", "status"),
    [("*/*", 200), ("application/json", 200), ("text/html,q=0.1", 200), ("application/pdf", 406), ("text/csv", 406)],
)
def test_accept(http: Any, filled: Any, accept: str, status: int) -> None:
    """FileList declares four variants; anything else is 406, whatever format= says."""
    for path in (f"{E1}/files?format=json", f"{SCAN1}?format=json", f"{E1}/resources"):
        assert http.get(path, headers={"Accept": accept}).status_code == status


def test_the_catalog_is_the_truth_of_the_listing(http: Any, server: Any, filled: Any) -> None:
    """A file that is gone from the disk is still listed; one that was put there is not."""
    folder = server.context.archive / "P/arc001/MR1/RESOURCES/NIFTI"
    (folder / "note.txt").unlink()
    (folder / "stray").write_bytes(b"x")
    assert uris(http, f"{E1}/files") == [OWN]
    assert http.get(OWN).status_code == 404


def test_a_lost_catalog_is_an_empty_one(http: Any, server: Any, filled: Any) -> None:
    (server.context.archive / "P/arc001/MR1/RESOURCES/NIFTI/NIFTI_catalog.xml").unlink()
    assert uris(http, f"{E1}/files") == []


def test_readers_without_the_right_see_nothing(as_user: Any, filled: Any) -> None:
    stranger = as_user("stranger")
    for path in (f"{E1}/files", f"{E1}/resources", SCAN1, "/data/projects/P/files", f"{E1}/DIR"):
        assert stranger.get(path).status_code == 404
    assert stranger.get(f"{E1}/resources/1/files/t1.nii").status_code == 404
    assert as_user("collab").get(SCAN1).content == b"1"


def test_the_folder_of_a_session(http: Any, server: Any, filled: Any) -> None:
    """DIRResource: catalogs, orphans and all."""
    (server.context.archive / "P/arc001/MR1/RESOURCES/NIFTI/stray").write_bytes(b"12")
    top = http.rows(f"{E1}/DIR?format=json")
    assert [(row["Name"], row["DIR"]) for row in top][:2] == [("ASSESSORS/", "true"), ("PROCESSED/", "true")]
    assert top[0]["URI"] == f"{E1}/DIR/ASSESSORS/"
    rows = {row["Name"]: row for row in http.rows(f"{E1}/DIR?format=json&recursive=true")}
    assert rows["RESOURCES/NIFTI/stray"]["Size"] == "2"
    assert rows["RESOURCES/NIFTI/stray"]["DIR"] == "false"
    assert "RESOURCES/NIFTI/NIFTI_catalog.xml" in rows
    below = http.rows("/data/projects/P/experiments/MR1/DIR/SCANS/2?recursive=true")
    assert {row["Name"] for row in below} == {
        *("BIDS/BIDS_catalog.xml", "BIDS/bold.json", "NIFTI/NIFTI_catalog.xml", "NIFTI/bold.nii")
    }
    assert http.get(f"{E1}/DIR/RESOURCES/NIFTI/stray").content == b"12"
    assert http.get(f"{E1}/DIR/nothing").status_code == 404


def test_many_sessions_are_listed_quickly(http: Any, server: Any, study: Any) -> None:
    """100 sessions x 10 scans x 2 files in one request, in linear time."""
    from xnat_sync.server.storage.catalog import Catalog, Entry

    with server.context.store.write() as db:
        subject = db.execute("SELECT pk FROM item WHERE kind = 'subject'").fetchone()["pk"]
        for number in range(100):
            session = db.execute(
                "INSERT INTO item(kind, id, label, project, parent, xsi_type, insert_date, insert_user, last_modified) "
                "VALUES ('experiment', ?, ?, 'P', ?, 'xnat:mrSessionData', '', '', '') RETURNING pk",
                (f"X{number}", f"L{number}", subject),
            ).fetchone()["pk"]
            for scan in range(10):
                parent = db.execute(
                    "INSERT INTO item(kind, id, project, parent, xsi_type, insert_date, insert_user, last_modified) "
                    "VALUES ('scan', ?, 'P', ?, 'xnat:mrScanData', '', '', '') RETURNING pk",
                    (str(scan), session),
                ).fetchone()["pk"]
                path = f"P/arc001/L{number}/SCANS/{scan}/NIFTI/NIFTI_catalog.xml"
                entries = [Entry(path=name, size="1", digest="0" * 32, format="NIFTI") for name in ("a.nii", "a.json")]
                server.context.catalogs.create(server.context.archive / path, Catalog(id="NIFTI").with_entries(entries))
                db.execute("INSERT INTO resource(parent, label, catalog) VALUES (?, 'NIFTI', ?)", (parent, path))
    path = f"/data/experiments/{','.join(f'X{number}' for number in range(100))}/files?all=true&format=json"
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        rows = http.rows(path)
        seconds.append(time.perf_counter() - start)
        assert len(rows) == 2000
    assert min(seconds) < 1
