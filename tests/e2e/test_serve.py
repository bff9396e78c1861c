"""The server as people start it: a process that keeps everything across a kill -9."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
import xnat
from jsonschema import Draft202012Validator

from xnat_sync.manifest.text.schema import schema_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Cli = Any

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
"""


@contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "xnat_sync", "serve", "--dir", str(folder), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            found = re.search(r"http://127\.0\.0\.1:\d+", line)
            assert found, line
            yield process, found[0]
        finally:
            process.kill()


def xnat_sync(url: str, *arguments: str) -> int:
    environ = {**os.environ, "XNAT_SYNC_SERVER": url, "XNAT_SYNC_USER": "admin", "XNAT_SYNC_PASSWORD": "admin"}
    command = [sys.executable, "-m", "xnat_sync", *arguments]
    return subprocess.run(command, env=environ, check=False, capture_output=True).returncode


def test_everything_is_there_after_a_kill(tmp_path: Path, images: Path, manifest: Callable[[str], Path]) -> None:
    assert images.is_dir()
    study = str(manifest(STUDY))
    with served(tmp_path / "xnat") as (process, url):
        assert xnat_sync(url, "apply", "--yes", study) == 0
        process.kill()
    with served(tmp_path / "xnat") as (_, url):
        assert xnat_sync(url, "plan", "--detailed-exitcode", study) == 0
        assert xnat_sync(url, "verify", "--download", study) == 0


def test_the_front_page_says_what_it_is(tmp_path: Path) -> None:
    with served(tmp_path / "xnat") as (_, url):
        assert "XNAT" in requests.get(url, timeout=10).text


def test_where_it_is_is_told_in_json_too(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "xnat_sync", "serve", "--dir", str(tmp_path), "--port", "0", "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            text = "".join(iter(process.stdout.readline, "}\n")) + "}"
        finally:
            process.kill()
    data = json.loads(text)
    Draft202012Validator(json.loads(schema_text("serving.v1.json"))).validate(data)
    assert data["directory"] == str(tmp_path)
    assert data["url"].startswith("http://127.0.0.1:")


def test_an_address_that_is_taken_is_said(cli: Cli, tmp_path: Path, server: Any) -> None:
    port = server.url.rpartition(":")[2]
    done = cli("serve", "--dir", tmp_path / "other", "--port", port)
    assert done.status == 64
    assert "cannot serve" in done.err


def test_xnatpys_documented_example(tmp_path: Path, images: Path) -> None:
    """XNATPy's documented way from a connection to an uploaded image, call for call."""
    file_path = images / "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii"
    with served(tmp_path / "xnat") as (_, url):
        made = requests.put(f"{url}/data/projects/projectID", auth=("admin", "admin"), timeout=10)
        assert made.status_code == 200
        with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as session:
            project = session.projects["projectID"]
            subject = session.classes.SubjectData(parent=project, label="new_subject_label")
            experiment = session.classes.MrSessionData(parent=subject, label="new_scan_label")
            scan = session.classes.MrScanData(parent=experiment, id="unique_scan_ID", type="new_scan_type")
            resource = session.classes.ResourceCatalog(parent=scan, label="NIFTI")
            resource.upload(str(file_path), "uploaded_filename")
        with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as session:
            experiment = session.projects["projectID"].subjects["new_subject_label"].experiments["new_scan_label"]
            file = experiment.scans["unique_scan_ID"].resources["NIFTI"].files["uploaded_filename"]
            with file.open() as stream:
                assert stream.read() == file_path.read_bytes()
