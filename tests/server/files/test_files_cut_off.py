"""A download that the client cuts off, before or after its first byte, leaves no file open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import requests

from xnat_sync.server.faults import Fault, FaultKind
from xnat_sync.server.http.download import CHUNK, OpenFileResponse, file_response

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Message

    from xnat_sync.server.running import RunningServer


class _GoneError(OSError):
    """The client has closed the connection."""


@pytest.mark.parametrize("delivered", [0, 1, 2])
def test_the_file_is_closed_whenever_the_client_goes(tmp_path: Path, delivered: int) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"x" * 3 * CHUNK)
    response = file_response(path, {}, head=False)
    assert isinstance(response, OpenFileResponse)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if len(sent) == delivered:
            raise _GoneError
        sent.append(message)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    scope: dict[str, Any] = {"type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}}
    with pytest.raises(Exception) as raised:  # noqa: PT011 - Starlette has a word of its own for it
        asyncio.run(response(scope, receive, send))
    assert isinstance(raised.value, _GoneError) or isinstance(raised.value.__context__, _GoneError)
    assert response._file.closed


def test_an_answer_that_a_fault_drops_is_closed(server: RunningServer, http: Any, study: Any, put: Any) -> None:
    """The warning that an open file gives when it is forgotten would fail this test."""
    url = f"{study.scan}/resources/NIFTI/files/big.nii"
    put(url, b"x" * 3 * CHUNK)
    server.faults.add(Fault(kind=FaultKind.DROP_AFTER, path="big.nii"))
    with pytest.raises(requests.ConnectionError):
        http.get(url)
    assert len(http.get(url).content) == 3 * CHUNK
