"""What the server was asked, so that a test can assert that nothing was written."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

if TYPE_CHECKING:
    from collections.abc import Iterator

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One answered request; ``path`` and ``query`` are raw, as they came."""

    method: str
    path: str
    query: str
    status: int
    user: str

    @property
    def is_write(self) -> bool:
        """Whether the method may change something; logging in and out (`/data/services/auth`, `JSESSION`) does not."""
        if self.method in _READING:
            return False
        return not self.path.endswith(("/services/auth", "/JSESSION"))


class RequestLog:
    """A list-like record of all requests since the start or the last ``clear``; safe to use from any thread."""

    def __init__(self) -> None:
        self._entries: list[LoggedRequest] = []
        self._lock = threading.Lock()

    def append(self, entry: LoggedRequest) -> None:
        """Adds one request."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._entries.clear()

    @property
    def writes(self) -> list[LoggedRequest]:
        """The requests that may have changed something."""
        return [entry for entry in self if entry.is_write]

    @overload
    def __getitem__(self, index: int) -> LoggedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[LoggedRequest]: ...
    def __getitem__(self, index: int | slice) -> LoggedRequest | list[LoggedRequest]:
        with self._lock:
            return self._entries[index]

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))
