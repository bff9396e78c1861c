"""The lock of a project that other machines see: one small file of each run in a resource of the project."""

from __future__ import annotations

import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Forbidden, GatewayError, LocalFileError, XnatSyncError
from xnat_sync.core.model.lock_owner import Holder
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.core.planning.prune import MARKER_RESOURCE
from xnat_sync.engine.stop import Cancelled

if TYPE_CHECKING:
    from xnat_sync.core.model.listener import Listener
    from xnat_sync.gateway.port import Gateway

_log = logging.getLogger(__name__)
_REASON = "xnat-sync: a run is working on this project"
_MOST_BYTES = 4096
_MOST_MARKERS = 20


class Marker:
    """This run's file in the resource. Each run writes its own, then looks: the one that began first goes on.

    Without ``leave`` it only heeds those of others: a run of a few requests is over before anybody looks.
    """

    def __init__(self, gateway: Gateway, project: str, me: Holder, tell: Listener, *, leave: bool) -> None:
        self._gateway = gateway
        self._resource = Ref.project_of(project).child(Level.RESOURCE, MARKER_RESOURCE)
        self._mine = self._resource.child(Level.FILE, f"{me.run}.json")
        self._me = me
        self._tell = tell
        self._leave = leave
        self._written = False

    def take(self, now: float, *, force: bool) -> Holder | None:
        """Write the marker; who else works on the project otherwise. Without the right to, nobody is known to.

        Raises:
            GatewayError: the server does not answer.

        """
        try:
            rivals = self._rivals(now, clear=True, force=force)
            if rivals or not self._leave:
                return next(iter(rivals), None)
            self._write(replace(self._me, seen=now))
            earlier = [
                rival for rival in self._rivals(now) if (rival.since, rival.run) < (self._me.since, self._me.run)
            ]
        except LocalFileError as error:
            self._tell.reading(f"no lock on the server: {error}")
            return None
        except GatewayError as error:
            if error.retryable:
                raise
            self._tell.reading(f"no lock on the server, where only owners can leave one: {error}")
            return None
        if earlier and not force:
            self.release()
            return earlier[0]
        return None

    def follow(self, now: float) -> None:
        """Leave the marker after all, in a project that was not there to be locked. Too late to give way to others."""
        if not self._leave:
            return
        try:
            self._write(replace(self._me, seen=now))
            for rival in self._rivals(now)[:1]:
                self._tell.reading(f"another run is working on the project too: {rival.words(now)}")
        except (XnatSyncError, Cancelled) as error:
            self._tell.reading(f"no lock on the server: {error}")

    def refresh(self, now: float) -> None:
        """Say that the run goes on. A failure harms nobody yet."""
        if not self._written:
            return
        try:
            self._write(replace(self._me, seen=now))
        except (XnatSyncError, Cancelled) as error:
            _log.info("the lock on the server could not be renewed: %s", error)

    def release(self) -> None:
        """Take the marker away, with the resource if it was the last."""
        if not self._written:
            return
        self._written = False
        try:
            others = [file for file in self._gateway.resource_files(self._resource) if file.ref != self._mine]
            self._gateway.delete(self._mine if others else self._resource, reason=_REASON)
        except (XnatSyncError, Cancelled) as error:
            _log.warning("the lock on the server could not be taken away: %s", error)

    def _rivals(self, now: float, *, clear: bool = False, force: bool = False) -> list[Holder]:
        """The other runs that are alive, the first first; with ``clear`` the markers of dead ones are taken away."""
        others = [file.ref for file in self._gateway.resource_files(self._resource) if file.ref != self._mine]
        holders = {ref: self._read(ref) for ref in others[:_MOST_MARKERS]}
        alive = {
            ref: holder
            for ref, holder in holders.items()
            if holder and not force and not holder.is_stale(now) and not self._is_dead(holder)
        }
        if clear:
            self._clear([ref for ref in holders if ref not in alive], of=others)
        return sorted(alive.values(), key=lambda holder: (holder.since, holder.run))

    def _clear(self, dead: list[Ref], *, of: list[Ref]) -> None:
        """Take markers away, with the resource if nothing is left of it. Who may not, leaves them: they harm nobody."""
        with suppress(Forbidden):
            for ref in [self._resource] if dead and len(dead) == len(of) else dead:
                self._gateway.delete(ref, reason=_REASON)

    def _read(self, file: Ref) -> Holder | None:
        content = b""
        try:
            with self._gateway.download(file) as chunks:
                for chunk in chunks:
                    content += chunk
                    if len(content) > _MOST_BYTES:
                        return None
        except GatewayError as error:
            if error.retryable:
                raise
            return None
        return Holder.from_text(content.decode("utf-8", "replace"))

    def _is_dead(self, holder: Holder) -> bool:
        """Whether it is a process of this machine that is no more."""
        if not holder.machine or holder.machine != self._me.machine:
            return False
        try:
            os.kill(holder.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False

    def _write(self, me: Holder) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="xnat-sync-") as folder:
                path = Path(folder) / "marker.json"
                path.write_text(me.to_text(), encoding="utf-8")
                self._send(path)
        except OSError as error:
            raise LocalFileError(error.strerror or str(error), path=str(error.filename or "")) from error

    def _send(self, path: Path) -> None:
        status = path.stat()
        spec = FileSpec(ref=self._mine, path=str(path), size=status.st_size, mtime_ns=status.st_mtime_ns)
        self._written = True
        try:
            self._gateway.upload(self._resource, [spec], overwrite=True, reason=_REASON, sent=lambda _: None)
        except GatewayError as error:
            self._written = error.retryable
            raise
