"""``python -m xnat_sync``, and the console script ``xnat-sync``."""

from __future__ import annotations

import signal
import sys

UNUSED = "pandas"
"""What xnatpy imports where it is installed, for tables that nobody here asks it for."""


def spare_imports() -> None:
    """Let this process do without `UNUSED`, whose import takes as long as that of all else that xnatpy needs.

    xnatpy does without it too (`xnat.search`). Only for a process that is this program and no other.
    """
    if UNUSED not in sys.modules:
        sys.modules[UNUSED] = None  # type: ignore[assignment] # so imports of it fail as if it were not installed


def main() -> None:
    """Run the command line and leave with its exit status."""
    spare_imports()
    try:
        # In here, since importing is most of the time of a short command, and Ctrl-C may come at any moment.
        from xnat_sync.cli.exits import Exit  # noqa: PLC0415 - see above
        from xnat_sync.cli.main import run, tune_collector  # noqa: PLC0415 - see above

        tune_collector()
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        sys.stderr.write("xnat-sync: interrupted\n")
        sys.exit(130)
    if status == Exit.INTERRUPTED:
        # Whoever is still impatient with the rest of an interrupted run gets no trace of it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(status)


if __name__ == "__main__":
    main()
