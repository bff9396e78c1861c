"""Bodies are streamed both ways: what a server needs for a large file does not grow with it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = 1 << 20
SIZE = 200 * MEGABYTE
MAY_GROW = 48 * MEGABYTE
PIECE = bytes(MEGABYTE)
SESSION = "/data/projects/P/subjects/S/experiments/E"
BINARY = {"Content-Type": "application/octet-stream"}

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")


class Host:
    """A server in a process of its own, so that the memory of the test does not count."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = ("admin", "admin")

    def peak(self) -> int:
        """The most that the process has ever had in memory (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


@contextmanager
def hosted(root: Path) -> Iterator[Host]:
    command = [sys.executable, "-m", "xnat_sync.server", "--dir", str(root), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        host = Host(process, process.stdout.readline().removeprefix("XNAT at ").strip())
        try:
            with host.http:
                yield host
        finally:
            process.kill()


class Body:
    """Many zeros with a length, as a file is, without being in memory or on disk."""

    def __init__(self, head: bytes = b"", tail: bytes = b"") -> None:
        self._head, self._tail = head, tail

    def __len__(self) -> int:
        return len(self._head) + SIZE + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for _ in range(SIZE // len(PIECE)):
            yield PIECE
        yield self._tail


PART = (
    b'--x\r\nContent-Disposition: form-data; name="f"; filename="form"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
END = b"\r\n--x--\r\n"


def test_large_bodies_need_no_memory(tmp_path: Path) -> None:
    """In-body and as a form, digested on the way; read as a file and in an archive."""
    with hosted(tmp_path) as host:
        http = host.http
        http.put(f"{host.url}/data/projects/P").raise_for_status()
        http.put(f"{host.url}{SESSION}?xsiType=xnat:mrSessionData").raise_for_status()
        files = f"{host.url}{SESSION}/resources/R/files"
        http.put(f"{files}/small", data=b"x", headers=BINARY).raise_for_status()
        http.get(f"{files}?format=zip").raise_for_status()
        before = host.peak()
        http.put(f"{files}/plain", data=Body(), headers=BINARY).raise_for_status()
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        http.post(files, data=Body(PART, END), headers=form).raise_for_status()
        sizes = {row["Name"]: int(row["Size"]) for row in http.get(files).json()["ResultSet"]["Result"]}
        assert sizes == {"small": 1, "plain": SIZE, "form": SIZE}
        for path in ("/plain", "?format=zip", "?format=tar"):
            with http.get(files + path, stream=True) as reply:
                assert reply.status_code == 200
                assert sum(map(len, reply.iter_content(MEGABYTE))) >= SIZE
        assert host.peak() - before < MAY_GROW
