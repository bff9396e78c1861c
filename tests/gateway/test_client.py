"""The road to the server: logins, sessions that end, broken roads, and secrets that stay where they are."""

from __future__ import annotations

import gc
import inspect
import logging
import os
import re
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests.exceptions
import xnat.exceptions

from xnat_sync.core.model.errors import (
    Forbidden,
    GatewayError,
    NotAuthenticated,
    NotFound,
    Rejected,
    ServerFault,
    Throttled,
    UnexpectedReply,
    Unreachable,
    UsageError,
)
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec
from xnat_sync.gateway.connection import connection, http, translation
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.connection.credentials import Endpoint
from xnat_sync.gateway.protocol.replies import Reply, error_of
from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from xnat_sync.gateway.protocol.rest import RestGateway
    from xnat_sync.server.running import RunningServer

    Connect = Callable[..., XnatConnection]

P = Ref.project_of("P")
RESOURCE = P.child(Level.RESOURCE, "R")
PASSWORD = "s3cret & only-here"


def logins(server: RunningServer) -> int:
    return sum(entry.method == "PUT" and entry.path.endswith("/services/auth") for entry in server.log)


def make_project(gateway: RestGateway) -> None:
    gateway.put_object(ObjectSpec(ref=P, xsi_type="xnat:projectData"), exists=False, fields={}, reason="test")


def local(folder: Path, content: bytes, name: str = "x") -> FileSpec:
    (folder / name).write_bytes(content)
    return FileSpec(ref=RESOURCE.child(Level.FILE, name), path=str(folder / name), size=len(content))


def send(gateway: RestGateway, *files: FileSpec, told: list[int] | None = None) -> None:
    sink = told.append if told is not None else lambda _: None
    gateway.upload(RESOURCE, files, overwrite=True, reason="test", sent=sink)


# --- login


def test_nothing_is_sent_before_the_first_call_and_one_login_serves_all_threads(
    server: RunningServer, connect: Connect
) -> None:
    connection = connect()
    assert len(server.log) == 0

    def read(_: int) -> str:
        gateway = connection()
        try:
            return gateway.server().user
        finally:
            gateway.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, range(24))) == {"admin"}
    assert logins(server) == 1
    connection.close()
    connection.close()
    assert [entry.path for entry in server.log if entry.method == "DELETE"] == ["/data/JSESSION"]
    assert server.context.sessions.of("admin") == []


def test_a_closed_connection_does_not_log_in_again(server: RunningServer, connect: Connect) -> None:
    connection = connect()
    connection.close()
    with pytest.raises(NotAuthenticated):
        connection().server()
    assert len(server.log) == 0


def test_a_refused_login_is_tried_once(server: RunningServer, connect: Connect) -> None:
    connection = connect(password="wrong")
    for _ in range(3):
        with pytest.raises(NotAuthenticated) as caught:
            connection().server()
        assert "wrong" not in str(caught.value)
    assert logins(server) == 1


def test_a_server_that_is_down_for_a_moment_is_not_taken_for_a_refusal(server: RunningServer, connect: Connect) -> None:
    server.faults.add(Fault(kind=FaultKind.STATUS, path="^/data/(services/auth|auth)", times=3, status=503))
    connection = connect()
    with pytest.raises(Throttled):
        connection().server()
    assert connection().server().user == "admin"


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(Unreachable) as caught:
        XnatConnection("http://127.0.0.1:1", "u", PASSWORD)().server()
    assert PASSWORD not in str(caught.value)
    assert str(caught.value).endswith(": [Errno 111] Connection refused")


@pytest.mark.parametrize(
    "url", ["", "xnat", "ftp://host", "http://", "http://u:p@host", "http://host?x=1", "http://[x"]
)
def test_an_address_that_is_none_is_said_so_offline(url: str) -> None:
    with pytest.raises(UsageError):
        XnatConnection(url, "u", "p")


def test_the_login_comes_from_netrc_by_host_and_port(
    server: RunningServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = server.url.removeprefix("http://")
    file = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: pytest.fail("it asked for a password"))
    with pytest.raises(UsageError, match="no login"):
        connect(None, None)
    file.write_text(f'machine {host} login admin password "{PASSWORD}"\n')
    file.chmod(0o600)
    assert connect(None, None)().server().user == "admin"
    assert connect("admin", None)().server().user == "admin"
    with pytest.raises(UsageError, match="no login for other"):
        connect("other", None)
    file.write_text("machine")
    with pytest.raises(UsageError, match="cannot be read"):
        connect(None, None)


def test_netrc_never_adds_a_password_to_requests(
    server: RunningServer, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "netrc"
    file.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(file))
    connect()().server()
    assert {entry.user for entry in server.log} <= {"admin", "guest", ""}
    asked_without_login = ("/data/version", "/data/services/auth")
    assert all(entry.status < 400 or entry.path in asked_without_login for entry in server.log)


# --- sessions that end


def test_an_ended_session_is_renewed_once_for_all_threads(server: RunningServer, connect: Connect) -> None:
    connection = connect()
    make_project(connection())
    gateways = [connection() for _ in range(8)]
    for gateway in gateways:
        gateway.project("P")
    server.context.sessions.revoke_all()
    server.log.clear()
    barrier = threading.Barrier(8)

    def read(gateway: RestGateway) -> bool:
        barrier.wait()
        return gateway.project("P") is not None

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, gateways)) == [True] * 8
    assert logins(server) == 1


@pytest.mark.parametrize("kind", [FaultKind.LOGIN_PAGE, FaultKind.ANONYMOUS])
def test_a_login_page_or_an_anonymous_session_is_no_answer(
    server: RunningServer, connect: Connect, kind: FaultKind
) -> None:
    gateway = connect()()
    make_project(gateway)
    server.faults.add(Fault(kind=kind, path="^/data/projects/P$"))
    assert gateway.project("P")
    server.faults.add(Fault(kind=kind, path="^/data/projects/P/subjects/S$", method="PUT"))
    subject = P.child(Level.SUBJECT, "S")
    gateway.put_object(
        ObjectSpec(ref=subject, xsi_type="xnat:subjectData"), exists=False, fields={"group": "x"}, reason="test"
    )
    (held,) = gateway.subjects("P", frozenset({"group"}))
    assert held.fields == {"group": "x"}


def test_a_server_that_ends_every_session_is_given_up(server: RunningServer, connect: Connect) -> None:
    gateway = connect()()
    gateway.server()
    server.log.clear()
    server.faults.add(Fault(kind=FaultKind.LOGIN_PAGE, path="^/data/projects/P$", times=0))
    with pytest.raises(ServerFault):
        gateway.project("P")
    assert logins(server) < 4
    for _ in range(4):
        with pytest.raises(ServerFault):
            gateway.project("P")
    with pytest.raises(NotAuthenticated):
        gateway.project("P")
    gateway.server()
    with pytest.raises(ServerFault):
        gateway.project("P")


def test_a_refusal_of_what_was_accepted_before_is_doubted_but_not_for_long(
    server: RunningServer, connect: Connect
) -> None:
    gateway = connect()()
    gateway.server()
    server.log.clear()
    for times in (2, 3):
        server.context.sessions.revoke_all()
        server.faults.add(Fault(kind=FaultKind.STATUS, method="PUT", path="/services/auth$", status=401, times=times))
        for _ in range(2):
            with pytest.raises(ServerFault, match="accepted before"):
                gateway.project("P")
        if times == 2:
            gateway.project("P")
    for _ in range(3):
        with pytest.raises(NotAuthenticated):
            gateway.project("P")
    assert logins(server) == 3 + 3


def test_a_page_in_the_place_of_a_session_is_a_fault_of_the_server(server: RunningServer, connect: Connect) -> None:
    page = Fault(kind=FaultKind.LOGIN_PAGE, method="PUT", path="/services/auth")
    server.faults.add(page)
    gateway = connect()()
    with pytest.raises(UnexpectedReply, match="no session"):
        gateway.server()
    gateway.server()
    server.context.sessions.revoke_all()
    server.faults.add(page)
    with pytest.raises(ServerFault, match="no session"):
        gateway.server()
    gateway.server()


def test_an_upload_whose_session_ended_is_sent_again_from_the_start(
    server: RunningServer, connect: Connect, tmp_path: Path
) -> None:
    gateway = connect()()
    make_project(gateway)
    content = os.urandom(3_000_000)
    for files in ([local(tmp_path, content)], [local(tmp_path, content), local(tmp_path, b"", "empty")]):
        server.context.sessions.revoke_all()
        told: list[int] = []
        send(gateway, *files, told=told)
        assert sum(told) == len(content)
        with gateway.download(files[0].ref) as chunks:
            assert b"".join(chunks) == content


def test_an_upload_that_is_refused_by_hanging_up_is_sent_again_only_if_the_session_ended(
    server: RunningServer, connect: Connect, tmp_path: Path
) -> None:
    gateway = connect()()
    make_project(gateway)
    server.faults.add(Fault(kind=FaultKind.DROP_BEFORE, method="PUT", path="/files/x$"))
    server.context.sessions.revoke_all()
    told: list[int] = []
    send(gateway, local(tmp_path, b"abc"), told=told)
    assert told == [3, -3, 3]
    server.faults.add(Fault(kind=FaultKind.DROP_BEFORE, method="PUT", path="/files/x$"))
    with pytest.raises(Unreachable, match="Connection aborted"):
        send(gateway, local(tmp_path, b"abc"))


def test_a_download_whose_session_ended_gives_the_file(server: RunningServer, connect: Connect, tmp_path: Path) -> None:
    gateway = connect()()
    make_project(gateway)
    page = b"<!DOCTYPE html>\n<html>an uploaded page, not a login page</html>"
    send(gateway, local(tmp_path, page, "page.html"))
    server.context.sessions.revoke_all()
    with gateway.download(RESOURCE.child(Level.FILE, "page.html")) as chunks:
        assert b"".join(chunks) == page
    server.faults.add(Fault(kind=FaultKind.LOGIN_PAGE, path="page.html"))
    with gateway.download(RESOURCE.child(Level.FILE, "page.html")) as chunks:
        assert b"".join(chunks) == page


# --- broken roads


@pytest.mark.parametrize("kind", [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.CUT_BODY])
def test_a_broken_connection_is_unreachable_and_the_next_call_works(
    server: RunningServer, connect: Connect, kind: FaultKind
) -> None:
    gateway = connect()()
    make_project(gateway)
    server.faults.add(Fault(kind=kind, path="^/data/projects/P$"))
    with pytest.raises(Unreachable) as caught:
        gateway.project("P")
    assert caught.value.ref == P
    assert gateway.project("P")


# The embedded server leaves its own file to the garbage collector when it cuts an answer off.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_download_that_breaks_off_is_unreachable(server: RunningServer, connect: Connect, tmp_path: Path) -> None:
    gateway = connect()()
    make_project(gateway)
    file = local(tmp_path, bytes(3_000_000))
    send(gateway, file)
    server.faults.add(Fault(kind=FaultKind.CUT_BODY, path="/files/x$"))
    with pytest.raises(Unreachable), gateway.download(file.ref) as chunks:
        b"".join(chunks)
    gc.collect()


def test_a_silent_server_is_given_up(server: RunningServer, connect: Connect) -> None:
    gateway = connect(read_seconds=0.2)()
    gateway.server()
    server.faults.add(Fault(kind=FaultKind.DELAY, seconds=1.0, path="^/data/projects/P$"))
    with pytest.raises(Unreachable):
        gateway.project("P")


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "bad", Rejected),
        (403, "no", Forbidden),
        (404, "gone", NotFound),
        (417, "Need PUT Contents", Rejected),
        (417, "Specified scan must reference a valid image session.", NotFound),
        (422, "Submitted subject record must include the project attribute.", NotFound),
        (429, "slow down", Throttled),
        (500, "boom", ServerFault),
        (500, "Justification required.", Rejected),
        (503, "later", Throttled),
        (504, "proxy", ServerFault),
    ],
)
def test_what_the_server_says_becomes_an_error(
    server: RunningServer, connect: Connect, status: int, message: str, expected: type[GatewayError]
) -> None:
    gateway = connect()()
    make_project(gateway)
    server.faults.add(
        Fault(
            kind=FaultKind.STATUS,
            path="^/data/projects/P/subjects/S$",
            status=status,
            message=message,
            headers={"Retry-After": "7"},
        )
    )
    subject = P.child(Level.SUBJECT, "S")
    with pytest.raises(GatewayError) as caught:
        gateway.put_object(ObjectSpec(ref=subject, xsi_type="xnat:subjectData"), exists=False, fields={}, reason="test")
    assert type(caught.value) is expected
    assert (caught.value.status, caught.value.ref, str(caught.value)) == (status, subject, message)
    assert caught.value.retry_after == 7


def test_an_error_without_words_still_has_a_sentence() -> None:
    assert str(error_of(Reply(status=502, text=""), None)) == "the server answered 502 without a word"
    assert "without a word" in str(error_of(Reply(status=502, text="<html><body>proxy</body></html>"), None))
    long = error_of(Reply(status=400, text="x" * 9999), None)
    assert len(str(long)) == 500


# --- other servers than XNAT


@pytest.fixture
def scripted() -> Iterator[Callable[..., str]]:
    """Servers that answer every request in one way."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def handle_one(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer(self)

            do_GET = do_PUT = do_DELETE = handle_one  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None: ...

        made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
        running.append(made)
        return f"http://127.0.0.1:{made.server_address[1]}"

    yield start
    for made in running:
        made.shutdown()
        made.server_close()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["another name", "another port"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_gets_no_password(scripted: Callable[..., str], host: str, status: int) -> None:
    seen: list[str] = []

    def elsewhere(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.command)
        request.send_response(200)
        request.send_header("Content-Length", "0")
        request.end_headers()

    other = scripted(elsewhere).replace("127.0.0.1", host)

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", other + "/")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with pytest.raises(NotAuthenticated, match="gets no password"):
        XnatConnection(scripted(redirect), "admin", PASSWORD)().server()
    assert seen == ["GET"]


@pytest.mark.parametrize(
    ("before", "after", "goes"),
    [
        ("http://h", "http://h/xnat", True),
        ("http://h:80", "http://H/", True),
        ("http://h", "https://h", True),
        ("http://h:80", "https://h:443", True),
        ("https://h:8443/a", "https://h:8443/b", True),
        ("http://h", "http://h:8080", False),
        ("http://h:8080", "https://h:8443", False),
        ("http://h:8080", "https://h", False),
        ("http://h", "https://h:8443", False),
        ("https://h", "http://h", False),
        ("https://h", "https://h:8443", False),
        ("https://h", "https://h.evil", False),
        ("https://h", "ftp://h", False),
        ("https://h", "https://h:x", False),
        ("https://h", "https://[::1", False),
    ],
)
def test_where_a_redirected_login_may_go(before: str, after: str, goes: bool) -> None:
    assert Endpoint.of(before).may_become(Endpoint.of(after)) is goes


@pytest.mark.parametrize("path", ["/.+", "/data/services/auth"])
def test_a_redirect_of_the_login_gets_no_password_either(scripted: Callable[..., str], path: str) -> None:
    seen: list[str] = []

    def redirect(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.command)
        request.send_response(307 if re.fullmatch(path, request.path) else 200)
        request.send_header("Location", f"http://admin:{PASSWORD.replace(' ', '')}@localhost:9{request.path}")
        request.send_header("Content-Length", "0")
        request.end_headers()

    with pytest.raises(NotAuthenticated, match="redirects to http://localhost:9, which gets no password"):
        XnatConnection(scripted(redirect), "admin", PASSWORD)().server()
    assert set(seen) == {"GET"}


def test_a_server_that_repeats_what_it_was_sent_is_not_repeated(scripted: Callable[..., str]) -> None:
    def echo(request: BaseHTTPRequestHandler, sent: str) -> None:
        body = f"<html><h3>no such thing: {sent} {request.headers}</h3></html>".encode()
        request.send_response(500 if "auth" in request.path else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def answer(request: BaseHTTPRequestHandler) -> None:
        echo(request, f"admin {PASSWORD} {quote(PASSWORD)}")

    with pytest.raises(GatewayError) as caught:
        XnatConnection(scripted(answer), "admin", PASSWORD)().server()
    assert "no such thing: admin •••" in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert quote(PASSWORD) not in str(caught.value)


def test_a_server_that_is_no_xnat_is_said_so(scripted: Callable[..., str]) -> None:
    def hello(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "5")
        request.end_headers()
        request.wfile.write(b"hello")

    with pytest.raises((NotAuthenticated, UnexpectedReply)):
        XnatConnection(scripted(hello), "admin", PASSWORD)().server()


def test_an_address_without_an_xnat_is_said_so(scripted: Callable[..., str]) -> None:
    with pytest.raises(NotAuthenticated, match="has no /data/auth, so it is no XNAT"):
        XnatConnection(scripted(lambda request: request.send_error(404)), "admin", PASSWORD)().server()


# --- tables and secrets


@pytest.mark.parametrize("module", [xnat.exceptions, requests.exceptions], ids=lambda module: module.__name__)
def test_every_foreign_error_is_in_the_table(module: object) -> None:
    named = {foreign for foreign, _ in translation.ERRORS}
    foreign = {
        value
        for _, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, BaseException)
        and not issubclass(value, Warning)
        # Only what the library defines itself: it re-exports urllib3's base error and warnings.
        and value.__module__ == module.__name__  # type: ignore[attr-defined] # a module has a name
    }
    assert foreign - named == set()


def test_the_table_decides_by_the_nearest_class() -> None:
    order = [foreign for foreign, _ in translation.ERRORS]
    for index, foreign in enumerate(order):
        assert not any(issubclass(foreign, earlier) for earlier in order[:index]), f"{foreign} is never reached"


def test_errors_of_the_program_are_not_translated() -> None:
    with pytest.raises(ZeroDivisionError), translation.translated("a test"):
        raise ZeroDivisionError


def test_no_secret_reaches_a_log_or_an_error(
    server: RunningServer, connect: Connect, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="xnat_sync")
    connection = connect()
    gateway = connection()
    make_project(gateway)
    send(gateway, local(tmp_path, b"x"))
    tokens = server.context.sessions.of("admin")
    server.context.sessions.revoke_all()
    server.faults.add(Fault(kind=FaultKind.STATUS, path="/subjects$", status=500))
    with pytest.raises(ServerFault) as caught:
        gateway.subjects("P", frozenset())
    text = caplog.text + repr(caught.value) + repr(connection) + repr(gateway)
    assert tokens
    assert "PUT /data/projects/P" in text
    assert all(token not in text for token in tokens)
    assert PASSWORD not in text
    assert "s3cret" not in text


def test_each_request_is_one_line_in_the_log(
    server: RunningServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = connect()()
    gateway.server()
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="xnat_sync"):
        assert gateway.project("NOBODY") is None
    (line,) = [record.getMessage() for record in caplog.records if record.name == connection.__name__]
    assert line.startswith("GET /data/projects/NOBODY -> 404 in ")
    assert server.log[-1].path == "/data/projects/NOBODY"


def test_what_xnatpy_warns_of_stays_a_detail(
    server: RunningServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="xnat_sync")
    with pytest.raises(NotAuthenticated):
        connect(password="wrong")().server()
    connect()().server()
    assert {record.levelname for record in caplog.records if record.name.startswith("xnat_sync")} == {"DEBUG"}
    assert not any(thread.name == "XNATpyKeepAliveThread" for thread in threading.enumerate())
    assert len(server.log) > 0


def test_a_login_that_fails_half_way_leaves_no_thread(server: RunningServer, connect: Connect) -> None:
    """xnatpy's keep-alive would go on for the rest of the run, and end in a traceback."""
    server.faults.add(Fault(kind=FaultKind.DROP_BEFORE, method="GET", path="/data/JSESSION$"))
    with pytest.raises(Unreachable):
        connect()().server()
    assert not any(thread.name == "XNATpyKeepAliveThread" for thread in threading.enumerate())
    connect()().server()


def test_a_connection_that_opens_after_the_cut_is_cut_too() -> None:
    """Or an interrupt would wait for the request that another thread was just about to send."""
    opened = http.Opened()
    with socket.create_server(("127.0.0.1", 0)) as silent, http.Http(verify=True, opened=opened) as session:
        session.trust_env = False
        opened.cut()
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=5)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The connections that gateways open; those of a login are not among them."""
    found: list[object] = []
    connect = http._Patient.connect

    def noted(connection: http._Patient) -> None:
        found.append(connection)
        connect(connection)

    monkeypatch.setattr(http._Patient, "connect", noted)
    return found


def test_a_connection_goes_from_one_gateway_to_the_next(connect: Connect, opened: list[object]) -> None:
    connection = connect()
    first = connection()
    first.server()
    second = connection()
    second.server()
    assert len(opened) == 2, "two at a time share none"
    first.close()
    second.close()
    for _ in range(3):
        gateway = connection()
        gateway.server()
        gateway.close()
    assert len(opened) == 2
    assert connection._opened._slots
    connection.close()
    assert not connection._opened._slots, "what is closed is not kept for a cut"


def test_a_connection_of_an_ended_session_is_not_used_again(
    server: RunningServer, connect: Connect, opened: list[object]
) -> None:
    connection = connect()
    gateway = connection()
    gateway.server()
    gateway.close()
    connection.session(ended=1)
    gateway = connection()
    gateway.server()
    assert len(opened) == 2
    assert server.log[-1].user == "admin"


def test_sending_may_stall_as_long_as_reading(server: RunningServer) -> None:
    fresh = http._PatientHTTP("127.0.0.1", int(server.url.rpartition(":")[2]), timeout=1)
    fresh.connect()
    assert fresh.sock.gettimeout() == http.READ_SECONDS
    fresh.close()
