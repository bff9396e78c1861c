"""A stored plan: JSON in which local files are named relative to the plan's own folder, so that a checkout can move."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.cli.output import json_text
from xnat_sync.core.model.changes import Change, Plan
from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.state import FileSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write_plan(plan: Plan, path: Path) -> None:
    """Store a plan.

    Raises:
        UsageError: the file cannot be written.

    """
    folder = path.resolve().parent
    moved = _with_paths(plan, lambda local: os.path.relpath(local, folder))
    try:
        path.write_text(json_text(moved.to_data()), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the plan: {error}") from error


def read_plan(path: Path) -> Plan:
    """Read a stored plan.

    Raises:
        UsageError: the file is missing, is no plan, or was changed.

    """
    folder = path.resolve().parent
    try:
        plan = Plan.from_data(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot use {path}: {error}") from error
    if any(isinstance(change.wanted, FileSpec) and not change.wanted.md5 for change in plan.changes):
        # It could name any file of this machine, and nobody would have approved of what is in it.
        raise UsageError(f"cannot use {path}: it sends files without saying what is in them; store it with plan --out")
    return _with_paths(plan, lambda local: os.path.normpath(folder / local))


def _with_paths(plan: Plan, move: Callable[[str], str]) -> Plan:
    def moved(change: Change) -> Change:
        spec = change.wanted
        return replace(change, wanted=replace(spec, path=move(spec.path))) if isinstance(spec, FileSpec) else change

    return replace(plan, changes=tuple(moved(change) for change in plan.changes))
