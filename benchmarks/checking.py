"""Plan a study that has not changed, behind a link with a round trip of 20 ms: ours, and xnatpy walking the same.

    python -m benchmarks.checking [SESSIONS ...] [--repeat N] [--json FILE]

Sessions of ten scans of two files. xnatpy walks one and four of them, from which its time for all is told. Of ours the
second plan is measured, whose digests are known.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import medians, options, report
from benchmarks.stage import contestant, ours, sampled, stage
from benchmarks.uploads import pairs_study

ROUND_TRIP = 20
SAMPLE = (1, 4)


def measure(sessions: int, repeat: int) -> dict[str, Any]:
    """One size; the study is uploaded once, without the link."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        study = pairs_study(folder / "study", "SAME", sessions)
        with stage(folder, round_trip=0) as on:
            ours(on, "apply", study.manifest, "--yes", "--jobs", "8")
        with stage(folder, round_trip=ROUND_TRIP) as on:
            ours(on, "plan", study.manifest)
            rows = []
            for _ in range(repeat):
                run = ours(on, "plan", study.manifest)
                assert re.search(r"^Nothing to do", run.output, re.MULTILINE), run.output[-1000:]
                walk = sampled(lambda count: on.run(*contestant("xnatpy_walk", "SAME", count)), *SAMPLE)(sessions)
                rows.append(
                    {
                        "sessions": sessions,
                        "files": study.files,
                        "ours s": run.seconds,
                        "processor s": run.processor,
                        "requests": run.requests,
                        "memory MB": run.memory_mb,
                        "xnatpy s": walk.seconds,
                        "xnatpy requests": walk.requests,
                        "xnatpy/ours": walk.seconds / run.seconds,
                    }
                )
    return medians(rows)


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(500, 1000, 2000), unit="SESSIONS")
    report("checking", [measure(sessions, asked.repeat) for sessions in asked.sizes], asked.json)


if __name__ == "__main__":
    main()
