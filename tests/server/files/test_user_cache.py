"""A user's own files, and moving them into the archive (UserCacheResource, MoveFiles)."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any

import pytest

CACHE = "/data/user/cache/resources"
NIFTI = "/resources/NIFTI/files"


def _tar(**members: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _cached(http: Any, name: str, data: Any, folder: str = "X", **query: str) -> None:
    reply = http.put(f"{CACHE}/{folder}/files/{name}", data=data, params={"inbody": "true", **query})
    assert (reply.status_code, reply.content) == (200, b"")


def _moved(http: Any, study: Any, name: str, target: str = "a.nii", **query: str) -> Any:
    destination = f"/archive{study.scan.removeprefix('/data')}{NIFTI}/{target}"
    params = {"src": f"/user/cache/resources/X/files/{name}", "dest": destination, **query}
    return http.post("/data/services/move-files", params=params)


@pytest.mark.parametrize("data", [b"", b"x" * 3_000_000, iter([b"chunk", b"ed"])], ids=["empty", "long", "chunked"])
def test_any_body_is_kept(http: Any, data: Any) -> None:
    size = {b"": 0}.get(data, 3_000_000 if isinstance(data, bytes) else 7)
    _cached(http, "sub/a.nii", data)
    rows = http.rows(f"{CACHE}/X/files")
    assert rows == [{"Name": "a.nii", "Size": str(size), "URI": f"{CACHE}/X/files/sub/a.nii"}]
    assert [row["Resource"] for row in http.rows(CACHE)] == ["X"]


def test_a_form_is_kept_under_the_name_in_the_url(http: Any) -> None:
    """TestImport.testUserCacheUploadAndImport."""
    assert http.put(f"{CACHE}/X/files/b.txt", files={"f": ("c.txt", b"text")}).status_code == 200
    assert [(row["Name"], row["Size"]) for row in http.rows(f"{CACHE}/X/files")] == [("b.txt", "4")]


def test_quirks_of_the_inverted_flag(http: Any) -> None:
    """POST without a name is refused, GET of a file lists, DELETE of a file takes the whole folder."""
    _cached(http, "a", b"1")
    _cached(http, "b", b"2")
    reply = http.post(f"{CACHE}/X/files", files={"f": ("c", b"3")})
    assert reply.status_code == 400
    assert "<h3>Please use HTTP PUT request to specify a file name in the URL.</h3>" in reply.text
    assert len(http.rows(f"{CACHE}/X/files/a")) == 2
    assert http.delete(f"{CACHE}/X/files/a").status_code == 200
    assert http.get(f"{CACHE}/X/files").status_code == 404


def test_everybody_has_a_cache_of_their_own(http: Any, as_user: Any, study: Any) -> None:
    assert study.scan
    _cached(http, "a", b"1")
    assert as_user("member").get(f"{CACHE}/X/files").status_code == 404
    assert http.put(f"{CACHE}/X/files/..%2Fa", data=b"1", params={"inbody": "true"}).status_code == 400


def test_tars_and_gzips_are_unpacked_and_zips_are_not(http: Any) -> None:
    _cached(http, "x.tar", _tar(one=b"1"), extract="true")
    _cached(http, "y.nii.gz", gzip.compress(b"2"), extract="true")
    _cached(http, "z.zip", b"PK", extract="true")
    assert [row["Name"] for row in http.rows(f"{CACHE}/X/files")] == ["one", "y.nii", "z.zip"]


def test_a_cached_file_is_moved_into_the_archive(http: Any, study: Any) -> None:
    _cached(http, "a.nii", b"image")
    _cached(http, "b.nii", b"other")
    reply = _moved(http, study, "a.nii", "sub/a.nii")
    assert (reply.status_code, reply.content) == (200, b"")
    row = http.rows(f"{study.scan}{NIFTI}")[0]
    assert (row["URI"].rpartition("/files/")[2], row["Size"]) == ("sub/a.nii", "5")
    assert http.get(f"{study.scan}{NIFTI}/sub/a.nii").content == b"image"
    assert [row["Name"] for row in http.rows(f"{CACHE}/X/files")] == ["b.nii"]


def test_several_pairs_stop_at_the_first_error(http: Any, study: Any) -> None:
    for name in ("a", "c"):
        _cached(http, name, name.encode())
    archive = f"/archive{study.scan.removeprefix('/data')}{NIFTI}"
    pairs = {f"/user/cache/resources/X/files/{name}": f"{archive}/{name}" for name in ("a", "none", "c")}
    assert http.post("/data/services/move-files", params=pairs).status_code == 404
    assert [row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")] == ["a"]


def test_duplicates_are_not_told_and_overwriting_unpacks(http: Any, study: Any, put: Any) -> None:
    """The flag is passed on twice: a moved image loses its .gz."""
    put(f"{study.scan}{NIFTI}/a.nii.gz", b"old")
    packed = gzip.compress(b"new")
    _cached(http, "a.nii.gz", packed)
    assert _moved(http, study, "a.nii.gz", "a.nii.gz").content == b""
    assert http.get(f"{study.scan}{NIFTI}/a.nii.gz").content == b"old"
    assert _moved(http, study, "a.nii.gz", "a.nii.gz", overwrite="true").status_code == 200
    assert http.get(f"{study.scan}{NIFTI}/a.nii").content == b"new"


def test_what_cannot_be_moved(http: Any, as_user: Any, study: Any) -> None:
    _cached(http, "a", b"1")
    move = "/data/services/move-files"
    assert http.post(move).status_code == 400
    assert http.post(move, params={"src": "/etc/passwd", "dest": f"/archive/x{NIFTI}/a"}).status_code == 400
    assert http.post(move, params={"src": "/user/cache/resources/X/files/a", "dest": "/archive/x"}).status_code == 400
    folder = {"src": "/user/cache/resources/X", "dest": f"/archive{study.scan.removeprefix('/data')}{NIFTI}/a"}
    assert http.post(move, params=folder).status_code == 500
    collab = as_user("collab")
    collab.put(f"{CACHE}/X/files/a?inbody=true", data=b"1")
    assert collab.post(move, params={**folder, "src": "/user/cache/resources/X/files/a"}).status_code == 403
