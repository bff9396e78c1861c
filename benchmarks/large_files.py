"""Upload one large file, and ten of a tenth each: ours and curl, on three roads.

    python -m benchmarks.large_files [MEGABYTES ...] [--repeat N] [--json FILE]

``embedded``: the embedded server on this machine. ``gigabit``: the same behind a link of 125 MB a second. ``sink``: a
server that throws bodies away; there our gateway alone is measured, whose limit is the MD5 of one processor core. Of
ours the sending is compared, as the report tells it; ``whole run`` has the look at the file and all else besides. Ours
and curl begin by turns.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.cores import CORES
from benchmarks.measuring import medians, options, report
from benchmarks.stage import LOGIN, Run, Stage, contestant, helper, measured, ours, stage
from benchmarks.uploads import Upload, large_files_study

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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


def shelves(on: Stage, project: str, files: int) -> list[str]:
    """Where curl puts its files: a project of its own with a scan for each."""
    session = f"{on.url}/data/projects/{project}/subjects/S/experiments/{project}_E"
    scans = [f"{session}/scans/{number}" for number in range(files)]
    made = [f"{on.url}/data/projects/{project}", f"{session}?xsiType=xnat:mrSessionData"]
    for url in (*made, *(f"{scan}?xsiType=xnat:mrScanData&type=x" for scan in scans)):
        on.run("curl", "-sfn", "-X", "PUT", url)
    return [f"{scan}/resources/CURL/files/large.dat?inbody=true" for scan in scans]


@contextmanager
def cleared(on: Stage, project: str) -> Iterator[str]:
    """A project whose files are gone afterwards, and the memory that they took: a server's own delete keeps them."""
    yield project
    shutil.rmtree(on.folder / "xnat" / "archive" / project)


def on_server(on: Stage, folder: Path, files: int, megabytes: int, *, curl_first: bool) -> dict[str, float]:
    """Ours and curl on one road to the embedded server, each after the other's files are gone."""
    mine = next(_projects)
    study = large_files_study(folder, mine, files, megabytes)

    def by_curl() -> Run:
        with cleared(on, next(_projects)) as project:
            urls = shelves(on, project, files)
            os.sync()
            return curl(urls, paths_of(study))

    def by_us() -> Run:
        with cleared(on, mine):
            os.sync()
            return ours(on, "apply", study.manifest, "--yes", "--format", "json", "--jobs", str(JOBS))

    # The first upload of all pays for the memory that the files of those after it lie in.
    by_curl()
    bare, run = (by_curl(), by_us()) if curl_first else (by_us(), by_curl())[::-1]
    sending = json.loads(run.output)["seconds"]
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
        # Digests have cores of their own here, or the limit would be that of one core for all.
        run = measured(contestant("gateway_upload", url, JOBS, *paths), cores=CORES)
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


def measure(road: str, files: int, megabytes: int, *, curl_first: bool = False) -> dict[str, float]:
    """One number of files on one road."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if road == "sink":
            return on_sink(folder / "study", files, megabytes)
        rate = GIGABIT if road == "gigabit" else None
        with stage(folder, round_trip=0, rate=rate) as on:
            return on_server(on, folder / "study", files, megabytes, curl_first=curl_first)


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(1000, 2000, 4000), unit="MEGABYTES")
    rows: list[dict[str, Any]] = []
    for megabytes in asked.sizes:
        for files in (1, 10):
            for road in ("embedded", "gigabit", "sink"):
                size = megabytes // files
                found = medians([measure(road, files, size, curl_first=bool(run % 2)) for run in range(asked.repeat)])
                rows.append({"road": road, "files": files, "MB": megabytes, **found})
    report("large_files", rows, asked.json)


if __name__ == "__main__":
    main()
