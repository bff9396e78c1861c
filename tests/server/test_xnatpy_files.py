"""Unmodified xnatpy, with classes made from the served schemas, is a judge of the file half: bytes in, bytes out."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import xnat
from xnat.core import XNATBaseListing
from xnat.exceptions import XNATResponseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

pytestmark = pytest.mark.filterwarnings("ignore")  # third-party code: only its answers are judged here

FILES = {
    "a.nii.gz": bytes(range(256)) * 5000,
    "sub/b.json": b'{"EchoTime": 0.03}',
    "sub/deep/c d.txt": b"a name with a space",
}
METHODS = ("per_file", "tar_memory", "tgz_memory", "tar_file", "tgz_file")


@pytest.fixture
def session(server: RunningServer) -> Iterator[Any]:
    # xnatpy asks the listings of every session of the process on a delete, also of sessions that are closed.
    XNATBaseListing.__ALL_LISTINGS__ = []
    with xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR") as connection:
        yield connection


@pytest.fixture
def scan(session: Any) -> Any:
    """A scan made as xnatpy's documentation makes one."""
    session.put("/data/projects/P")
    project = session.projects["P"]
    subject = session.classes.SubjectData(parent=project, label="SUB1")
    experiment = session.classes.MrSessionData(parent=subject, label="MR1")
    return session.classes.MrScanData(parent=experiment, id="1", type="T1w", series_description="t1")


@pytest.fixture
def resource(session: Any, scan: Any) -> Any:
    return session.classes.ResourceCatalog(parent=scan, label="NIFTI")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "study" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "study"


def listed(session: Any, resource: Any) -> dict[str, Any]:
    """Path to file object, as the server lists it now."""
    session.clearcache()
    resource.files.clearcache()
    return {file.data["URI"].partition("/files/")[2]: file for file in resource.files.values()}


def content(file: Any, tmp_path: Path) -> bytes:
    """What xnatpy downloads; it compares the MD5 with the listing itself."""
    target = tmp_path / "download"
    file.download(str(target), verbose=False)
    return target.read_bytes()


def test_upload_list_size_download(session: Any, resource: Any, folder: Path, tmp_path: Path) -> None:
    for name in FILES:
        resource.upload(folder / name, name.replace(" ", "%20"), verbose=False)
    files = listed(session, resource)
    assert set(files) == set(FILES)
    for name, data in FILES.items():
        assert int(files[name].size) == len(data)
        assert files[name].digest == hashlib.md5(data).hexdigest()
        assert content(files[name], tmp_path) == data
    assert (resource.file_count, resource.file_size) == (3, sum(map(len, FILES.values())))


@pytest.mark.parametrize("method", METHODS)
def test_upload_dir(session: Any, resource: Any, folder: Path, tmp_path: Path, method: str) -> None:
    if method == "per_file":
        (folder / "sub/deep/c d.txt").rename(folder / "sub/deep/c_d.txt")
    resource.upload_dir(str(folder), method=method)
    expected = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    files = listed(session, resource)
    assert {name: content(file, tmp_path) for name, file in files.items()} == expected


def test_upload_dir_with_overwrite(session: Any, resource: Any, folder: Path, tmp_path: Path) -> None:
    resource.upload_dir(str(folder), method="tar_file")
    (folder / "a.nii.gz").write_bytes(b"new")
    resource.upload_dir(str(folder), method="tar_file")
    assert content(listed(session, resource)["a.nii.gz"], tmp_path) == FILES["a.nii.gz"]
    resource.upload_dir(str(folder), method="tar_file", overwrite=True)
    assert content(listed(session, resource)["a.nii.gz"], tmp_path) == b"new"


def test_upload_data_and_overwrite(session: Any, resource: Any, tmp_path: Path) -> None:
    resource.upload_data(b"first", "x.bin", verbose=False)
    resource.upload_data(b"ignored", "x.bin", verbose=False)
    assert content(listed(session, resource)["x.bin"], tmp_path) == b"first"
    resource.upload_data(
        b"second", "x.bin", overwrite=True, file_format="RAW", file_content="C", file_tags="t", verbose=False
    )
    file = listed(session, resource)["x.bin"]
    assert content(file, tmp_path) == b"second"
    assert (file.data["file_format"], file.data["file_content"], file.data["file_tags"]) == ("RAW", "C", "t")


def test_download_of_everything(session: Any, scan: Any, resource: Any, folder: Path, tmp_path: Path) -> None:
    resource.upload_dir(str(folder), method="tgz_file")
    resource.download_dir(str(tmp_path / "resource"), verbose=False)
    scan.download_dir(str(tmp_path / "scan"), verbose=False)
    session.experiments["XNAT_E00001"].download_dir(str(tmp_path / "experiment"), verbose=False)
    for target in ("resource", "scan", "experiment"):
        found = {path.name: path.read_bytes() for path in (tmp_path / target).rglob("*") if path.is_file()}
        assert found == {name.rpartition("/")[2]: data for name, data in FILES.items()}
    zipped = tmp_path / "all.zip"
    scan.download(str(zipped), verbose=False)
    assert zipped.read_bytes().startswith(b"PK")


def test_delete_file_and_resource(session: Any, scan: Any, resource: Any) -> None:
    for name in ("a", "b"):
        resource.upload_data(name.encode(), name, verbose=False)
    listed(session, resource)["a"].delete()
    assert set(listed(session, resource)) == {"b"}
    session.clearcache()
    scan.resources["NIFTI"].delete()
    session.clearcache()
    assert list(scan.resources) == []


def test_resource_catalog(session: Any, scan: Any, resource: Any) -> None:
    """create_resource reads the catalog document back; an existing label is 409."""
    session.clearcache()
    assert scan.resources["NIFTI"].label == "NIFTI"
    created = scan.create_resource("BIDS")
    assert created.label == "BIDS"
    with pytest.raises(XNATResponseError, match="409"):
        session.classes.ResourceCatalog(parent=scan, label="NIFTI")


@pytest.mark.parametrize("level", ["project", "subject", "experiment"])
def test_other_levels(session: Any, scan: Any, tmp_path: Path, level: str) -> None:
    session.clearcache()
    project = session.projects["P"]
    owner = {
        "project": project,
        "subject": project.subjects["SUB1"],
        "experiment": project.experiments["MR1"],
    }[level]
    resource = owner.create_resource("DOCS")
    resource.upload_data(b"text", "doc.txt", verbose=False)
    assert content(listed(session, resource)["doc.txt"], tmp_path) == b"text"


def test_partial_read_of_a_file(session: Any, resource: Any) -> None:
    """FileData.open reads ahead with a plain GET."""
    resource.upload_data(b"0123456789", "x.txt", verbose=False)
    with listed(session, resource)["x.txt"].open() as file:
        assert file.read(4) == b"0123"


def test_refresh_catalog(session: Any, server: RunningServer, resource: Any) -> None:
    resource.upload_data(b"x", "x", verbose=False)
    folder = next(server.context.archive.rglob("x")).parent
    (folder / "stray").write_bytes(b"y")
    session.services.refresh_catalog("/archive/experiments/XNAT_E00001/scans/1", append=True)
    assert set(listed(session, resource)) == {"x", "stray"}
