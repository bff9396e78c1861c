"""A study that takes a while to upload, a server that can be killed, and a look at the server that trusts nobody.

``XNAT_SYNC_KILLS=200:50`` sets how often the client and the server are killed, ``XNAT_SYNC_SEED`` at which moments.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SESSIONS, SCANS = 3, 4
RATE = 4_000_000
"""Bytes a second: an apply shall last long enough to be struck in the middle."""
LOGIN = ("admin", "admin")


class Place(NamedTuple):
    """Where a file is: session, scan (empty for the session itself), resource, path."""

    session: str
    scan: str
    resource: str
    path: str


@dataclass
class Files:
    """A study on disk, and what it wants."""

    folder: Path
    dice: random.Random
    wanted: dict[Place, bytes] = field(default_factory=dict)

    def crowd(self, sessions: int, scans: int, names: int) -> None:
        """Small files, some alone in their resource, and every level with some."""
        for session in range(sessions):
            self.put(Place(f"E{session}", "", "NOTES", "notes.dat"), 100)
            for scan in range(scans):
                for name in range(names):
                    self.put(Place(f"E{session}", str(scan + 1), "RAW", f"{name}.dat"), self.dice.randrange(1, 3000))
                self.put(Place(f"E{session}", str(scan + 1), "SIDE", "side.dat"), 50)

    def grow(self) -> None:
        """66 files: small ones in many resources, and a larger one for each session."""
        for number in range(SESSIONS):
            session = f"E{number}"
            self.put(Place(session, "", "NOTES", "notes.dat"), 100)
            self.put(Place(session, "1", "LARGE", "large.dat"), 1_200_000)
            for scan in range(SCANS):
                for name in ("a.dat", "sub/b.dat", "sub/c.dat", "d.dat"):
                    self.put(Place(session, str(scan + 1), "RAW", name), self.dice.randrange(1, 60_000))
                self.put(Place(session, str(scan + 1), "SIDE", "side.dat"), 50)

    def put(self, place: Place, size: int) -> None:
        content = self.dice.randbytes(size)
        path = self.folder / "data" / self.name(place)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.wanted[place] = content

    @property
    def size(self) -> int:
        return sum(map(len, self.wanted.values()))

    def change_some(self) -> int:
        """Write other bytes into a third of the files, some of the same length; how many bytes."""
        places = self.dice.sample(sorted(self.wanted), len(self.wanted) // 3)
        for place in places:
            size = len(self.wanted[place])
            self.put(place, size if self.dice.random() < 0.5 else max(1, size + self.dice.randrange(-20, 20)))
        return sum(len(self.wanted[place]) for place in places)

    def assert_held(self, looked: Look) -> None:
        """Every file is on the server once and right, and nothing else is."""
        expected = {place: (len(content), hashlib.md5(content).hexdigest()) for place, content in self.wanted.items()}
        assert looked.doubled == []
        assert looked.listed == expected
        assert looked.on_disk == {place: size for place, (size, _) in expected.items()}

    def name(self, place: Place) -> str:
        return f"{place.session}/{place.scan or 'session'}/{place.resource}/{place.path}"

    def manifest(self, project: str) -> Path:
        lines = ["version: 1", f"project: {{id: {project}, create: true}}", "root: data", "subjects:", "  S:"]
        lines += ["    sessions:"]
        for session in sorted({place.session for place in self.wanted}):
            lines += [f"      {session}:", "        xsi_type: xnat:mrSessionData"]
            lines += ["        resources:", *self._resources(session, "", "          "), "        scans:"]
            for scan in sorted({place.scan for place in self.wanted if place.session == session and place.scan}):
                lines += [f'          "{scan}":', "            type: bold", "            resources:"]
                lines += self._resources(session, scan, "              ")
        path = self.folder / f"{project}.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def _resources(self, session: str, scan: str, indent: str) -> list[str]:
        here = [place for place in self.wanted if (place.session, place.scan) == (session, scan)]
        lines = []
        for resource in sorted({place.resource for place in here}):
            names = ", ".join(f"{p.path}: {self.name(p)}" for p in sorted(here) if p.resource == resource)
            # One with labels, which the server cannot give to a file by itself.
            labels = "format: DAT, " if resource == "RAW" else ""
            lines.append(f"{indent}{resource}: {{{labels}files: {{{names}}}}}")
        return lines


class Host:
    """The embedded server as a process of its own, always at the same address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = "0"
        self.process: subprocess.Popen[str] | None = None
        self.url = ""
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "xnat_sync.server", "--dir", str(self.folder), "--port", self.port]
        for _ in range(50):
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            assert self.process.stdout
            line = self.process.stdout.readline()
            if line.startswith("XNAT at "):
                self.url = line.removeprefix("XNAT at ").strip()
                self.port = self.url.rpartition(":")[2]
                return
            self.process.wait()  # The port may still be held by connections that are closing.
            time.sleep(0.1)
        raise AssertionError("the server does not start")

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


@dataclass
class Bench:
    """One study, one server, and the program run against it, in a process that can be killed or in this one."""

    files: Files
    host: Host
    dice: random.Random
    environ: dict[str, str]

    def begin(self, manifest: Path, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "xnat_sync", "apply", "--yes", "--bwlimit", str(RATE), *more, str(manifest)]
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env={**os.environ, **self.environ}
        )

    def seconds(self, size: int) -> float:
        """About how long an apply takes that sends so many bytes."""
        return size / RATE + 0.2

    def wait_for_writes(self, client: subprocess.Popen[str]) -> None:
        """Return when the client says that it begins to write, or ends."""
        assert client.stderr
        for line in client.stderr:
            if line.startswith("apply:"):
                return

    def end(self, client: subprocess.Popen[str]) -> int:
        _, _ = client.communicate(timeout=120)
        return client.returncode

    def kill(self, client: subprocess.Popen[str]) -> None:
        client.send_signal(signal.SIGKILL)
        self.end(client)

    def run(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a command to its end, in this process."""
        console = Console(out=io.StringIO(), err=io.StringIO(), stdin=io.StringIO(), environ=self.environ)
        status = run([str(argument) for argument in arguments], console)
        assert isinstance(console.out, io.StringIO)
        assert isinstance(console.err, io.StringIO)
        return status, console.out.getvalue() + console.err.getvalue()

    def assert_whole(self, project: str, manifest: Path) -> None:
        """Everything is on the server once, right, and nothing else; and the program has nothing more to do."""
        self.files.assert_held(look(self.host.url, project))
        status, said = self.run("plan", "--check-disk", "--detailed-exitcode", manifest)
        assert status == 0, said
        assert "Damaged" not in said


@dataclass
class Look:
    """What the server holds of a project, asked for without any code of the program."""

    listed: dict[Place, tuple[int, str]] = field(default_factory=dict)
    on_disk: dict[Place, int] = field(default_factory=dict)
    doubled: list[Any] = field(default_factory=list)


def look(url: str, project: str) -> Look:
    found = Look()
    with requests.Session() as http:
        http.trust_env = False
        http.auth = LOGIN

        def rows(path: str) -> list[dict[str, str]]:
            reply = http.get(f"{url}{path}", timeout=60)
            assert reply.status_code == 200, (path, reply.status_code, reply.text)
            listing: list[dict[str, str]] = reply.json()["ResultSet"]["Result"]
            return listing

        for session in rows(f"/data/projects/{project}/experiments?format=json&columns=ID,label"):
            number, label = session["ID"], session["label"]
            resources = rows(f"/data/experiments/{number}/resources?all=true&format=json")
            keys = [(label, row["category"], row["cat_id"], row["label"]) for row in resources]
            found.doubled += [key for key in set(keys) if keys.count(key) > 1]
            for row in rows(f"/data/experiments/{number}/files?all=true&format=json"):
                owner, _, path = row["URI"].partition("/files/")
                scan = owner.split("/scans/")[1].split("/")[0] if "/scans/" in owner else ""
                place = Place(label, scan, row["collection"], path)
                assert place not in found.listed, "listed twice"
                found.listed[place] = (int(row["Size"]), row["digest"])
            for row in rows(f"/data/experiments/{number}/DIR?format=json&recursive=true"):
                parts = row["Name"].split("/")
                if row["Name"].endswith("_catalog.xml"):
                    continue
                scan, rest = (parts[1], parts[2:]) if parts[0] == "SCANS" else ("", parts[1:])
                found.on_disk[Place(label, scan, rest[0], "/".join(rest[1:]))] = int(row["Size"])
    return found


def kills() -> tuple[int, int]:
    """How often the client and the server are killed: a few times, unless the environment says otherwise."""
    client, _, server = os.environ.get("XNAT_SYNC_KILLS", "6:3").partition(":")
    return int(client), int(server)


@pytest.fixture
def client_kills() -> int:
    return kills()[0]


@pytest.fixture
def server_kills() -> int:
    return kills()[1]


@pytest.fixture
def dice() -> random.Random:
    return random.Random(os.environ.get("XNAT_SYNC_SEED", "1"))


@pytest.fixture
def crowd(tmp_path: Path, dice: random.Random) -> Files:
    """500 small files in 101 resources; a tenth of it unless ``XNAT_SYNC_FAULTS`` is set to ``500``."""
    files = Files(tmp_path, dice)
    if os.environ.get("XNAT_SYNC_FAULTS") == "500":
        files.crowd(sessions=10, scans=5, names=9)
    else:
        files.crowd(sessions=3, scans=2, names=7)
    return files


@pytest.fixture
def look_at() -> Callable[[str, str], Look]:
    return look


@pytest.fixture
def bench(tmp_path: Path, dice: random.Random) -> Iterator[Bench]:
    host = Host(tmp_path / "xnat")
    files = Files(tmp_path, dice)
    files.grow()
    environ = {
        "XNAT_SYNC_SERVER": host.url,
        "XNAT_SYNC_USER": LOGIN[0],
        "XNAT_SYNC_PASSWORD": LOGIN[1],
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    try:
        yield Bench(files, host, dice, environ)
    finally:
        host.kill()
