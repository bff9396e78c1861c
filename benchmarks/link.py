"""A slow link in front of a server on this machine: every byte takes half a round trip in each direction.

    python -m benchmarks.link --to PORT [--rtt MS] [--rate MB]       prints its port, runs until its input ends

A new connection costs a round trip before its first byte, as a handshake does. With a rate, bytes of all connections
of one direction share it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from collections import deque
from dataclasses import dataclass
from typing import cast

HIGH_WATER = 8 << 20
"""Bytes on their way in one direction of one connection: more than any window that a kernel opens."""


@dataclass(slots=True)
class Wire:
    """One direction of the link, shared by all connections."""

    seconds_a_byte: float
    free_at: float = 0.0


class Pipe:
    """One direction of one connection: bytes come out a fixed time after they went in, in order."""

    def __init__(self, wire: Wire, delay: float) -> None:
        self._wire = wire
        self._delay = delay
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0
        self.source: asyncio.Transport | None = None
        self.target: asyncio.Transport | None = None

    def handshake(self) -> None:
        """The first byte comes a round trip later."""
        self._not_before = self._loop.time() + 3 * self._delay

    def put(self, data: bytes) -> None:
        """Take bytes, or with none the end of them."""
        now = self._loop.time()
        self._wire.free_at = max(now, self._wire.free_at) + len(data) * self._wire.seconds_a_byte
        self._queue.append((max(self._wire.free_at + self._delay, self._not_before), data))
        self._held += len(data)
        if self._held > HIGH_WATER and self.source:
            self.source.pause_reading()
        self.pump()

    def pump(self) -> None:
        """Give out what is due, and come back for the rest."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.target is None or self.target.is_closing():
            return
        now = self._loop.time()
        while self._queue and self._queue[0][0] <= now + 0.0005:
            data = self._queue.popleft()[1]
            if data:
                self.target.write(data)
            else:
                self.target.close()
            if self._held > HIGH_WATER >= self._held - len(data) and self.source:
                self.source.resume_reading()
            self._held -= len(data)
        if self._queue:
            self._timer = self._loop.call_at(self._queue[0][0], self.pump)


class End(asyncio.Protocol):
    """One end of a connection: what it gets goes into a pipe."""

    def __init__(self, into: Pipe, out_of: Pipe) -> None:
        self._into, self._out_of = into, out_of

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._into.source = self._out_of.target = cast("asyncio.Transport", transport)
        self._out_of.pump()

    def data_received(self, data: bytes) -> None:
        self._into.put(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._into.put(b"")


async def serve(to: int, round_trip: float, rate: float | None) -> None:
    """Forward connections until standard input ends."""
    loop = asyncio.get_running_loop()
    per_byte = 1 / rate if rate else 0.0
    up, down = Wire(per_byte), Wire(per_byte)
    pending: set[asyncio.Task[object]] = set()

    def accepted() -> asyncio.Protocol:
        there, back = Pipe(up, round_trip / 2), Pipe(down, round_trip / 2)
        there.handshake()
        connecting = loop.create_task(loop.create_connection(lambda: End(back, there), "127.0.0.1", to))
        pending.add(connecting)
        connecting.add_done_callback(pending.discard)
        return End(there, back)

    server = await loop.create_server(accepted, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser()
    parser.add_argument("--to", type=int, required=True)
    parser.add_argument("--rtt", type=float, default=20, help="milliseconds")
    parser.add_argument("--rate", type=float, help="MB a second")
    found = parser.parse_args()
    uvloop.run(serve(found.to, found.rtt / 1000, found.rate * 1e6 if found.rate else None))
