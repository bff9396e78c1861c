"""Sites that differ: one demands reasons, others are older or newer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    gender: female
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*}
"""


@pytest.fixture
def study(images: Path, manifest: Callable[[str], Path]) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


@pytest.mark.parametrize(
    "demands",
    [("showChangeJustification", "requireChangeJustification"), ("requireEventName",)],
    ids=["reason", "name"],
)
def test_a_site_that_demands_words_for_each_change_gets_them(
    cli: Cli, study: Path, images: Path, server: RunningServer, http: requests.Session, demands: tuple[str, ...]
) -> None:
    for name in demands:
        assert http.post(f"{server.url}/xapi/siteConfig/{name}", json=True).status_code == 200
    assert cli("apply", "--yes", study).status == 0
    side = images / "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.json"
    side.write_text('{"TaskName": "other", "RepetitionTime": 2.0}', encoding="utf-8")
    study.write_text(
        STUDY.replace('"2": {type: T1w, files: sub-01/ses-01/anat/*.nii}', '"2": {state: absent}'), "utf-8"
    )
    done = cli("apply", "--yes", "--allow-delete", "--reason", " ", study)
    assert done.status == 0, done.out
    assert cli("plan", "--detailed-exitcode", study).status == 0
    changes = [entry for entry in server.log.writes if entry.path.startswith(("/data/projects", "/data/services/re"))]
    assert all("event_action=" in entry.query and "event_reason=" in entry.query for entry in changes)


@pytest.mark.parametrize("version", ["1.7.6", "1.8.0", "1.8.10", "1.9.3", "1.10.1"])
def test_older_and_newer_versions(cli: Cli, study: Path, tmp_path: Path, version: str) -> None:
    with running(tmp_path / "other", user="boss", password="pass phrase&7", version=version) as other:
        at = ("--server", other.url)
        done = cli("apply", "--yes", study, *at)
        assert done.status == 0, done.out + done.err
        assert f"XNAT {version}" in done.out
        assert cli("verify", "--download", study, *at).status == 0
        assert cli("plan", "--detailed-exitcode", study, *at).status == 0
