"""How a run stands a server that fails: one budget of tries, one patience, and one end for all workers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import AlreadyExists, NotFound, ServerFault, ServerGone, Throttled, Unreachable
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteFile
from xnat_sync.gateway.resilience.circuit_breaker import Endurance, Health
from xnat_sync.gateway.resilience.retry import Retrying, RetryingFactory
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

P = Ref.project_of("P")
R = P.child(Level.RESOURCE, "R")


class Clock:
    """Time that passes only where somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def server() -> MemoryServer:
    made = MemoryServer()
    made.add(ObjectSpec(ref=P, xsi_type="xnat:projectData"))
    return made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(clock=clock)


@pytest.fixture
def factory(server: MemoryServer, clock: Clock, health: Health) -> RetryingFactory:
    return RetryingFactory(server, health=health, sleep=clock.sleep)


def always(error: Exception) -> Callable[[Call], None]:
    def fault(_: Call) -> None:
        raise error

    return fault


def test_ten_thousand_failures_do_not_wait_each(server: MemoryServer, factory: RetryingFactory, clock: Clock) -> None:
    server.fault = always(ServerFault("broken"))
    for _ in range(1000):
        with pytest.raises(ServerFault):
            factory().project("P")
    assert len(clock.waits) == Endurance().tries


def test_good_answers_earn_tries_back(server: MemoryServer, factory: RetryingFactory, clock: Clock) -> None:
    gateway = factory()
    calls = 0

    def every_tenth(call: Call) -> None:
        nonlocal calls
        calls += call.moment is Moment.BEFORE
        if call.moment is Moment.BEFORE and calls % 10 == 0:
            raise ServerFault("now and then")

    server.fault = every_tenth
    for _ in range(5000):
        gateway.project("P")
    assert len(clock.waits) > 500


def test_nobody_waits_for_a_server_that_was_never_there(
    server: MemoryServer, factory: RetryingFactory, clock: Clock
) -> None:
    server.fault = always(Unreachable("refused"))
    for _ in range(20):
        with pytest.raises(Unreachable) as caught:
            factory().project("P")
        assert not isinstance(caught.value, ServerGone)
    assert server.calls["server"] == 0


@pytest.mark.parametrize(
    "silence", [Unreachable("refused"), ServerFault("bad gateway", status=502), Throttled("no", status=503)]
)
def test_a_server_that_restarts_is_waited_for(
    server: MemoryServer, factory: RetryingFactory, clock: Clock, silence: Exception
) -> None:
    gateways = [factory() for _ in range(4)]
    gateways[0].project("P")

    def down_for_two_minutes(_: Call) -> None:
        if clock.now < 120:
            raise silence

    server.fault = down_for_two_minutes
    first_tries = 0
    for gateway in gateways:
        try:
            assert gateway.project("P")
        except (Unreachable, ServerFault, Throttled):
            first_tries += 1
    assert first_tries <= 2, "only before anybody knows that it is the server"
    assert max(clock.waits) <= 15


def test_a_server_that_is_gone_ends_the_run(server: MemoryServer, factory: RetryingFactory, clock: Clock) -> None:
    factory().project("P")
    server.fault = always(Unreachable("refused"))
    ends = []
    for _ in range(6):
        with pytest.raises(Unreachable) as caught:
            factory().project("P")
        ends.append(type(caught.value))
    assert ends[-1] is ServerGone
    waited, calls = clock.now, server.calls["project"]
    assert Endurance().patience < waited < Endurance().patience + 60
    server.fault = None
    with pytest.raises(ServerGone, match="has not answered for"):
        factory().project("P")
    assert (clock.now, server.calls["project"]) == (waited, calls), "nobody asks any more"


def test_one_request_that_kills_its_connection_ends_nothing(
    server: MemoryServer, factory: RetryingFactory, clock: Clock
) -> None:
    gateway = factory()
    gateway.project("P")

    def fault(call: Call) -> None:
        if call.method == "project":
            raise Unreachable("reset")

    server.fault = fault
    for _ in range(10):
        with pytest.raises(Unreachable, match="reset"):
            gateway.project("P")
    assert gateway.resources(P) == frozenset()
    assert clock.now < Endurance().patience


def test_who_waits_for_the_server_can_be_called_off(server: MemoryServer, health: Health) -> None:
    waits = 0

    def sleep(_: float) -> bool:
        nonlocal waits
        waits += 1
        return waits > 12

    gateway = Retrying(server(), health=health, sleep=sleep)
    gateway.project("P")
    server.fault = always(Unreachable("refused"))
    for _ in range(5):
        with pytest.raises(Unreachable, match="refused"):
            gateway.project("P")
    assert waits == 15, "the last calls give up at their first wait"


def spec(tmp_path: Path, name: str, content: bytes) -> FileSpec:
    (tmp_path / name).write_bytes(content)
    digest = hashlib.md5(content).hexdigest()
    return FileSpec(ref=R.child(Level.FILE, name), path=str(tmp_path / name), size=len(content), md5=digest)


def lost_answer(*, times: int = 1) -> Callable[[Call], None]:
    left = [times]

    def fault(call: Call) -> None:
        if call.method == "upload" and call.moment is Moment.AFTER and left[0]:
            left[0] -= 1
            raise Unreachable("cut off")

    return fault


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_arrived_is_not_sent_again(
    server: MemoryServer, factory: RetryingFactory, tmp_path: Path, overwrite: bool
) -> None:
    files = [spec(tmp_path, "a", b"aaa"), spec(tmp_path, "b", b"bb")]
    server.fault = lost_answer()
    told: list[int] = []
    reply = factory().upload(R, files, overwrite=overwrite, reason="r", sent=told.append)
    assert server.calls["upload"] == 1
    assert reply.md5 == {file.ref: file.md5 for file in files}
    assert not reply.duplicates
    assert sum(told) == 5


def test_what_is_half_there_is_sent_again(server: MemoryServer, factory: RetryingFactory, tmp_path: Path) -> None:
    files = [spec(tmp_path, "a", b"aaa"), spec(tmp_path, "b", b"bb")]
    lost = lost_answer()

    def fault(call: Call) -> None:
        if call.method == "upload" and call.moment is Moment.AFTER and server.calls["upload"] == 1:
            server.remove(files[1].ref)
        lost(call)

    server.fault = fault
    told: list[int] = []
    reply = factory().upload(R, files, overwrite=False, reason="r", sent=told.append)
    assert [call.paths for call in server.log if call.method == "upload"] == [("a", "b"), ("b",)]
    assert reply.md5 == {file.ref: file.md5 for file in files}
    assert sum(told) == 5
    assert server.content(files[1].ref) == b"bb"


def test_an_old_file_is_not_taken_for_the_new_one(
    server: MemoryServer, factory: RetryingFactory, tmp_path: Path
) -> None:
    file = spec(tmp_path, "a", b"new")
    server.store(file.ref, b"old", catalogued=RemoteFile(ref=file.ref, size=3))

    def fault(call: Call) -> None:
        if call.method == "upload" and server.calls["upload"] == 1:
            raise Unreachable("cut off")

    server.fault = fault
    factory().upload(R, [file], overwrite=True, reason="r", sent=lambda _: None)
    assert server.content(file.ref) == b"new"


def test_where_nobody_can_look_everything_is_sent_again(
    server: MemoryServer, factory: RetryingFactory, tmp_path: Path
) -> None:
    file = spec(tmp_path, "a", b"new")
    lost = lost_answer()

    def fault(call: Call) -> None:
        if call.method == "resource_files":
            raise NotFound("no")
        lost(call)

    server.fault = fault
    reply = factory().upload(R, [file], overwrite=False, reason="r", sent=lambda _: None)
    assert reply.duplicates == {"a"}


def test_an_object_that_turns_out_to_be_there_arrived_with_the_first_try(
    server: MemoryServer, factory: RetryingFactory
) -> None:
    subject = ObjectSpec(ref=P.child(Level.SUBJECT, "S"), xsi_type="xnat:subjectData")

    def fault(call: Call) -> None:
        if call.method == "put_object":
            if call.moment is Moment.AFTER:
                raise Unreachable("cut off")
            if server.calls["put_object"] > 1:
                raise AlreadyExists("Conflict: Duplicate subject label")

    server.fault = fault
    factory().put_object(subject, exists=False, fields={}, reason="r")
    assert subject.ref in server.objects()
    with pytest.raises(AlreadyExists):
        factory().put_object(subject, exists=False, fields={}, reason="r")


def test_a_listing_that_was_right_before_settles_nothing(
    server: MemoryServer, factory: RetryingFactory, tmp_path: Path
) -> None:
    file = spec(tmp_path, "a", b"whole")
    server.store(file.ref, b"cut", catalogued=RemoteFile(ref=file.ref, size=5, md5=file.md5))

    def fault(call: Call) -> None:
        if call.method == "upload" and server.calls["upload"] == 1:
            raise Unreachable("reset")

    server.fault = fault
    factory().upload(R, [file], overwrite=True, reason="r", sent=lambda _: None)
    assert server.content(file.ref) == b"whole"
