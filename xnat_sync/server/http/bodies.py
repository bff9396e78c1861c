"""A request's body as something a worker thread can read, piece by piece, with memory flat at any size.

The event loop collects pieces of some megabytes ahead of the thread, so that receiving, hashing and writing overlap.
"""

from __future__ import annotations

import contextlib
import io
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from anyio import CapacityLimiter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from starlette.requests import Request

    from xnat_sync.server.storage.archive import Readable

T = TypeVar("T")
PIECE: Final = 2 * 1024 * 1024
_AHEAD: Final = 2
_UPLOADS: Final = 256
# Uploads wait for the network inside their thread; they must not take the threads of quick requests.
_limiter: anyio.lowlevel.RunVar[CapacityLimiter] = anyio.lowlevel.RunVar("upload threads")


class BodyAbortedError(Exception):
    """The client went away in the middle of the body."""


async def run_with_body(request: Request, work: Callable[[Readable], T]) -> T:
    """Runs ``work`` in a thread and gives it the body to read; it may leave some of it unread."""
    first, more = await _next_message(request)
    if not more:
        return await anyio.to_thread.run_sync(work, io.BytesIO(first), limiter=_upload_threads())
    send, receive = anyio.create_memory_object_stream[bytes](_AHEAD)
    outcome: list[T] = []
    failure: Exception | None = None
    async with anyio.create_task_group() as group, receive:
        group.start_soon(_pump, request, first, send)
        try:
            outcome.append(await anyio.to_thread.run_sync(work, _Body(receive), limiter=_upload_threads()))
        except Exception as error:  # noqa: BLE001 - carried out of the task group as it is
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return outcome[0]


async def _pump(request: Request, first: bytes, send: MemoryObjectSendStream[bytes]) -> None:
    """Sends the body in pieces; an empty piece says that the client is gone, the stream's end that all is there."""
    async with send:
        with contextlib.suppress(anyio.BrokenResourceError):  # nobody wants the rest
            try:
                async for piece in _pieces(request, first):
                    await send.send(piece)
            except BodyAbortedError:
                await send.send(b"")


async def _pieces(request: Request, first: bytes) -> AsyncIterator[bytes]:
    """The body in pieces; what came before the client went away is handed on before the error."""
    parts, size, more = [first], len(first), True
    lost = False
    while more:
        try:
            chunk, more = await _next_message(request)
        except BodyAbortedError:
            chunk, more, lost = b"", False, True
        parts.append(chunk)
        size += len(chunk)
        if size and (size >= PIECE or not more):
            yield b"".join(parts)
            parts, size = [], 0
    if lost:
        raise BodyAbortedError


async def _next_message(request: Request) -> tuple[bytes, bool]:
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise BodyAbortedError
    return message.get("body", b""), message.get("more_body", False)


def _upload_threads() -> CapacityLimiter:
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_UPLOADS)
        _limiter.set(limiter)
    return limiter


class _Body:
    """The thread's end of the stream."""

    def __init__(self, receive: MemoryObjectReceiveStream[bytes]) -> None:
        self._receive = receive
        self._piece = memoryview(b"")
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        if not self._piece and not self._ended:
            self._fetch()
        if size < 0 or size >= len(self._piece):
            piece, self._piece = self._piece, memoryview(b"")
        else:
            piece, self._piece = self._piece[:size], self._piece[size:]
        return bytes(piece)

    def _fetch(self) -> None:
        try:
            piece = anyio.from_thread.run(self._receive.receive)
        except anyio.EndOfStream:
            self._ended = True
            return
        if not piece:
            self._ended = True
            raise BodyAbortedError
        self._piece = memoryview(piece)
