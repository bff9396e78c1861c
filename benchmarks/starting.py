"""How long the program takes to say something.

python -m benchmarks.starting [RUNS] [--json FILE]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measuring import as_installed, options, report

MANIFEST = "{version: 1, project: P, subjects: {S: {gender: female, sessions: {E: {xsi_type: 'xnat:mrSessionData'}}}}}"


def seconds(command: list[str], runs: int) -> list[float]:
    """The wall time of each run of a command."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    """Measure and report."""
    asked = options(__doc__ or "", sizes=(15,), unit="RUNS")
    as_installed()
    program = [sys.executable, "-m", "xnat_sync"]
    with tempfile.TemporaryDirectory() as folder:
        manifest = Path(folder) / "xnat.yaml"
        manifest.write_text(MANIFEST, encoding="utf-8")
        commands = {
            "python alone": [sys.executable, "-c", "pass"],
            "--help": [*program, "--help"],
            "validate": [*program, "validate", str(manifest)],
            "import xnat": [sys.executable, "-c", "import xnat"],
        }
        rows = []
        for name, command in commands.items():
            times = seconds(command, asked.sizes[0])
            rows.append({"command": name, "median s": statistics.median(times), "best s": min(times)})
    report("starting", rows, asked.json)


if __name__ == "__main__":
    main()
