"""How many requests at a time are worth it: an upload with ``--jobs`` 1, 2, 4, 8 and 16.

    python -m benchmarks.jobs [SESSIONS ...] [--repeat N] [--json FILE]

New sessions of ten scans of four files, behind a link with a round trip of 20 ms and without one. The server is one
Python process on the same machine: what it cannot do at a time, no number of jobs can ask of it.
"""

from __future__ import annotations

import json
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measuring import medians, options, report
from benchmarks.stage import ours, stage
from benchmarks.uploads import diffusion_study

JOBS = (1, 2, 4, 8, 16)
_projects = (f"JOBS{number}" for number in count(1))


def measure(sessions: int, round_trip: float) -> dict[str, Any]:
    """One size on one link."""
    row: dict[str, Any] = {"sessions": sessions, "round trip ms": round_trip}
    with tempfile.TemporaryDirectory() as name, stage(Path(name), round_trip=round_trip) as on:
        for jobs in JOBS:
            study = diffusion_study(Path(name) / str(jobs), next(_projects), sessions)
            run = ours(on, "apply", study.manifest, "--yes", "--jobs", str(jobs), "--format", "json")
            row[f"{jobs} jobs s"] = json.loads(run.output)["seconds"]
    return row


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(10, 20, 40), unit="SESSIONS")
    rows = [
        medians([measure(sessions, round_trip) for _ in range(asked.repeat)])
        for sessions in asked.sizes
        for round_trip in (20, 0)
    ]
    report("jobs", rows, asked.json)


if __name__ == "__main__":
    main()
