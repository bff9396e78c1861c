"""Workers: the only place of the client that starts threads, but for two of the gateway's.

Those compute the digest of a large file (`gateway.bodies.hashing`) and log in (`gateway.connection.abandonable`).

Each worker thread gets a gateway of its own from a factory; what a job returns or raises comes back to the caller's
thread, which alone owns state, screen and interrupt. So it never waits for long at a time: a signal that comes just
before it begins to wait, or that another thread gets, does not wake it, and is only noticed afterwards.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, TypeVarTuple

from xnat_sync.gateway.port import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WAITING = 2_000
"""How many items of a stream wait for a worker at a time: each costs memory."""
_SLICE_SECONDS = 0.1
"""For so long at most an interrupt may go unnoticed."""

Door = TypeVar("Door", bound=Reader)
Door_co = TypeVar("Door_co", bound=Reader, covariant=True)
Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Pool(Protocol[Door_co]):
    """Runs jobs with a gateway (or the reading half of one) each, some at a time."""

    def submit(self, job: Callable[[Door_co, *Arguments], Result], *arguments: *Arguments) -> Future[Result]:
        """Run a job soon."""
        ...


class ThreadPool(Generic[Door]):
    """Runs up to ``jobs`` jobs at a time, each thread with its own gateway."""

    def __init__(self, connect: Callable[[], Door], jobs: int) -> None:
        self._connect = connect
        self._local = threading.local()
        self._gateways: list[Door] = []
        self._lock = threading.Lock()
        self._unfinished: set[Future[Any]] = set()
        self._executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="xnat-sync")

    def submit(self, job: Callable[[Door, *Arguments], Result], *arguments: *Arguments) -> Future[Result]:
        """Queue a job."""
        future = self._executor.submit(lambda: job(self._gateway(), *arguments))
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        return future

    def close(self) -> None:
        """Drop what is queued, wait for what runs, close the gateways."""
        self.abandon()
        for future in tuple(self._unfinished):
            _await(future)
        self._executor.shutdown()
        for gateway in self._gateways:
            gateway.close()

    def abandon(self) -> None:
        """Drop what is queued and wait for nothing."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _gateway(self) -> Door:
        if not hasattr(self._local, "gateway"):
            gateway = self._connect()
            self._local.gateway = gateway
            with self._lock:
                self._gateways.append(gateway)
        found: Door = self._local.gateway
        return found


@contextmanager
def open_pool(connect: Callable[[], Door], jobs: int) -> Iterator[Pool[Door]]:
    """A pool for a block of work.

    Who interrupts the block does not want to wait for what runs in other threads.
    """
    pool = ThreadPool(connect, jobs)
    try:
        yield pool
    except KeyboardInterrupt:
        pool.abandon()
        raise
    except BaseException:
        pool.close()
        raise
    pool.close()


def result_of(future: Future[Result]) -> Result:
    """What a job returned, once it has ended; what it raised is raised."""
    _await(future)
    return future.result()


def gather(futures: Sequence[Future[Result]]) -> list[Result]:
    """The results in order; the first failure is raised."""
    return [result_of(future) for future in futures]


def in_turn(futures: list[Future[Result]]) -> Iterator[Result]:
    """The results in order; the list is emptied, so that none is held once it was used. The first failure is raised."""
    futures.reverse()
    while futures:
        yield result_of(futures.pop())


def stream(job: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Call a function on every item, some at a time, without gateways; results in order, the first failure raised."""
    if jobs <= 1 or len(items) <= 1:
        yield from map(job, items)
        return
    executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="xnat-sync")
    try:
        for start in range(0, len(items), WAITING):
            yield from in_turn([executor.submit(job, item) for item in items[start : start + WAITING]])
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _await(future: Future[Any]) -> None:
    # Not on the future's own condition: an interrupt in the middle of its Python code may leave it locked.
    running = threading.Lock()
    running.acquire()
    future.add_done_callback(lambda _: running.release())
    while not running.acquire(timeout=_SLICE_SECONDS):
        pass
