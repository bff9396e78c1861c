"""Upload many files of 4 KiB in fifty resources: ours and xnatpy's loop, with a round trip of 20 ms and with none.

    python -m benchmarks.small_files [FILES ...] [--repeat N] [--json FILE]

Behind the link xnatpy uploads one and two of the sessions, from which its time for all is told; else all of them.
"""

from __future__ import annotations

import json
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.applying import renamed
from benchmarks.measuring import medians, options, report
from benchmarks.stage import contestant, ours, sampled, stage
from benchmarks.uploads import small_files_study

SAMPLE = (1, 2)
SESSIONS = 5
_projects = (f"SMALL{number}" for number in count(1))


def measure(files: int, round_trip: float) -> dict[str, Any]:
    """One size on one link."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), round_trip=round_trip) as on:
        study = small_files_study(Path(folder) / "study", next(_projects), files)
        run = ours(on, "apply", study.manifest, "--yes", "--format", "json")
        sending = json.loads(run.output)["seconds"]

        def loop(sessions: int) -> Any:
            return on.run(*contestant("xnatpy_upload", renamed(study)[0], sessions, "file"))

        other = sampled(loop, *SAMPLE)(SESSIONS) if round_trip else loop(SESSIONS)
        return {
            "files": study.files,
            "round trip ms": round_trip,
            "ours s": run.seconds,
            "of it sending s": sending,
            "processor s": run.processor,
            "requests": run.requests,
            "memory MB": run.memory_mb,
            "xnatpy s": other.seconds,
            "xnatpy requests": other.requests,
            "xnatpy/ours": other.seconds / run.seconds,
            "xnatpy/sending": other.seconds / sending,
        }


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(2500, 5000, 10000), unit="FILES")
    rows = [
        medians([measure(files, round_trip) for _ in range(asked.repeat)])
        for files in asked.sizes
        for round_trip in (20, 0)
    ]
    report("small_files", rows, asked.json)


if __name__ == "__main__":
    main()
