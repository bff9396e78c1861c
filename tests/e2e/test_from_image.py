"""Attributes from images, on a server: written where nobody says anything, left alone where somebody did."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import xnat

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

Cli = Callable[..., Any]
MANIFEST = """
version: 1
project: {{id: P, create: true}}
root: images
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        xsi_type: "xnat:mrSessionData"
        scans:
          "4":
            type: bold
            {more}
            resources:
              NIFTI: {{files: "sub-01/ses-01/func/*_bold.nii"}}
              BIDS: {{files: "sub-01/ses-01/func/*_bold.json"}}
"""
SIDECAR = {
    "RepetitionTime": 2.0,
    "EchoTime": 0.03,
    "MagneticFieldStrength": 2.89362,
    "AcquisitionTime": "9:05:3.5",
    "ImageType": ["ORIGINAL", "PRIMARY", "M"],
    "ReceiveCoilName": "HeadNeck_64",
}
SCAN = "/data/projects/P/subjects/sub-01/experiments/sub-01_ses-01/scans/4"


@pytest.fixture
def write(images: Path, manifest: Callable[[str], Path]) -> Callable[..., Path]:
    (images / "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.json").write_text(json.dumps(SIDECAR), encoding="utf-8")

    def text(more: str = "") -> Path:
        return manifest(MANIFEST.format(more=more))

    return text


def test_what_xnatpy_reads_is_what_image_and_sidecar_say(
    cli: Cli, write: Callable[..., Path], server: RunningServer
) -> None:
    study = write("te: 31")
    planned = cli("plan", "--detail", study)
    assert "tr: (not set) → 2000  from RepetitionTime" in planned.out
    assert "frames: (not set) → 20  from the header" in planned.out
    assert "1 scan with attributes from the image" in cli("plan", study).out
    assert cli("apply", "--yes", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0
    with xnat.connect(server.url, user="boss", password="pass phrase&7", loglevel="ERROR") as connection:
        scan = connection.projects["P"].subjects["sub-01"].experiments["sub-01_ses-01"].scans["4"]
        assert scan.frames == 20
        assert scan.parameters.tr == pytest.approx(2000)
        assert scan.parameters.te == pytest.approx(31)
        assert (scan.parameters.matrix.x, scan.parameters.matrix.y) == (17, 21)
        assert scan.parameters.voxel_res.x == pytest.approx(4)
        assert scan.parameters.voxel_res.units == "mm"
        assert scan.field_strength == "3.0"
        assert scan.coil == "HeadNeck_64"
        assert str(scan.start_time) == "09:05:03"
        assert scan.parameters.image_type == "ORIGINAL/PRIMARY/M"


def test_a_value_that_somebody_set_is_left_alone_unless_asked(
    cli: Cli, write: Callable[..., Path], server: RunningServer, http: requests.Session, tmp_path: Path
) -> None:
    assert cli("apply", "--yes", write("from_image: false")).status == 0
    put = {"xsiType": "xnat:mrScanData", "xnat:mrScanData/parameters/tr": "1999"}
    assert http.put(server.url + SCAN, params=put, timeout=10).ok
    done = cli("plan", "--format", "json", "--out", tmp_path / "plan.json", write())
    (change,) = json.loads(done.out)["changes"]
    assert change["action"] == "update"
    told = {diff["name"]: diff for diff in change["diffs"]}
    assert "tr" not in told
    assert told["te"] == {"name": "te", "before": None, "after": "30", "source": "EchoTime"}
    assert cli("apply", "--yes", tmp_path / "plan.json").status == 0
    assert cli("plan", "--detailed-exitcode", write()).status == 0
    asked = cli("plan", "--format", "json", write("from_image: overwrite"))
    (diff,) = json.loads(asked.out)["changes"][0]["diffs"]
    assert diff == {"name": "tr", "before": "1999.0", "after": "2000", "source": "RepetitionTime"}
    assert cli("apply", "--yes", write("from_image: overwrite")).status == 0
    assert cli("plan", "--detailed-exitcode", write("from_image: overwrite")).status == 0


def test_a_stored_plan_is_stale_once_somebody_sets_what_the_image_would(
    cli: Cli, write: Callable[..., Path], server: RunningServer, http: requests.Session, tmp_path: Path
) -> None:
    assert cli("apply", "--yes", write("from_image: false")).status == 0
    assert cli("plan", "--out", tmp_path / "plan.json", write()).status == 0
    put = {"xsiType": "xnat:mrScanData", "xnat:mrScanData/parameters/tr": "1999"}
    assert http.put(server.url + SCAN, params=put, timeout=10).ok
    assert cli("apply", "--yes", tmp_path / "plan.json").status == 7


def test_from_image_is_a_default_like_any_other(cli: Cli, write: Callable[..., Path]) -> None:
    study = write()
    text = study.read_text(encoding="utf-8")
    study.write_text(text.replace("subjects:", "defaults: {scan: {from_image: false}}\nsubjects:", 1), encoding="utf-8")
    assert "attributes from the image" not in cli("plan", study).out
