"""What becomes of files that are replaced or deleted, and of what a killed server left (FileUtils.MoveToHistory)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.running import running
from xnat_sync.server.storage.catalog import parse

if TYPE_CHECKING:
    from pathlib import Path

NIFTI = "/resources/NIFTI/files"


@pytest.fixture
def history(server: Any, study: Any) -> Path:
    """Where the past of the scan's files lies, on a site that keeps it."""
    assert study.scan
    server.context.preferences.set("maintainFileHistory", "true")
    archive: Path = server.context.archive
    folder = archive.resolve() / "P/arc001/MR1/SCANS/1/NIFTI"
    kept: Path = server.context.cache / ".history" / str(folder).lstrip("/")
    return kept


@pytest.mark.parametrize("how", ["overwrite", "delete file", "delete resource"])
def test_the_past_has_a_catalog(http: Any, put: Any, study: Any, history: Path, how: str) -> None:
    """The old file in its folder and time, and its old entry beside it."""
    resource = f"{study.scan}/resources/NIFTI"
    file = f"{resource}/files/sub/a.nii"
    put(file, b"first", format="NIFTI")
    if how == "overwrite":
        put(file, b"second", overwrite="true")
    else:
        assert http.delete(file if how == "delete file" else resource).status_code == 200
    (kept,) = history.rglob("a.nii")
    assert kept.read_bytes() == b"first"
    assert kept.parent.parent == history / "sub"
    (entry,) = parse((history / "NIFTI_catalog.xml").read_bytes()).entries.values()
    assert history / entry.path == kept
    assert (entry.format, entry.size) == ("NIFTI", "5")


def test_an_archive_leaves_no_catalog_behind(server: Any, http: Any, put: Any, study: Any) -> None:
    """It moves what it replaces whatever the site says, and says nothing."""
    put(f"{study.scan}{NIFTI}/a", b"first")
    bundle = http.get(f"{study.scan}{NIFTI}/a", params={"format": "zip"}).content
    put(f"{study.scan}{NIFTI}/x.zip", bundle, extract="true", overwrite="true")
    kept = [path for path in (server.context.cache / ".history").rglob("*") if path.is_file()]
    assert [path.name for path in kept] == ["a"]


def test_spooled_parts_of_a_killed_server_are_thrown_away(tmp_path: Path) -> None:
    left = tmp_path / "cache" / "uploads" / "tmp123" / "0"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a form")
    mine = tmp_path / "cache" / "USERS" / "1" / "X" / "a"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"kept")
    with running(tmp_path):
        assert not left.exists()
        assert mine.exists()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/data/services/import?import-handler=DICOM-zip", 404),
        ("POST", "/data/services/archive", 404),
        ("GET", "/data/prearchive", 404),
        ("GET", "/data/prearchive/projects/P", 404),
        ("GET", "/data/services/triage/projects/P/resources", 404),
        ("GET", "/data/projects/P/pipelines", 400),  # a project does not know that tail
        ("GET", "/data/experiments/XNAT_E00001/pipelines", 200),  # an experiment ignores it
        ("GET", "/xapi/commands", 404),
        ("GET", "/xapi/wrappers", 404),
        ("GET", "/xapi/events/subscriptions", 404),
        ("GET", "/xapi/custom-fields/projects/P", 404),
        ("GET", "/xapi/plugins/containers-plugin", 404),
        ("GET", "/app/template/Index.vm", 404),
    ],
)
def test_what_is_left_out_is_an_unknown_route(http: Any, study: Any, method: str, path: str, status: int) -> None:
    """DICOM import, prearchive, pipelines, containers, events, custom forms, pages: as a site without them answers."""
    assert study.scan
    reply = http.request(method, path)
    assert reply.status_code == status
    if status == 404:
        assert "<title>Status page</title>" in reply.text
