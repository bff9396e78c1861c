"""A password from each place that it can come from, to a server that repeats it in every answer: shown nowhere."""

from __future__ import annotations

import base64
import html
import io
import re
import sys
import threading
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

SECRET = "s3cr3t-Pa55&word <x> ü"
STUDY = """\
version: 1
project: P
root: images
subjects:
  sub-01: {gender: female, resources: {R: {files: sub-01/ses-01/func/*.json}}}
"""
PLACES = ("XNAT_SYNC_PASSWORD", "XNAT_PASS", "netrc", "prompt", "keyring")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def study(images: Path, manifest: Callable[[str], Path]) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


@pytest.fixture(params=PLACES)
def planted(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, list[str]], tuple[int, str]]:
    """Run a command with the password planted in one place; status and everything that it wrote."""
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setitem(sys.modules, "keyring", None)

    def call(url: str, arguments: list[str]) -> tuple[int, str]:
        environ = {"XNAT_SYNC_SERVER": url}
        stdin: io.StringIO = io.StringIO()
        host = re.sub("https?://", "", url)
        match request.param:
            case "XNAT_SYNC_PASSWORD":
                environ |= {"XNAT_SYNC_USER": "boss", "XNAT_SYNC_PASSWORD": SECRET}
            case "XNAT_PASS":
                environ |= {"XNAT_USER": "boss", "XNAT_PASS": SECRET}
            case "netrc":
                text = f'machine {host} login boss password "{SECRET}"\n'
                (tmp_path / "netrc").write_text(text, encoding="utf-8")
            case "prompt":
                arguments = [*arguments, "--user", "boss"]
                monkeypatch.setattr("xnat_sync.cli.connect.ask_password", lambda _: SECRET)
                stdin = Terminal("yes\n")
            case _:
                arguments = [*arguments, "--user", "boss"]
                ring = types.ModuleType("keyring")
                ring.__spec__ = types.SimpleNamespace(name="keyring")  # type: ignore[assignment] # enough for find_spec
                ring.get_password = lambda *_: SECRET  # type: ignore[attr-defined] # what the package has
                monkeypatch.setitem(sys.modules, "keyring", ring)
        out, err = io.StringIO(), io.StringIO()
        status = run([*arguments, "--debug"], Console(out=out, err=err, stdin=stdin, environ=environ))
        return status, out.getvalue() + err.getvalue()

    return call


def forms(secret: str) -> set[str]:
    """A secret as it is, and as pages, addresses and headers would carry it."""
    return {
        secret,
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        base64.b64encode(f"boss:{secret}".encode()).decode(),
    }


def test_a_good_login_shows_nothing(
    server: RunningServer, http: Any, study: Path, planted: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from xnat_sync.server.identity.users import add_user

    with server.context.store.write() as db:
        add_user(db, "boss", SECRET, admin=True)
    http.auth = ("boss", SECRET.encode())
    assert http.put(f"{server.url}/data/projects/P?accessibility=private").status_code == 200
    told = ""
    for arguments in (["plan"], ["apply", "--yes", "--backup-dir", str(tmp_path / "kept")], ["verify", "--download"]):
        status, text = planted(server.url, [*arguments, str(study)])
        assert status in (0, 2), text
        told += text
    for record in (study.parent / ".xnat-sync").rglob("*"):
        told += record.read_text(encoding="utf-8") if record.is_file() else record.name
    assert "PUT /data/projects/P/subjects/sub-01" in told
    for form in forms(SECRET):
        assert form not in told


@pytest.fixture(params=["login", "later"])
def parrot(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server whose error pages repeat all that it was ever sent, at the login or after it, with a redirect on top."""
    heard: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            heard.extend((body, str(self.headers), SECRET, *forms(SECRET)))
            if request.param == "later" and self.path == "/data/services/auth":
                self.reply(200, "A" * 32, cookie="A" * 32)
            elif request.param == "later" and self.path in ("/", "/data/auth", "/data/version", "/data/JSESSION"):
                self.reply(200, "User 'boss' is logged in")
            elif self.path == "/" or self.path.startswith("/xapi"):
                self.reply(200, '"1.9"')
            else:
                self.reply(409, f"<html><h3>you sent {' '.join(heard)}</h3></html>".replace("\n", " "))

        do_GET = do_PUT = do_DELETE = do_POST = answer  # noqa: N815 - the names that http.server looks for

        def reply(self, status: int, text: str, cookie: str = "") -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status >= 400:
                self.send_header("Location", f"http://boss:{quote(SECRET, safe='')}@127.0.0.1/")
            if cookie:
                self.send_header("Set-Cookie", f"JSESSIONID={cookie}; Path=/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{made.server_address[1]}"
    made.shutdown()
    made.server_close()


def test_a_server_that_repeats_it_is_not_repeated(parrot: str, study: Path, planted: Any) -> None:
    status, told = planted(parrot, ["plan", str(study)])
    assert status in (4, 5), told
    assert "you sent" in told
    assert "•••" in told
    for form in (*forms(SECRET), "A" * 32):
        assert form not in told


def test_an_address_with_a_login_is_refused_from_everywhere_without_showing_it(study: Path) -> None:
    url = f"https://boss:{quote(SECRET, safe='')}@xnat.example.org"
    plain = study.read_text(encoding="utf-8")
    for arguments, environ, text in (
        (["--server", url], {}, plain),
        ([], {"XNAT_SYNC_SERVER": url}, plain),
        ([], {"XNAT_HOST": url}, plain),
        ([], {}, f"server: {url}\n{plain}"),
    ):
        study.write_text(text, encoding="utf-8")
        out, err = io.StringIO(), io.StringIO()
        status = run(["plan", *arguments, str(study)], Console(out=out, err=err, stdin=io.StringIO(), environ=environ))
        assert status in (3, 64)
        for form in forms(SECRET):
            assert form not in out.getvalue() + err.getvalue()
