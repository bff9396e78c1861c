"""Trying again, where that is safe and may help.

Every call of the port is safe to repeat: an object is put by its label, a delete of what is gone is done, and an upload
that may have arrived is settled by its caller, who lists the resource and looks at ``duplicates`` afterwards.
"""

from __future__ import annotations

import logging
import random as _random
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from xnat_sync.core.errors import GatewayError
from xnat_sync.gateway.body import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from xnat_sync.core.refs import Ref
    from xnat_sync.core.rights import Rights
    from xnat_sync.core.state import FileSpec, ObjectSpec, RemoteFile, RemoteObject
    from xnat_sync.gateway.api import Gateway, ImageTypes, ServerInfo, UploadReply

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
        sleep: Callable[[float], bool | None] = time.sleep,
        random: Callable[[], float] = _random.random,
    ) -> None:
        """Wrap a gateway; ``sleep`` may return true, or raise, to give a waiting call up."""
        self._gateway = gateway
        self._policy = policy or RetryPolicy()
        self._sleep = sleep
        self._random = random

    def _again(self, call: Callable[[], _Answer]) -> _Answer:
        for failures in range(1, self._policy.attempts):
            try:
                return call()
            except GatewayError as error:
                if not error.retryable:
                    raise
                seconds = self._policy.delay(failures, self._random(), error.retry_after)
                _log.info("%s; trying again in %.1f s", error, seconds)
                if self._sleep(seconds):
                    raise
        return call()

    def server(self) -> ServerInfo:
        """See `Reader.server`."""
        return self._again(self._gateway.server)

    def rights(self, project: str) -> Rights:
        """See `Reader.rights`."""
        return self._again(lambda: self._gateway.rights(project))

    def project(self, label: str) -> RemoteObject | None:
        """See `Reader.project`."""
        return self._again(lambda: self._gateway.project(label))

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

    def session_files(self, sessions: Sequence[RemoteObject]) -> tuple[RemoteFile, ...]:
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
        self._again(lambda: self._gateway.put_object(spec, exists=exists, fields=fields, reason=reason))

    def put_session(self, session: ObjectSpec, scans: Sequence[ObjectSpec], *, reason: str) -> None:
        """See `Gateway.put_session`."""
        self._again(lambda: self._gateway.put_session(session, scans, reason=reason))

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

        def call() -> UploadReply:
            meter.rewind()
            return self._gateway.upload(resource, files, overwrite=overwrite, reason=reason, sent=meter)

        return self._again(call)

    def delete(self, ref: Ref, *, reason: str) -> None:
        """See `Gateway.delete`."""
        self._again(lambda: self._gateway.delete(ref, reason=reason))
