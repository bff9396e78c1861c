"""Ctrl-C and a polite kill: once to drain, twice to stop now."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from xnat_sync.cli.console import Console
    from xnat_sync.engine.stop import Stop


@contextmanager
def interruptible(stop: Stop, console: Console, give_up: Callable[[], None]) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into requests to stop for the length of a block; the second one calls ``give_up`` too.

    Outside of the main thread, where Python allows no handlers, signals stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        told = "giving up what is running" if stop.draining else "finishing what is running; once more to stop now"
        stop.request()
        with suppress(RuntimeError):  # The signal came in the middle of a write to the same stream.
            console.err.write(f"\nxnat-sync: {told}\n")
        if stop.now:
            give_up()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
