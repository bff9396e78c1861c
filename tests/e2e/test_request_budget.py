"""How many requests a plan makes that has nothing to do: 14, and one for every 1,000 characters of accession IDs."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

Cli = Any
A_RUN = 14
"""Login and logout, version and settings, three lists of the project, one more for a pair of types, and the rights."""
LIST_OF_FILES = re.compile(r"/data/experiments/[^/]+/files")


def study_of(folder: Path, image: Path, sessions: int) -> Path:
    """Scans with attributes of their own type, and with what their image says, which is what MR studies have."""
    lines = ["version: 1", "project: {id: P, create: true}", "root: data"]
    lines += ['defaults: {session: {xsi_type: "xnat:mrSessionData"}}', "subjects:"]
    (folder / "data").mkdir()
    for number in range(sessions):
        shutil.copyfile(image, folder / "data" / f"{number}.nii")
        scans = f'{{"1": {{type: T1w, tr: 2000, files: {number}.nii}}}}'
        lines += [f"  S{number}:", f"    sessions: {{S{number}_1: {{date: 2024-03-01, scans: {scans}}}}}"]
    manifest = folder / "study.yaml"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return manifest


def characters(server: RunningServer, http: requests.Session) -> int:
    """Those of all accession IDs of the project's sessions with their commas."""
    rows = http.get(f"{server.url}/data/projects/P/experiments?format=json").json()["ResultSet"]["Result"]
    return sum(len(row["URI"].rpartition("/")[2]) + 1 for row in rows)


@pytest.fixture
def budget(server: RunningServer, http: requests.Session, cli: Cli) -> Callable[[Path, float], None]:
    def check(manifest: Path, spent: float) -> None:
        limit = A_RUN + characters(server, http) / 1000
        server.log.clear()
        assert cli("plan", "--detailed-exitcode", manifest).status == 0
        assert len(server.log) <= limit, [entry.path[:80] for entry in server.log]
        assert server.log.writes == []
        lists = [entry.path for entry in server.log if LIST_OF_FILES.fullmatch(entry.path)]
        assert len(lists) <= spent
        assert all(len(path.split("/")[3]) <= 1000 for path in lists)

    return check


@pytest.mark.parametrize("sessions", [1, 4, 60, 130])
def test_a_plan_reads_in_few_requests(
    cli: Cli, images: Path, tmp_path: Path, budget: Callable[[Path, float], None], sessions: int
) -> None:
    manifest = study_of(tmp_path, images / "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii", sessions)
    done = cli("apply", "--yes", manifest)
    assert done.status == 0, done.out
    budget(manifest, 1 + sessions * len("XNAT_E00001,") / 1000)


def test_a_thousand_sessions_with_long_ids_are_read_in_as_few_and_no_stranger_is_listed(
    cli: Cli, tmp_path: Path, server: RunningServer, http: requests.Session, budget: Callable[[Path, float], None]
) -> None:
    assert http.post(f"{server.url}/xapi/siteConfig", json={"siteId": "A_SITE_OF_23_CHARACTERS"}).ok
    (tmp_path / "note.txt").write_text("a", encoding="utf-8")
    lines = ["version: 1", "project: {id: P, create: true}", "subjects:"]
    for number in range(1000):
        if number % 50 == 0:
            lines += [f"  S{number}:", "    sessions:"]
        lines.append(f"      E{number}: {{xsi_type: 'xnat:mrSessionData', resources: {{NOTES: {{files: note.txt}}}}}}")
    manifest = tmp_path / "study.yaml"
    manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = cli("apply", "--yes", "--jobs", "6", manifest)
    assert done.status == 0, done.out + done.err
    assert characters(server, http) == 31 * 1000
    budget(manifest, 32)
    listed = http.get(f"{server.url}/data/projects/P/experiments?format=json&label=E500").json()
    (row,) = listed["ResultSet"]["Result"]
    lost = f"{server.url}{row['URI']}/resources/NOTES/files/note.txt"
    assert http.delete(lost).status_code == 200
    assert "1 to upload" in cli("plan", manifest).out
