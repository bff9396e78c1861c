"""``python -m xnat_sync``, and the console script ``xnat-sync``."""

from __future__ import annotations

import sys

from xnat_sync.cli.main import run, tune_collector


def main() -> None:
    """Run the command line and leave with its exit status."""
    tune_collector()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
