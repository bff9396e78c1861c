"""The embedded server, for the commands that start it. Nothing else of the client reaches it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from xnat_sync.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


ADMIN = "admin"
_NOT_INSTALLED = "the embedded server needs its extra: pip install 'xnat-sync[server]'"


@contextmanager
def running_on(directory: Path) -> Iterator[str]:
    """The embedded server over a folder for the length of a block; its address."""
    try:
        from xnat_sync.server.running import running
    except ImportError as error:
        raise UsageError(_NOT_INSTALLED) from error
    directory.mkdir(parents=True, exist_ok=True)
    with running(directory, user=ADMIN, password=ADMIN) as server:
        yield server.url
