"""The route table's row, the matcher on the raw path, and what a handler is given.

XNAT's router (Restlet 1.1) matches by prefix and takes the best match; what follows the template is the handler's
business (``XNATApplication``). That is why ``/projects/P/experiments/E/scans`` is the *experiment*: no longer template
fits. Segments are never percent-decoded here.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool

from xnat_sync.server.errors import XnatError
from xnat_sync.server.storage.catalog import Catalogs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from xnat_sync.server.faults import Faults
    from xnat_sync.server.identity.login_sessions import Session, Sessions
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.identity.preferences import Preferences
    from xnat_sync.server.identity.users import Credentials
    from xnat_sync.server.request_log import RequestLog
    from xnat_sync.server.storage.database import Store

    Handler = Callable[["Call"], Awaitable[Response]]

FALSE_WORDS = frozenset({"false", "0"})
MAX_BODY = 64 * 1024 * 1024
"""Largest body that is read into memory: an XML document or a form. XNAT knows no limit; a test server needs one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that outlives a request."""

    store: Store
    archive: Path
    cache: Path
    clock: Callable[[], datetime]
    preferences: Preferences
    version: str
    sessions: Sessions
    faults: Faults
    log: RequestLog
    started: datetime
    catalogs: Catalogs = field(default_factory=Catalogs)

    def close(self) -> None:
        """Lets go of the store."""
        self.store.close()


def is_at_least(version: str, wanted: str) -> bool:
    """Whether a version such as ``1.9.2.1`` or ``1.8.11-SNAPSHOT`` is ``wanted`` or later."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text.partition("-")[0]))

    return numbers(version) >= numbers(wanted)


class Query:
    """Query parameters in order, decoded; of repeated names the first wins."""

    def __init__(self, raw: str) -> None:
        self._pairs = parse_qsl(raw, keep_blank_values=True, encoding="utf-8", errors="replace")

    def get(self, name: str, default: str | None = None) -> str | None:
        """The first value of ``name``."""
        return next((value for key, value in self._pairs if key == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of ``name``."""
        return [value for key, value in self._pairs if key == name]

    def pairs(self) -> list[tuple[str, str]]:
        """All names and values in the order of the URL."""
        return list(self._pairs)

    def flag(self, name: str, *, blank: bool = False, default: bool = False) -> bool:
        """A switch: all but ``false`` and ``0`` is on; present without value is ``blank``, absent is ``default``."""
        value = self.get(name)
        if value is None:
            return default
        if not value.strip():
            return blank
        return value.strip().lower() not in FALSE_WORDS

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self._pairs)

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._pairs))  # each name once, in order


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request on its way to a handler.

    ``params`` are the raw (undecoded) template segments, ``tail`` the raw rest of the path without its first slash.
    """

    request: Request
    params: dict[str, str]
    tail: str
    query: Query
    user: User
    session: Session | None
    context: Context
    credentials: Credentials

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.method

    @property
    def path(self) -> str:
        """The raw path of the request."""
        return bytes(self.request.scope["raw_path"]).decode("latin-1")

    async def read_body(self) -> bytes:
        """The whole body; for documents and forms, not for files."""
        parts: list[bytes] = []
        size = 0
        async for part in self.request.stream():
            size += len(part)
            if size > MAX_BODY:
                raise XnatError(413)
            parts.append(part)
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Route:
    """A row of the route table.

    ``template`` is a page or begins with ``/xapi`` or ``/schemas``: exactly that path. All else lives under ``/data``
    and ``/REST`` (plain and, if ``archive``, also behind ``/archive``) and matches as a prefix.
    ``source`` names what the behaviour was read from: an XNAT class, an official test, or *inferred*.
    """

    method: str
    template: str
    handler: Handler
    source: str
    archive: bool = True

    @property
    def exact(self) -> bool:
        """Whether only the very path matches (Spring), not any path that starts with it (Restlet)."""
        return self.template == "/" or self.template.split("/")[1] in {"xapi", "schemas", "app", "login"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """What the matcher found."""

    route: Route
    params: dict[str, str]
    tail: str


@dataclass(slots=True)
class _Node:
    """One segment of the tree of templates."""

    literals: dict[str, _Node] = field(default_factory=dict)
    variables: dict[str, _Node] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """Finds the best route for a method and a raw path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rest = _Node()
        self._archive = _Node()
        self._exact = _Node()
        self.routes = tuple(routes)
        for route in self.routes:
            if route.exact:
                _plant(self._exact, route)
                continue
            _plant(self._rest, route)
            if route.archive:
                _plant(self._archive, route)

    def match(self, method: str, raw_path: str) -> Match:
        """The best match; ``XnatError`` 404 when no template fits, 405 when the method is not offered."""
        tree, segments, exact = self._root_of(raw_path)
        found = _descend(tree, segments, {}, whole=exact)
        if found is None:
            raise XnatError(404)
        node, params, used = found
        route = node.routes.get(method) or (node.routes.get("GET") if method == "HEAD" else None)
        if route is None:
            raise XnatError(405, headers={"Allow": ", ".join(sorted(node.routes))})
        return Match(route=route, params=params, tail="/".join(segments[used:]))

    def _root_of(self, raw_path: str) -> tuple[_Node, list[str], bool]:
        segments = raw_path.lstrip("/").split("/")
        if segments[0] in {"data", "REST"}:
            rest = segments[1:]
            return (self._archive, rest[1:], False) if rest[:1] == ["archive"] else (self._rest, rest, False)
        if segments[-1] == "" and len(segments) > 1:
            segments.pop()
        return self._exact, segments, True


def _plant(tree: _Node, route: Route) -> None:
    node = tree
    for segment in route.template.lstrip("/").split("/"):
        if segment.startswith("{"):
            node = node.variables.setdefault(segment.strip("{}"), _Node())
        else:
            node = node.literals.setdefault(segment, _Node())
    node.routes[route.method] = route


def _descend(
    node: _Node, segments: list[str], params: dict[str, str], *, whole: bool, used: int = 0
) -> tuple[_Node, dict[str, str], int] | None:
    """The deepest node with routes along ``segments``; literals win over variables at equal depth."""
    best = (node, params, used) if node.routes and (not whole or not segments) else None
    if not segments or (segments[0] == "" and len(segments) == 1 and not whole):
        return best
    head, rest = segments[0], segments[1:]
    branches = [(node.literals[head], params)] if head in node.literals else []
    if head:
        branches += [(child, {**params, name: head}) for name, child in node.variables.items()]
    for child, bound in branches:
        found = _descend(child, rest, bound, whole=whole, used=used + 1)
        if found is not None and (best is None or found[2] > best[2]):
            best = found
    return best


def blocking(function: Callable[[Call], Response]) -> Handler:
    """A handler from a plain function, run in a worker thread so that SQLite and disks do not stop the loop."""

    async def handler(call: Call) -> Response:
        return await run_in_threadpool(function, call)

    handler.__doc__ = inspect.getdoc(function)
    return handler


def with_body(function: Callable[[Call, bytes], Response]) -> Handler:
    """Like :func:`blocking`, for a function that also wants the whole body."""

    async def handler(call: Call) -> Response:
        body = await call.read_body()
        return await run_in_threadpool(function, call, body)

    handler.__doc__ = inspect.getdoc(function)
    return handler
