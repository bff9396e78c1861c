"""What was answered 200 is there after a kill -9 at any moment; what is half done is what XNAT would leave."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests

from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BINARY = {"Content-Type": "application/octet-stream"}
SCANS = "/data/projects/P/subjects/S/experiments/E/scans"
CHILD = """
import pathlib, sys
from xnat_sync.server.running import running
with running(pathlib.Path(sys.argv[1])) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
ROUNDS = int(os.environ.get("XNAT_SYNC_UPLOAD_KILLS", "5"))
"""How often the server is killed; the README says how to have it many times."""
BEFORE_THE_KILL = (5, 40)
"""Between how many and how many uploads are acknowledged before the blow."""


@contextmanager
def child(root: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server in a process of its own, killed at the end of the block."""
    command = [sys.executable, "-c", CHILD, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def client(url: str) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.auth = ("admin", "admin")
    session.get(f"{url}/data/JSESSION").raise_for_status()
    return session


class Uploader(threading.Thread):
    """Uploads into a resource of its own until the server is gone, and remembers what was acknowledged."""

    def __init__(self, url: str, scan: int, round_: int, enough: threading.Semaphore) -> None:
        super().__init__()
        self._base = f"{url}{SCANS}/{scan}/resources/NIFTI/files"
        self._session = client(url)
        self._scan, self._round, self._enough = scan, round_, enough
        self.acknowledged: dict[str, str] = {}
        self.unanswered = ""

    def run(self) -> None:
        with self._session:
            for number in range(10_000):
                name = f"{self._round}-{number}.bin"
                data = f"{self._scan}-{name}".encode() * 2000
                self.unanswered = f"{self._scan}/{name}"
                try:
                    reply = self._session.put(f"{self._base}/{name}?overwrite=true", data=data, headers=BINARY)
                except requests.RequestException:
                    return
                assert reply.status_code == 200, reply.text
                self.acknowledged[f"{self._scan}/{name}"] = hashlib.md5(data).hexdigest()
                self._enough.release()


def test_kill_in_the_middle_of_uploads(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    unanswered: set[str] = set()
    dice = random.Random(os.environ.get("XNAT_SYNC_SEED", "1"))
    for round_ in range(ROUNDS):
        with child(tmp_path) as (process, url):
            if round_ == 0:
                prepare(url)
            enough = threading.Semaphore(0)
            uploaders = [Uploader(url, scan, round_, enough) for scan in (1, 2)]
            for uploader in uploaders:
                uploader.start()
            for _ in range(dice.randint(*BEFORE_THE_KILL)):
                assert enough.acquire(timeout=60)
            process.kill()
            for uploader in uploaders:
                uploader.join()
                acknowledged |= uploader.acknowledged
                unanswered.add(uploader.unanswered)
    assert len(acknowledged) >= ROUNDS * BEFORE_THE_KILL[0]
    with running(tmp_path) as server:
        listed = stored(server.url)
        assert listed >= acknowledged.items()
        assert {name for name, _ in listed} <= acknowledged.keys() | unanswered
        assert orphans(server.url, {name for name, _ in listed}) <= unanswered


def orphans(url: str, listed: set[str]) -> set[str]:
    """What lies on the disk of the server without being listed, catalogs aside."""
    with client(url) as session:
        rows: Any = session.get(f"{url}/data/experiments/XNAT_E00001/DIR?format=json&recursive=true").json()
    names = {row["Name"] for row in rows["ResultSet"]["Result"] if not row["Name"].endswith("_catalog.xml")}
    return {"/".join(name.split("/")[1::2]) for name in names} - listed


def prepare(url: str) -> None:
    with client(url) as session:
        for path in (
            "/data/projects/P",
            "/data/projects/P/subjects/S",
            "/data/projects/P/subjects/S/experiments/E?xsiType=xnat:mrSessionData",
            f"{SCANS}/1?xsiType=xnat:mrScanData",
            f"{SCANS}/2?xsiType=xnat:mrScanData",
        ):
            assert session.put(url + path).status_code in {200, 201}


def stored(url: str) -> set[tuple[str, str]]:
    """Scan and path with the digest of what is really served, after checking it against the listing."""
    found = set()
    with client(url) as session:
        listing: Any = session.get(f"{url}{SCANS}/ALL/files").json()
        for row in listing["ResultSet"]["Result"]:
            digest = hashlib.md5(session.get(url + row["URI"]).content).hexdigest()
            assert digest == row["digest"]
            found.add((f"{row['URI'].split('/')[5]}/{row['Name']}", digest))
        for row in session.get(f"{url}{SCANS}/ALL/resources").json()["ResultSet"]["Result"]:
            assert row["label"] == "NIFTI"
    return found
