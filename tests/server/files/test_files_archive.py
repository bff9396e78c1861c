"""Names and bytes on disk: nothing leaves the folder of its resource."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.server.storage.archive import Folder, UnsafeNameError, is_housekeeping, safe_path, safe_segment

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    home = tmp_path / "archive" / "NIFTI"
    home.mkdir(parents=True)
    return Folder(home / "NIFTI_catalog.xml")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        ".",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "a\x00b",
        "a\nb",
        "\ud800",
        "x" * 256,
        "a/" * 2000 + "a",
    ],
)
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        safe_path(name)


@pytest.mark.parametrize(
    ("name", "path"), [("a", "a"), ("./a//b/", "a/b"), ("a b+c#%23.nii", "a b+c#%23.nii"), ("é", "é"), ("..a", "..a")]
)
def test_safe_names_keep_their_text(name: str, path: str) -> None:
    assert safe_path(name) == path


@given(st.text())
def test_no_name_leads_outside(name: str) -> None:
    try:
        path = safe_path(name)
    except UnsafeNameError:
        return
    assert not path.startswith("/")
    assert ".." not in path.split("/")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\x00"])
def test_labels_and_ids_are_one_folder(name: str) -> None:
    with pytest.raises(UnsafeNameError):
        safe_segment(name)


def test_a_link_does_not_lead_outside(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "out").symlink_to(tmp_path)
    (folder.path / "secret").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(UnsafeNameError):
        folder.write("out/x", io.BytesIO(b"x"))
    with pytest.raises(OSError, match="symbolic"):
        folder.write("secret", io.BytesIO(b"x"))
    assert folder.existing("out/secret.txt") is None
    assert folder.existing("secret") is None
    assert (tmp_path / "secret.txt").read_text() == "secret"


def test_writing_counts_and_hashes(folder: Folder) -> None:
    data = bytes(range(256)) * 40_000
    written = folder.write("a/b/c.bin", io.BytesIO(data))
    assert (written.size, written.md5) == (len(data), hashlib.md5(data).hexdigest())
    assert (folder.path / "a/b/c.bin").read_bytes() == data


def test_a_stored_gz_stands_for_its_plain_name(folder: Folder) -> None:
    """The legacy rule of CatalogUtils.getFile."""
    folder.write("x.nii.gz", io.BytesIO(b"packed"))
    assert folder.existing("x.nii") == folder.path / "x.nii.gz"


def test_removing_a_file_removes_the_folders_it_leaves_empty(folder: Folder) -> None:
    folder.write("a/b/c", io.BytesIO(b"x"))
    folder.write("a/d", io.BytesIO(b"x"))
    folder.remove("a/b/c")
    assert [path for path, _ in folder.walk()] == ["a/d"]
    assert not (folder.path / "a/b").exists()
    folder.remove("a/d")
    assert folder.path.exists()


def test_history_keeps_the_absolute_folder(folder: Folder, tmp_path: Path) -> None:
    """FileUtils.MoveToHistory: <cache>/.history/<absolute folder>/<timestamp>/<name>."""
    folder.write("a/x", io.BytesIO(b"old"))
    folder.to_history("a/x", tmp_path / ".history", "20240102")
    kept = tmp_path / ".history" / str(folder.path.resolve() / "a").lstrip("/") / "20240102" / "x"
    assert kept.read_bytes() == b"old"
    assert not (folder.path / "a/x").exists()


@pytest.mark.parametrize(("name", "expected"), [("a/R_catalog.xml", True), (".~lock-x", True), ("a.nii", False)])
def test_housekeeping_names(name: str, expected: bool) -> None:
    """Names that CatalogUtils never catalogues from archives or by refresh."""
    assert is_housekeeping(name) is expected
