"""All benchmarks, one after another, each with half and double its size.

python -m benchmarks [NAME ...] [--repeat N] [--json FOLDER]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = (
    *("starting", "loading", "discovering", "planning"),
    *("checking", "applying", "jobs", "small_files", "large_files"),
)


def main() -> int:
    """Run them; the status of the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME", help=" ".join(NAMES))
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="write the figures of each there")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="runs of which the median is told")
    asked = parser.parse_args()
    if asked.json:
        asked.json.mkdir(parents=True, exist_ok=True)
    for name in asked.names:
        print(f"\n{name}", flush=True)
        options = ["--repeat", str(asked.repeat)]
        options += ["--json", str(asked.json.resolve() / f"{name}.json")] if asked.json else []
        status = subprocess.call([sys.executable, "-m", f"benchmarks.{name}", *options], cwd=HERE.parent)
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
