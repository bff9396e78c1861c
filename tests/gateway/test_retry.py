from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.errors import (
    Forbidden,
    GatewayError,
    LocalFileError,
    NotFound,
    ServerFault,
    Throttled,
    Unreachable,
)
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec
from xnat_sync.gateway.port import Gateway, Reader
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.gateway.resilience.retry import Retrying, RetryPolicy
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = Ref.project_of("P")
NOTHING: frozenset[str] = frozenset()


class Failing:
    """A fault that comes so many times in one method, before or after the effect."""

    def __init__(self, method: str, times: int, error: GatewayError, moment: Moment = Moment.BEFORE) -> None:
        self.method, self.left, self.error, self.moment = method, times, error, moment

    def __call__(self, call: Call) -> None:
        if call.method == self.method and call.moment is self.moment and self.left:
            self.left -= 1
            raise self.error


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer()
    made.add(ObjectSpec(ref=P, xsi_type="xnat:projectData"))
    return made


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def retrying(server: MemoryServer, waits: list[float]) -> Gateway:
    return Retrying(server(), sleep=waits.append, random=lambda: 1.0)


READS: dict[str, Callable[[Reader], object]] = {
    "server": lambda reader: reader.server(),
    "project": lambda reader: reader.project("P"),
    "subjects": lambda reader: reader.subjects("P", NOTHING),
    "sessions": lambda reader: reader.sessions("P", NOTHING),
    "images": lambda reader: reader.images("P", None, NOTHING, NOTHING),
    "session_files": lambda reader: reader.session_files([]),
    "own_files": lambda reader: reader.own_files(P),
    "resource_files": lambda reader: reader.resource_files(P.child(Level.RESOURCE, "R")),
    "resources": lambda reader: reader.resources(P),
}


@pytest.mark.parametrize("method", READS)
def test_every_read_is_repeated(server: MemoryServer, retrying: Gateway, waits: list[float], method: str) -> None:
    server.fault = Failing(method, 3, Unreachable("gone"))
    assert READS[method](retrying) == READS[method](server())
    assert waits == [1.0, 2.0, 4.0]


def test_after_four_tries_the_error_is_raised(server: MemoryServer, retrying: Gateway, waits: list[float]) -> None:
    server.fault = Failing("server", 9, ServerFault("down"))
    with pytest.raises(ServerFault):
        retrying.server()
    assert server.calls["server"] == 4
    assert len(waits) == 3


def test_what_will_not_help_is_not_repeated(server: MemoryServer, retrying: Gateway, waits: list[float]) -> None:
    server.fault = Failing("server", 1, Forbidden("no"))
    with pytest.raises(Forbidden):
        retrying.server()
    assert waits == []


def test_the_server_may_ask_for_more_patience(server: MemoryServer, retrying: Gateway, waits: list[float]) -> None:
    error = Throttled("slow down", status=429)
    error.retry_after = 17
    server.fault = Failing("server", 1, error)
    retrying.server()
    assert waits == [17]


def test_an_upload_that_arrived_is_not_repeated(server: MemoryServer, retrying: Gateway, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    resource = P.child(Level.RESOURCE, "R")
    file = FileSpec(ref=resource.child(Level.FILE, "x"), path=str(tmp_path / "x"), size=3)
    server.fault = Failing("upload", 1, Unreachable("cut off"), Moment.AFTER)
    told: list[int] = []
    reply = retrying.upload(resource, [file], overwrite=False, reason="r", sent=told.append)
    assert told == [3, -3, 3]
    assert reply.md5 == {file.ref: hashlib.md5(b"abc").hexdigest()}
    assert not reply.duplicates
    assert server.calls["upload"] == 1, "what arrived is known by its digest and not sent again"


def test_an_upload_of_which_nothing_arrived_is_sent_again(
    server: MemoryServer, retrying: Gateway, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    resource = P.child(Level.RESOURCE, "R")
    file = FileSpec(ref=resource.child(Level.FILE, "x"), path=str(tmp_path / "x"), size=3)
    server.store(file.ref, b"abd")
    server.fault = Failing("upload", 1, Unreachable("cut off"))
    reply = retrying.upload(resource, [file], overwrite=False, reason="r", sent=lambda _: None)
    assert server.calls["upload"] == 2, "a file of another content is none that arrived"
    assert reply.duplicates == {"x"}


def test_local_trouble_is_not_repeated(server: MemoryServer, retrying: Gateway, tmp_path: Path) -> None:
    resource = P.child(Level.RESOURCE, "R")
    file = FileSpec(ref=resource.child(Level.FILE, "x"), path=str(tmp_path / "no"), size=3)
    with pytest.raises(LocalFileError):
        retrying.upload(resource, [file], overwrite=False, reason="r", sent=lambda _: None)
    assert server.calls["upload"] == 1


def test_writes_are_repeated(server: MemoryServer, retrying: Gateway) -> None:
    subject = P.child(Level.SUBJECT, "S")
    server.fault = Failing("put_object", 2, ServerFault("?"), Moment.AFTER)
    spec = ObjectSpec(ref=subject, xsi_type="xnat:subjectData")
    retrying.put_object(spec, exists=False, fields={}, reason="r")
    assert subject in server.objects()
    server.fault = Failing("delete", 2, ServerFault("?"), Moment.AFTER)
    retrying.delete(subject, reason="r")
    assert subject not in server.objects()


def test_a_download_is_opened_again(server: MemoryServer, retrying: Gateway) -> None:
    file = P.child(Level.RESOURCE, "R").child(Level.FILE, "x")
    server.store(file, b"abc")
    server.fault = Failing("download", 2, Unreachable("gone"))
    with retrying.download(file) as chunks:
        assert b"".join(chunks) == b"abc"
    with pytest.raises(NotFound), retrying.download(P.child(Level.RESOURCE, "R").child(Level.FILE, "no")):
        pass


def test_a_waiting_call_can_be_given_up(server: MemoryServer) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    server.fault = Failing("server", 9, Unreachable("gone"))
    with pytest.raises(KeyboardInterrupt):
        Retrying(server(), sleep=stop).server()
    assert server.calls["server"] == 1


@given(st.integers(1, 50), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_a_delay_stays_in_its_span(failures: int, fraction: float, asked: float | None) -> None:
    policy = RetryPolicy()
    delay = policy.delay(failures, fraction, asked)
    assert 0 <= delay <= max(policy.cap, policy.patience)
    assert delay >= min(asked or 0, policy.patience)
    if asked is None:
        assert delay <= min(policy.cap, policy.base * 2.0 ** (failures - 1))
        assert policy.delay(failures, 0) == 0


@pytest.mark.parametrize("method", READS)
def test_a_reading_half_reads_the_same(server: MemoryServer, method: str) -> None:
    reader: Reader = ReadOnly(server())
    assert READS[method](reader) == READS[method](server())


def test_a_reading_half_has_nothing_to_write_with(server: MemoryServer) -> None:
    file = P.child(Level.RESOURCE, "R").child(Level.FILE, "x")
    server.store(file, b"abc")
    reader = ReadOnly(server())
    public = {name for name in dir(reader) if not name.startswith("_")}
    assert public == {name for name in dir(Reader) if not name.startswith("_")}
    with reader.download(file) as chunks:
        assert b"".join(chunks) == b"abc"
    with pytest.raises(AttributeError):
        reader.delete = None  # type: ignore[attr-defined] # the point of the test
    reader.close()


def test_a_session_with_scans_is_put_again_when_the_answer_got_lost(server: MemoryServer, retrying: Gateway) -> None:
    retrying.put_object(ObjectSpec(ref=P, xsi_type="xnat:projectData"), exists=False, fields={}, reason="why")
    session = ObjectSpec(ref=Ref.parse("P/S/E"), xsi_type="xnat:mrSessionData")
    scan = ObjectSpec(ref=Ref.parse("P/S/E/scan:1"), xsi_type="xnat:mrScanData")
    server.fault = Failing("put_session", 1, Unreachable("reset"))
    retrying.put_session(session, [scan], reason="why")
    assert server.calls["put_session"] == 2
    assert scan.ref in server.objects()
