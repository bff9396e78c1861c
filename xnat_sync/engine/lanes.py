"""Upload everything that one resource lacks, one request after another, and look at the result."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnat_sync.core.changes import Action, Change
from xnat_sync.core.errors import GatewayError, XnatSyncError
from xnat_sync.core.outcome import Outcome, Status
from xnat_sync.core.state import FileSpec, RemoteFile
from xnat_sync.core.verdict import Attempt, failed, judge_upload
from xnat_sync.engine.stop import Cancelled, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xnat_sync.core.refs import Ref
    from xnat_sync.core.schedule import Lane
    from xnat_sync.gateway.api import Gateway

BATCH_FILES = 1000
BATCH_BYTES = 1 << 30
"""An archive is closed at these marks: one request a resource almost always, yet small enough to repeat."""


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
    attempts: dict[Ref, Attempt] = field(default_factory=dict)

    def run(self) -> tuple[Outcome, ...]:
        """Send the lane's files and judge each by a listing made afterwards."""
        self.send()
        return self.judge()

    def send(self) -> None:
        """Send the lane's files, as far as nobody says stop."""
        for batch in _batches(self.lane.changes):
            if not self._send(batch):
                break

    def judge(self, held: Mapping[Ref, RemoteFile] | None = None) -> tuple[Outcome, ...]:
        """Judge each file by what the server holds: ``held`` if somebody has listed it since the sending."""
        if not self.attempts:
            return tuple(_cancelled(change) for change in self.lane.changes)
        try:
            held = self._listing() if held is None else held
            if self._mend_orphans(held):
                held = self._listing()
        except GatewayError as error:
            return self.unjudged(error)
        return tuple(self._judge(change, held) for change in self.lane.changes)

    def unjudged(self, error: GatewayError) -> tuple[Outcome, ...]:
        """The outcomes where the listing failed: nobody knows, so it is no success."""
        return tuple(self._unjudged(change, error) for change in self.lane.changes)

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
            self.attempts.update({spec.ref: Attempt(error=error) for spec in batch.files})
            return True
        for spec in batch.files:
            kept = spec.ref.label in reply.duplicates
            self.attempts[spec.ref] = Attempt(md5=reply.md5.get(spec.ref), kept=kept)
        return True

    def _told(self, count: int) -> None:
        self.stop.check()
        self.sent(count)

    def _listing(self) -> dict[Ref, RemoteFile]:
        return {file.ref: file for file in self.gateway.resource_files(self.lane.resource)}

    def _mend_orphans(self, held: Mapping[Ref, RemoteFile]) -> bool:
        """Overwrite files that the server kept although its catalog does not have them.

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
        for spec in orphans:
            self._send(_Batch(files=(spec,), overwrite=True))
        return bool(orphans)

    def _judge(self, change: Change, held: Mapping[Ref, RemoteFile]) -> Outcome:
        attempt = self.attempts.get(change.ref)
        return judge_upload(change, attempt, held.get(change.ref)) if attempt else _cancelled(change)

    def _unjudged(self, change: Change, error: GatewayError) -> Outcome:
        attempt = self.attempts.get(change.ref)
        if attempt is None:
            return _cancelled(change)
        outcome = failed(change, attempt.error or error)
        return outcome if attempt.error else replace(outcome, message=f"sent, but could not be checked: {error}")


def _cancelled(change: Change) -> Outcome:
    return Outcome(change=change, status=Status.CANCELLED, message="the run was stopped")


def _batches(changes: Sequence[Change]) -> Iterator[_Batch]:
    """Missing files in as few archives as the marks allow, all of one with the same labels; replacements one by one.

    An archive with ``overwrite=true`` would keep every replaced file in the server's cache for ever (`ZipUtils`).
    """
    missing: dict[tuple[str | None, str | None], list[FileSpec]] = {}
    for change in changes:
        if isinstance(change.wanted, FileSpec) and change.action is Action.UPLOAD:
            missing.setdefault((change.wanted.format, change.wanted.content), []).append(change.wanted)
    for specs in missing.values():
        yield from (_Batch(files=files, overwrite=False) for files in _portions(specs))
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
