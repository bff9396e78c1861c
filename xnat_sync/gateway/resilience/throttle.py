"""How fast the requests of one login may go: as many at a time as the server stands, and no faster than was allowed.

All threads share one `Pace`; each has its transport wrapped in a `Paced`.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Throttled, Unreachable
from xnat_sync.gateway.bodies.body import CHUNK, Body

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xnat_sync.gateway.protocol.replies import Reply
    from xnat_sync.gateway.protocol.transport import Request, Transport

_OVERLOADED = (429, 503)
_PIECES_A_SECOND = 10
_SMALLEST_PIECE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What was asked of us: bytes and requests a second, over all threads; ``None`` is as fast as it goes."""

    bytes_a_second: float | None = None
    requests_a_second: float | None = None


@dataclass(slots=True)
class Turn:
    """One request under way: whether its answer said that the server is overloaded, and since when it is under way."""

    round: int
    overloaded: bool = False


class Pace:
    """The pace of all requests of one login.

    Requests at a time are not limited until the server says that it is overloaded, or does not answer: then to half of
    those that were under way. Each full round of good answers allows one more (as TCP does: additive increase,
    multiplicative decrease).
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Begin without a limit of our own; ``sleep`` may raise to give a waiting request up."""
        limits = limits or Limits()
        self._clock = clock
        self._sleep = sleep
        self._changed = threading.Condition()
        self._under_way = 0
        self._round = 0
        self._allowed: float | None = None
        self._requests = _Tap(limits.requests_a_second)
        self._bytes = _Tap(limits.bytes_a_second)
        rate = limits.bytes_a_second
        self.piece = CHUNK if rate is None else min(CHUNK, max(_SMALLEST_PIECE, int(rate / _PIECES_A_SECOND)))
        """How many bytes to move at a time, so that they flow and do not come in gushes."""

    @property
    def meters_bytes(self) -> bool:
        """Whether bytes flow at a rate."""
        return self._bytes.rate is not None

    @property
    def allowed(self) -> int | None:
        """Requests at a time, ``None`` while there is no limit."""
        return None if self._allowed is None else int(self._allowed)

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Wait for one's turn to send a request; how it ends teaches how many at a time are good."""
        with self._changed:
            self._changed.wait_for(lambda: self._allowed is None or self._under_way < int(self._allowed))
            self._under_way += 1
            turn = Turn(self._round)
        good = False
        try:
            self._wait(self._requests, 1)
            yield turn
            good = not turn.overloaded
        except (Throttled, Unreachable):
            turn.overloaded = True
            raise
        finally:
            with self._changed:
                self._learn(turn, good=good)
                self._under_way -= 1
                self._changed.notify_all()

    def moved(self, count: int) -> None:
        """So many bytes are about to go, or came: wait as long as that takes at the pace that was allowed."""
        self._wait(self._bytes, count)

    def _wait(self, tap: _Tap, amount: int) -> None:
        if tap.rate is not None:
            with self._changed:
                seconds = tap.draw(amount, self._clock())
            if seconds > 0:
                self._sleep(seconds)

    def _learn(self, turn: Turn, *, good: bool) -> None:
        # Those that fail together speak of one and the same overload.
        if turn.overloaded and turn.round == self._round:
            self._round += 1
            self._allowed = max(1.0, min(self._allowed or self._under_way, self._under_way) / 2)
        elif good and self._allowed is not None:
            self._allowed += 1 / self._allowed


class _Tap:
    """Something that flows at a rate. What is drawn flows after all that was drawn before."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._free_at = 0.0

    def draw(self, amount: int, now: float) -> float:
        """How many seconds from now the amount may begin to flow."""
        assert self.rate
        begin = max(now, self._free_at)
        self._free_at = begin + amount / self.rate
        return begin - now


class Paced:
    """A `Transport` that sends the requests of another one at a pace."""

    def __init__(self, transport: Transport, pace: Pace) -> None:
        self._transport = transport
        self._pace = pace

    @property
    def url(self) -> str:
        """See `Transport.url`."""
        return self._transport.url

    def user(self) -> str:
        """See `Transport.user`."""
        return self._transport.user()

    def send(self, request: Request) -> Reply:
        """See `Transport.send`."""
        with self._pace.turn() as turn:
            reply = self._transport.send(self._slowed(request))
            turn.overloaded = reply.status in _OVERLOADED
        return reply

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        """See `Transport.stream`. Only the answer's head takes a turn: who reads may send other requests meanwhile."""
        with ExitStack() as stack:
            with self._pace.turn():
                chunks = stack.enter_context(self._transport.stream(request))
            yield self._measured(chunks)

    def close(self) -> None:
        """See `Transport.close`."""
        self._transport.close()

    def _measured(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._pace.moved(len(chunk))
            yield chunk

    def _slowed(self, request: Request) -> Request:
        open_body = request.open_body
        if open_body is None or not self._pace.meters_bytes:
            return request

        def slowed() -> Body | bytes:
            body = open_body()
            if isinstance(body, bytes):
                self._pace.moved(len(body))
                return body
            return _PacedBody(body, self._pace)

        return replace(request, open_body=slowed)


class _PacedBody(Body):
    """A body that gives itself out no faster than the pace allows."""

    def __init__(self, body: Body, pace: Pace) -> None:
        super().__init__(lambda _: None)
        self._body = body
        self._pace = pace

    def __len__(self) -> int:
        return len(self._body)

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._body.read(self._pace.piece if size < 0 else min(size, self._pace.piece))
        self._pace.moved(len(chunk))
        return chunk

    def close(self) -> None:
        self._body.close()
