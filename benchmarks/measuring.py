"""What all benchmarks share: a clock, a table, JSON, and a fresh process for each measurement."""

from __future__ import annotations

import argparse
import compileall
import json
import multiprocessing
import os
import platform
import resource
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = dict[str, Any]

Result = TypeVar("Result")
ROOT = Path(__file__).parents[1]


class Timer:
    """The seconds of a block of work, by the clock and by the processor.

    The processor's are the ones to compare where others work on the same machine.
    """

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
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def apart(work: Callable[..., Result], *arguments: object) -> Result:
    """Run a function of a module in a process of its own: no memory and no garbage of others."""
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(work, *arguments).result()


def as_installed() -> None:
    """Compile the package as installing does: an environment may forbid Python to keep what it compiles itself."""
    compileall.compile_dir(str(ROOT / "xnat_sync"), quiet=1)


def medians(rows: Sequence[Row]) -> Row:
    """One row out of several runs: the median of each column."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def options(about: str, *, sizes: Sequence[int], unit: str) -> argparse.Namespace:
    """The command line of a benchmark: ``sizes``, ``repeat`` and ``json``."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", type=int, nargs="*", default=list(sizes), metavar=unit)
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of which the median is told")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    return parser.parse_args()


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
