"""Uploads: what they answer, and what they leave in catalog, resource row and folder (FileList.handlePost)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.running import running

if TYPE_CHECKING:
    from pathlib import Path

BINARY = {"Content-Type": "application/octet-stream"}
NIFTI = "/resources/NIFTI/files"
FORM = "multipart/form-data; boundary=x"


def test_success_is_200_and_empty_for_put_and_post(http: Any, study: Any) -> None:
    """PUT == POST, never 201 (FileList.handlePut)."""
    for method, name in (("PUT", "a.nii"), ("POST", "b.nii")):
        reply = http.request(method, f"{study.scan}{NIFTI}/{name}", data=b"image", headers=BINARY)
        assert (reply.status_code, reply.content) == (200, b"")
        assert reply.headers["Content-Type"] == "text/plain;charset=ISO-8859-1"
        assert reply.headers["Content-Length"] == "0"


@pytest.mark.parametrize("prefix", ["/data", "/data/archive", "/REST", "/REST/archive"])
def test_all_four_prefixes_are_one(http: Any, put: Any, study: Any, prefix: str) -> None:
    put(f"{study.scan}{NIFTI}/a".replace("/data", prefix), b"x")
    assert http.get(f"{study.scan}{NIFTI}/a".replace("/data", prefix)).content == b"x"


def test_a_row_has_the_columns_of_xnat_all_text(http: Any, put: Any, study: Any) -> None:
    """CatalogUtils.FILE_HEADERS; the URI is by accession ID and numeric resource ID and not percent-encoded."""
    put(f"{study.scan_by_label}{NIFTI}/anat/sub-01_T1w.nii.gz", b"image", format="NIFTI", content="T1_RAW")
    rows = http.rows(f"{study.scan}{NIFTI}?format=json")
    number = http.rows(f"{study.scan}/resources")[0]["xnat_abstractresource_id"]
    assert rows == [
        {
            "Name": "sub-01_T1w.nii.gz",
            "Size": "5",
            "URI": f"/data/experiments/XNAT_E00001/scans/1/resources/{number}/files/anat/sub-01_T1w.nii.gz",
            "collection": "NIFTI",
            "file_tags": "",
            "file_format": "NIFTI",
            "file_content": "T1_RAW",
            "cat_ID": number,
            "digest": hashlib.md5(b"image").hexdigest(),
        }
    ]


def test_the_upload_creates_the_resource(http: Any, put: Any, study: Any) -> None:
    """The first resource of a typed scan gets content RAW (DirectScanImpl); statistics follow."""
    put(f"{study.scan}{NIFTI}/a.nii", b"image", format="NIFTI")
    put(f"{study.scan}/resources/BIDS/files/a.json", b"{}")
    put(f"{study.session}/scans/3/resources/NIFTI/files/a.nii", b"image")
    first, second = http.rows(f"{study.scan}/resources")
    assert (first["label"], first["content"], first["format"]) == ("NIFTI", "RAW", "NIFTI")
    assert (first["file_count"], first["file_size"]) == ("1", "5")
    assert (second["label"], second["content"]) == ("BIDS", "")
    assert http.rows(f"{study.session}/scans/3/resources")[0]["content"] == ""


def test_content_in_the_query_wins_over_raw(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/a.nii", b"image", content="T1")
    assert http.rows(f"{study.scan}/resources")[0]["content"] == "T1"


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/data/projects/NO/resources/R/files/a", "project"),
        ("/data/projects/P/subjects/NO/resources/R/files/a", "subject"),
        ("/data/subjects/NO/resources/R/files/a", "subject"),
        ("/data/experiments/NO/resources/R/files/a", "experiment"),
        ("/data/experiments/NO/scans/1/resources/R/files/a", "image session"),
        ("/data/experiments/XNAT_E00001/scans/9/resources/R/files/a", "scan"),
        ("/data/experiments/XNAT_E00001/scans/ALL/resources/R/files/a", "scan"),
        ("/data/experiments/XNAT_E00001,XNAT_E00002/resources/R/files/a", "experiment"),
        ("/data/experiments/XNAT_E00001/reconstructions/NO/resources/R/files/a", "reconstruction"),
        ("/data/experiments/XNAT_E00001/assessors/NO/resources/R/files/a", "experiment"),
    ],
)
def test_a_missing_or_manifold_parent_is_404(http: Any, study: Any, path: str, word: str) -> None:
    """An upload creates the resource, never what is above it; a write wants exactly one of each (XNATTemplate)."""
    for method in ("PUT", "POST", "DELETE"):
        reply = http.request(method, path, data=b"x", headers=BINARY)
        assert reply.status_code == 404
        assert f"Unable to identify {word}" in reply.text


def test_a_scan_is_found_by_type_too(http: Any, put: Any, study: Any) -> None:
    put(f"{study.session}/scans/T1w{NIFTI}/a", b"x")
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 1


def test_an_existing_file_is_a_duplicate(http: Any, put: Any, study: Any) -> None:
    """200 with JSON served as text/html, the file untouched (FileList); there is no 409 for files."""
    put(f"{study.scan}{NIFTI}/anat/a.nii", b"old")
    reply = put(f"{study.scan}{NIFTI}/anat/a.nii", b"new bytes")
    assert reply.text == '{"duplicates":["anat/a.nii"]}'
    assert reply.headers["Content-Type"].startswith("text/html")
    assert http.get(f"{study.scan}{NIFTI}/anat/a.nii").content == b"old"


@pytest.mark.parametrize(
    ("value", "replaced"), [("true", True), ("1", True), ("yes", True), ("false", False), ("0", False)]
)
def test_overwrite(http: Any, put: Any, study: Any, value: str, replaced: bool) -> None:
    """Anything but false and 0 is true; then the reply is empty."""
    put(f"{study.scan}{NIFTI}/a.nii", b"old")
    reply = put(f"{study.scan}{NIFTI}/a.nii", b"new bytes", overwrite=value)
    assert (reply.content == b"") is replaced
    row = http.rows(f"{study.scan}{NIFTI}")[0]
    expected = b"new bytes" if replaced else b"old"
    assert (row["Size"], row["digest"]) == (str(len(expected)), hashlib.md5(expected).hexdigest())


def test_a_valueless_overwrite_counts_as_absent(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/a.nii", b"old")
    assert "duplicates" in http.put(f"{study.scan}{NIFTI}/a.nii?overwrite", data=b"new", headers=BINARY).text


def test_without_the_right_to_edit_nothing_happens_with_200(http: Any, as_user: Any, study: Any) -> None:
    """The silent no-op has no Content-Type (TestCustomDataTypePermissions.testCollaboratorCannotUpload...)."""
    for name, path in (("collab", study.scan), ("member", study.project)):
        reply = as_user(name).put(f"{path}{NIFTI}/a.nii", data=b"x" * 100_000, headers=BINARY)
        assert (reply.status_code, reply.content) == (200, b"")
        assert "Content-Type" not in reply.headers
        assert http.rows(f"{path}/resources") == []


def test_members_may_upload(http: Any, as_user: Any, study: Any) -> None:
    assert as_user("member").put(f"{study.scan}{NIFTI}/a.nii", data=b"x", headers=BINARY).status_code == 200
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 1


def test_strangers_do_not_see_the_project(as_user: Any, study: Any) -> None:
    reply = as_user("stranger").put(f"{study.scan_by_label}{NIFTI}/a.nii", data=b"x", headers=BINARY)
    assert reply.status_code == 404
    assert "Unable to identify project" in reply.text


def test_a_body_without_size_is_500(http: Any, study: Any) -> None:
    """Chunked in-body uploads and empty ones fail, with XNAT's words (SecureResource)."""
    path = f"{study.scan}{NIFTI}/a.nii"
    for data, size in ((iter([b"abc"]), -1), (b"", 0)):
        reply = http.put(path, data=data, headers=BINARY)
        assert reply.status_code == 500
        assert (
            f"In this case, the request entity size is {size} but the media type is not application/zip" in reply.text
        )
    assert http.rows(f"{study.scan}/resources") == []


def test_application_zip_may_be_empty_or_chunked(http: Any, study: Any) -> None:
    for name, data in (("empty", b""), ("chunked", iter([b"ab", b"c"]))):
        reply = http.put(f"{study.scan}{NIFTI}/{name}", data=data, headers={"Content-Type": "application/zip"})
        assert reply.status_code == 200
    assert http.get(f"{study.scan}{NIFTI}/empty").content == b""
    assert http.get(f"{study.scan}{NIFTI}/chunked").content == b"abc"


@pytest.mark.parametrize("media_type", ["application/gzip", "application/json", "text/html", None])
def test_unknown_media_types_need_inbody(http: Any, study: Any, media_type: str | None) -> None:
    """400 with advice; inbody=true helps (FileList)."""
    headers = {"Content-Type": media_type} if media_type else {}
    path = f"{study.scan}{NIFTI}/a.json"
    reply = http.put(path, data=b"x" * 1300, headers=headers)
    assert reply.status_code == 400
    assert "You tried to PUT a payload of 1.3 KB to this service, but didn't provide any data. " in reply.text
    assert "try to PUT with the query-string parameter inbody=true" in reply.text
    assert http.put(f"{path}?inbody=true", data=b"{}", headers=headers).status_code == 200
    assert http.get(path).content == b"{}"


def test_a_request_without_a_body(http: Any, study: Any) -> None:
    reply = http.post(f"{study.scan}{NIFTI}/a")
    assert reply.status_code == 400
    assert "didn't provide any data (found request entity size of 0)" in reply.text


def test_a_urlencoded_body_is_500(http: Any, study: Any) -> None:
    assert http.post(f"{study.scan}{NIFTI}/a", data={"a": "b"}).status_code == 500


def test_a_body_without_a_name(http: Any, study: Any) -> None:
    """upload plus an extension by media type (FileWriterWrapper)."""
    types = {"application/zip": "upload.zip", "application/octet-stream": "upload", "image/png": "upload.unsupported"}
    for media_type in types:
        assert http.post(f"{study.scan}{NIFTI}", data=b"x", headers={"Content-Type": media_type}).status_code == 200
    assert {row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")} == set(types.values())


def test_one_form_part(http: Any, study: Any) -> None:
    """The name in the URL wins over the part's."""
    assert http.put(f"{study.scan}{NIFTI}/sub/a", files={"f": ("other", b"x")}).status_code == 200
    assert http.get(f"{study.scan}{NIFTI}/sub/a").content == b"x"


def test_many_form_parts(http: Any, study: Any) -> None:
    """Base names only, empty files too, fields ignored, one catalog write for all."""
    parts = [
        ("a", ("dir/a#1%.txt", b"first")),
        ("b", ("C:\\x\\b;é.txt", b"second")),
        ("c", ("../empty", b"")),
    ]
    reply = http.post(f"{study.scan}{NIFTI}?format=TXT", files=parts, data={"note": "ignored"})
    assert (reply.status_code, reply.content) == (200, b"")
    rows = {row["Name"]: row for row in http.rows(f"{study.scan}{NIFTI}")}
    assert set(rows) == {"a#1%.txt", "b;é.txt", "empty"}
    assert rows["empty"]["Size"] == "0"
    assert rows["a#1%.txt"]["digest"] == hashlib.md5(b"first").hexdigest()
    assert {row["file_format"] for row in rows.values()} == {"TXT"}


def test_form_parts_that_exist_are_duplicates_and_the_others_are_stored(http: Any, study: Any) -> None:
    http.post(f"{study.scan}{NIFTI}", files=[("a", ("a", b"old"))])
    reply = http.post(f"{study.scan}{NIFTI}", files=[("a", ("a", b"new")), ("b", ("b", b"b"))])
    assert reply.text == '{"duplicates":["a"]}'
    assert http.get(f"{study.scan}{NIFTI}/a").content == b"old"
    assert http.get(f"{study.scan}{NIFTI}/b").content == b"b"


def test_large_and_chunked_forms(http: Any, server: Any, study: Any) -> None:
    data = bytes(range(256)) * 30_000
    reply = http.post(f"{study.scan}{NIFTI}", files=[("a", ("a", data)), ("b", ("b", data[::-1]))])
    assert reply.status_code == 200
    body = b"--x\r\nContent-Disposition: form-data; name=f; filename=c\r\n\r\nchunked\r\n--x--\r\n"
    assert http.post(f"{study.scan}{NIFTI}", data=iter([body]), headers={"Content-Type": FORM}).status_code == 200
    assert http.get(f"{study.scan}{NIFTI}/a").content == data
    assert http.get(f"{study.scan}{NIFTI}/b").content == data[::-1]
    assert http.get(f"{study.scan}{NIFTI}/c").content == b"chunked"
    assert list((server.context.cache / "uploads").iterdir()) == []


@pytest.mark.parametrize(
    "body", [b"no form at all", b"--x\r\nContent-Disposition: form-data; filename=c\r\n\r\nunfinished"]
)
def test_a_malformed_form_is_500(http: Any, study: Any, body: bytes) -> None:
    assert http.post(f"{study.scan}{NIFTI}", data=body, headers={"Content-Type": FORM}).status_code == 500


def test_a_form_with_inbody_is_400(http: Any, study: Any) -> None:
    reply = http.post(f"{study.scan}{NIFTI}?inbody=true", files=[("a", ("a", b"x"))])
    assert reply.status_code == 400
    assert "You tried to POST a payload of" in reply.text


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("a%20b.nii", "a b.nii"),
        ("a%2Bb.nii", "a+b.nii"),
        ("a+b.nii", "a+b.nii"),
        ("a%2Bb%20c.nii", "a+b c.nii"),
        ("a+b%20c.nii", "a b c.nii"),
        ("a%23b.nii", "a%23b.nii"),
        ("a%3Fb%20c.nii", "a?b c.nii"),
        ("%C3%A9.nii", "%C3%A9.nii"),
        ("a&=,()!@:$~b", "a&=,()!@:$~b"),
        ("x/y/z.nii", "x/y/z.nii"),
    ],
)
def test_names_are_stored_raw_unless_a_space_or_plus_is_encoded(
    http: Any, put: Any, study: Any, sent: str, stored: str
) -> None:
    """FileList's constructor: %20 or %2B anywhere decodes the whole path, otherwise nothing is decoded."""
    put(f"{study.scan}{NIFTI}/{sent}", b"x")
    rows = http.rows(f"{study.scan}{NIFTI}")
    assert [row["URI"].partition("/files/")[2] for row in rows] == [stored]
    assert http.get(f"{study.scan}{NIFTI}/{sent}").content == b"x"


@pytest.mark.parametrize(
    "name", ["a%25b", "a%2Fb", "a%5cb", "a%2Eb", "a;b", "a//b", "../x", "./x", "a[1]", 'a"b', "a{b"]
)
def test_names_that_never_reach_xnat(http: Any, raw: Any, study: Any, name: str) -> None:
    """StrictHttpFirewall and Tomcat refuse them before XNAT is reached."""
    for method in ("PUT", "GET", "DELETE"):
        assert raw(method, f"{study.scan}{NIFTI}/{name}", b"x")[0] == 400
    assert http.rows(f"{study.scan}{NIFTI}") == []


def test_update_stats_false_leaves_the_statistics(http: Any, put: Any, study: Any) -> None:
    """No workflow, no recount; the file is catalogued all the same (FileList, ResourceModifierA)."""
    put(f"{study.scan}{NIFTI}/a", b"12345", **{"update-stats": "false"})
    row = http.rows(f"{study.scan}/resources")[0]
    assert (row["file_count"], row["file_size"]) == ("", "")
    put(f"{study.scan}{NIFTI}/b", b"12345")
    put(f"{study.scan}{NIFTI}/c", b"12345", **{"update-stats": "false"})
    row = http.rows(f"{study.scan}/resources")[0]
    assert (row["file_count"], row["file_size"]) == ("2", "10")
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 3


def test_the_event_is_recorded(http: Any, server: Any, put: Any, study: Any) -> None:
    """The security item is the session; update-stats=false keeps no workflow (FileList)."""
    put(f"{study.scan}{NIFTI}/a", b"1", event_reason="why & how", event_action="Sync", event_type="PROCESS")
    put(f"{study.scan}{NIFTI}/b", b"1", **{"update-stats": "false"})
    put(f"{study.scan}{NIFTI}/c", b"1")
    with server.context.store.read() as db:
        rows = db.execute(
            "SELECT item, action, reason, type, user FROM workflow "
            "WHERE action IN ('Sync', 'Uploaded File') ORDER BY id"
        ).fetchall()
    assert [tuple(row) for row in rows] == [
        ("XNAT_E00001", "Sync", "why &amp; how", "PROCESS", "admin"),
        ("XNAT_E00001", "Uploaded File", None, "WEB_SERVICE", "admin"),
    ]


def test_a_justification_may_be_demanded(http: Any, server: Any, study: Any) -> None:
    """500 in XNAT's words (PersistentWorkflowUtils); update-stats=false avoids it."""
    for name in ("requireChangeJustification", "showChangeJustification"):
        server.context.preferences.set(name, "true")
    path = f"{study.scan}{NIFTI}/a"
    reply = http.put(path, data=b"x", headers=BINARY)
    assert reply.status_code == 500
    assert "<h3>Justification required.</h3>" in reply.text
    assert http.put(f"{path}?event_reason=because", data=b"x", headers=BINARY).status_code == 200
    assert http.put(f"{path}2?update-stats=false", data=b"x", headers=BINARY).status_code == 200


def test_a_name_may_be_demanded_for_each_change(http: Any, server: Any, study: Any) -> None:
    """500 in XNAT's words (PersistentWorkflowUtils) for a file, its removal, a resource and a refresh."""
    server.context.preferences.set("requireEventName", "true")
    path = f"{study.scan}{NIFTI}/a"
    uri = study.scan.removeprefix("/data")
    asked: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("PUT", path, {"data": b"x", "headers": BINARY}),
        ("DELETE", path, {}),
        ("PUT", f"{study.scan}/resources/NEW", {}),
        ("POST", f"/data/services/refresh/catalog?resource=/archive{uri}", {}),
        ("DELETE", f"{study.scan}/resources/NEW", {}),
    )
    for method, url, more in asked:
        mark = "&" if "?" in url else "?"
        reply = http.request(method, f"{url}{mark}event_reason=why", **more)
        assert reply.status_code == 500, (method, url)
        assert "<h3>Event name required.</h3>" in reply.text
        assert http.request(method, f"{url}{mark}event_action=Sync", **more).status_code == 200, (method, url)


def test_format_content_description_and_tags(http: Any, put: Any, study: Any) -> None:
    """On entry and resource, XML-escaped; tags are appended to the resource at each upload (CatalogUtils)."""
    about = {"format": "A&B", "content": "<T1>", "description": "d", "tags": "one,side=left"}
    put(f"{study.scan}{NIFTI}/a", b"x", **about)
    put(f"{study.scan}{NIFTI}/b", b"x", **{**about, "update-stats": "false"})
    row = http.rows(f"{study.scan}{NIFTI}")[0]
    assert (row["file_format"], row["file_content"], row["file_tags"]) == ("A&amp;B", "&lt;T1&gt;", "side=left,one")
    resource = http.rows(f"{study.scan}/resources")[0]
    assert (resource["format"], resource["content"]) == ("A&amp;B", "&lt;T1&gt;")
    assert resource["tags"] == "side=left,one,side=left,one"


def test_checksums_off(http: Any, server: Any, put: Any, study: Any) -> None:
    """No digest for new files, a stale one after an overwrite; switched on again, blank ones are filled."""
    put(f"{study.scan}{NIFTI}/old", b"old")
    server.context.preferences.set("checksums", "false")
    put(f"{study.scan}{NIFTI}/old", b"other", overwrite="true")
    put(f"{study.scan}{NIFTI}/new", b"new")
    rows = {row["Name"]: row for row in http.rows(f"{study.scan}{NIFTI}")}
    assert (rows["old"]["Size"], rows["old"]["digest"]) == ("5", hashlib.md5(b"old").hexdigest())
    assert rows["new"]["digest"] == ""
    server.context.preferences.set("checksums", "true")
    put(f"{study.scan}{NIFTI}/third", b"third")
    rows = {row["Name"]: row for row in http.rows(f"{study.scan}{NIFTI}")}
    assert rows["new"]["digest"] == hashlib.md5(b"new").hexdigest()
    assert rows["old"]["digest"] == hashlib.md5(b"old").hexdigest()


def test_where_files_lie(http: Any, server: Any, put: Any, study: Any) -> None:
    """ResourceModifierA's folders for each level."""
    expected = {
        study.project: "P/resources/R/R_catalog.xml",
        study.subject: "P/subjects/SUB1/R/R_catalog.xml",
        study.session: "P/arc001/MR1/RESOURCES/R/R_catalog.xml",
        study.scan: "P/arc001/MR1/SCANS/1/R/R_catalog.xml",
        study.assessor: "P/arc001/MR1/ASSESSORS/XNAT_E00003/out/R/R_catalog.xml",
        f"{study.assessor}/in": "P/arc001/MR1/ASSESSORS/XNAT_E00003/in/R/R_catalog.xml",
        study.reconstruction: "P/arc001/MR1/PROCESSED/R1/R/R_catalog.xml",
    }
    for owner, catalog in expected.items():
        put(f"{owner}/resources/R/files/d/a", owner.encode())
        path = server.context.archive / catalog
        assert (path.parent / "d/a").read_bytes() == owner.encode()
        assert b'URI="d/a"' in path.read_bytes()
        assert http.get(f"{owner}/resources/R/files/d/a").content == owner.encode()


def test_without_a_resource_in_the_url(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """Into the first resource there is; else into a new one without label, in a folder named by the time."""
    put(f"{study.scan}/files/a", b"x")
    put(f"{study.scan}/files/b", b"x")
    row = http.rows(f"{study.scan}/resources")[0]
    assert (row["label"], row["file_count"]) == ("", "2")
    folders = [path.name for path in (on_disk / "SCANS/1").iterdir()]
    assert len(folders) == 1
    assert folders[0][8] == "_"
    assert len(http.rows(f"{study.scan}/resources/NULL/files")) == 2


def test_a_number_below_the_wrong_parent_is_a_new_label_when_written(http: Any, put: Any, study: Any) -> None:
    """Reads accept it, writes do not (ResourceModifierA.getResourceByIdentifier)."""
    put(f"{study.scan}{NIFTI}/a", b"x")
    number = http.rows(f"{study.scan}/resources")[0]["xnat_abstractresource_id"]
    assert http.get(f"{study.session}/resources/{number}/files/a").content == b"x"
    put(f"{study.scan}/resources/{number}/files/b", b"x")
    put(f"{study.session}/resources/{number}/files/c", b"x")
    assert [row["label"] for row in http.rows(f"{study.session}/resources")] == [number]
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 2


def test_a_name_that_is_never_catalogued_cannot_be_replaced(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/a", b"x")
    reply = http.put(f"{study.scan}{NIFTI}/NIFTI_catalog.xml?overwrite=true", data=b"<x/>", headers=BINARY)
    assert reply.status_code == 500
    assert "XNAT cannot catalog NIFTI_catalog.xml" in reply.text


def test_an_orphan_on_disk_is_a_duplicate(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """The disk decides what exists, the catalog what is listed."""
    put(f"{study.scan}{NIFTI}/a", b"x")
    (on_disk / "SCANS/1/NIFTI/orphan").write_bytes(b"old")
    assert "duplicates" in put(f"{study.scan}{NIFTI}/orphan", b"new").text
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 1
    assert put(f"{study.scan}{NIFTI}/orphan", b"new", overwrite="true").text == ""
    assert len(http.rows(f"{study.scan}{NIFTI}")) == 2


def test_a_broken_catalog_is_500(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    put(f"{study.scan}{NIFTI}/a", b"x")
    (on_disk / "SCANS/1/NIFTI/NIFTI_catalog.xml").write_text("<broken")
    reply = http.put(f"{study.scan}{NIFTI}/b", data=b"x", headers=BINARY)
    assert reply.status_code == 500
    assert "No catalog bean stored in " in reply.text
    assert http.get(f"{study.scan}{NIFTI}/a").status_code == 404


def test_history_is_kept_where_the_site_wants_it(http: Any, server: Any, put: Any, study: Any) -> None:
    """maintainFileHistory moves the old file of a plain overwrite; by default it is gone."""
    put(f"{study.scan}{NIFTI}/a", b"first")
    put(f"{study.scan}{NIFTI}/a", b"second", overwrite="true")
    assert not (server.context.cache / ".history").exists()
    server.context.preferences.set("maintainFileHistory", "true")
    put(f"{study.scan}{NIFTI}/a", b"third", overwrite="true")
    assert [path.read_bytes() for path in (server.context.cache / ".history").rglob("a")] == [b"second"]


def test_a_reference_to_a_server_path_is_refused(http: Any, study: Any) -> None:
    """Stricter than XNAT, which would copy any file that the server can read."""
    reply = http.put(f"{study.scan}{NIFTI}/a?reference=/etc/passwd")
    assert reply.status_code == 500
    assert "The resource referenced does not exist: /etc/passwd" in reply.text


def test_a_decoded_line_break_is_no_name(raw: Any, study: Any) -> None:
    assert raw("PUT", f"{study.scan}{NIFTI}/a%0Ab%20", b"x")[0] == 400


@pytest.mark.parametrize("label", ["..", "%2e%2e", ".", "%2E", "..%2Fx", "x" * 300])
def test_labels_that_would_leave_the_archive_are_refused(raw: Any, study: Any, label: str) -> None:
    assert raw("PUT", f"{study.scan}/resources/{label}/files/a", b"x")[0] == 400
    assert raw("PUT", f"{study.scan}/resources/{label}")[0] == 400


def test_the_new_resource_stays_when_the_first_upload_fails(http: Any, study: Any) -> None:
    """ResourceModifierA.addFile registers it in a finally."""
    reply = http.put(f"{study.scan}{NIFTI}/x.tgz?extract=true", data=b"no gzip", headers=BINARY)
    assert reply.status_code == 500
    assert "<h3>Not in GZIP format</h3>" in reply.text
    assert [row["label"] for row in http.rows(f"{study.scan}/resources")] == ["NIFTI"]


def test_a_long_name_is_400(http: Any, study: Any) -> None:
    assert http.put(f"{study.scan}{NIFTI}/{'x' * 300}", data=b"x", headers=BINARY).status_code == 400


def test_what_is_answered_survives_a_restart(tmp_path: Path, http: Any) -> None:
    file = f"/data/projects/P{NIFTI}/a"
    for calls in ((("/data/projects/P", b""), (file, b"x")), ()):
        with running(tmp_path) as server, type(http)(server.url) as client:
            client.log_in()
            for path, data in calls:
                assert client.put(path, data=data, headers=BINARY).status_code == 200
            assert client.get(file).content == b"x"


def test_a_refused_body_of_any_size_does_not_spoil_the_connection(http: Any, put: Any, study: Any) -> None:
    """What is not read is thrown away, and the next request on the connection is answered."""
    big = bytes(60_000_000)
    put(f"{study.scan}{NIFTI}/a", b"old")
    assert "duplicates" in put(f"{study.scan}{NIFTI}/a", big).text
    assert http.put(f"{study.session}/scans/9{NIFTI}/a", data=big, headers=BINARY).status_code == 404
    assert http.put(f"{study.scan}{NIFTI}/b", data=big, headers={"Content-Type": "application/json"}).status_code == 400
    assert http.get(f"{study.scan}{NIFTI}/a").content == b"old"


def test_overwriting_a_folder_is_an_error(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/d/a", b"x")
    assert http.put(f"{study.scan}{NIFTI}/d?overwrite=true", data=b"x", headers=BINARY).status_code == 500
    assert http.put(f"{study.scan}{NIFTI}/d/a/b", data=b"x", headers=BINARY).status_code == 500
    assert http.get(f"{study.scan}{NIFTI}/d/a").content == b"x"


def test_an_upload_reads_and_rewrites_the_whole_catalog(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """CatalogUtils: one file more costs all the entries that are there, so n files one by one cost n squared."""
    sizes = []
    catalog = on_disk / "SCANS/1/NIFTI/NIFTI_catalog.xml"
    for number in range(3):
        put(f"{study.scan}{NIFTI}/{number}", b"x")
        text = catalog.read_text(encoding="utf-8")
        assert "<!--by hand-->" not in text  # all of it was written anew
        assert [f'URI="{held}"' in text for held in range(3)] == [held <= number for held in range(3)]
        sizes.append(len(text))
        catalog.write_text(text.replace("</cat:Catalog>", "<!--by hand--></cat:Catalog>"), encoding="utf-8")
        assert "<!--by hand-->" in catalog.read_text(encoding="utf-8")
    assert sizes == sorted(set(sizes))
    http.put("/data/projects/P/subjects/SUB1?group=g")
    assert "<!--by hand-->" in catalog.read_text(encoding="utf-8")
