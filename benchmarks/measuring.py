"""What all benchmarks share: a clock, a table, JSON, and a fresh process for each size."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = dict[str, Any]

ROOT = Path(__file__).parents[1]
_ONE = "--only-this"


class Timer:
    """The seconds of a block of work, by the clock and by the processor."""

    seconds = 0.0
    processor = 0.0

    def __enter__(self) -> Timer:
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.processor = time.process_time() - self._began[1]


def peak_mb() -> float:
    """The most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(file: str, about: str, measure: Callable[[int], Row], *, option: str, sizes: Sequence[int]) -> int:
    """Measure each size in a process of its own, print a table and write JSON if asked."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(option, type=int, nargs="+", default=list(sizes), dest="sizes", metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(_ONE, type=int, dest="one", help=argparse.SUPPRESS)
    found = parser.parse_args()
    if found.one is not None:
        print(json.dumps(measure(found.one)))
        return 0
    module = f"benchmarks.{Path(file).stem}"
    rows = [_apart(module, size) for size in found.sizes]
    report(Path(file).stem, rows, found.json)
    return 0


def _apart(module: str, size: int) -> Row:
    command = [sys.executable, "-m", module, _ONE, str(size)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    row: Row = json.loads(done.stdout)
    return row


def report(name: str, rows: Sequence[Row], target: Path | None) -> None:
    """Print rows as a table; write them with the machine they come from."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([_cell(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    if target:
        machine = {"python": platform.python_version(), "system": platform.platform(), "processors": os.cpu_count()}
        data = {"benchmark": name, "machine": machine, "load": os.getloadavg(), "rows": rows}
        target.write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
