"""From a BIDS folder to a project: ``init``, and everything after it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    Cli = Any


def test_a_bids_folder_becomes_a_project(cli: Cli, bids: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "made.yaml"
    for extra in ("phenotype/iq.tsv", "sub-01/sub-01_sessions.tsv", "sub-01/ses-01/beh/sub-01_ses-01_task-x_beh.tsv"):
        (bids / extra).parent.mkdir(exist_ok=True)
        (bids / extra).write_text("a\tb\n", encoding="utf-8")
    done = cli("init", "--from-bids", bids, "--project", "MADE", "--out", manifest)
    assert done.status == 0, done.err
    assert "3 subjects, 4 sessions, 19 scans" in done.out
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("create: false", "create: true"), encoding="utf-8")
    plan = json.loads(cli("plan", "--format", "json", manifest).out)
    planned = [change["file"]["path"] for change in plan["changes"] if change["file"]]
    local = sorted(str(path) for path in bids.rglob("*") if path.is_file())
    assert sorted(planned) == local
    assert cli("apply", "--yes", manifest).status == 0
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    assert cli("verify", "--download", manifest).status == 0


def test_a_manifest_is_not_overwritten_unless_told(cli: Cli, bids: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "made.yaml"
    assert cli("init", "--from-bids", bids, "--out", manifest).status == 0
    refused = cli("init", "--from-bids", bids, "--out", manifest)
    assert refused.status == 64
    assert "--force" in refused.err
    assert cli("init", "--from-bids", bids, "--out", manifest, "--force").status == 0


def test_a_folder_without_images_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("init", "--from-bids", tmp_path / "empty", "--out", tmp_path / "x.yaml")
    assert done.status == 64
    assert "BIDS name" in done.err
    assert cli("init", "--from-bids", tmp_path / "none", "--out", tmp_path / "x.yaml").status == 3
