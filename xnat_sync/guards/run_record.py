"""What a run did, written down while it does it: one JSON object a line, in ``.xnat-sync/runs`` beside the manifest.

For people, for ``apply --retry``, and for whoever is asked later. Nothing else reads it: the server is the truth.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.outcome import Status
from xnat_sync.core.model.refs import Ref
from xnat_sync.local.own_folder import OwnFolder

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Outcome, Report

RECORD_FORMAT = 1
FOLDER = ".xnat-sync"
LAST = "last"
_RUNS, _IGNORE, _SUFFIX = "runs", ".gitignore", ".jsonl"
_RUN = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
_DONE = frozenset({Status.APPLIED.value, Status.UNCHANGED.value})


def state_folder(manifest: Path) -> Path:
    """The folder for what a run leaves beside a manifest (or stored plan, or folder of manifests)."""
    path = manifest.resolve()
    return (path if path.is_dir() else path.parent) / FOLDER


def check_state_folder(folder: Path) -> None:
    """Refuse a folder that leads elsewhere: a checkout may bring along a link of that name.

    Raises:
        LocalFileError: the folder, or what is kept in it, is none of ours.

    """
    OwnFolder(folder).check(_RUNS, _IGNORE)


def make_state_folder(folder: Path) -> None:
    """Make the folder, out of git's sight.

    Raises:
        LocalFileError: it, or what is kept in it, is none of ours.
        OSError: it cannot be made.

    """
    own = OwnFolder(folder)
    own.make(_RUNS)
    if not own.size(_IGNORE):
        with os.fdopen(own.open(_IGNORE), "w", encoding="utf-8") as ignore:
            ignore.write("*\n")


def new_run() -> str:
    """A name for a run: when it began, and six digits that are its own."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


class RunRecord(Listener):
    """Writes the record of one run. A folder that cannot be written costs the record and one warning, no more."""

    def __init__(self, folder: Path, run: str, plan: Plan, about: dict[str, str]) -> None:
        """Open the record; ``about`` are words for its first line (version, server, reason).

        Raises:
            LocalFileError: the folder, or what is in it, is none of ours.

        """
        self.warning = ""
        self.fingerprint = plan.fingerprint
        self._file: TextIO | None = None
        try:
            make_state_folder(folder)
            self._file = os.fdopen(OwnFolder(folder).create(f"{_RUNS}/{run}{_SUFFIX}"), "w", encoding="utf-8")
        except OSError as error:
            self._give_up(error)
        self._write(
            {
                "format_version": RECORD_FORMAT,
                "run": run,
                "project": plan.project,
                "plan_fingerprint": self.fingerprint,
                "changes": len(plan.changes),
                **about,
            }
        )
        self.tick()

    def finished(self, outcome: Outcome) -> None:
        """Note an outcome, which is written down with the next tick; a later one of the same change corrects it."""
        self._write(outcome.to_data())

    def tick(self) -> None:
        """Write down what was noted. A system call for each outcome would hold up a run of many small files."""
        try:
            if self._file is not None:
                self._file.flush()
        except OSError as error:
            self._give_up(error)

    def end(self, report: Report) -> None:
        """Write how the run ended."""
        counts = {status.value: number for status, number in report.counts.items()}
        self._write({"ended": True, "ok": report.ok, "interrupted": report.interrupted, "counts": counts})
        self.tick()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    def _write(self, data: dict[str, Any]) -> None:
        line = json.dumps({"at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", **data}, ensure_ascii=True)
        try:
            if self._file is not None:
                self._file.write(line + "\n")
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        with suppress(OSError):  # What could not be written is tried once more.
            self.close()
        self._file = None
        self.warning = f"no record of this run is kept: {error.strerror or error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a record says of its run: the changes that are done, those that are not, and whether it says so of all."""

    run: str
    project: str
    done: frozenset[Ref]
    left: frozenset[Ref]
    complete: bool

    def concerns(self, ref: Ref) -> bool:
        """Whether a change of this ref is still to be done: also if the run was killed before it spoke of it."""
        return ref in self.left or (not self.complete and ref not in self.done)


def read_past(folder: Path, run: str) -> Past:
    """Read the record of a run, ``last`` for the newest.

    Raises:
        UsageError: there is no such run, or its record cannot be understood.
        LocalFileError: the folder, or the record, is none of ours.

    """
    own = OwnFolder(folder)
    if run == LAST:
        known = [name.removesuffix(_SUFFIX) for name in own.names(_RUNS) if name.endswith(_SUFFIX)]
        if not known:
            raise UsageError(f"no run is recorded in {folder}")
        run = known[-1]
    if not _RUN.fullmatch(run):
        raise UsageError(f"{run!r} is no name of a run, like 20240301T120000Z-1a2b3c")
    try:
        whole = own.read(f"{_RUNS}/{run}{_SUFFIX}").rpartition("\n")[0]
        lines = [json.loads(line) for line in whole.split("\n")]
        statuses = {Ref.parse(line["ref"]): line["status"] for line in lines if "ref" in line}
        project = str(lines[0]["project"])
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise UsageError(f"cannot use the record of run {run}: {error}") from error
    done = frozenset(ref for ref, status in statuses.items() if status in _DONE)
    return Past(
        run=run,
        project=project,
        done=done,
        left=frozenset(statuses) - done,
        complete=any(line.get("ended") for line in lines),
    )
