"""Run a command and write down what it cost: ``python -m benchmarks.launch FILE COMMAND …``.

A process of its own, since a child begins with the memory of whoever started it: for the system what a benchmark holds,
its server included, would count as the most that the command ever held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path


def main() -> int:
    """The status of the command; the file gets its seconds by the clock and by the processor, and its memory in MB."""
    target, *command = sys.argv[1:]
    began = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    costs = {
        "seconds": seconds,
        "processor": used.ru_utime + used.ru_stime,
        "memory_mb": used.ru_maxrss * 1024 / 1e6,
    }
    Path(target).write_text(json.dumps(costs), encoding="utf-8")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
