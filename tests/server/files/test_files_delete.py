"""Deleting files and refreshing catalogs (FileList.handleDelete, RefreshCatalog)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NIFTI = "/resources/NIFTI/files"


@pytest.fixture
def filled(put: Any, study: Any) -> Any:
    for name in ("a.nii", "a.nii.gz", "sub/x", "sub/y", "b"):
        put(f"{study.scan}{NIFTI}/{name}", b"12345")
    return study


def left(http: Any, study: Any) -> set[str]:
    return {row["URI"].partition("/files/")[2] for row in http.rows(f"{study.scan}{NIFTI}")}


@pytest.mark.parametrize(
    ("path", "remaining"),
    [
        ("/b", {"a.nii", "a.nii.gz", "sub/x", "sub/y"}),
        ("/a.nii", {"sub/x", "sub/y", "b"}),
        ("/a.nii.gz", {"a.nii", "sub/x", "sub/y", "b"}),
        ("/a.nii$*", {"a.nii.gz", "sub/x", "sub/y", "b"}),
        ("/sub", {"a.nii", "a.nii.gz", "b"}),
        ("/sub/", {"a.nii", "a.nii.gz", "b"}),
        ("/s", {"a.nii", "a.nii.gz", "b"}),
        ("/.*x*", {"a.nii", "a.nii.gz", "sub/y", "b"}),
        ("", set()),
        ("/", set()),
    ],
)
def test_delete_takes_a_prefix_or_a_pattern(
    http: Any, filled: Any, on_disk: Path, path: str, remaining: set[str]
) -> None:
    """CatalogUtils.findCatEntriesWithinPath: a.nii takes a.nii.gz along, a.nii$* does not."""
    reply = http.delete(f"{filled.scan}{NIFTI}{path}")
    assert (reply.status_code, reply.content) == (200, b"")
    assert left(http, filled) == remaining
    folder = on_disk / "SCANS/1/NIFTI"
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {*remaining, "NIFTI_catalog.xml"}
    assert (folder / "sub").exists() is any(name.startswith("sub/") for name in remaining)
    row = http.rows(f"{filled.scan}/resources")[0]
    assert (row["file_count"], row["file_size"]) == (str(len(remaining)), str(5 * len(remaining)))


def test_nothing_matched(http: Any, filled: Any) -> None:
    reply = http.delete(f"{filled.scan}{NIFTI}/none")
    assert reply.status_code == 404
    assert "<h3>No matched files</h3>" in reply.text
    assert http.delete(f"{filled.scan}{NIFTI}/none?accept-not-found=true").status_code == 204
    assert http.delete(f"{filled.scan}{NIFTI}/(*").status_code == 500
    assert len(left(http, filled)) == 5


def test_a_missing_resource_is_400(http: Any, study: Any) -> None:
    reply = http.delete(f"{study.scan}/resources/NONE/files/a")
    assert reply.status_code == 400
    assert "Unable to determine resource, parent, or security." in reply.text


def test_members_may_not_delete(as_user: Any, http: Any, filled: Any) -> None:
    """Owners only (UserGroupManager)."""
    for name in ("member", "collab"):
        reply = as_user(name).delete(f"{filled.scan}{NIFTI}/b")
        assert reply.status_code == 403
        assert "User account doesn't have permission to modify this session." in reply.text
    assert len(left(http, filled)) == 5


def test_locked_items_keep_their_files(http: Any, server: Any, filled: Any) -> None:
    with server.context.store.write() as db:
        db.execute("UPDATE item SET status = 'locked' WHERE id = 'XNAT_E00001'")
    reply = http.delete(f"{filled.scan}{NIFTI}/b")
    assert reply.status_code == 403
    assert "Item locked or is not active and not quarantined" in reply.text


def test_bytes_may_be_kept(http: Any, filled: Any, on_disk: Path) -> None:
    assert http.delete(f"{filled.scan}{NIFTI}/b?removeFiles=false").status_code == 200
    assert "b" not in left(http, filled)
    assert (on_disk / "SCANS/1/NIFTI/b").exists()


def test_deleted_files_may_go_to_the_cache(http: Any, server: Any, filled: Any) -> None:
    server.context.preferences.set("backupDeletedToCache", "true")
    http.delete(f"{filled.scan}{NIFTI}/b")
    assert [file.read_bytes() for file in (server.context.cache / "DELETED").rglob("b")] == [b"12345"]


def test_delete_is_not_tolerant_of_encoding(http: Any, study: Any) -> None:
    """Raw text is compared: a#b cannot be named, a prefix of it can."""
    http.post(f"{study.scan}{NIFTI}", files=[("f", ("a#b", b"x"))])
    assert http.get(f"{study.scan}{NIFTI}/a%23b").content == b"x"
    assert http.delete(f"{study.scan}{NIFTI}/a%23b").status_code == 404
    assert http.delete(f"{study.scan}{NIFTI}/a").status_code == 200


REFRESH = "/data/services/refresh/catalog"
SCAN = "/archive/experiments/XNAT_E00001/scans/1"


@pytest.fixture
def disordered(http: Any, filled: Any, on_disk: Path) -> Any:
    """One file gone, one changed, one new behind the server's back."""
    folder = on_disk / "SCANS/1/NIFTI"
    (folder / "b").unlink()
    (folder / "sub/x").write_bytes(b"changed")
    (folder / "new").write_bytes(b"new")
    (folder / "old_catalogue.xml").write_bytes(b"x")
    (folder / ".~lock-x").write_bytes(b"x")
    return filled


def state(http: Any, study: Any) -> tuple[set[str], str, str]:
    rows = {row["URI"].partition("/files/")[2]: row for row in http.rows(f"{study.scan}{NIFTI}")}
    return set(rows), rows["sub/x"]["digest"], http.rows(f"{study.scan}/resources")[0]["file_count"]


OLD = {"a.nii", "a.nii.gz", "sub/x", "sub/y", "b"}
NEW = {"new", "old_catalogue.xml"}
WAS, IS = hashlib.md5(b"12345").hexdigest(), hashlib.md5(b"changed").hexdigest()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", (OLD | NEW) - {"b"}),
        ("&options=append", OLD | NEW),
        ("&append=true", OLD | NEW),
        ("&options=delete", OLD - {"b"}),
        ("&options=checksum", OLD),
        ("&options=append&options=delete", (OLD | NEW) - {"b"}),
        ("&options=append,populateStats", OLD | NEW),
    ],
)
def test_refresh(http: Any, disordered: Any, query: str, expected: set[str]) -> None:
    """DefaultCatalogService.getOperations: no option is all of them."""
    reply = http.post(f"{REFRESH}?resource={SCAN}/resources/NIFTI{query}")
    assert (reply.status_code, reply.content) == (200, b"")
    found, digest, count = state(http, disordered)
    assert found == expected
    assert digest == (IS if not query or "checksum" in query else WAS)
    if "populateStats" in query or not query:
        assert count == "6"
    else:
        assert count == "5"


@pytest.mark.parametrize(
    "uri",
    [
        SCAN,
        f"/data{SCAN}",
        f"/REST{SCAN}",
        "/archive/experiments/XNAT_E00001",
        "/archive/projects/P/subjects/SUB1/experiments/MR1",
        "/archive/projects/P/experiments/MR1/scans/1/resources/NIFTI",
    ],
)
def test_a_session_brings_its_scans(http: Any, disordered: Any, uri: str) -> None:
    assert http.post(f"{REFRESH}?resource={uri}").status_code == 200
    assert state(http, disordered)[0] == (OLD | NEW) - {"b"}


@pytest.mark.parametrize(
    "uri", ["/archive/projects/P", "/archive/projects/P/subjects/SUB1", "/archive/subjects/XNAT_S00001"]
)
def test_projects_and_subjects_do_not_cascade(http: Any, disordered: Any, uri: str) -> None:
    assert http.post(f"{REFRESH}?resource={uri}").status_code == 200
    assert state(http, disordered)[0] == OLD


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("/data/experiments/XNAT_E00001", 400),
        (f"{SCAN}/resources/NIFTI/files/b", 400),
        ("/archive/nonsense", 400),
        ("/archive/experiments/NO", 404),
        ("", 400),
    ],
)
def test_refresh_of_what_is_not_there(http: Any, study: Any, uri: str, status: int) -> None:
    assert http.post(f"{REFRESH}?resource={uri}").status_code == status


def test_refresh_needs_edit_only(as_user: Any, filled: Any) -> None:
    assert as_user("member").post(f"{REFRESH}?resource={SCAN}").status_code == 200
    reply = as_user("collab").post(f"{REFRESH}?resource={SCAN}")
    assert reply.status_code == 403
    assert "The user collab does not have permission to edit the resource URI for item " in reply.text


def test_two_catalogs_are_not_refreshed(http: Any, disordered: Any, on_disk: Path) -> None:
    (on_disk / "SCANS/1/NIFTI/second_catalog.xml").write_bytes(b"<x/>")
    assert http.post(f"{REFRESH}?resource={SCAN}").status_code == 200
    assert state(http, disordered)[0] == OLD


@pytest.mark.parametrize(
    ("operation", "expected"), [("", (OLD | NEW) - {"b"}), ("/Append", OLD | NEW), ("/Delete", OLD - {"b"})]
)
def test_the_xapi_twin(http: Any, disordered: Any, operation: str, expected: set[str]) -> None:
    """CatalogApi takes a JSON list of URIs."""
    assert http.put(f"/xapi/archive/catalogs/refresh{operation}", json=[SCAN]).status_code == 200
    assert state(http, disordered)[0] == expected


def test_append_repairs_a_lost_catalog(http: Any, filled: Any, on_disk: Path) -> None:
    (on_disk / "SCANS/1/NIFTI/NIFTI_catalog.xml").write_bytes(b"")
    assert left(http, filled) == set()
    http.post(f"{REFRESH}?resource={SCAN}&options=append")
    assert left(http, filled) == OLD
