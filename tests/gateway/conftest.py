"""The embedded server, and connections to it that end with the test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xnat_sync.server.running import RunningServer

PASSWORD = "s3cret & only-here"


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("xnat"), password=PASSWORD) as server:
        yield server


@pytest.fixture
def server(host: RunningServer) -> Iterator[RunningServer]:
    """The server without faults, without a past and without sessions."""
    host.log.clear()
    yield host
    host.faults.clear()
    host.context.sessions.revoke_all()


@pytest.fixture
def connect(server: RunningServer) -> Iterator[Callable[..., XnatConnection]]:
    with ExitStack() as stack:

        def make(user: str | None = "admin", password: str | None = PASSWORD, **options: Any) -> XnatConnection:
            connection = XnatConnection(server.url, user, password, **options)
            stack.callback(connection.close)
            return connection

        yield make
