"""From arguments to exit status: the only place that catches errors."""

from __future__ import annotations

import gc
import logging
import os
import sys
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING, TextIO

from xnat_sync.cli.arguments import parse
from xnat_sync.cli.console import Console
from xnat_sync.cli.exits import Exit, exit_of_error
from xnat_sync.cli.options import Demo, Invocation
from xnat_sync.core.model.errors import LocalFileError, ManifestError, PlanError, XnatSyncError
from xnat_sync.core.text import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

REFS_SHOWN = 20


def tune_collector() -> None:
    """Let this process, which ends soon, look for cycles of garbage a hundred times less often.

    A large study is millions of objects without a cycle; looking them all through again and again took longer than
    reading them.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 1_000)


def run(arguments: Sequence[str], console: Console | None = None) -> int:
    """Run one command and return its exit status. Never raises for what a user, a file or a server did."""
    console = console or Console()
    try:
        invocation = parse(list(arguments))
    except XnatSyncError as error:
        if _wants_json(arguments):
            _write_error(error, console)
        console.err.write(f"xnat-sync: {visible(str(error))}\n")
        return exit_of_error(error)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    _log_to(console.err, debug=invocation.debug)
    try:
        return _dispatch(invocation, console)
    except XnatSyncError as error:
        _tell(error, invocation, console)
        return exit_of_error(error)
    except KeyboardInterrupt:
        console.err.write("xnat-sync: interrupted\n")
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _output_is_gone()
    except OSError as error:
        return _machine_failed(error, console)


def _dispatch(invocation: Invocation, console: Console) -> int:
    status = _carried_out(invocation, console)
    console.out.flush()
    return status


def _carried_out(invocation: Invocation, console: Console) -> int:
    if isinstance(invocation.command, Demo):
        from xnat_sync.cli.demo import demo

        return demo(invocation.command, console, run)
    from xnat_sync.cli.commands import dispatch

    return dispatch(invocation.command, invocation, console)


def _tell(error: XnatSyncError, invocation: Invocation, console: Console) -> None:
    """Say what went wrong: problems where results go, everything else on standard error, and as a document if asked."""
    if isinstance(error, ManifestError):
        from xnat_sync.cli.output import write_problems

        write_problems(error.problems, invocation, console)
        return
    if invocation.format == "json":
        _write_error(error, console)
    place = f"{error.path}: " if isinstance(error, LocalFileError) else ""
    console.err.write(f"xnat-sync: {visible(place + str(error))}\n")
    if isinstance(error, PlanError):
        for ref in error.refs[:REFS_SHOWN]:
            console.err.write(f"  {ref.level.noun} {visible(ref.short)}\n")
        if len(error.refs) > REFS_SHOWN:
            console.err.write(f"  … and {len(error.refs) - REFS_SHOWN} more\n")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether arguments that make no sense as a whole ask for JSON."""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def _write_error(error: XnatSyncError, console: Console) -> None:
    from xnat_sync.cli.output import error_data, write_data

    write_data(error_data(error), console)


class _Visible(logging.Formatter):
    """Log lines with what a terminal would obey spelled out: they quote servers."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - a method of the base class
        return visible(super().formatMessage(record))


def _log_to(stream: TextIO, *, debug: bool) -> None:
    """Log to standard error: every request when debugging, nothing but warnings otherwise."""
    logger = logging.getLogger("xnat_sync")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Visible("%(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.WARNING)
    logger.propagate = False


def _machine_failed(error: OSError, console: Console) -> int:
    """Say in words that this machine has no room, no permission or no such thing; where from is for who debugs."""
    logging.getLogger("xnat_sync").debug("this machine failed", exc_info=error)
    place = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    with suppress(OSError):
        console.err.write(f"xnat-sync: {visible(place + (error.strerror or str(error)))}\n")
    for written, stream in ((console.out, sys.stdout), (console.err, sys.stderr)):
        try:
            written.flush()
        except OSError:
            _let_go(stream)
    return Exit.UNEXPECTED


def _output_is_gone() -> int:
    """Standard output was closed early, as ``head`` does."""
    _let_go(sys.stdout)
    return Exit.UNEXPECTED


def _let_go(stream: TextIO) -> None:
    """Let a stream end nowhere that is closed or has no room: no second failure at exit, where 120 would be said."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
