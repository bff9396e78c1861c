"""What a server, a stored plan or a label says is shown and never obeyed; certificates are checked."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.main import run
from xnat_sync.cli.output import json_text
from xnat_sync.server.running import RunningServer, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Cli = Any

TLS = Path(__file__).parents[2] / "cases" / "tls"
STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01: {gender: female, resources: {R: {files: sub-01/ses-01/func/*.json}}}
"""


@pytest.fixture
def study(images: Path, manifest: Callable[[str], Path]) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


def obeyed(text: str) -> list[str]:
    return [char for char in text if not char.isprintable() and char != "\n"]


def test_an_error_page_cannot_drive_the_terminal(cli: Cli, study: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = "<html><h3>&#27;]0;owned&#7; \x1b[2J \x9b31m \u202eback</h3></html>".encode()
            self.send_response(404 if "auth" in self.path else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        done = cli("plan", "--debug", study, "--server", f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        server.shutdown()
        server.server_close()
    assert done.status in (4, 5)
    assert "\\x1b[2J" in done.err
    assert obeyed(done.out + done.err) == []


def test_a_servers_version_cannot_drive_the_terminal(cli: Cli, study: Path, tmp_path: Path) -> None:
    with running(tmp_path / "odd", user="boss", password="pass phrase&7", version="1.9\x1b[31m") as odd:
        done = cli("plan", study, "--server", odd.url)
    assert done.status == 0
    assert "XNAT 1.9\\x1b[31m" in done.out
    assert obeyed(done.out + done.err) == []


def test_json_carries_nothing_that_a_terminal_obeys() -> None:
    data = {"a": "\x1b[2J\x7f\x9b31m\u202e\u2028\U000e0001ü—"}
    text = json_text(data)
    assert obeyed(text) == []
    assert "ü—" in text
    assert json.loads(text) == data


def test_a_stored_plan_cannot_send_what_nobody_looked_at(cli: Cli, study: Path, tmp_path: Path) -> None:
    """A plan from elsewhere may name any file of this machine; without its digest it is not sent."""
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    data = json.loads(stored.read_text(encoding="utf-8"))
    for change in data["changes"]:
        if change["file"]:
            change["file"] |= {"md5": None, "path": "../../../etc/hostname"}
    from xnat_sync.core.model.changes import Change, Plan

    forged = Plan(
        project="P", server=data["server"], changes=tuple(Change.from_data(change) for change in data["changes"])
    )
    stored.write_text(json.dumps(forged.to_data()), encoding="utf-8")
    done = cli("apply", "--yes", stored)
    assert done.status == 64
    assert "without saying what is in them" in done.err


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "\x00", "nul", "1" * 5000])
def test_a_stored_plan_that_is_none_is_wrong_usage(cli: Cli, tmp_path: Path, text: str) -> None:
    stored = tmp_path / "plan.json"
    stored.write_text(text, encoding="utf-8")
    assert cli("apply", "--yes", stored).status == 64


# --- TLS


@pytest.fixture
def secured(server: RunningServer) -> Iterator[str]:
    """The address of the server behind TLS, with a certificate that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    door = socket.create_server(("127.0.0.1", 0))
    inner = ("127.0.0.1", int(server.url.rpartition(":")[2]))

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(outer: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(outer, server_side=True) as secure,
            closing(socket.create_connection(inner)) as plain,
        ):
            back = threading.Thread(target=pump, args=(plain, secure), daemon=True)
            back.start()
            pump(secure, plain)
            back.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"https://127.0.0.1:{door.getsockname()[1]}"
    door.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(cli: Cli, study: Path, secured: str) -> None:
    done = cli("plan", study, "--server", secured)
    assert done.status == 5
    assert "certificate verify failed" in done.err


def test_an_own_authority_is_trusted_when_asked_to(cli: Cli, study: Path, secured: str) -> None:
    trusted = TLS / "certificate.pem"
    assert cli("apply", "--yes", study, "--server", secured, "--ca-file", trusted).status == 0
    environ = {"XNAT_SYNC_CA_FILE": str(trusted)}
    assert cli("plan", "--detailed-exitcode", study, "--server", secured, environ=environ).status == 0


def test_a_file_without_certificates_is_wrong_usage(cli: Cli, study: Path, tmp_path: Path) -> None:
    for name in ("missing.pem", study.name):
        assert cli("plan", study, "--ca-file", tmp_path / name).status == 64


def test_an_option_that_is_none_cannot_drive_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", "--\x1b[31m"]) == 64
    assert obeyed(capsys.readouterr().err) == []
