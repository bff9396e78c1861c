"""Workers, and an interrupt that does not wake the thread which waits for them.

Python runs its handlers in the main thread only. A signal that another thread gets is noticed there when the main
thread does something the next time: the same as one that comes just before it begins to wait.
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from xnat_sync.engine.pool import gather, in_turn, open_pool, result_of, stream
from xnat_sync.testing.fake_xnat import MemoryServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from xnat_sync.gateway.port import Reader

LONG = 60.0
"""Seconds that a job takes which nobody waits for."""


@pytest.fixture
def silence() -> Iterator[threading.Event]:
    """Ends with the test."""
    over = threading.Event()
    yield over
    over.set()


def interrupted(silence: threading.Event) -> None:
    """Send this thread, which is not the main one, an interrupt, and then take long."""
    assert threading.current_thread() is not threading.main_thread()
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    silence.wait(LONG)


def waits_in_pool(silence: threading.Event, jobs: int) -> None:
    def job(_gateway: Reader) -> None:
        interrupted(silence)

    with open_pool(MemoryServer(), jobs) as pool:
        gather([pool.submit(job)])


def waits_for_the_end_of_a_pool(silence: threading.Event, jobs: int) -> None:
    def job(_gateway: Reader) -> None:
        interrupted(silence)

    with open_pool(MemoryServer(), jobs) as pool:
        pool.submit(job)


def waits_in_stream(silence: threading.Event, _jobs: int) -> None:
    list(stream(lambda _: interrupted(silence), [1, 2], 2))


@pytest.mark.parametrize("jobs", [1, 4])
@pytest.mark.parametrize("wait", [waits_in_pool, waits_for_the_end_of_a_pool, waits_in_stream])
def test_an_interrupt_is_noticed_while_a_job_takes_long(
    silence: threading.Event, wait: Callable[[threading.Event, int], None], jobs: int
) -> None:
    with ExitStack() as stack:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        stack.callback(signal.signal, signal.SIGINT, before)
        with pytest.raises(KeyboardInterrupt):
            wait(silence, jobs)
        assert not silence.is_set()


def test_what_a_job_returns_or_raises_comes_back() -> None:
    def job(_gateway: Reader, number: int) -> int:
        return 6 // number

    with open_pool(MemoryServer(), 2) as pool:
        assert result_of(pool.submit(job, 3)) == 2
        futures = [pool.submit(job, number) for number in (1, 2, 3)]
        assert gather(futures) == [6, 3, 2]
        assert list(in_turn(futures)) == [6, 3, 2]
        assert futures == []
        with pytest.raises(ZeroDivisionError):
            gather([pool.submit(job, 1), pool.submit(job, 0)])


def test_a_stream_ends_with_its_first_failure_and_begins_nothing_more(silence: threading.Event) -> None:
    begun: list[int] = []

    def job(number: int) -> int:
        begun.append(number)
        if number == 1:
            silence.wait(LONG)
        return 6 // number

    results = stream(job, [3, 0, *[1] * 100], 2)
    assert next(results) == 2
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(begun) <= 4
    assert list(stream(job, [2, 3, 6], 2)) == [3, 2, 1]
