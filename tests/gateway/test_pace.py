"""The pace of requests: how many at a time, and how fast, by a clock that only the test moves."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import Forbidden, Unreachable
from xnat_sync.core.model.refs import Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.gateway.bodies.body import FileBody
from xnat_sync.gateway.protocol.replies import Reply
from xnat_sync.gateway.protocol.transport import Request
from xnat_sync.gateway.resilience.throttle import Limits, Pace, Paced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Server:
    """A transport that answers with what it is told, and takes note of when what came."""

    url = "http://x"

    def __init__(self, clock: Clock, answer: Callable[[], int] = lambda: 200) -> None:
        self.clock = clock
        self.answer = answer
        self.seen: list[float] = []
        self.arrived: list[tuple[float, int]] = []

    def user(self) -> str:
        return "me"

    def send(self, request: Request) -> Reply:
        self.seen.append(self.clock())
        body = request.open_body() if request.open_body else b""
        if isinstance(body, bytes):
            self.arrived.append((self.clock(), len(body)))
        else:
            while chunk := body.read(1 << 20):
                self.arrived.append((self.clock(), len(chunk)))
            body.close()
        return Reply(status=self.answer(), text="")

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        self.seen.append(self.clock())
        yield iter([bytes(1000)] * 5)

    def close(self) -> None: ...


GET = Request(method="GET", path="/data")


def paced(limits: Limits | None = None, answer: Callable[[], int] = lambda: 200) -> tuple[Paced, Server, Pace]:
    clock = Clock()
    pace = Pace(limits, clock=clock, sleep=clock.sleep)
    server = Server(clock, answer)
    return Paced(server, pace), server, pace


def test_without_limits_nothing_waits() -> None:
    transport, server, pace = paced()
    for _ in range(100):
        transport.send(GET)
    assert set(server.seen) == {100.0}
    assert pace.allowed is None


def test_requests_are_evenly_spaced() -> None:
    transport, server, _ = paced(Limits(requests_a_second=4))
    for _ in range(3):
        transport.send(GET)
    with transport.stream(GET) as chunks:
        list(chunks)
    assert server.seen == [100.0, 100.25, 100.5, 100.75]


def test_time_that_passed_is_no_credit_for_a_gush() -> None:
    transport, server, _ = paced(Limits(requests_a_second=4))
    transport.send(GET)
    server.clock.sleep(60)
    transport.send(GET)
    transport.send(GET)
    assert server.seen == [100.0, 160.0, 160.25]


def test_a_body_goes_in_small_pieces_at_the_rate(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(bytes(100_000))
    spec = FileSpec(ref=Ref.parse("P/resource:R/x"), path=str(tmp_path / "x"), size=100_000)
    transport, server, pace = paced(Limits(bytes_a_second=50_000))
    transport.send(Request(method="PUT", path="/x", open_body=lambda: FileBody(spec, lambda _: None), size=100_000))
    assert sum(count for _, count in server.arrived) == 100_000
    assert max(count for _, count in server.arrived) == pace.piece == 5000
    for moment, _ in server.arrived:
        before = sum(count for other, count in server.arrived if other < moment)
        assert before == pytest.approx((moment - 100.0) * 50_000)


def test_forms_and_downloads_count_too() -> None:
    transport, server, _ = paced(Limits(bytes_a_second=1000))
    transport.send(Request(method="PUT", path="/x", open_body=lambda: bytes(500), size=500))
    with transport.stream(GET) as chunks:
        assert sum(map(len, chunks)) == 5000
    transport.send(Request(method="PUT", path="/x", open_body=lambda: bytes(1), size=1))
    assert server.clock() == pytest.approx(100 + 5.5)


def test_an_overload_halves_what_is_under_way_once() -> None:
    _, _, pace = paced()
    with ExitStack() as stack:
        turns = [stack.enter_context(pace.turn()) for _ in range(8)]
        for turn in turns[3:]:
            turn.overloaded = True
    assert pace.allowed == 4


def test_good_answers_allow_more_again_one_for_each_round() -> None:
    status = 503
    transport, _, pace = paced(answer=lambda: status)
    with ExitStack() as stack:
        for _ in range(7):
            stack.enter_context(pace.turn())
        transport.send(GET)
    status = 200
    assert pace.allowed
    before = pace.allowed
    for _ in range(before + 1):
        transport.send(GET)
    assert pace.allowed == before + 1


def test_no_answer_is_an_overload_and_a_refusal_is_none() -> None:
    _, _, pace = paced()
    with pytest.raises(Forbidden), pace.turn():
        raise Forbidden("no")
    assert pace.allowed is None
    with pytest.raises(Unreachable), pace.turn():
        raise Unreachable("timed out")
    assert pace.allowed == 1


def test_who_is_not_allowed_waits_for_a_turn() -> None:
    _, _, pace = paced()
    with pytest.raises(Unreachable), pace.turn():
        raise Unreachable("timed out")
    inside: list[str] = []

    def other() -> None:
        with pace.turn():
            inside.append("other")

    thread = threading.Thread(target=other)
    with pace.turn():
        thread.start()
        thread.join(0.05)
        inside.append("first")
    thread.join()
    assert inside == ["first", "other"]


def test_who_reads_a_download_may_send_another_request() -> None:
    transport, server, pace = paced()
    with pytest.raises(Unreachable), pace.turn():
        raise Unreachable("timed out")
    assert pace.allowed == 1
    with transport.stream(GET):
        transport.send(GET)
    assert len(server.seen) == 2
