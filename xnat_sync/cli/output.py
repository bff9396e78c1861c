"""Results on standard output, as text or as one JSON document."""

from __future__ import annotations

import errno
import json
import re
import shlex
from typing import TYPE_CHECKING, Any

from xnat_sync.cli.exits import exit_of_error
from xnat_sync.core.model.errors import LocalFileError, PlanError, UsageError
from xnat_sync.core.model.refs import Level
from xnat_sync.core.text import visible
from xnat_sync.local.atomic_write import write_whole
from xnat_sync.views.problems import problems_data, problems_text, summary_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Invocation
    from xnat_sync.core.model.errors import Problem, XnatSyncError


ERROR_FORMAT = 1
# What a file system answers to a name that makes no sense, or that this account may not use.
_WRONG_PLACES = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENAMETOOLONG,
    }
)
WRITTEN_FORMAT = 1

# What is no sign: delete, the second set of control characters, and what turns the direction of writing.
_OBEYED = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def write_data(data: Mapping[str, Any], console: Console) -> None:
    """One JSON document."""
    console.out.write(json_text(data, getattr(console.out, "encoding", None) or "utf-8"))


def json_text(data: Mapping[str, Any], encoding: str = "utf-8") -> str:
    """JSON that an encoding can carry: escaped where it, or a file's name that is no text, needs that.

    Escaped is too what a terminal would obey; below the space JSON itself sees to that.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    text = _OBEYED.sub(lambda found: json.dumps(found.group())[1:-1], text)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(data, indent=2) + "\n"
    return text


def error_data(error: XnatSyncError) -> dict[str, Any]:
    """What ended a command before it had a result, as plain JSON values described by ``schemas/error.v1.json``."""
    return {
        "format_version": ERROR_FORMAT,
        "error": {
            "kind": type(error).__name__,
            "exit": int(exit_of_error(error)),
            "message": str(error),
            "path": error.path if isinstance(error, LocalFileError) else None,
            "refs": [str(ref) for ref in error.refs] if isinstance(error, PlanError) else [],
        },
    }


def written_data(
    manifest: Path, numbers: Mapping[Level, int], left_out: Sequence[str] = (), *, errors: int = 0
) -> dict[str, Any]:
    """The manifest that a command wrote, as plain JSON values described by ``schemas/written.v1.json``."""
    counts = {f"{level.noun}s": numbers.get(level, 0) for level in (Level.SUBJECT, Level.SESSION, Level.SCAN)}
    said = {"format_version": WRITTEN_FORMAT, "manifest": str(manifest), **counts}
    return {**said, "left_out": list(left_out), "errors": errors}


def write_file(path: Path, text: str, *, replace: bool = False, remedy: str = "--out names another file") -> None:
    """Write a file for the user, all of it or nothing.

    Raises:
        UsageError: it is there already and may not be replaced, or its place is none.
        OSError: this machine fails, for example since the disk is full.

    """
    try:
        write_whole(path, text, replace=replace)
    except FileExistsError:
        raise UsageError(f"{path} exists; {remedy}") from None
    except OSError as error:
        raise wrong_place(error, f"cannot write {path}") from error


def wrong_place(error: OSError, doing: str) -> UsageError | OSError:
    """The error of a place that nothing can be written to, as wrong usage; one of the disk stays what it is."""
    return UsageError(f"{doing}: {error.strerror or error}") if error.errno in _WRONG_PLACES else error


def next_step(command: str, path: Path, *, allow_roots: Iterable[Path] = (), more: Sequence[str] = ()) -> str:
    """The line that says what to type next, with the folders that a manifest may read from only when they are named."""
    roots = [word for root in allow_roots for word in ("--allow-root", str(root))]
    return f"Next: {visible(shlex.join(['xnat-sync', command, *more, *roots, str(path)]))}\n"


def write_result(data: Mapping[str, Any], text: str, invocation: Invocation, console: Console) -> None:
    """One result in the form that was asked for."""
    if invocation.format == "json":
        write_data(data, console)
    else:
        console.out.write(text)


def write_problems(problems: Sequence[Problem], invocation: Invocation, console: Console) -> None:
    """All problems of a manifest, and how many."""
    text = problems_text(problems)
    if problems:
        text += f"{summary_text(problems)}\n"
    write_result(problems_data(problems), text, invocation, console)
