"""Upload everything that one resource lacks, one request after another, and look at the result."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change
from xnat_sync.core.model.errors import GatewayError, XnatSyncError
from xnat_sync.core.model.outcome import Outcome, Status
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.state import FileSpec, RemoteFile, by_ref
from xnat_sync.core.planning.confirm import Attempt, failed, judge_refresh, judge_upload
from xnat_sync.core.planning.planner import compare_file
from xnat_sync.engine.checksum_support import DigestHabit
from xnat_sync.engine.stop import Cancelled, Stop
from xnat_sync.gateway.bodies.hashed_file import hashed
from xnat_sync.gateway.port import Repair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.planning.schedule import Lane
    from xnat_sync.gateway.port import Gateway

BATCH_FILES = 1000
BATCH_BYTES = 1 << 30
"""An archive is closed at these marks: one request a resource almost always, yet small enough to repeat."""
WORTH_A_LOOK = 32 << 20
"""Bytes. Before so many are sent, a request finds out whether the server has them but does not know it."""
FEW = 8
"""Files that are overwritten one by one; for more there are cheaper ways."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Files that travel in one request."""

    files: tuple[FileSpec, ...]
    overwrite: bool


@dataclass(slots=True, kw_only=True)
class LaneRun:
    """One lane being worked off in a worker thread; ``sent`` is told about bytes as they go."""

    gateway: Gateway
    lane: Lane
    reason: str
    stop: Stop
    sent: Callable[[int], None]
    habit: DigestHabit = field(default_factory=DigestHabit)
    attempts: dict[Ref, Attempt] = field(default_factory=dict)
    _notes: dict[Ref, str] = field(default_factory=dict)
    _unmended: GatewayError | None = None
    """What kept the server from computing digests anew that are wrong or missing."""

    def run(self) -> tuple[Outcome, ...]:
        """Send the lane's files and judge each by a listing made afterwards."""
        self.send()
        return self.judge()

    def send(self) -> None:
        """Send the lane's files, as far as nobody says stop."""
        rests = self._recover()
        known = {*self.attempts, *(spec.ref for spec in rests)}
        left = [change for change in self.lane.changes if change.ref not in known]
        for batch in (*_batches(left), *_overwriting(rests)):
            if not self._send(batch):
                return
        self._refresh_digests()

    def judge(self, held: Mapping[Ref, RemoteFile] | None = None) -> tuple[Outcome, ...]:
        """Judge each file by what the server holds: ``held`` if somebody has listed it since the sending."""
        if not self.attempts:
            return tuple(_cancelled(change) for change in self.lane.changes)
        try:
            held = self._listing() if held is None else held
            held = self._mend_orphans(held)
            held = self._mend_digests(held)
        except GatewayError as error:
            return self.unjudged(error)
        return tuple(self._judge(change, held) for change in self.lane.changes)

    def unjudged(self, error: GatewayError) -> tuple[Outcome, ...]:
        """The outcomes where the listing failed: nobody knows, so it is no success."""
        return tuple(self._unjudged(change, error) for change in self.lane.changes)

    # --- sending

    def _send(self, batch: _Batch) -> bool:
        """Send one batch; false when the run is being stopped."""
        if self.stop.draining:
            return False
        try:
            reply = self.gateway.upload(
                self.lane.resource, batch.files, overwrite=batch.overwrite, reason=self.reason, sent=self._told
            )
        except Cancelled:
            return False
        except XnatSyncError as error:
            attempt = Attempt(error=error, overwrites=batch.overwrite)
            self.attempts.update(dict.fromkeys((spec.ref for spec in batch.files), attempt))
            return True
        for spec in batch.files:
            kept = spec.ref.label in reply.duplicates
            self.attempts[spec.ref] = Attempt(md5=reply.md5.get(spec.ref), kept=kept)
        return True

    def _told(self, count: int) -> None:
        self.stop.check()
        self.sent(count)

    def _listing(self) -> dict[Ref, RemoteFile]:
        return by_ref(self.gateway.resource_files(self.lane.resource))

    def _refresh(self, *repairs: Repair) -> None:
        size = sum(change.wanted.size for change in self.lane.changes if isinstance(change.wanted, FileSpec))
        self.gateway.refresh(self.lane.resource, frozenset(repairs), size=size, reason=self.reason)

    def _refresh_digests(self) -> None:
        """Do what the plan says of digests that the server does not state."""
        due = [change for change in self.lane.changes if change.action is Action.REFRESH]
        if not due or self.stop.draining:
            return
        attempt = Attempt(kept=True)
        try:
            self._refresh(Repair.DIGESTS)
        except GatewayError as error:
            attempt = Attempt(error=error)
        self.attempts.update({change.ref: attempt for change in due})

    # --- mending

    def _recover(self) -> Sequence[FileSpec]:
        """Look for the files of a large upload on the server's disk, before they are sent; what is damaged there.

        A server that ends while it writes a catalog may leave it empty; then it lists none of the files that it has
        (`CatalogUtils`). What it finds there gets no labels, so it helps only where none are wanted.
        """
        specs = [change.wanted for change in self.lane.changes if change.action is Action.UPLOAD]
        missing = [spec for spec in specs if isinstance(spec, FileSpec)]
        if sum(spec.size for spec in missing) < WORTH_A_LOOK or _labelled(missing) or self.stop.draining:
            return ()
        owner = self.lane.resource.parent
        try:
            if owner is not None and self.lane.resource in self.gateway.resources(owner):
                before = self._listing()
                held = self._catalogue(missing)
                new = [spec for spec in missing if spec.ref in held and spec.ref not in before]
                return [spec for spec in new if spec.ref not in self.attempts]
        except GatewayError as error:
            # Nothing is lost: all of it is sent.
            _log.info("could not look for files of %s: %s", self.lane.resource.short, error)
        return ()

    def _catalogue(self, specs: Sequence[FileSpec]) -> dict[Ref, RemoteFile]:
        """Have the server list what it has on disk; what fits there need not be sent.

        With digests, of which a catalogue by itself makes none (`DefaultCatalogService.refreshResourceCatalog`).
        """
        self._refresh(Repair.ENTRIES, Repair.DIGESTS)
        held = self._listing()
        for spec in specs:
            if md5 := self._proven(spec, held):
                self.attempts[spec.ref] = Attempt(md5=md5, kept=True)
                self._notes[spec.ref] = "was on the server's disk and in no catalog; it was catalogued, not sent"
        return held

    def _proven(self, spec: FileSpec, held: Mapping[Ref, RemoteFile]) -> str | None:
        """The digest by which the server proves that it has a file, ``None`` if it does not."""
        found = held.get(spec.ref)
        if found is None or found.md5 is None or found.size != spec.size:
            return None
        read = self._read(spec)
        return None if compare_file(read, found, SyncPolicy()) else read.md5

    def _read(self, spec: FileSpec) -> FileSpec:
        """A spec with the digest of its bytes: as they were sent, or else as they are now."""
        attempt = self.attempts.get(spec.ref)
        return replace(spec, md5=attempt.md5) if attempt and attempt.md5 else hashed(spec)

    def _mend_orphans(self, held: Mapping[Ref, RemoteFile]) -> Mapping[Ref, RemoteFile]:
        """Put into the catalog, or overwrite, files that the server kept although its catalog does not have them.

        Such a file lies on the server's disk since an upload whose catalog write failed (`CatalogUtils`); without
        ``overwrite`` the server would call it a duplicate for ever.
        """
        orphans = [
            change.wanted
            for change in self.lane.changes
            if isinstance(change.wanted, FileSpec)
            and change.ref not in held
            and (attempt := self.attempts.get(change.ref))
            and attempt.kept
        ]
        if len(orphans) > FEW and not _labelled(orphans):
            held = self._catalogue(orphans)
            orphans = [spec for spec in orphans if not self._proven(spec, held)]
        if not orphans:
            return held
        for batch in _overwriting(orphans):
            self._send(batch)
        note = "the rest of an interrupted upload was on the server's disk; it was overwritten"
        self._notes.update({spec.ref: note for spec in orphans})
        return self._listing()

    def _mend_digests(self, held: Mapping[Ref, RemoteFile]) -> Mapping[Ref, RemoteFile]:
        """Have digests computed anew where the server states another one than that of the bytes which it took.

        With checksums off an overwritten file keeps the digest of the old one (`CatalogUtils.addOrUpdateEntry`).
        """
        self.habit.note(held.values())
        wrong = [
            ref
            for ref, attempt in self.attempts.items()
            if attempt.md5 and (file := held.get(ref)) and file.md5 != attempt.md5
        ]
        if not wrong:
            return held
        try:
            if all(held[ref].md5 is None for ref in wrong) and not self.habit.keeps_digests(self.gateway):
                return held
            self._refresh(Repair.DIGESTS)
        except GatewayError as error:
            # It may have arrived all the same: the listing shows.
            _log.info("could not refresh the digests of %s: %s", self.lane.resource.short, error)
            self._unmended = error
        note = "the server's digest was not that of the file; it was computed anew"
        self._notes.update(dict.fromkeys(wrong, note))
        return self._listing()

    # --- judging

    def _judge(self, change: Change, held: Mapping[Ref, RemoteFile]) -> Outcome:
        attempt = self.attempts.get(change.ref)
        if attempt is None:
            return _cancelled(change)
        judge = judge_refresh if change.action is Action.REFRESH else judge_upload
        found = held.get(change.ref)
        error = self._unmended
        if error and error.retryable and found and attempt.md5 not in (None, found.md5):
            return replace(failed(change, error), message=f"sent, but its digest could not be mended: {error}")
        if attempt.error and isinstance(change.wanted, FileSpec):
            # Only the answer may have got lost.
            attempt = replace(attempt, md5=self._proven(change.wanted, held))
        outcome = judge(change, attempt, found)
        if attempt.error and attempt.overwrites and outcome.status in _DONE and not self._is_on_disk(change):
            return failed(change, attempt.error)
        note = self._notes.get(change.ref)
        return replace(outcome, message=note) if note and outcome.status in _DONE else outcome

    def _is_on_disk(self, change: Change) -> bool:
        """Whether the server has all bytes of a file that it lists; false if nobody knows."""
        try:
            return isinstance(change.wanted, FileSpec) and self.gateway.disk_size(change.ref) == change.wanted.size
        except GatewayError:
            return False

    def _unjudged(self, change: Change, error: GatewayError) -> Outcome:
        attempt = self.attempts.get(change.ref)
        if attempt is None:
            return _cancelled(change)
        outcome = failed(change, attempt.error or error)
        return outcome if attempt.error else replace(outcome, message=f"sent, but could not be checked: {error}")


_DONE = (Status.APPLIED, Status.UNCHANGED)


def _labelled(specs: Sequence[FileSpec]) -> bool:
    return any(spec.format is not None or spec.content is not None for spec in specs)


def _cancelled(change: Change) -> Outcome:
    return Outcome(change=change, status=Status.CANCELLED, message="the run was stopped")


def _overwriting(specs: Sequence[FileSpec]) -> Iterator[_Batch]:
    """Files that are on the server's disk already: a few one by one, many in archives.

    An archive keeps every file that it replaces in the server's cache for ever (`ZipUtils`), which is once as much as
    the interrupted upload; but each request costs as much as the resource has files.
    """
    if len(specs) <= FEW:
        yield from (_Batch(files=(spec,), overwrite=True) for spec in specs)
        return
    for alike in _by_labels(specs):
        yield from (_Batch(files=files, overwrite=True) for files in _portions(alike))


def _by_labels(specs: Iterable[FileSpec]) -> Iterable[list[FileSpec]]:
    found: dict[tuple[str | None, str | None], list[FileSpec]] = {}
    for spec in specs:
        found.setdefault((spec.format, spec.content), []).append(spec)
    return found.values()


def _batches(changes: Sequence[Change]) -> Iterator[_Batch]:
    """Missing files in as few archives as the marks allow, all of one with the same labels; replacements one by one.

    An archive with ``overwrite=true`` would keep every replaced file in the server's cache for ever (`ZipUtils`).
    """
    specs = (change.wanted for change in changes if change.action is Action.UPLOAD)
    for missing in _by_labels(spec for spec in specs if isinstance(spec, FileSpec)):
        yield from (_Batch(files=files, overwrite=False) for files in _portions(missing))
    for change in changes:
        if isinstance(change.wanted, FileSpec) and change.action is Action.REPLACE:
            yield _Batch(files=(change.wanted,), overwrite=True)


def _portions(specs: Sequence[FileSpec]) -> Iterator[tuple[FileSpec, ...]]:
    portion: list[FileSpec] = []
    size = 0
    for spec in specs:
        if portion and (len(portion) >= BATCH_FILES or size + spec.size > BATCH_BYTES):
            yield tuple(portion)
            portion, size = [], 0
        portion.append(spec)
        size += spec.size
    if portion:
        yield tuple(portion)
