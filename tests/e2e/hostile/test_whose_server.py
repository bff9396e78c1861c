"""A server that only a manifest or a stored plan names may be a stranger's: only a login kept for it goes there."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.gateway.connection.credentials import exact_login_from_netrc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any
    Manifest = Callable[..., Path]

PASSWORD = "pass phrase&7"
VARIABLES = (
    {"XNAT_SYNC_USER": "boss", "XNAT_SYNC_PASSWORD": PASSWORD},
    {"XNAT_USER": "boss", "XNAT_PASS": PASSWORD},
)


class Listening(ThreadingHTTPServer):
    """A stranger's server that keeps all that it is sent."""

    heard = b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def handle_one_request(self) -> None:
        assert isinstance(self.server, Listening)
        self.server.heard += self.rfile.readline(65536) + self.connection.recv(65536)
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.close_connection = True


@pytest.fixture
def stranger() -> Iterator[Listening]:
    server = Listening(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty netrc, and no keyring."""
    path = tmp_path / "netrc"
    path.write_text("", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(path))
    monkeypatch.setitem(sys.modules, "keyring", None)
    return path


def call(
    *words: str | Path, environ: dict[str, str] | None = None, stdin: io.StringIO | None = None
) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    console = Console(out=out, err=err, stdin=stdin or io.StringIO(), environ=environ or {})
    status = run([str(word) for word in words], console)
    return status, out.getvalue() + err.getvalue()


def naming(manifest: Manifest, url: str) -> Path:
    return manifest(f"version: 1\nproject: {{id: P, create: true}}\nserver: {url}\nsubjects: {{S: {{}}}}\n")


def stored(study: Path, server: RunningServer, changes: dict[str, Any]) -> Path:
    """A stored plan, changed by whoever can compute a fingerprint."""
    path = study.with_name("plan.json")
    status, told = call("plan", study, "--out", path, environ={**VARIABLES[0], "XNAT_SYNC_SERVER": server.url})
    assert status == 0, told
    data = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    content = {key: data[key] for key in ("project", "server", "policy", "changes", "context")}
    data["fingerprint"] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


@pytest.fixture(params=["manifest", "plan"])
def command(request: pytest.FixtureRequest, manifest: Manifest, server: RunningServer) -> Callable[[str], list[str]]:
    """A command of which only a manifest, or a plan that somebody else stored, says the server."""

    def made(url: str) -> list[str]:
        study = naming(manifest, url)
        if request.param == "manifest":
            return ["plan", str(study)]
        return ["apply", "--yes", str(stored(study, server, {"server": url}))]

    return made


@pytest.mark.parametrize("environ", VARIABLES, ids=["XNAT_SYNC_USER", "XNAT_USER"])
@pytest.mark.parametrize("netrc_text", ["", "default login boss password secret\n"])
@pytest.mark.parametrize("user", [[], ["--user", "boss"]], ids=["", "--user"])
def test_a_password_of_the_environment_is_for_a_server_that_was_named_outside(
    command: Callable[[str], list[str]],
    stranger: Listening,
    netrc: Path,
    environ: dict[str, str],
    netrc_text: str,
    user: list[str],
) -> None:
    netrc.write_text(netrc_text, encoding="utf-8")
    status, told = call(*command(stranger.url), *user, environ=environ)
    assert status == 4, told
    assert f"set XNAT_SYNC_SERVER={stranger.url}" in told
    assert PASSWORD not in told
    assert stranger.heard == b""


@pytest.mark.parametrize("where", ["--server", "XNAT_SYNC_SERVER", "XNAT_HOST"])
def test_it_goes_there_once_the_same_server_was_named(
    command: Callable[[str], list[str]], server: RunningServer, where: str
) -> None:
    words, environ = command(server.url), dict(VARIABLES[0])
    if where == "--server":
        words += ["--server", server.url]
    else:
        environ[where] = server.url
    status, told = call(*words, environ=environ)
    assert status == 0, told


def test_a_stored_plan_for_another_server_than_was_named_is_refused(
    manifest: Manifest, server: RunningServer, stranger: Listening
) -> None:
    plan = stored(naming(manifest, server.url), server, {"server": stranger.url})
    status, told = call("apply", "--yes", plan, environ={**VARIABLES[0], "XNAT_SYNC_SERVER": server.url})
    assert status == 7, told
    assert stranger.heard == b""


def entries(url: str) -> list[str]:
    host = url.removeprefix("http://")
    return [f"machine {host} login boss password", f"machine {url} login boss password"]


@pytest.mark.parametrize("form", [0, 1], ids=["host:port", "address"])
@pytest.mark.parametrize("environ", [{}, {"XNAT_SYNC_USER": "other", "XNAT_SYNC_PASSWORD": "wrong"}], ids=["", "both"])
def test_an_entry_of_netrc_for_this_very_server_is_used(
    command: Callable[[str], list[str]], server: RunningServer, netrc: Path, form: int, environ: dict[str, str]
) -> None:
    words = command(server.url)
    netrc.write_text(f'{entries(server.url)[form]} "{PASSWORD}"\n', encoding="utf-8")
    status, told = call(*words, environ=environ)
    assert status == 0, told


@pytest.mark.parametrize(
    ("name", "url", "is_for_it"),
    [
        ("xnat.example.org", "https://xnat.example.org", True),
        ("xnat.example.org", "https://XNAT.example.org:443/xnat", True),
        ("xnat.example.org:443", "https://xnat.example.org", True),
        ("https://xnat.example.org", "https://xnat.example.org/xnat", True),
        ("https://xnat.example.org/", "https://xnat.example.org", True),
        ("xnat.example.org:8443", "https://xnat.example.org:8443", True),
        ("xnat.example.org:8080", "http://xnat.example.org:8080", True),
        ("http://xnat.example.org", "http://xnat.example.org", True),
        ("xnat.example.org", "http://xnat.example.org", False),
        ("xnat.example.org", "https://xnat.example.org:8443", False),
        ("xnat.example.org", "http://xnat.example.org:443", False),
        ("xnat.example.org:443", "http://xnat.example.org:443", False),
        ("https://xnat.example.org", "http://xnat.example.org", False),
        ("https://xnat.example.org:8443", "http://xnat.example.org:8443", False),
        ("xnat.example.org:8080", "http://xnat.example.org:8081", False),
        ("xnat.example.org:8080", "http://xnat.example.org", False),
        ("xnat.example.org", "https://xnat.example.org.evil.net", False),
        ("example.org", "https://xnat.example.org", False),
        ("default", "https://default", False),
        ("default", "https://xnat.example.org", False),
    ],
)
def test_which_entry_of_netrc_is_for_which_server(netrc: Path, name: str, url: str, is_for_it: bool) -> None:
    word = "default" if name == "default" else f"machine {name}"
    netrc.write_text(f"{word} login me password secret\n", encoding="utf-8")
    assert exact_login_from_netrc(url) == (("me", "secret") if is_for_it else None)
    assert exact_login_from_netrc(url, "another") is None


def test_a_keyring_has_one_entry_for_one_server(
    command: Callable[[str], list[str]], server: RunningServer, monkeypatch: pytest.MonkeyPatch, stranger: Listening
) -> None:
    asked: list[str] = []

    def kept(service: str, _user: str) -> str | None:
        asked.append(service)
        return PASSWORD if service == server.url else None

    ring = types.ModuleType("keyring")
    ring.__spec__ = types.SimpleNamespace(name="keyring")  # type: ignore[assignment] # enough for find_spec
    ring.get_password = kept  # type: ignore[attr-defined] # what the package has
    monkeypatch.setitem(sys.modules, "keyring", ring)
    assert call(*command(server.url), "--user", "boss")[0] == 0
    assert call(*command(stranger.url), "--user", "boss")[0] == 64
    assert asked[-1] == stranger.url
    assert stranger.heard == b""


def test_who_types_a_password_sees_where_it_goes(
    command: Callable[[str], list[str]], server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return PASSWORD

    monkeypatch.setattr("xnat_sync.cli.connect.ask_password", ask)
    words = command(server.url)
    status, told = call(*words, "--user", "boss", environ=dict(VARIABLES[0]), stdin=Terminal())
    assert status == 0, told
    (question,) = asked
    assert server.url in question
    assert "which the" in question


@pytest.mark.parametrize("word", ["embedded:", "embedded:database"])
def test_no_plan_makes_a_database(
    manifest: Manifest, server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    plan = stored(naming(manifest, server.url), server, {"server": word})
    monkeypatch.chdir(tmp_path)
    status, told = call("apply", "--yes", plan)
    assert status == 64
    assert f"say --server {word}" in told
    assert not (tmp_path / "database").exists()


def test_no_manifest_makes_a_database(manifest: Manifest, tmp_path: Path) -> None:
    status, told = call("plan", naming(manifest, f"embedded:{tmp_path / 'database'}"))
    assert status == 3
    assert "XS038" in told
    assert not (tmp_path / "database").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"server": None},
        {"server": 3},
        {"server": ""},
        {"policy": {"compare": "size", "only": [3], "disk": False}},
        {"format_version": 1},
        {"project": None},
    ],
)
def test_a_plan_of_odd_values_is_refused_in_words(
    manifest: Manifest, server: RunningServer, changes: dict[str, Any]
) -> None:
    plan = stored(naming(manifest, server.url), server, changes)
    status, told = call("apply", "--yes", plan, environ=dict(VARIABLES[0]))
    assert status == 64
    assert "Traceback" not in told
    assert "plan again" in told or "format_version" not in changes


def test_a_stored_plan_sends_no_file_from_elsewhere(
    images: Path, manifest: Manifest, server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = manifest(
        "version: 1\nproject: {id: P, create: true}\nroot: images\n"
        "subjects: {S: {resources: {R: {files: sub-01/ses-01/func/*.json}}}}\n"
    )
    assert images.is_dir()
    named = {**VARIABLES[0], "XNAT_SYNC_SERVER": server.url}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    status, told = call("plan", study, "--out", "plan.json", environ=named)
    assert status == 0, told
    (line,) = [line for line in told.splitlines() if line.startswith("Next:")]
    assert line.split()[2:4] == ["apply", "--allow-root"]
    status, told = call("apply", "--yes", "plan.json", environ=named)
    assert status == 3
    assert line.split()[4] in told
    assert call("apply", "--yes", *line.split()[3:], environ=named)[0] == 0
