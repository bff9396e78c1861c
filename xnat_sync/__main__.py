"""``python -m xnat_sync``, and the console script ``xnat-sync``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its exit status."""
    try:
        # In here, since importing is most of the time of a short command, and Ctrl-C may come at any moment.
        from xnat_sync.cli.main import run, tune_collector  # noqa: PLC0415 - see above

        tune_collector()
        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.stderr.write("xnat-sync: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
