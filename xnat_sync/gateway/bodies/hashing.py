"""MD5 of bytes that are sent at the same time: it costs more than the sending, so it has a thread of its own.

Both let go of the interpreter's lock for a chunk of some size. For small files a thread would cost more than it saves.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor

WORTH_A_THREAD = 16 << 20
"""Bytes of a file from which on a thread pays."""


class Md5Beside:
    """A digest that lags behind the bytes it is given by one chunk at most."""

    def __init__(self, size: int) -> None:
        """Begin a digest of so many bytes."""
        self._hash = hashlib.md5(usedforsecurity=False)
        self._helper = ThreadPoolExecutor(1, "xnat-sync-md5") if size >= WORTH_A_THREAD else None
        self._lagging: Future[None] | None = None

    def update(self, chunk: bytes) -> None:
        """Take more bytes, which must not change afterwards; returns before they are counted."""
        self._catch_up()
        if self._helper is None:
            self._hash.update(chunk)
        else:
            self._lagging = self._helper.submit(self._hash.update, chunk)

    def hexdigest(self) -> str:
        """The digest of all bytes so far."""
        self._catch_up()
        return self._hash.hexdigest()

    def close(self) -> None:
        """Let the thread go. Safe to repeat; the digest stays."""
        if self._helper is not None:
            self._catch_up()
            self._helper.shutdown()
            self._helper = None

    def _catch_up(self) -> None:
        if self._lagging is not None:
            self._lagging.result()
            self._lagging = None
