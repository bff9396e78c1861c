"""Make the gateway factory that everything below is handed."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.cli.settings import EMBEDDED, Login, Server, ask_password, ca_file_of, login_of, server_of
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.gateway.resilience.throttle import Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Connection
    from xnat_sync.engine.stop import Stop


class StoppableFactory(RetryingFactory):
    """Gateways of one login that try again where that is safe, as long as nobody asks them to stop."""

    def __init__(self, connection: XnatConnection, stop: Stop) -> None:
        super().__init__(connection, sleep=stop.pause)
        self._connection = connection
        self._stop = stop

    def cut(self) -> None:
        """Break off all requests, and all waiting for another try."""
        self._stop.request()
        self._connection.cut()


@contextmanager
def connected(
    connection: Connection, console: Console, other: Server | None, stop: Stop
) -> Iterator[tuple[StoppableFactory, str]]:
    """One login for the length of a block, with the server's address as the user gave it.

    ``other`` is a server that a manifest or a stored plan names. ``embedded:DIR`` starts the embedded server over that
    folder for as long. An interrupt breaks off all requests.
    """
    server = server_of(connection, console.environ, other)
    given = server.url
    with ExitStack() as stack:
        if given.startswith(EMBEDDED):
            from xnat_sync.cli.embedded import ADMIN, running_on

            folder = Path(given.removeprefix(EMBEDDED)).absolute()
            # A stored plan means the same folder wherever it is applied.
            given = f"{EMBEDDED}{folder}"
            url = stack.enter_context(running_on(folder))
            login = Login(user=ADMIN, password=ADMIN)
        else:
            url = given
            ask = ask_password if console.stdin.isatty() else None
            login = login_of(connection, console.environ, server, ask)
        limits = Limits(bytes_a_second=connection.bwlimit, requests_a_second=connection.max_requests)
        trusted = ca_file_of(connection, console.environ) or True
        account = XnatConnection(url, user=login.user, password=login.password, verify=trusted, limits=limits)
        factory = StoppableFactory(account, stop)
        stack.callback(factory.close)
        try:
            yield factory, given
        except KeyboardInterrupt:
            factory.cut()
            raise
