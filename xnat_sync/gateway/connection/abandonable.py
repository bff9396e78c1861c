"""Work that nobody can break off, and for which nobody has to wait."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from xnat_sync.core.model.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

_SLICE_SECONDS = 0.05


def awaited(work: Callable[[], Result], given_up: Callable[[], bool]) -> Result:
    """What the work returns or raises. It is done in a thread of its own, which is left to itself once ``given_up``.

    Raises:
        Unreachable: it was given up.

    """
    future: Future[Result] = Future()
    thread = threading.Thread(target=_do, args=(work, future), name="xnat-sync-login", daemon=True)
    thread.start()
    # In slices, since a signal handler, which gives up, must not touch the lock of a condition.
    while thread.is_alive():
        thread.join(_SLICE_SECONDS)
        if thread.is_alive() and given_up():
            raise Unreachable("given up")
    return future.result()


def _do(work: Callable[[], Result], future: Future[Result]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - the future carries whatever its work raised
        future.set_exception(error)
