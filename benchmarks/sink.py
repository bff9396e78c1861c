"""A server that takes any body, throws it away and answers 200: what is left is the client's own speed.

python -m benchmarks.sink        prints its port and runs until its standard input ends
"""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from typing import cast

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BUFFER = 1 << 20
# The same answer to everything; its content type says that something was stored.
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"


class _Sink(asyncio.BufferedProtocol):
    def __init__(self) -> None:
        self._buffer = bytearray(_BUFFER)
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        if self._left >= count:
            self._take(count)
            return
        self._head += bytes(memoryview(self._buffer)[:count])
        while self._head:
            if self._left:
                taken = min(self._left, len(self._head))
                self._head = self._head[taken:]
                self._take(taken)
                continue
            head, end, rest = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            found = _LENGTH.search(head)
            if b"100-continue" in head.lower():
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._left, self._head = int(found.group(1)) if found else 0, rest
            if not self._left:
                self._transport.write(_ANSWER)

    def _take(self, count: int) -> None:
        self._left -= count
        if not self._left:
            self._transport.write(_ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), loop.call_soon_threadsafe(ended.set)), daemon=True).start()
    await ended.wait()


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve())
