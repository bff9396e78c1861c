"""``python -m xnat_sync``, and the console script ``xnat-sync``."""

from __future__ import annotations

import signal
import sys

from xnat_sync.cli.exits import Exit
from xnat_sync.cli.main import run, tune_collector


def main() -> None:
    """Run the command line and leave with its exit status."""
    tune_collector()
    status = run(sys.argv[1:])
    if status == Exit.INTERRUPTED:
        # Whoever is still impatient with the rest of an interrupted run gets no trace of it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


if __name__ == "__main__":
    main()
