"""kill -9, of the client and of the server, at random moments of an apply: the next run ends as if nothing had been."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.soak.conftest import Bench


@pytest.mark.timeout(7200)
def test_the_client_is_killed(bench: Bench, client_kills: int) -> None:
    struck = 0
    for number in range(client_kills):
        if number % 2:
            # Files that are replaced, in a project that is whole.
            project = f"C{number - 1}"
            size = bench.files.change_some()
        else:
            project, size = f"C{number}", bench.files.size
        manifest = bench.files.manifest(project)
        for _ in range(bench.dice.choice((1, 1, 1, 2))):
            client = bench.begin(manifest)
            if bench.dice.random() < 0.9:
                bench.wait_for_writes(client)
            time.sleep(bench.dice.uniform(0, bench.seconds(size)))
            struck += client.poll() is None
            bench.kill(client)
        status, said = bench.run("apply", "--yes", manifest)
        assert status == 0, (number, said)
        bench.assert_whole(project, manifest)
    print(f"{struck} of the blows at {client_kills} runs struck while the client ran")  # noqa: T201 - for who runs it
    assert struck > client_kills / 3


@pytest.mark.timeout(7200)
def test_the_server_is_killed(bench: Bench, server_kills: int) -> None:
    ends: dict[int, int] = {}
    for number in range(server_kills):
        project = f"S{number}"
        manifest = bench.files.manifest(project)
        client = bench.begin(manifest)
        bench.wait_for_writes(client)
        time.sleep(bench.dice.uniform(0, bench.seconds(bench.files.size)))
        bench.host.kill()
        downtime = bench.dice.uniform(0, 2)
        again = threading.Timer(downtime, bench.host.start)
        again.start()
        status = bench.end(client)
        again.join()
        ends[status] = ends.get(status, 0) + 1
        assert status in (0, 5, 6)
        if status != 0:
            status, said = bench.run("apply", "--yes", manifest)
            assert status == 0, (number, said)
        bench.assert_whole(project, manifest)
    print(f"after {server_kills} kills of the server the runs ended with {ends}")  # noqa: T201 - for who runs it
