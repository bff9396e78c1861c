"""What is replaced or deleted is kept first, byte for byte, or it is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.guards.backup import _path_of
from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any

STUDY = """\
version: 1
project: {id: P, create: true, resources: {NOTES: {files: sub-01/ses-01/func/*.json}}}
root: images
subjects:
  sub-01:
    resources: {TABLE: {files: sub-01/ses-01/func/*.json}}
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        note: keep me
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*.nii}
"""
BOLD = "sub-01/sub-01_ses-01/scan:4/resource:NIFTI/sub-01_ses-01_task-rest_bold.nii"


@pytest.fixture
def study(cli: Cli, images: Path, manifest: Callable[[str], Path]) -> Path:
    """A study that is on the server."""
    assert images.is_dir()
    path = manifest(STUDY)
    assert cli("apply", "--yes", path).status == 0
    return path


def kept(folder: Path) -> dict[str, bytes]:
    """Everything in the backup of the only run there."""
    (run,) = folder.iterdir()
    return {str(path.relative_to(run / "P")): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def change(images: Path) -> tuple[bytes, bytes]:
    """Change a local image; its bytes before and after."""
    image = images / "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.nii"
    before = image.read_bytes()
    image.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    return before, image.read_bytes()


def test_a_replaced_file_is_kept(cli: Cli, study: Path, images: Path, tmp_path: Path) -> None:
    before, _ = change(images)
    assert cli("apply", "--yes", "--backup-dir", tmp_path / "kept", study).status == 0
    assert kept(tmp_path / "kept") == {BOLD: before}
    assert cli("verify", "--download", study).status == 0


def test_a_plan_that_destroys_nothing_keeps_nothing(cli: Cli, study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY + "  sub-02: {gender: male}\n", encoding="utf-8")
    assert cli("apply", "--yes", "--backup-dir", tmp_path / "kept", study).status == 0
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    "case",
    [
        ('"4": {type: bold, files: sub-01/ses-01/func/*.nii}', '"4": {state: absent}', "sub-01/sub-01_ses-01/scan:4"),
        (STUDY[STUDY.index("  sub-01:\n") :], "  sub-01: {state: absent}\n", "sub-01"),
    ],
    ids=["scan", "subject"],
)
def test_a_deleted_object_is_kept_with_its_record(
    cli: Cli, study: Path, images: Path, tmp_path: Path, case: tuple[str, str, str]
) -> None:
    old, new, record = case
    study.write_text(STUDY.replace(old, new), encoding="utf-8")
    done = cli("apply", "--yes", "--allow-delete", "--backup-dir", tmp_path / "kept", study)
    assert done.status == 0, done.out + done.err
    found = kept(tmp_path / "kept")
    assert found[BOLD] == (images / "sub-01/ses-01/func" / BOLD.rpartition("/")[2]).read_bytes()
    assert b"<xnat:" in found[f"{record}/record.xml"]
    if record == "sub-01":
        assert b"keep me" in found["sub-01/record.xml"]
        assert len(found) == 4


def test_a_deleted_resource_is_kept(cli: Cli, study: Path, tmp_path: Path) -> None:
    study.write_text(STUDY.replace("{NOTES: {files: sub-01/ses-01/func/*.json}}", "{NOTES: {state: absent}}"), "utf-8")
    assert cli("apply", "--yes", "--allow-delete", "--backup-dir", tmp_path / "kept", study).status == 0
    assert list(kept(tmp_path / "kept")) == ["resource:NOTES/sub-01_ses-01_task-rest_bold.json"]


def test_what_cannot_be_kept_is_left_alone(
    cli: Cli, study: Path, images: Path, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    before, _ = change(images)
    study.write_text(STUDY + "  sub-02: {gender: male}\n", encoding="utf-8")
    server.faults.add(Fault(kind=FaultKind.STATUS, method="GET", path="_bold.nii", status=403, times=0))
    done = cli("apply", "--yes", "--backup-dir", tmp_path / "kept", study)
    assert done.status == 6
    assert "refused replace file" in done.out
    assert "could not be backed up, so it was left alone" in done.out
    server.faults.clear()
    path = f"{server.url}/data/projects/P/subjects/sub-01/experiments/sub-01_ses-01/scans/4/resources/NIFTI/files/"
    assert http.get(path + BOLD.rpartition("/")[2]).content == before


def test_bytes_that_are_not_what_the_server_says_are_no_backup(
    cli: Cli, study: Path, images: Path, tmp_path: Path, server: RunningServer
) -> None:
    change(images)
    for file in (tmp_path / "xnat").rglob("*_bold.nii"):
        content = file.read_bytes()
        file.write_bytes(content[:-1] + b"?")
    done = cli("apply", "--yes", "--backup-dir", tmp_path / "kept", study)
    assert done.status == 7
    assert "was read as" in done.out
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert cli("apply", "--yes", study).status == 0


def test_a_backup_folder_that_cannot_be_made_is_wrong_usage(
    cli: Cli, study: Path, images: Path, tmp_path: Path
) -> None:
    change(images)
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert cli("apply", "--yes", "--backup-dir", tmp_path / "file", study).status == 64


def test_no_name_on_a_server_leads_out_of_the_folder(tmp_path: Path) -> None:
    for text in ("P/S/resource:R/../../../x", "P/S/resource:R/./x", "P/S/resource:R//etc/x", "P/S/resource:R/a\\..\\b"):
        path = _path_of(Ref.parse(text), tmp_path)
        assert path.resolve().is_relative_to(tmp_path.resolve() / "P/S/resource:R"), text


def test_no_two_names_on_a_server_become_one(tmp_path: Path) -> None:
    names = ['a"', "a%22", "a%2522", "a%25", "a%", "a", "%", "%2E", ".", "%2E%2E", ".."]
    resource = Ref.parse("P/S/resource:R")
    assert len({_path_of(resource.child(Level.FILE, name), tmp_path) for name in names}) == len(names)
