"""The stage on which uploads are compared: one server, a slow link before it, and each contestant a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from benchmarks.cores import CLIENTS, CORES, SERVER, running_on
from benchmarks.measuring import ROOT, as_installed
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

LOGIN = ("admin", "admin")


@dataclass(frozen=True, slots=True)
class Run:
    """What one process cost: by the clock, by its processor time, in memory, and in requests to the server."""

    seconds: float
    processor: float
    memory_mb: float
    requests: int
    output: str


@dataclass(slots=True)
class Stage:
    """A server and the addresses that lead to it."""

    server: RunningServer
    url: str
    folder: Path

    def run(self, *command: str, environ: Mapping[str, str] | None = None) -> Run:
        """Run a contestant to its end; one that fails ends the benchmark."""
        self.server.log.clear()
        found = measured(command, environ={**self._environ(), **(environ or {})})
        return replace(found, requests=len(self.server.log))

    def _environ(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        netrc = home / ".netrc"
        netrc.write_text(f"machine 127.0.0.1 login {LOGIN[0]} password {LOGIN[1]}\n")
        netrc.chmod(0o600)
        # Each client has its own words for the same login.
        return {
            "HOME": str(home),
            "XNAT_HOST": self.url,
            "XNAT_USER": LOGIN[0],
            "XNAT_PASS": LOGIN[1],
            "XDG_CACHE_HOME": str(self.folder / "cache"),
        }


def ours(stage: Stage, command: str, manifest: Path, *options: str) -> Run:
    """Our own program, as a user calls it."""
    return stage.run(sys.executable, "-m", "xnat_sync", command, str(manifest), "--server", stage.url, *options)


def contestant(name: str, *arguments: object) -> list[str]:
    """The command of another client's script."""
    return [sys.executable, str(ROOT / "benchmarks" / "contestants" / f"{name}.py"), *map(str, arguments)]


def sampled(run: Callable[[int], Run], small: int, large: int) -> Callable[[int], Run]:
    """What a contestant would cost for any number of sessions, from two runs: it does one after another.

    Two hundred sessions at its own pace would take an hour; what it costs to start is not multiplied.
    """
    few, more = run(small), run(large)

    def at(count: int) -> Run:
        share = (count - small) / (large - small)
        seconds = few.seconds + (more.seconds - few.seconds) * share
        requests = few.requests + (more.requests - few.requests) * share
        return replace(more, seconds=seconds, requests=round(requests))

    return at


def measured(
    command: Sequence[str], environ: Mapping[str, str] | None = None, *, cores: Sequence[int] = CLIENTS
) -> Run:
    """Run a process to its end and measure it alone, not what other processes of ours cost."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with tempfile.NamedTemporaryFile() as costs:
        launched = [sys.executable, "-m", "benchmarks.launch", costs.name, *command]
        with running_on(cores):
            done = subprocess.run(
                launched, cwd=ROOT, env={**own, **(environ or {})}, capture_output=True, text=True, check=False
            )
        if done.returncode:
            sys.exit(f"{' '.join(command[:4])} … ended with {done.returncode}:\n{done.stdout}{done.stderr}"[-3000:])
        return Run(**json.load(costs), requests=0, output=done.stdout)


@contextmanager
def stage(folder: Path, *, round_trip: float = 20, rate: float | None = None) -> Iterator[Stage]:
    """A server over a folder, behind a link of so many milliseconds and MB a second; 0 and ``None`` is no link."""
    folder.mkdir(parents=True, exist_ok=True)
    as_installed()
    with running_on(SERVER), running(folder / "xnat") as server:
        port = int(server.url.rpartition(":")[2])
        if not round_trip and not rate:
            yield Stage(server, server.url, folder)
            return
        options = ["--to", str(port), "--rtt", str(round_trip), *(["--rate", str(rate)] if rate else [])]
        with helper("benchmarks.link", *options) as link:
            yield Stage(server, f"http://127.0.0.1:{link}", folder)


@contextmanager
def helper(module: str, *options: str, cores: Sequence[int] = CORES) -> Iterator[int]:
    """A process that prints its port and ends with its input."""
    command = [sys.executable, "-m", module, *options]
    with running_on(cores):
        started = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with started as process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(10)
