"""Trying again, where that is safe and may help.

A call whose answer got lost may or may not have had its effect. How that is settled:

- Reading: it is asked again.
- An object is put by its label, so putting it twice is putting it once. If the second try hears that it is there
  already, the first one arrived; the caller reads objects back in any case.
- A delete of what is gone is done.
- A refresh brings a catalog in line with the disk, however often.
- An upload is looked for before it is sent again: what the resource lists as it was sent has arrived. What arrived in
  part is kept by the server as a duplicate, and settled by the caller, who lists the resource when all is sent.

Waiting is *full jitter* (a random part of a span that doubles), never less than the server asks for, at the cost of one
budget for the whole run, and ends at once when the run is stopped.
"""

from __future__ import annotations

import logging
import random as _random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xnat_sync.core.model.errors import AlreadyExists, GatewayError
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.state import by_ref
from xnat_sync.core.planning.planner import compare_file
from xnat_sync.gateway.bodies.body import Meter
from xnat_sync.gateway.bodies.hashed_file import hashed
from xnat_sync.gateway.port import UploadReply
from xnat_sync.gateway.resilience.circuit_breaker import Health, is_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from xnat_sync.core.model.permissions import Rights
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteFile, RemoteObject
    from xnat_sync.gateway.port import Gateway, GatewayFactory, ImageTypes, Repair, ServerInfo

_log = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often, and how long to wait: before try 2 up to ``base`` seconds, doubled each time, never above ``cap``."""

    attempts: int = 4
    base: float = 1.0
    cap: float = 60.0
    patience: float = 300.0
    """The longest wait that a server may ask for."""
    probe_cap: float = 15.0
    """The longest wait before looking again whether a server that went away is back."""

    def delay(self, failures: int, fraction: float, retry_after: float | None = None) -> float:
        """Seconds to wait after so many failures; ``fraction``, from 0 to 1, says where in the span (*full jitter*)."""
        jittered = fraction * min(self.cap, self.base * 2.0 ** (failures - 1))
        return max(jittered, min(retry_after or 0.0, self.patience))


class Retrying:
    """A `Gateway` that repeats the calls of another one as long as their errors are `retryable`."""

    def __init__(
        self,
        gateway: Gateway,
        policy: RetryPolicy | None = None,
        *,
        health: Health | None = None,
        sleep: Callable[[float], bool | None] = time.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        """Wrap a gateway; ``sleep`` may return true, or raise, to give a waiting call up.

        ``health`` is what the gateways of one run share.
        """
        self._gateway = gateway
        self._policy = policy or RetryPolicy()
        self._health = health or Health()
        self._sleep = sleep
        self._random = random

    def _again(self, call: Callable[[], _Answer]) -> _Answer:
        failures = 0
        while True:
            self._health.check()
            try:
                answer = call()
            except GatewayError as error:
                self._health.failed(error)
                if not error.retryable:
                    raise
                failures += 1
                if failures < self._policy.attempts and self._health.may_try_again():
                    self._pause(self._policy.delay(failures, self._random(), error.retry_after), error)
                elif is_silence(error) and self._outlasted(error):
                    failures = self._policy.attempts - 1
                else:
                    raise
            else:
                self._health.answered()
                return answer

    def _pause(self, seconds: float, error: GatewayError) -> None:
        """Wait before the next try, or raise the error of the last one if nobody wants to wait."""
        _log.info("%s; trying again in %.1f s", error, seconds)
        if self._sleep(seconds):
            raise error

    def _outlasted(self, error: GatewayError) -> bool:
        """Wait for a server that answers nobody; whether it does again. False if only this request gets no answer.

        Raises:
            ServerGone: it does not come back.

        """
        tries = 0
        while self._health.is_suspect:
            tries += 1
            seconds = self._policy.delay(tries, self._random(), error.retry_after)
            self._pause(min(seconds, self._policy.probe_cap), error)
            try:
                self._gateway.server()
            except GatewayError as again:
                self._health.failed(again)
                self._health.check()
            else:
                self._health.answered()
        return tries > 0

    def server(self) -> ServerInfo:
        """See `Reader.server`."""
        return self._again(self._gateway.server)

    def rights(self, project: str) -> Rights:
        """See `Reader.rights`."""
        return self._again(lambda: self._gateway.rights(project))

    def project(self, label: str, names: frozenset[str] | None = None) -> RemoteObject | None:
        """See `Reader.project`."""
        return self._again(lambda: self._gateway.project(label, names))

    def subjects(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.subjects`."""
        return self._again(lambda: self._gateway.subjects(project, names))

    def sessions(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.sessions`."""
        return self._again(lambda: self._gateway.sessions(project, names))

    def images(
        self, project: str, types: ImageTypes | None, session_names: frozenset[str], scan_names: frozenset[str]
    ) -> tuple[RemoteObject, ...]:
        """See `Reader.images`."""
        return self._again(lambda: self._gateway.images(project, types, session_names, scan_names))

    def session_files(self, sessions: Sequence[Ref]) -> tuple[RemoteFile, ...]:
        """See `Reader.session_files`."""
        return self._again(lambda: self._gateway.session_files(sessions))

    def own_files(self, owner: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.own_files`."""
        return self._again(lambda: self._gateway.own_files(owner))

    def resource_files(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.resource_files`."""
        return self._again(lambda: self._gateway.resource_files(resource))

    def resources(self, owner: Ref) -> frozenset[Ref]:
        """See `Reader.resources`."""
        return self._again(lambda: self._gateway.resources(owner))

    def disk_files(self, session: Ref) -> Mapping[Ref, int]:
        """See `Reader.disk_files`."""
        return self._again(lambda: self._gateway.disk_files(session))

    def disk_size(self, file: Ref) -> int | None:
        """See `Reader.disk_size`."""
        return self._again(lambda: self._gateway.disk_size(file))

    def record(self, ref: Ref) -> bytes:
        """See `Reader.record`."""
        return self._again(lambda: self._gateway.record(ref))

    @contextmanager
    def download(self, file: Ref) -> Iterator[Iterator[bytes]]:
        """See `Reader.download`. Only the beginning is repeated, not a stream that breaks off."""
        with ExitStack() as stack:
            yield self._again(lambda: stack.enter_context(self._gateway.download(file)))

    def close(self) -> None:
        """See `Reader.close`."""
        self._gateway.close()

    def put_object(self, spec: ObjectSpec, *, exists: bool, fields: Mapping[str, str | None], reason: str) -> None:
        """See `Gateway.put_object`."""
        # Only of subjects and sessions does the answer mean the object itself; a scan may be there with another type.
        own = spec.ref.level in (Level.SUBJECT, Level.SESSION)
        self._put(lambda: self._gateway.put_object(spec, exists=exists, fields=fields, reason=reason), own=own)

    def put_session(self, session: ObjectSpec, scans: Sequence[ObjectSpec], *, reason: str) -> None:
        """See `Gateway.put_session`."""
        self._put(lambda: self._gateway.put_session(session, scans, reason=reason), own=True)

    def _put(self, put: Callable[[], None], *, own: bool) -> None:
        tries = 0

        def call() -> None:
            nonlocal tries
            tries += 1
            try:
                put()
            except AlreadyExists:
                if tries == 1 or not own:
                    raise
                _log.info("an earlier try had arrived")

        self._again(call)

    def upload(
        self,
        resource: Ref,
        files: Sequence[FileSpec],
        *,
        overwrite: bool,
        reason: str,
        sent: Callable[[int], None],
    ) -> UploadReply:
        """See `Gateway.upload`."""
        meter = Meter(sent)
        arrived: dict[Ref, str] = {}
        tries = 0

        def call() -> UploadReply:
            nonlocal tries
            tries += 1
            if tries > 1:
                left = [file for file in files if file.ref not in arrived]
                arrived.update(self._arrived(resource, left, overwrite=overwrite))
            left = [file for file in files if file.ref not in arrived]
            meter.rewind()
            meter(sum(file.size for file in files) - sum(file.size for file in left))
            if not left:
                return UploadReply(md5={}, duplicates=frozenset())
            return self._gateway.upload(resource, left, overwrite=overwrite, reason=reason, sent=meter)

        reply = self._again(call)
        return UploadReply(md5={**arrived, **reply.md5}, duplicates=reply.duplicates)

    def _arrived(self, resource: Ref, files: Sequence[FileSpec], *, overwrite: bool) -> dict[Ref, str]:
        """Which files a try whose answer got lost has stored, with their digests; none if that cannot be found out.

        What is overwritten may have been listed so before, with other bytes on the disk: there both have to be right.
        """
        try:
            held = by_ref(self._gateway.resource_files(resource))
            alike = (file for file in files if (found := held.get(file.ref)) and found.size == file.size)
            return {
                file.ref: file.md5
                for file in map(hashed, alike)
                if file.md5
                and not compare_file(file, found := held[file.ref], SyncPolicy())
                and (not overwrite or (found.md5 and self._gateway.disk_size(file.ref) == file.size))
            }
        except GatewayError:
            return {}

    def refresh(self, resource: Ref, repairs: frozenset[Repair], *, size: int, reason: str) -> None:
        """See `Gateway.refresh`."""
        self._again(lambda: self._gateway.refresh(resource, repairs, size=size, reason=reason))

    def delete(self, ref: Ref, *, reason: str, along: Collection[Ref] = ()) -> None:
        """See `Gateway.delete`."""
        self._again(lambda: self._gateway.delete(ref, reason=reason, along=along))


class RetryingFactory:
    """Makes the gateways of one run: each tries again, and all share what they know of the server's health."""

    def __init__(
        self,
        connect: GatewayFactory,
        policy: RetryPolicy | None = None,
        *,
        health: Health | None = None,
        sleep: Callable[[float], bool | None] = time.sleep,
    ) -> None:
        """Take a factory of gateways that do not try again; ``sleep`` as in `Retrying`."""
        self._connect = connect
        self._policy = policy
        self._health = health or Health()
        self._sleep = sleep

    def __call__(self) -> Retrying:
        """A gateway for the calling thread."""
        return Retrying(self._connect(), self._policy, health=self._health, sleep=self._sleep)

    def close(self) -> None:
        """End the login."""
        self._connect.close()
