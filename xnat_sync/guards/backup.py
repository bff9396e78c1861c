"""Keep what is replaced or deleted: downloaded, held against the server's digest, before anything is sent.

Below the folder each file lies by the text of its ref: ``PROJECT/SUBJECT/SESSION/scan:2/resource:NIFTI/a.nii``; beside
the files of a deleted object lies its whole record, as the server exports it.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING

from xnat_sync.core.formats.xnat_record import holds_derived
from xnat_sync.core.model.changes import Action, Change
from xnat_sync.core.model.errors import IntegrityError, UsageError, XnatSyncError
from xnat_sync.core.model.outcome import Failure, Outcome, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.engine.pool import result_of
from xnat_sync.local.atomic_write import arriving

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.state import RemoteFile
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Reader

_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\<>|\"?*]")


def back_up(plan: Plan, folder: Path, pool: Pool[Reader]) -> Mapping[Ref, Outcome]:
    """Download what the plan replaces and deletes; the outcomes of those changes for which that failed.

    Raises:
        UsageError: the folder cannot be made.

    """
    changes = plan.of(Action.REPLACE, Action.DELETE)
    if not changes:
        return {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the backup folder: {error}") from error
    jobs = {pool.submit(_keep, change.ref, folder): change for change in changes}
    refused = {}
    for job, change in jobs.items():
        try:
            result_of(job)
        except (XnatSyncError, OSError) as error:
            refused[change.ref] = _refused(change, error)
    return refused


def _refused(change: Change, error: Exception) -> Outcome:
    message = f"could not be backed up, so it was left alone: {error}"
    return Outcome(change=change, status=Status.REFUSED, message=message, failure=Failure.GUARD)


def _keep(gateway: Reader, ref: Ref, folder: Path) -> None:
    """Keep all that goes with a ref."""
    for file in _files_of(gateway, ref):
        _download(gateway, file, folder)
    if ref.level < Level.RESOURCE:
        record = gateway.record(ref)
        if holds_derived(record):
            raise IntegrityError(f"{ref.short} holds assessments or reconstructions, whose files are not kept", ref=ref)
        with arriving(_path_of(ref, folder) / "record.xml") as target:
            target.write(record)


def _files_of(gateway: Reader, ref: Ref) -> Iterator[RemoteFile]:
    """The files that are gone when a ref is."""
    resource = ref.at(Level.RESOURCE)
    if resource:
        yield from (file for file in gateway.resource_files(resource) if ref in (resource, file.ref))
        return
    sessions = [
        held.ref
        for held in gateway.sessions(ref.project, frozenset())
        if ref in (held.ref, *held.ref.ancestors()) or held.ref in ref.ancestors()
    ]
    if ref.level is Level.SUBJECT:
        yield from gateway.own_files(ref)
    yield from (file for file in gateway.session_files(sessions) if ref in file.ref.ancestors())


def _download(gateway: Reader, file: RemoteFile, folder: Path) -> None:
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with arriving(_path_of(file.ref, folder)) as target, gateway.download(file.ref) as chunks:
        for chunk in chunks:
            digest.update(chunk)
            size += target.write(chunk)
        found = digest.hexdigest()
        if file.md5 not in (None, found) or (file.md5 is None and file.size not in (-1, size)):
            said = f"md5 {file.md5}" if file.md5 else f"{file.size} bytes"
            raise IntegrityError(f"{file.ref.short} was read as {size} bytes, md5 {found}, not {said}", ref=file.ref)
        target.flush()
        os.fsync(target.fileno())


def _path_of(ref: Ref, folder: Path) -> Path:
    """Where a ref is kept. Names that lead elsewhere, which a server may hold, are spelled out."""
    return folder.joinpath(*map(_safe, str(ref).split("/")))


def _safe(name: str) -> str:
    if not name.strip("."):
        return "%2E" * len(name) or "%"
    return _UNSAFE.sub(lambda found: f"%{ord(found.group()):02X}", name)
