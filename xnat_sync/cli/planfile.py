"""A stored plan: JSON in which local files are named relative to the plan's own folder, so that a checkout can move."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.cli.output import json_text, write_file
from xnat_sync.core.model.changes import Change, Plan
from xnat_sync.core.model.errors import LocalFileError, UsageError
from xnat_sync.core.model.state import FileSpec
from xnat_sync.manifest.surroundings import ROOTS_VARIABLE, Fence

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path


def write_plan(plan: Plan, path: Path) -> None:
    """Store a plan, in the place of an older one; raises as `write_file`."""
    folder = path.resolve().parent
    moved = _with_paths(plan, lambda local: os.path.relpath(local, folder))
    write_file(path, json_text(moved.to_data()), replace=True)


def read_plan(path: Path, allow_roots: Sequence[Path] = ()) -> Plan:
    """Read a stored plan. Its files lie where those of a manifest beside it may lie, or in one of some folders.

    Raises:
        UsageError: the file is missing, is no plan, or was changed.
        LocalFileError: it sends files from elsewhere.

    """
    folder = path.resolve().parent
    try:
        plan = Plan.from_data(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot use {path}: {error}") from error
    if not all(spec.md5 for spec in _files_of(plan)):
        # It could name any file of this machine, and nobody would have approved of what is in it.
        raise UsageError(f"cannot use {path}: it sends files without saying what is in them; store it with plan --out")
    plan = _with_paths(plan, lambda local: os.path.normpath(folder / local))
    _check_places(plan, Fence([path], allow_roots))
    return plan


def _check_places(plan: Plan, fence: Fence) -> None:
    """A stored plan may come from a stranger as a manifest may."""
    folders = {os.path.dirname(spec.path) for spec in _files_of(plan)}  # noqa: PTH120 - plain text, a million of them
    outside = sorted(folder for folder in folders if not fence.admits(folder))
    if outside:
        root = shlex.quote(os.path.commonpath([os.path.realpath(folder) for folder in outside]))
        message = (
            "the stored plan sends files from there, outside of this folder, the plan's folder and its git checkout; if"
            f" that is meant, say --allow-root {root}, or set {ROOTS_VARIABLE} to it"
        )
        raise LocalFileError(message, path=outside[0])


def _files_of(plan: Plan) -> Iterator[FileSpec]:
    return (change.wanted for change in plan.changes if isinstance(change.wanted, FileSpec))


def _with_paths(plan: Plan, move: Callable[[str], str]) -> Plan:
    def moved(change: Change) -> Change:
        spec = change.wanted
        return replace(change, wanted=replace(spec, path=move(spec.path))) if isinstance(spec, FileSpec) else change

    return replace(plan, changes=tuple(moved(change) for change in plan.changes))
