"""A really running server and a logged-in client for every test of the embedded server."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import requests

from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.running import RunningServer


class Client:
    """A requests session on one server, given paths instead of whole URLs."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self.session.request(method, self.url + path, **kwargs)

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("GET", path, **kwargs)

    def head(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("HEAD", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("PUT", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("POST", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> requests.Response:
        return self.request("DELETE", path, **kwargs)

    def rows(self, path: str, **kwargs: Any) -> list[dict[str, str]]:
        """The rows of a listing."""
        reply = self.get(path, **kwargs)
        assert reply.status_code == 200, reply.text
        rows: list[dict[str, str]] = reply.json()["ResultSet"]["Result"]
        return rows

    def log_in(self, user: str = "admin", password: str = "admin") -> None:
        reply = self.put("/data/services/auth", data={"username": user, "password": password})
        assert reply.status_code == 200, reply.text

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the whole run; not for tests, which take ``server``."""
    with running(tmp_path_factory.mktemp("xnat")) as started:
        yield started


@pytest.fixture
def server(shared_server: RunningServer) -> RunningServer:
    """A running server as empty as on its first day (emptying one is thirty times quicker than starting one)."""
    context = shared_server.context
    with context.store.write() as db:
        tables = [row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        kept = {"user": " WHERE login NOT IN ('admin', 'guest')", "sequence": " WHERE name <> 'user'"}
        for table in tables:
            db.execute(f"DELETE FROM {table}{kept.get(table, '')}")
    for folder in (context.archive, context.cache):
        for path in folder.iterdir():
            shutil.rmtree(path)
    context.preferences.reload()
    context.sessions.revoke_all()
    context.faults.clear()
    context.log.clear()
    return shared_server


@pytest.fixture
def http(server: RunningServer) -> Iterator[Client]:
    """A client of ``server``, logged in as admin: ``http.get("/data/projects")``."""
    with Client(server.url) as client:
        client.log_in()
        yield client


@pytest.fixture
def anonymous(server: RunningServer) -> Iterator[Client]:
    """A client of ``server`` that has not logged in."""
    with Client(server.url) as client:
        yield client
