"""One run at a time on a project: a lock on this machine, and a marker on the server for other machines.

Both are advisory. The local lock is one of the operating system, so that it ends with its process however that ends.
The marker is a small file in the project's resource ``xnat_sync``, written anew while the run goes on; one that has
not been for half an hour, or whose process is known to be dead, counts for nothing. Nothing depends on either: two runs
at once cost requests and confuse people, but what they do is judged by what the server holds.
"""

from __future__ import annotations

import fcntl
import getpass
import hashlib
import os
import platform
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action
from xnat_sync.core.model.errors import LocalFileError, Locked
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.lock_owner import Holder
from xnat_sync.core.model.outcome import Status
from xnat_sync.core.model.refs import Level
from xnat_sync.guards.remote_lock import Marker
from xnat_sync.local.own_folder import OwnFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xnat_sync.core.model.outcome import Outcome
    from xnat_sync.gateway.port import GatewayFactory

REFRESH_SECONDS = 600.0
_PAUSE_SECONDS = 2.0
SHORT_CHANGES, SHORT_BYTES = 10, 64 << 20
"""A run that does no more than this is short."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOptions:
    """How to take a lock: ``folder`` keeps the local one, ``wait`` is for so many seconds, ``force`` breaks others.

    A marker of our own is left on the server by a run that is not ``short``; if the project ``is_new`` and made by the
    run itself, then as soon as there is one.
    """

    folder: Path
    wait: float = 0.0
    force: bool = False
    is_new: bool = False
    short: bool = False
    clock: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], None] = field(default=time.sleep)


class Held(Listener):
    """A lock that is held. As a listener of the run it keeps the marker on the server fresh."""

    def __init__(self, marker: Marker, clock: Callable[[], float], *, waited: bool) -> None:
        self.waited = waited
        self._marker = marker
        self._clock = clock
        self._last = clock()

    def finished(self, outcome: Outcome) -> None:
        """Leave the marker in a project that was just made."""
        change = outcome.change
        if change.ref.level is Level.PROJECT and change.action is Action.CREATE and outcome.status is Status.APPLIED:
            self._marker.follow(self._clock())

    def tick(self) -> None:
        """Write the marker anew, if the last time is long enough ago, or ahead by a clock that was put back."""
        now = self._clock()
        if not 0 <= now - self._last < REFRESH_SECONDS:
            self._last = now
            self._marker.refresh(now)


@contextmanager
def locked(
    project: str, server: str, run: str, connect: GatewayFactory, options: LockOptions, tell: Listener | None = None
) -> Iterator[Held]:
    """Hold the lock of a project for the length of a block.

    Raises:
        Locked: another run holds it, and does so still after the wait.

    """
    tell = tell or Listener()
    me = _me(run, options.clock())
    name = hashlib.sha256(f"{server}\n{project}".encode()).hexdigest()[:16]
    local = _LocalLock(options.folder / f"lock-{name}", tell)
    gateway = connect()
    marker = Marker(gateway, project, me, tell, leave=not options.short)
    try:
        waited = _take(local, marker, me, options, tell)
        yield Held(marker, options.clock, waited=waited)
    finally:
        marker.release()
        local.release()
        gateway.close()


def _take(local: _LocalLock, marker: Marker, me: Holder, options: LockOptions, tell: Listener) -> bool:
    """Take both locks, waiting as long as allowed; whether that took any waiting."""
    until = options.clock() + options.wait
    waited = False
    while True:
        holder = local.take(me, force=options.force)
        if holder is None and not options.is_new:
            holder = marker.take(options.clock(), force=options.force)
            if holder is not None:
                local.release()
        if holder is None:
            return waited
        now = options.clock()
        if now >= until:
            raise Locked(
                f"another run is working on the project: {holder.words(now)}; let it end (--wait-lock SECONDS waits"
                " for it), or if it is dead say --force-unlock"
            )
        if not waited:
            tell.reading(f"waiting for another run: {holder.words(now)}")
        waited = True
        options.sleep(min(_PAUSE_SECONDS, until - now))


class _LocalLock:
    """A file that one process at a time holds locked; its content says who."""

    def __init__(self, path: Path, tell: Listener) -> None:
        self._path = path
        self._tell = tell
        self._file: int | None = None

    def take(self, me: Holder, *, force: bool) -> Holder | None:
        """Take it; who holds it otherwise. Where no file can be locked, nobody holds it.

        Raises:
            LocalFileError: what has its name is none of ours.

        """
        own = OwnFolder(self._path.parent)
        try:
            own.make()
            if force:
                own.remove(self._path.name)
            file = own.open(self._path.name)
        except OSError as error:
            self._tell.reading(f"no lock on this machine: {error.strerror}")
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = Holder.from_text(os.pread(file, 4096, 0).decode("utf-8", "replace"))
            os.close(file)
            return holder or replace(me, run="unknown", user="somebody", since=me.since)
        except OSError as error:
            os.close(file)
            self._tell.reading(f"no lock on this machine: {error.strerror}")
            return None
        self._require_ours(file)
        with suppress(OSError):  # Without room for the name of its holder it is a lock all the same.
            os.ftruncate(file, 0)
            os.pwrite(file, me.to_text().encode(), 0)
        self._file = file
        return None

    def _require_ours(self, file: int) -> None:
        """Leave a file alone that holds anything else than who held the lock before: a checkout may bring it along."""
        found = os.pread(file, 4096, 0).decode("utf-8", "replace")
        if found and Holder.from_text(found) is None:
            os.close(file)
            message = "is no lock of xnat-sync, though it has the name of one: look at what it is, then remove it"
            raise LocalFileError(message, path=str(self._path))

    def release(self) -> None:
        """Give it back. The file stays: taking it away could take it from the next holder."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def _me(run: str, now: float) -> Holder:
    user = "somebody"
    with suppress(KeyError, OSError, ImportError):  # An account without a name, as containers have.
        user = getpass.getuser()
    return Holder(run=run, user=user, host=platform.node(), machine=machine(), pid=os.getpid(), since=now, seen=now)


def machine() -> str:
    """A text that is equal for two processes that can see each other's process IDs; empty where nobody knows."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - it names no path
    return ""
