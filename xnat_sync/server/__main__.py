"""``python -m xnat_sync.server``, also the console script ``xnat-sync-server``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from xnat_sync.server.faults import load_faults
from xnat_sync.server.running import DEFAULT_VERSION, Settings, serve


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="xnat-sync-server",
        description="Serve a folder as an XNAT, for tests and rehearsals. Everything survives a restart and a kill -9.",
    )
    parser.add_argument("--dir", type=Path, required=True, help="where state and files are kept; created if missing")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine)")
    parser.add_argument("--user", default="admin", help="administrator's login (default: %(default)s)")
    parser.add_argument("--password", default="admin", help="administrator's password (default: %(default)s)")
    parser.add_argument("--xnat-version", default=DEFAULT_VERSION, help="version to claim (default: %(default)s)")
    parser.add_argument("--faults", type=Path, help="JSON file with faults to inject")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs the server until it is interrupted; 2 when it cannot start."""
    options = _parser().parse_args(arguments)
    try:
        serve(
            options.dir,
            host=options.host,
            port=options.port,
            settings=Settings(user=options.user, password=options.password, version=options.xnat_version),
            faults=load_faults(options.faults) if options.faults else None,
            announce=_announce,
        )
    except (OSError, ValueError) as error:
        sys.stderr.write(f"xnat-sync-server: {error}\n")
        return 2
    return 0


def _announce(url: str) -> None:
    sys.stdout.write(f"XNAT at {url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
