"""Upload new sessions of ten scans of four files each, behind a link with a round trip of 20 ms.

    python -m benchmarks.applying [SESSIONS ...] [--repeat N] [--json FILE]

The others upload one and three sessions, from which their time for all is told. ``best/ours`` is the time of the
fastest of them in ours with the number of jobs that nobody has to ask for.
"""

from __future__ import annotations

import json
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import medians, options, report
from benchmarks.stage import Run, Stage, contestant, ours, sampled, stage
from benchmarks.uploads import Upload, diffusion_study
from xnat_sync.core.model.policy import DEFAULT_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable

ROUND_TRIP = 20
SAMPLE = (1, 3)
_projects = (f"BENCH{number}" for number in count(1))


def renamed(study: Upload) -> tuple[Path, str]:
    """The task of a study for a project that nobody has used yet."""
    task = json.loads(study.task.read_text())
    task["project"] = next(_projects)
    path = study.task.with_name(f"{task['project']}.json")
    path.write_text(json.dumps(task))
    return path, task["project"]


def scripts(on: Stage, study: Upload) -> dict[str, Callable[[int], Run]]:
    """The other clients, each as a function of how many sessions it uploads into a project of its own."""

    def script(*command: str) -> Callable[[int], Run]:
        return lambda sessions: on.run(*contestant(command[0], renamed(study)[0], sessions, *command[1:]))

    def dax(sessions: int) -> Run:
        task, project = renamed(study)
        table = task.with_suffix(".csv")
        on.run(*contestant("dax_table", task, sessions, table))
        on.run("curl", "-sfn", "-X", "PUT", f"{on.url}/data/projects/{project}")
        return on.run(str(Path(sys.executable).parent / "Xnatupload"), "-c", str(table))

    found = {
        "xnatpy files": script("xnatpy_upload", "file"),
        "xnatpy folders": script("xnatpy_upload", "folder"),
        "pyxnat": script("pyxnat_upload"),
    }
    return {**found, "dax": dax} if sys.version_info < (3, 12) else found


def measure(sizes: list[int]) -> list[dict[str, Any]]:
    """All sizes of ours and, from samples, of the others."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), round_trip=ROUND_TRIP) as on:
        sample = diffusion_study(Path(folder) / "sample", "SAMPLE", SAMPLE[1])
        others = {name: sampled(run, *SAMPLE) for name, run in scripts(on, sample).items()}
        for sessions in sizes:
            row: dict[str, Any] = {"sessions": sessions}
            for jobs in (4, DEFAULT_JOBS):
                study = diffusion_study(Path(folder) / f"{sessions}-{jobs}", next(_projects), sessions)
                run = ours(on, "apply", study.manifest, "--yes", "--jobs", str(jobs))
                row["requests a session"] = run.requests / sessions
                row[f"ours, {jobs} jobs s"] = run.seconds
            row["memory MB"] = run.memory_mb
            told = {name: at(sessions) for name, at in others.items()}
            row.update({f"{name} s": other.seconds for name, other in told.items()})
            row["best/ours"] = min(other.seconds for other in told.values()) / run.seconds
            rows.append(row)
    return rows


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(10, 20, 40), unit="SESSIONS")
    runs = [measure(asked.sizes) for _ in range(asked.repeat)]
    report("applying", [medians(rows) for rows in zip(*runs, strict=True)], asked.json)


if __name__ == "__main__":
    main()
