"""Workers: the only place of the client that starts threads, but for two of the gateway's.

Those compute the digest of a large file (`gateway.hashing`) and log in (`gateway.wire.patience`).

Each worker thread gets a gateway of its own from a factory; what a job returns or raises comes back to the caller's
thread, which alone owns state, screen and interrupt.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, TypeVarTuple

from xnat_sync.gateway.api import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

WAITING = 2_000
"""How many items of a stream wait for a worker at a time: each costs memory."""

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


class SerialPool(Generic[Door]):
    """Runs each job at once in the calling thread: same code, no threads, for tests."""

    def __init__(self, connect: Callable[[], Door]) -> None:
        self._gateway = connect()

    def submit(self, job: Callable[[Door, *Arguments], Result], *arguments: *Arguments) -> Future[Result]:
        """Run a job now."""
        future: Future[Result] = Future()
        try:
            future.set_result(job(self._gateway, *arguments))
        except Exception as error:  # noqa: BLE001 - a future carries whatever its job raised
            future.set_exception(error)
        return future

    def close(self) -> None:
        """Close the gateway."""
        self._gateway.close()

    def abandon(self) -> None:
        """Nothing is queued and nothing runs."""


class ThreadPool(Generic[Door]):
    """Runs up to ``jobs`` jobs at a time, each thread with its own gateway."""

    def __init__(self, connect: Callable[[], Door], jobs: int) -> None:
        self._connect = connect
        self._local = threading.local()
        self._gateways: list[Door] = []
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="xnat-sync")

    def submit(self, job: Callable[[Door, *Arguments], Result], *arguments: *Arguments) -> Future[Result]:
        """Queue a job."""
        return self._executor.submit(lambda: job(self._gateway(), *arguments))

    def close(self) -> None:
        """Drop what is queued, wait for what runs, close the gateways."""
        self._executor.shutdown(wait=True, cancel_futures=True)
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
    """A pool for a block of work; with one job at a time nothing leaves the calling thread.

    Who interrupts the block does not want to wait for what runs in other threads.
    """
    pool: SerialPool[Door] | ThreadPool[Door] = SerialPool(connect) if jobs <= 1 else ThreadPool(connect, jobs)
    try:
        yield pool
    except KeyboardInterrupt:
        pool.abandon()
        raise
    except BaseException:
        pool.close()
        raise
    pool.close()


def gather(futures: Sequence[Future[Result]]) -> list[Result]:
    """The results in order; the first failure is raised."""
    return [future.result() for future in futures]


def stream(job: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Iterator[Result]:
    """Call a function on every item, some at a time, without gateways; results in order, the first failure raised."""
    if jobs <= 1 or len(items) <= 1:
        yield from map(job, items)
        return
    with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="xnat-sync") as executor:
        for start in range(0, len(items), WAITING):
            yield from executor.map(job, items[start : start + WAITING])
