"""Upload one large file, and ten of a tenth each: ours and curl, on three roads.

    python -m benchmarks.large_files [MEGABYTES ...] [--repeat N] [--json FILE]

``embedded``: the embedded server on this machine. ``gigabit``: the same behind a link of 125 MB a second. ``sink``: a
server that throws bodies away; there our gateway alone is measured, whose limit is the MD5 of one processor core. Of
ours the sending is compared, as the report tells it; ``whole run`` has the look at the file and all else besides.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import medians, options, report
from benchmarks.stage import LOGIN, Run, Stage, contestant, helper, measured, ours, stage
from benchmarks.uploads import Upload, large_files_study

if TYPE_CHECKING:
    from collections.abc import Sequence

JOBS = 4
GIGABIT = 125.0
_projects = (f"LARGE{number}" for number in count(1))


def curl(urls: Sequence[str], paths: Sequence[str]) -> Run:
    """The bare upload."""
    command = ["curl", "-sSf", "-u", ":".join(LOGIN), "--parallel", "--parallel-max", str(JOBS)]
    for url, path in zip(urls, paths, strict=True):
        command += ["-T", path, "-o", "/dev/null", url]
    return measured(command)


def paths_of(study: Upload) -> list[str]:
    """The files of a study."""
    return [f"{scan.folder}/{name}" for session in study.sessions for scan in session.scans for name in scan.files]


def on_server(on: Stage, folder: Path, files: int, megabytes: int) -> dict[str, float]:
    """Ours and curl on one road to the embedded server."""
    project = next(_projects)
    study = large_files_study(folder, project, files, megabytes)
    run = ours(on, "apply", study.manifest, "--yes", "--format", "json", "--jobs", str(JOBS))
    sending = json.loads(run.output)["seconds"]
    (session,) = study.sessions
    above = f"{on.url}/data/projects/{project}/subjects/{session.subject}/experiments/{session.label}/scans"
    urls = [f"{above}/{scan.id}/resources/CURL/files/{scan.files[0]}?inbody=true" for scan in session.scans]
    bare = curl(urls, paths_of(study))
    size = files * megabytes
    return {
        "ours MB/s": size / sending,
        "curl MB/s": size / bare.seconds,
        "ours/curl": bare.seconds / sending,
        "whole run MB/s": size / run.seconds,
        "memory MB": run.memory_mb,
    }


def on_sink(folder: Path, files: int, megabytes: int) -> dict[str, float]:
    """Our gateway and curl where nothing else limits."""
    study = large_files_study(folder, "SINK", files, megabytes)
    paths = paths_of(study)
    with helper("benchmarks.sink") as port:
        url = f"http://127.0.0.1:{port}"
        run = measured(contestant("gateway_upload", url, JOBS, *paths))
        seconds, processor = map(float, run.output.split())
        bare = curl([f"{url}/{number}" for number in range(files)], paths)
    size = files * megabytes
    return {
        "ours MB/s": size / seconds,
        "curl MB/s": size / bare.seconds,
        "ours/curl": bare.seconds / seconds,
        "processor s/GB": processor / size * 1000,
        "MD5 alone MB/s": md5_speed(),
        "memory MB": run.memory_mb,
    }


def md5_speed() -> float:
    """MB a second of one core that does nothing else."""
    code = (
        "import hashlib,time;d=bytes(1<<20);h=hashlib.md5();b=time.process_time()\n"
        "for _ in range(300):h.update(d)\nprint(300*1.048576/(time.process_time()-b))"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)


def measure(road: str, files: int, megabytes: int) -> dict[str, float]:
    """One number of files on one road."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if road == "sink":
            return on_sink(folder / "study", files, megabytes)
        rate = GIGABIT if road == "gigabit" else None
        with stage(folder, round_trip=0, rate=rate) as on:
            return on_server(on, folder / "study", files, megabytes)


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(1000, 2000, 4000), unit="MEGABYTES")
    rows: list[dict[str, Any]] = []
    for megabytes in asked.sizes:
        for files in (1, 10):
            for road in ("embedded", "gigabit", "sink"):
                found = medians([measure(road, files, megabytes // files) for _ in range(asked.repeat)])
                rows.append({"road": road, "files": files, "MB": megabytes, **found})
    report("large_files", rows, asked.json)


if __name__ == "__main__":
    main()
