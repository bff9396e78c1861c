"""Downloads: headers, HEAD, ranges, dates, bundles (FileList, SecureResource.representFile, Restlet's RangeFilter)."""

from __future__ import annotations

import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NIFTI = "/resources/NIFTI/files"
DATA = bytes(range(256)) * 20_000


@pytest.fixture
def image(put: Any, study: Any) -> str:
    """The URL of a file of five megabytes."""
    put(f"{study.scan}{NIFTI}/sub/image.nii", DATA)
    return f"{study.scan}{NIFTI}/sub/image.nii"


def test_headers(http: Any, image: str) -> None:
    """No ETag; everything is an attachment."""
    reply = http.get(image)
    assert reply.content == DATA
    headers = reply.headers
    assert headers["Content-Length"] == str(len(DATA))
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Cache-Control"] == "must-revalidate"
    assert headers["Content-Disposition"] == 'attachment; filename="image.nii";'
    assert headers["Last-Modified"].endswith(" GMT")
    assert "ETag" not in headers


def test_head_tells_the_true_length(http: Any, put: Any, study: Any, image: str, on_disk: Path) -> None:
    """The listing's Size is the catalog's, HEAD's is the disk's."""
    (on_disk / "SCANS/1/NIFTI/sub/image.nii").write_bytes(b"short")
    reply = http.head(image)
    assert (reply.status_code, reply.content) == (200, b"")
    assert reply.headers["Content-Length"] == "5"
    assert http.rows(f"{study.scan}{NIFTI}")[0]["Size"] == str(len(DATA))
    assert http.head(f"{study.scan}{NIFTI}/none").status_code == 404


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=100-", 100, len(DATA)),
        ("bytes=-7", len(DATA) - 7, len(DATA)),
        ("bytes=5119999-6000000", 5119999, len(DATA)),
        ("bytes=0-4000000", 0, 4000001),
    ],
)
def test_one_range_is_206(http: Any, image: str, asked: str, start: int, end: int) -> None:
    reply = http.get(image, headers={"Range": asked})
    assert reply.status_code == 206
    assert reply.content == DATA[start:end]
    assert reply.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(DATA)}"
    assert reply.headers["Content-Length"] == str(end - start)


def test_other_ranges(http: Any, image: str) -> None:
    """Several are 501; beyond the end or nonsense there is no 416 but the whole file."""
    assert http.get(image, headers={"Range": "bytes=0-1,3-4"}).status_code == 501
    for asked in ("bytes=9999999-", "bytes=a-b", "bytes=-", "bytes=5-2", "lines=1-2", "bytes=-0"):
        reply = http.get(image, headers={"Range": asked})
        assert (reply.status_code, len(reply.content)) == (200, len(DATA))


def test_if_modified_since(http: Any, image: str) -> None:
    stamp = http.head(image).headers["Last-Modified"]
    assert http.get(image, headers={"If-Modified-Since": stamp}).status_code == 304
    assert http.get(image, headers={"If-Modified-Since": "Mon, 01 Jan 2001 00:00:00 GMT"}).status_code == 200
    assert http.get(image, headers={"If-Modified-Since": "nonsense"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "media_type"), [("a.txt", "text/plain"), ("a.PNG", "image/png"), ("a.json", "application/octet-stream")]
)
def test_content_types(http: Any, put: Any, study: Any, name: str, media_type: str) -> None:
    put(f"{study.scan}{NIFTI}/{name}", b"x")
    assert http.get(f"{study.scan}{NIFTI}/{name}").headers["Content-Type"].partition(";")[0] == media_type


def test_empty_files(http: Any, study: Any) -> None:
    http.post(f"{study.scan}{NIFTI}", files=[("a", ("empty", b""))])
    reply = http.get(f"{study.scan}{NIFTI}/empty", headers={"Range": "bytes=0-"})
    assert (reply.status_code, reply.content, reply.headers["Content-Length"]) == (200, b"", "0")


def test_a_stored_gz_is_served_for_its_plain_name(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """The legacy rule of CatalogUtils.getFile."""
    put(f"{study.scan}{NIFTI}/x.nii", b"plain")
    folder = on_disk / "SCANS/1/NIFTI"
    (folder / "x.nii").rename(folder / "x.nii.gz")
    assert http.get(f"{study.scan}{NIFTI}/x.nii").content == b"plain"


def test_accept_not_found(http: Any, study: Any, image: str) -> None:
    assert http.get(f"{study.scan}{NIFTI}/none").status_code == 404
    assert http.get(f"{study.scan}{NIFTI}/none?accept-not-found=true").status_code == 204
    assert http.get(f"{study.scan}/resources/MISSING/files/a").status_code == 404


def names(reply: Any) -> dict[str, bytes]:
    assert reply.status_code == 200, reply.text
    with zipfile.ZipFile(io.BytesIO(reply.content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def several(put: Any, study: Any, image: str) -> Any:
    put(f"{study.scan2}/resources/BIDS/files/b.json", b"{}")
    put(f"{study.session}/resources/DOC/files/d/doc.txt", b"doc")
    return study


def test_zip_of_scans_names_their_types(http: Any, several: Any) -> None:
    """<SESSION_LABEL>/scans/<id>-<type>/resources/<LABEL>/files/<path>, other characters as underscores."""
    found = names(http.get(f"{several.session}/scans/ALL/files?format=zip"))
    assert found == {
        "MR1/scans/1-T1w/resources/NIFTI/files/sub/image.nii": DATA,
        "MR1/scans/2-bold_x/resources/BIDS/files/b.json": b"{}",
    }


def test_zip_of_a_session(http: Any, several: Any) -> None:
    """TestFileUpload.testResourcesUpload; with all=true the scans are there without type."""
    reply = http.get(f"{several.session}/files?format=zip")
    assert set(names(reply)) == {"MR1/resources/DOC/files/d/doc.txt"}
    assert reply.headers["Content-Disposition"] == 'attachment; filename="MR1.zip";'
    assert reply.headers["Content-Type"] == "application/zip"
    assert "Content-Length" not in reply.headers
    assert set(names(http.get(f"{several.session}/files?format=zip&all=true"))) == {
        "MR1/resources/DOC/files/d/doc.txt",
        "MR1/scans/1/resources/NIFTI/files/sub/image.nii",
        "MR1/scans/2/resources/BIDS/files/b.json",
    }


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("structure=simplified", {"MR1/scans/1-T1w/NIFTI/sub/image.nii", "MR1/scans/2-bold_x/BIDS/b.json"}),
        ("structure=improved", {"scans/1_T1w/NIFTI/sub/image.nii", "scans/2_bold_x/BIDS/b.json"}),
        (
            "projectIncludedInPath=true&subjectIncludedInPath=true&structure=simplified",
            {"P/SUB1/MR1/scans/1-T1w/NIFTI/sub/image.nii", "P/SUB1/MR1/scans/2-bold_x/BIDS/b.json"},
        ),
    ],
)
def test_structures(http: Any, several: Any, query: str, expected: set[str]) -> None:
    assert set(names(http.get(f"{several.session}/scans/ALL/files?format=zip&{query}"))) == expected


def test_zip_of_a_folder_and_of_a_file(http: Any, several: Any) -> None:
    assert list(names(http.get(f"{several.scan}{NIFTI}/sub/?format=zip")).values()) == [DATA]
    assert names(http.get(f"{several.scan}{NIFTI}/sub/image.nii?format=zip")) == {"image.nii": DATA}
    assert len(http.get(f"{several.scan}{NIFTI}?format=zip").content) > len(DATA)
    assert len(http.get(f"{several.scan}{NIFTI}?format=zip&compression=8").content) < len(DATA) / 10
    assert http.get(f"{several.session2}/files?format=zip").status_code == 404


@pytest.mark.parametrize(("kind", "mode"), [("tar", "r:"), ("tar.gz", "r:gz")])
def test_tar(http: Any, several: Any, kind: str, mode: Any) -> None:
    reply = http.get(f"{several.session}/scans/ALL/files?format={kind}")
    with tarfile.open(fileobj=io.BytesIO(reply.content), mode=mode) as archive:
        found = {info.name: archive.extractfile(info) for info in archive}
        contents = {name: file.read() for name, file in found.items() if file is not None}
    assert contents == {
        "MR1/scans/1-T1w/resources/NIFTI/files/sub/image.nii": DATA,
        "MR1/scans/2-bold_x/resources/BIDS/files/b.json": b"{}",
    }
    assert reply.headers["Content-Disposition"] == f'attachment; filename="MR1.{kind}";'


def test_what_was_downloaded_can_be_uploaded_again(http: Any, put: Any, several: Any) -> None:
    """The zip can be streamed by java.util.zip, and so by extract=true."""
    data = http.get(f"{several.session}/scans/ALL/files?format=zip").content
    put(f"{several.session2}{NIFTI}/u.zip", data, extract="true")
    assert len(http.rows(f"{several.session2}{NIFTI}")) == 2


def test_inside_a_stored_zip(http: Any, put: Any, study: Any) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("in/a.txt", b"inside")
    put(f"{study.scan}{NIFTI}/x.zip", buffer.getvalue())
    assert http.get(f"{study.scan}{NIFTI}/x.zip!/in/a.txt").content == b"inside"
    assert http.get(f"{study.scan}{NIFTI}/x.zip/in/a.txt").content == b"inside"
    assert http.get(f"{study.scan}{NIFTI}/x.zip/in/b.txt").status_code == 404
    assert http.rows(f"{study.scan}{NIFTI}/x.zip?listContents=true") == [{"File Name": "in/a.txt", "Size": "6"}]
