"""The words of the command line: every command with its options, and what each of them may say."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from xnat_sync import __version__
from xnat_sync.cli.options import DEFAULT_MANIFEST, DEFAULT_PORT
from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.policy import DEFAULT_JOBS, Compare

SCHEMAS = (
    "manifest",
    "plan",
    "report",
    "problems",
    "verification",
    "explanation",
    "formatting",
    "pull",
    "written",
    "serving",
    "error",
)
COMPARISONS = {"digest": Compare.READ, "size": Compare.SIZE}


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are errors of ours, so that wrong usage ends with 64 and 2 keeps one meaning.

    Options have one name each: half of one would stand for another as soon as there is another.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "allow_abbrev": False})

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} ({self.prog} --help tells more)")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(
        prog="xnat-sync",
        description="Make an XNAT project say what a YAML manifest says.",
        epilog="Exit status: 0 done, 1 unexpected error, 2 differences, 3 manifest or data not valid, "
        "4 login or right, 5 server or network, 6 partly done, 7 refused by a guard, 64 wrong usage, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"xnat-sync {__version__}")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND", parser_class=_Parser)
    shared = _Parser(add_help=False)
    shared.add_argument("--format", choices=("text", "json"), default="text", help="how results are written")
    shared.add_argument("--debug", action="store_true", help="log every request to standard error")
    manifests = _Parser(add_help=False)
    manifests.add_argument("manifests", nargs="*", type=Path, metavar="MANIFEST", help=f"default {DEFAULT_MANIFEST}")
    access = _access_parser()
    server = _server_parser()
    comparing = _comparing_parser()

    _add_validate(
        commands.add_parser(
            "validate", parents=[shared, manifests, access], help="check manifest and files; needs no server"
        )
    )
    fmt = commands.add_parser(
        "fmt", parents=[shared, manifests], help="lay manifests out in their normal form, comments kept"
    )
    fmt.add_argument(
        "--check", action="store_true", help="write nothing; exit with 2 and the names of what would change"
    )
    _add_plan(
        commands.add_parser(
            "plan", parents=[shared, manifests, access, server, comparing], help="show what apply would do"
        )
    )
    _add_apply(
        commands.add_parser(
            "apply", parents=[shared, access, server, comparing], help="make the server say what the manifest says"
        )
    )
    # Who verifies wants proof: a disk that rots changes bytes and no times.
    proving = _comparing_parser(rehash=True)
    verify = commands.add_parser(
        "verify", parents=[shared, manifests, access, server, proving], help="is every byte there?"
    )
    verify.add_argument("--download", action="store_true", help="read every file back instead of trusting digests")
    _add_pull(commands.add_parser("pull", parents=[shared, server], help="write the manifest of what a server holds"))
    render = commands.add_parser(
        "render",
        parents=[shared, manifests, access],
        help="write the manifest out: no rules, no templates, no defaults",
    )
    render.add_argument("--out", type=Path, metavar="FILE", help="a new file (default: standard output)")
    explain = commands.add_parser("explain", parents=[shared, access], help="where each value of one object came from")
    explain.add_argument("ref", metavar="REF", help="SUBJECT[/SESSION[/SCAN]], or the project's ID")
    explain.add_argument("manifests", nargs="*", type=Path, metavar="MANIFEST", help=f"default {DEFAULT_MANIFEST}")
    _add_init(commands.add_parser("init", parents=[shared], help="write the first manifest of what is there already"))
    schema = commands.add_parser("schema", help="print a JSON Schema")
    schema.add_argument("schema", nargs="?", choices=SCHEMAS, default="manifest")
    _add_serve(commands.add_parser("serve", parents=[shared], help="start the embedded XNAT-compatible server"))
    _add_demo(commands.add_parser("demo", help="a real study on the embedded server, start to end"))
    return parser


def _access_parser() -> _Parser:
    access = _Parser(add_help=False)
    group = access.add_argument_group("what a manifest may read")
    group.add_argument(
        "--allow-root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a folder outside of the study that its root may be, or be in",
    )
    group.add_argument(
        "--env", action="append", default=[], metavar="NAME", help="a variable of the environment for ${env:NAME}"
    )
    return access


def _server_parser() -> _Parser:
    server = _Parser(add_help=False)
    group = server.add_argument_group("server")
    group.add_argument("--server", metavar="URL", help="address of the XNAT, or embedded:DIR")
    group.add_argument("--user", help="account; the password is asked for on the terminal")
    group.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates (PEM) to trust instead of the usual ones"
    )
    jobs = f"requests at a time (default {DEFAULT_JOBS})"
    group.add_argument("--jobs", type=_positive, default=DEFAULT_JOBS, metavar="N", help=jobs)
    group.add_argument(
        "--bwlimit", type=_rate, metavar="RATE", help="bytes a second at most, all files together: 500K, 10M"
    )
    group.add_argument("--max-requests", type=_rate, metavar="N", help="requests a second at most")
    group.add_argument("--only", action="append", default=[], metavar="PATTERN", help="only SUBJECT[/SESSION[/SCAN…]]")
    return server


def _comparing_parser(*, rehash: bool = False) -> _Parser:
    comparing = _Parser(add_help=False)
    group = comparing.add_argument_group("comparison")
    group.add_argument(
        "--compare",
        choices=list(COMPARISONS),
        help="what makes two files the same (default digest where the server states one, else size; digest reads back "
        "what it states none of)",
    )
    group.add_argument("--no-cache", action="store_true", help="keep nothing of local files between runs")
    group.add_argument(
        "--rehash",
        action=argparse.BooleanOptionalAction,
        default=rehash,
        help="read every file instead of trusting digests of unchanged ones"
        f" (default {'--rehash' if rehash else '--no-rehash'})",
    )
    group.add_argument(
        "--check-disk", action="store_true", help="look at the files on the server's disk too, not at its catalogs only"
    )
    return comparing


def _add_validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="read every file to its end: gzip checksums, lost ends")
    parser.add_argument("--no-cache", action="store_true", help="look into files anew that did not change")
    parser.add_argument(
        "--fix-gzip-names",
        type=Path,
        metavar="DIR",
        help="copy what has names or times in its gzip header to DIR without them",
    )


def _add_plan(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=_plan_file, metavar="FILE", help="store the plan for apply")
    parser.add_argument("--detailed-exitcode", action="store_true", help="exit with 2 if there is anything to do")
    parser.add_argument("--detail", action="store_true", help="show every change")


def _add_apply(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifests", nargs="*", type=Path, metavar="MANIFEST|PLAN.json", help=f"default {DEFAULT_MANIFEST}"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--allow-delete", action="store_true", help="carry out deletes too")
    parser.add_argument(
        "--max-delete", type=_count, default=10, metavar="N", help="refuse a plan with more deletes (default 10)"
    )
    parser.add_argument(
        "--backup-dir", type=Path, metavar="DIR", help="first download what is replaced or deleted into this folder"
    )
    parser.add_argument("--retry", metavar="RUN", help="only what that run did not do; last is the newest run here")
    parser.add_argument(
        "--wait-lock", type=_count, default=0, metavar="SECONDS", help="wait so long for another run (default 0)"
    )
    parser.add_argument("--force-unlock", action="store_true", help="break the lock of another run")
    parser.add_argument("--no-lock", action="store_true", help="neither take a lock nor heed one")
    parser.add_argument("--reason", help="what XNAT's history shall say (default: the manifest's git commit)")
    parser.add_argument("--detail", action="store_true", help="show every change")


def _add_pull(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--project", required=True, metavar="ID", help="the project's ID")
    parser.add_argument("--out", type=Path, default=Path(DEFAULT_MANIFEST), metavar="FILE", help="default xnat.yaml")
    parser.add_argument("--files", type=Path, metavar="DIR", help="bring the files into this folder too")
    parser.add_argument("--bids", action="store_true", help="with --files: each file to its place in a BIDS tree")


def _add_init(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--from-bids", type=Path, metavar="DIR", help="a BIDS data set's folder")
    source.add_argument("--from-csv", type=Path, metavar="FILE", help="a table with a line for each file, dax's too")
    parser.add_argument(
        "--derivatives",
        action="append",
        default=[],
        metavar="NAME",
        help="with --from-bids: what a pipeline made too, derivatives/NAME, as resources of that name",
    )
    parser.add_argument(
        "--session-type",
        metavar="TYPE",
        help="with --from-csv: MR or the like, for sessions that the table says no type of",
    )
    parser.add_argument("--project", metavar="ID", help="the project's ID (default: what the source says)")
    parser.add_argument("--create", action="store_true", help="say that apply makes the project if it is missing")
    parser.add_argument("--out", type=Path, default=Path(DEFAULT_MANIFEST), metavar="FILE", help="default xnat.yaml")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="folder that keeps the server's data")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help=f"default {DEFAULT_PORT}; 0 takes a free one")
    parser.add_argument("--user", default="admin", help="name of the administrator (default admin)")
    parser.add_argument("--password", default="admin", help="password of the administrator (default admin)")
    parser.add_argument("--xnat-version", metavar="VERSION", help="version of XNAT to be")
    parser.add_argument("--faults", type=Path, metavar="FILE", help="faults to show, as JSON")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--dir", type=Path, help="keep everything in this folder (default: a temporary one)")
    only.add_argument("--images", type=Path, metavar="DIR", help="only write the images, for the example manifests")


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


def _plan_file(text: str) -> Path:
    # By this ending apply tells a stored plan from a manifest.
    if not text.endswith(".json"):
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json")
    return Path(text)


def _rate(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)", text, re.IGNORECASE)
    if found is None or not float(found.group(1)):
        raise argparse.ArgumentTypeError(f"{text!r} is no rate like 500K or 10M")
    return float(found.group(1)) * 1024.0 ** " KMG".index(found.group(2).upper() or " ")


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value
