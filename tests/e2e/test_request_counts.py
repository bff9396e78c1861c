"""What a study costs in requests: a handful to read it, and few for each new session."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from xnat_sync.engine.verification_batch import MOST_SESSIONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.conftest import Cli
    from xnat_sync.server.running import RunningServer

SCANS = 10
A_RUN = 20
"""Login, rights, what the server is, reading and reading back, however many sessions."""
A_LOOK = 1
"""Whether the subjects that were made are what was meant, before sessions go below them: one list for all of them."""
A_LOCK = 4
"""The marker in a project that was just made: leave it, look, look, take it away."""


@pytest.fixture
def study(tmp_path: Path, manifest: Callable[[str], Path]) -> Callable[[int], Path]:
    """A manifest of sessions of ten scans of four files each."""

    def make(sessions: int) -> Path:
        lines = ["version: 1", "project: {id: P, create: true}", "root: data", "subjects:"]
        for number in range(sessions):
            lines += [f"  s{number}:", "    gender: female", f"    sessions:\n      s{number}_1:"]
            lines += ["        xsi_type: 'xnat:mrSessionData'", "        date: 2024-03-01", "        scans:"]
            for scan in range(SCANS):
                folder = tmp_path / "data" / str(number) / str(scan)
                folder.mkdir(parents=True, exist_ok=True)
                for name in "abcd":
                    (folder / f"{name}.dat").write_bytes(f"{number} {scan} {name}".encode())
                lines.append(f'          "{scan}": {{type: bold, tr: 2000, note: "a & b", files: "{number}/{scan}/*"}}')
        return manifest("\n".join(lines) + "\n")

    return make


@pytest.mark.parametrize("sessions", [1, 5, 20])
def test_a_new_session_costs_a_request_a_resource_and_two_more_and_an_eighth(
    server: RunningServer, cli: Cli, study: Callable[[int], Path], sessions: int
) -> None:
    path = study(sessions)
    done = cli("apply", "--yes", path)
    assert done.status == 0, done.out + done.err
    assert len(server.log) <= sessions * (SCANS + 2) + math.ceil(sessions / MOST_SESSIONS) + A_RUN + A_LOOK + A_LOCK
    assert len(server.log) <= 14 * sessions or sessions < 20
    assert sum("/xnat_sync" in entry.path for entry in server.log) == A_LOCK
    written = [entry for entry in server.log.writes if "/files/" not in entry.path and "/xnat_sync" not in entry.path]
    assert len(written) == 1 + 2 * sessions  # the project, each subject, each session with its scans
    server.log.clear()
    assert cli("plan", "--detailed-exitcode", path).status == 0
    assert server.log.writes == []
    assert len(server.log) <= A_RUN


def test_a_session_of_few_changes_is_not_listed_whole(
    server: RunningServer, cli: Cli, study: Callable[[int], Path], tmp_path: Path
) -> None:
    path = study(1)
    assert cli("apply", "--yes", path).status == 0
    (tmp_path / "data/0/3/e.dat").write_bytes(b"new")
    server.log.clear()
    assert cli("apply", "--yes", path).status == 0
    paths = [entry.path for entry in server.log if entry.method == "GET" and entry.path.endswith("/files")]
    planned, judged = [path for path in paths if "/experiments/" in path]
    assert planned.startswith("/data/experiments/")
    assert judged.endswith("/scans/3/resources/NIFTI/files")
