"""extract=true on a running server (CatalogUtils, FileExtractor)."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

BINARY = {"Content-Type": "application/octet-stream"}
NIFTI = "/resources/NIFTI/files"
FILES = {"mr_1/1.dcm": b"one", "mr_1/2.nii.gz": b"two", "top": b"", "a#b é.txt": b"odd"}


def paths(http: Any, owner: str) -> dict[str, str]:
    return {row["URI"].partition("/files/")[2]: row["digest"] for row in http.rows(f"{owner}{NIFTI}")}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["tar", "xar", "tgz", "tar.gz", "zip", "zar"])
def test_every_kind_keeps_the_folders_of_the_archive(http: Any, put: Any, study: Any, tar: Any, kind: str) -> None:
    """A folder in the URL is ignored; one request, one catalog write (TestFileUpload.test*ResourceUpload*)."""
    data = zipped(FILES) if kind in {"zip", "zar"} else tar(FILES)
    data = gzip.compress(data) if kind.endswith("gz") else data
    reply = put(f"{study.scan}{NIFTI}/ignored/folder/upload.{kind}", data, extract="true", format="X")
    assert reply.text == ""
    assert paths(http, study.scan) == {name: hashlib.md5(content).hexdigest() for name, content in FILES.items()}
    assert http.get(f"{study.scan}{NIFTI}/a%23b%20%C3%A9.txt").content == b"odd"
    assert {row["file_format"] for row in http.rows(f"{study.scan}{NIFTI}")} == {"X"}
    resource = http.rows(f"{study.scan}/resources")[0]
    assert (resource["file_count"], resource["file_size"]) == ("4", "9")


def test_from_a_form_the_name_of_the_part_decides(http: Any, study: Any, tar: Any) -> None:
    parts = [("a", ("one.tar", tar({"a": b"a"}))), ("b", ("two.tar", tar({"b": b"b"}))), ("c", ("c.txt", b"c"))]
    assert http.post(f"{study.scan}{NIFTI}?extract=true", files=parts).text == ""
    assert set(paths(http, study.scan)) == {"a", "b", "c.txt"}


def test_a_bare_gz_is_decompressed_into_the_root(http: Any, put: Any, study: Any) -> None:
    """The trap of Format.GZ: x.nii.gz becomes x.nii; inside an archive it is left alone."""
    put(f"{study.scan}{NIFTI}/anat/x.nii.gz", gzip.compress(b"image"), extract="true")
    assert set(paths(http, study.scan)) == {"x.nii"}
    assert http.get(f"{study.scan}{NIFTI}/x.nii").content == b"image"


@pytest.mark.parametrize("name", ["x.ZIP", "x.tar.bz2", "x.7z"])
def test_other_names_are_stored_as_they_are(http: Any, put: Any, study: Any, name: str) -> None:
    put(f"{study.scan}{NIFTI}/sub/{name}", b"whatever", extract="true")
    assert set(paths(http, study.scan)) == {f"sub/{name}"}


def test_collisions_are_duplicates_and_the_others_are_stored(http: Any, put: Any, study: Any, tar: Any) -> None:
    put(f"{study.scan}{NIFTI}/a/x", b"old")
    reply = put(f"{study.scan}{NIFTI}/u.tar", tar({"a/x": b"new", "a/y": b"y"}), extract="true")
    assert reply.text == '{"duplicates":["a/x"]}'
    assert http.get(f"{study.scan}{NIFTI}/a/x").content == b"old"
    assert set(paths(http, study.scan)) == {"a/x", "a/y"}


def test_overwriting_moves_the_old_file_to_the_history_always(
    http: Any, server: Any, put: Any, study: Any, tar: Any
) -> None:
    """ZipUtils and TarUtils call MoveToHistory whatever the preference says."""
    put(f"{study.scan}{NIFTI}/a/x", b"old")
    put(f"{study.scan}{NIFTI}/u.tar", tar({"a/x": b"new"}), extract="true", overwrite="true")
    assert http.get(f"{study.scan}{NIFTI}/a/x").content == b"new"
    assert paths(http, study.scan) == {"a/x": hashlib.md5(b"new").hexdigest()}
    kept = list((server.context.cache / ".history").rglob("x"))
    assert [path.read_bytes() for path in kept] == [b"old"]
    assert str(kept[0].parents[1]).endswith("P/arc001/MR1/SCANS/1/NIFTI/a")


def test_folders_are_made_but_not_listed(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    put(f"{study.scan}{NIFTI}/u.zip", zipped({"empty/": b"", "a": b"x"}), extract="true")
    assert (on_disk / "SCANS/1/NIFTI/empty").is_dir()
    assert set(paths(http, study.scan)) == {"a"}


def test_what_is_no_zip_is_200_and_nothing(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/u.zip", b"this is no zip", extract="true")
    assert paths(http, study.scan) == {}


def test_a_damaged_archive_is_500_and_leaves_orphans(http: Any, put: Any, study: Any, tar: Any, on_disk: Path) -> None:
    """Members before the failure stay on disk without entries (CatalogUtils); overwrite=true repairs it."""
    data = tar({"a": b"a", "b": bytes(5000)})
    reply = http.put(f"{study.scan}{NIFTI}/u.tar?extract=true", data=data[:3000], headers=BINARY)
    assert reply.status_code == 500
    assert (on_disk / "SCANS/1/NIFTI/a").read_bytes() == b"a"
    assert paths(http, study.scan) == {}
    assert "duplicates" in put(f"{study.scan}{NIFTI}/u.tar", data, extract="true").text
    put(f"{study.scan}{NIFTI}/u.tar", data, extract="true", overwrite="true")
    assert set(paths(http, study.scan)) == {"a", "b"}


@pytest.mark.parametrize("name", ["../../../../evil", "/evil", "a/../../evil"])
def test_members_cannot_leave_the_resource(http: Any, server: Any, study: Any, tar: Any, name: str) -> None:
    """Zip slip is refused with 400; XNAT has no check."""
    for kind, data in (("tar", tar({name: b"x"})), ("zip", zipped({name: b"x"}))):
        reply = http.put(f"{study.scan}{NIFTI}/u.{kind}?extract=true", data=data, headers=BINARY)
        assert reply.status_code == 400
        assert "Illegal file name" in reply.text
    assert list(server.context.archive.parent.rglob("evil")) == []


def test_links_are_refused(http: Any, study: Any) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    reply = http.put(f"{study.scan}{NIFTI}/u.tar?extract=true", data=buffer.getvalue(), headers=BINARY)
    assert reply.status_code == 400


def test_an_archive_cannot_replace_the_catalog(http: Any, put: Any, study: Any, tar: Any) -> None:
    """XNAT would let it; other catalog names are stored and never catalogued."""
    put(f"{study.scan}{NIFTI}/a", b"x")
    data = tar({"NIFTI_catalog.xml": b"<x/>"})
    assert http.put(f"{study.scan}{NIFTI}/u.tar?extract=true&overwrite=1", data=data, headers=BINARY).status_code == 400
    put(f"{study.scan}{NIFTI}/u.tar", tar({"other_catalog.xml": b"<x/>", "b": b"b"}), extract="true")
    assert set(paths(http, study.scan)) == {"a", "b"}


def test_a_big_archive_streams(http: Any, put: Any, study: Any, tar: Any) -> None:
    big = bytes(range(256)) * 50_000
    put(f"{study.scan}{NIFTI}/u.tar", tar({"big": big, "small": b"s"}), extract="true")
    assert http.get(f"{study.scan}{NIFTI}/big").content == big
