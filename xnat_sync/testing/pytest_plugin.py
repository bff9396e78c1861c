"""A pytest fixture that runs an embedded XNAT: ``pytest_plugins = ["xnat_sync.testing.pytest_plugin"]``.

It needs the extra ``server`` and pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xnat_sync.server.running import RunningServer, running

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RunningServer", "xnat_server"]


@pytest.fixture
def xnat_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Yield an XNAT of its own for one test, empty and ready: ``url``, ``log`` and ``faults``; login admin / admin."""
    with running(tmp_path_factory.mktemp("xnat")) as server:
        yield server
