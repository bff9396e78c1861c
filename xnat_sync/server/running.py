"""A running server: as a context manager for tests and the demo, or for as long as the process lives."""

from __future__ import annotations

import asyncio
import shutil
import socket
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uvicorn

from xnat_sync.server.app import Application
from xnat_sync.server.faults import Faults
from xnat_sync.server.http.multipart import SPOOL
from xnat_sync.server.http.routing import Context
from xnat_sync.server.identity.login_sessions import Sessions
from xnat_sync.server.identity.preferences import Preferences
from xnat_sync.server.identity.users import add_user
from xnat_sync.server.request_log import RequestLog
from xnat_sync.server.storage.database import Store
from xnat_sync.server.storage.folder_lock import only_server_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DEFAULT_VERSION = "1.9.2.1"
PATIENCE = 10
"""For how many seconds a server that ends waits for requests that are under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """What a test holds while the server runs."""

    url: str
    context: Context

    @property
    def log(self) -> RequestLog:
        """Every request answered so far."""
        return self.context.log

    @property
    def faults(self) -> Faults:
        """The fault rules; add to them at any time."""
        return self.context.faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server is to behave; everything has a default."""

    user: str = "admin"
    password: str = "admin"  # noqa: S105 - the documented login of a throw-away server on loopback
    version: str = DEFAULT_VERSION
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def make_context(root: Path, settings: Settings, faults: Faults | None = None) -> Context:
    """Opens (or creates) the server's folder and the account that may log in."""
    root.mkdir(parents=True, exist_ok=True)
    archive, cache = root / "archive", root / "cache"
    archive.mkdir(exist_ok=True)
    cache.mkdir(exist_ok=True)
    shutil.rmtree(cache / SPOOL, ignore_errors=True)
    store = Store(root)
    with store.write() as db:
        add_user(db, "guest", None)
        add_user(db, settings.user, settings.password, admin=True, now=settings.clock().timestamp())
    preferences = Preferences(store)
    return Context(
        store=store,
        archive=archive,
        cache=cache,
        clock=settings.clock,
        preferences=preferences,
        version=settings.version,
        sessions=Sessions(
            now=lambda: settings.clock().timestamp(), timeout=lambda: preferences.seconds("sessionTimeout")
        ),
        faults=faults or Faults(),
        log=RequestLog(),
        started=settings.clock(),
    )


def uvicorn_config(application: Application) -> uvicorn.Config:
    """How the host is set up: quiet, idle connections kept as long as clients keep them, an end in short time."""
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=PATIENCE,
    )


class _Uvicorn(uvicorn.Server):
    """Tells the application when the end has come, so that what only waits does not keep it waiting."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops as the base class does."""
        self._application.stop()
        await super().shutdown(sockets)


class _Host:
    """uvicorn in a thread that stops the moment it is told to, not at its next tick."""

    def __init__(self, application: Application, listener: socket.socket) -> None:
        self._application = application
        self._config = uvicorn_config(application)
        self._listener = listener
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="xnat-server", daemon=True)

    def start(self) -> None:
        """Returns when requests are being served."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Returns when the last connection is closed."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=self._config.get_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._config.load()
        host = _Uvicorn(self._config, self._application)
        host.lifespan = self._config.lifespan_class(self._config)
        await host.startup(sockets=[self._listener])
        self._started.set()
        await self._stop.wait()
        await host.shutdown(sockets=[self._listener])


@contextmanager
def running(  # noqa: PLR0913 - the settings of a test server, keyword-only, each with a default
    root: Path,
    *,
    port: int = 0,
    user: str = "admin",
    password: str = "admin",  # noqa: S107 - see Settings
    version: str = DEFAULT_VERSION,
    faults: Faults | None = None,
    clock: Callable[[], datetime] = Settings().clock,
) -> Iterator[RunningServer]:
    """A server on loopback over the folder ``root``, ready inside the block and gone after it.

    Raises ``OSError`` when the address is taken or another server has the folder.
    """
    settings = Settings(user=user, password=password, version=version, clock=clock)
    with (
        only_server_of(root),
        socket.create_server(("127.0.0.1", port), backlog=512) as listener,
        closing(make_context(root, settings, faults)) as context,
    ):
        host = _Host(Application(context), listener)
        host.start()
        try:
            yield RunningServer(url=f"http://127.0.0.1:{listener.getsockname()[1]}", context=context)
        finally:
            host.stop()


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    settings: Settings | None = None,
    faults: Faults | None = None,
    announce: Callable[[str], None],
) -> None:
    """Serves the folder ``root`` until SIGINT or SIGTERM; ``announce`` gets the address once it can be reached.

    Raises ``OSError`` when the address is taken or another server has the folder.
    """
    with (
        only_server_of(root),
        socket.create_server((host, port), backlog=512) as listener,
        closing(make_context(root, settings or Settings(), faults)) as context,
    ):
        shown = f"[{host}]" if ":" in host else host
        announce(f"http://{shown}:{listener.getsockname()[1]}")
        application = Application(context)
        # uvicorn shuts down in order on a signal and only then passes it on.
        with suppress(KeyboardInterrupt):
            _Uvicorn(uvicorn_config(application), application).run(sockets=[listener])
