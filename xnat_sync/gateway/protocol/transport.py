"""Requests, and the port through which they travel: sockets, cookies and logins are on its other side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.gateway.bodies.body import Body
    from xnat_sync.gateway.protocol.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. ``open_body`` is called anew for each try; ``size`` is what it will send, for the timeout."""

    method: str
    path: str
    query: str = ""
    open_body: Callable[[], Body | bytes] | None = None
    content_type: str = ""
    size: int = 0
    ref: Ref | None = None


class Transport(Protocol):
    """How requests travel. Its errors are `GatewayError`; an answer of any status is an answer."""

    @property
    def url(self) -> str:
        """The server's address."""
        ...

    def user(self) -> str:
        """The account, as the server names it."""
        ...

    def send(self, request: Request) -> Reply:
        """Send a request and read the answer to its end."""
        ...

    def stream(self, request: Request) -> AbstractContextManager[Iterator[bytes]]:
        """Send a request and give out the body of its answer in chunks; an error status is an error."""
        ...

    def close(self) -> None:
        """Give back connections. Safe to repeat."""
        ...
