"""Answers that clients trip over, compared byte for byte with transcripts under ``tests/cases/transcripts``.

Requests and answers go over a bare socket: no client library softens them.
"""

from __future__ import annotations

import base64
import re
import socket
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.running import RunningServer

CASES = sorted((Path(__file__).parents[1] / "cases" / "transcripts").glob("[0-9]*.txt"))
PASSWORDS = {"admin": "admin", "member": "x"}


@dataclass
class Exchange:
    """One request and what is to be answered; see the folder's README."""

    user: str
    head: list[str] = field(default_factory=list)
    body: list[str] | None = None
    status: int = 0
    headers: list[str] = field(default_factory=list)
    answer: list[str] | None = None
    contained: list[str] = field(default_factory=list)


def read_transcript(text: str) -> Iterator[Exchange]:
    """The exchanges of a file."""
    user = "admin"
    exchange = Exchange(user)
    for line in text.splitlines():
        mark, _, rest = line.partition(" ")
        if mark == ">" and exchange.status:
            yield exchange
            exchange = Exchange(user)
        match mark:
            case "":
                pass
            case "#":
                if exchange.status:
                    yield exchange
                user = rest.removeprefix("as ")
                exchange = Exchange(user)
            case ">":
                exchange.head.append(rest)
            case "+":
                exchange.body = [*(exchange.body or []), rest]
            case "<" if rest.startswith("HTTP/1.1 "):
                exchange.status = int(rest.removeprefix("HTTP/1.1 "))
            case "<":
                exchange.headers.append(rest)
            case "|":
                exchange.answer = [*(exchange.answer or []), rest]
            case "|0":
                exchange.answer = []
            case "|~":
                exchange.contained.append(rest)
            case _:
                raise ValueError(line)
    yield exchange


def _request(exchange: Exchange) -> bytes:
    body = "\n".join(exchange.body or []).encode()
    lines = [*exchange.head, "Host: localhost", "Connection: close"]
    if exchange.user != "nobody":
        pair = base64.b64encode(f"{exchange.user}:{PASSWORDS[exchange.user]}".encode()).decode()
        lines.append(f"Authorization: Basic {pair}")
    if "Transfer-Encoding: chunked" in exchange.head:
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif not exchange.head[0].startswith(("GET", "DELETE")):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _exchange(url: str, request: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of the raw answer, chunks joined."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(request)
        raw = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in lines)]
    if ("transfer-encoding", "chunked") in headers:
        body = _joined(body)
    return int(first.split()[1]), headers, body


def _joined(chunks: bytes) -> bytes:
    body = b""
    while chunks:
        size, _, rest = chunks.partition(b"\r\n")
        body += rest[: int(size, 16)]
        chunks = rest[int(size, 16) + 2 :]
    return body


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_transcript(server: RunningServer, http: Any, path: Path) -> None:
    assert http.post("/xapi/users", json={"username": "member", "password": "x"}).status_code == 201
    for exchange in read_transcript(path.read_text(encoding="utf-8")):
        status, headers, body = _exchange(server.url, _request(exchange))
        assert (exchange.head[0], status) == (exchange.head[0], exchange.status), body
        for wanted in exchange.headers:
            name, _, value = wanted.partition(": ")
            held = [text for key, text in headers if key == name.lower().removeprefix("!")]
            if wanted.startswith("!"):
                assert held == [], wanted
            else:
                assert any(fnmatchcase(text, value) for text in held), (wanted, held)
        if exchange.answer is not None:
            assert body.decode() == "\n".join(exchange.answer), exchange.head[0]
        for text in exchange.contained:
            assert text in body.decode()


def test_at_least_twenty_answers() -> None:
    assert len(CASES) >= 20
    for number, path in enumerate(CASES, start=1):
        assert re.match(rf"{number:02d}-", path.name)
        assert all(exchange.head and exchange.status for exchange in read_transcript(path.read_text(encoding="utf-8")))
