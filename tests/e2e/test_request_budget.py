"""How many requests a plan makes to read the server: at most 6 + S/50 for S sessions of one modality."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any

# What is asked once a run, however large the study: login, logout, version, settings, and what the account may do.
_AROUND = re.compile(r"^/$|/data/(JSESSION|auth|services/auth|version)|/xapi/")


@pytest.mark.parametrize("sessions", [1, 4, 60, 130])
def test_a_plan_reads_in_few_requests(
    cli: Cli, images: Path, tmp_path: Path, server: RunningServer, sessions: int
) -> None:
    """Scans with attributes of their own type, and with what their image says, which is what MR studies have."""
    image = images / "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii"
    lines = ["version: 1", "project: {id: P, create: true}", "root: data"]
    lines += ['defaults: {session: {xsi_type: "xnat:mrSessionData"}}', "subjects:"]
    (tmp_path / "data").mkdir()
    for number in range(sessions):
        shutil.copyfile(image, tmp_path / "data" / f"{number}.nii")
        scans = f'{{"1": {{type: T1w, tr: 2000, files: {number}.nii}}}}'
        lines += [f"  S{number}:", f"    sessions: {{S{number}_1: {{date: 2024-03-01, scans: {scans}}}}}"]
    manifest = tmp_path / "study.yaml"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = cli("apply", "--yes", manifest)
    assert done.status == 0, done.out
    server.log.clear()
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    reads = [entry.path for entry in server.log if not _AROUND.search(entry.path)]
    assert len(reads) <= 6 + sessions / 50, reads
    assert server.log.writes == []
