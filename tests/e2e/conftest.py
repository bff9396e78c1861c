"""The whole program against a really running embedded server."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from xnat_sync.cli.console import Console
from xnat_sync.cli.demo import write_images
from xnat_sync.cli.main import run
from xnat_sync.server.running import RunningServer, running

BIDS_MANIFEST = Path(__file__).parent / "bids-study.yaml"
# Tables for the one volume of the plain image and the two of the packed one.
GRADIENTS = {
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.bval": "0\n",
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.bvec": "1\n0\n0\n",
    "sub-03/dwi/sub-03_dwi.bval": "0 1000\n",
    "sub-03/dwi/sub-03_dwi.bvec": "0 1\n1 0\n0 0\n",
}
PASSWORD = "pass phrase&7"


class Terminal(io.StringIO):
    """A stream that says it is a terminal, with answers to read."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    status: int
    out: str
    err: str


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with running(tmp_path / "xnat", user="boss", password=PASSWORD) as started:
        yield started


@pytest.fixture
def http(server: RunningServer) -> Iterator[requests.Session]:
    """Another client of the server."""
    with requests.Session() as session:
        session.trust_env = False
        session.auth = ("boss", PASSWORD)
        yield session


Cli = Callable[..., Done]


@pytest.fixture
def cli(server: RunningServer) -> Cli:
    """Run the command line in this process, as the server's administrator unless told otherwise."""

    def call(
        *arguments: str | Path, environ: Mapping[str, str] | None = None, stdin: io.StringIO | None = None
    ) -> Done:
        login = {"XNAT_SYNC_SERVER": server.url, "XNAT_SYNC_USER": "boss", "XNAT_SYNC_PASSWORD": PASSWORD}
        console = Console(
            out=io.StringIO(), err=io.StringIO(), stdin=stdin or io.StringIO(), environ={**login, **(environ or {})}
        )
        status = run([str(argument) for argument in arguments], console)
        assert isinstance(console.out, io.StringIO)
        assert isinstance(console.err, io.StringIO)
        return Done(status, console.out.getvalue(), console.err.getvalue())

    return call


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A few real images below ``images``."""
    write_images(tmp_path / "images")
    return tmp_path / "images"


@pytest.fixture
def bids(tmp_path: Path) -> Path:
    """A BIDS data set of 3 subjects and 4 sessions below ``bids``, every image with its side files.

    ``XNAT_SYNC_TEST_BIDS`` may name another one of the same layout; without it the images are nibabel's.
    """
    target = tmp_path / "bids"
    given = os.environ.get("XNAT_SYNC_TEST_BIDS")
    if given:
        shutil.copytree(given, target)
        return target
    write_images(tmp_path / "source")
    plain = tmp_path / "source/sub-01/ses-01/anat/sub-01_ses-01_T1w.nii"
    packed = tmp_path / "source/sub-02/ses-01/dwi/sub-02_ses-01_dwi.nii.gz"
    for number, name in enumerate((Path(__file__).parent / "bids-files.txt").read_text(encoding="utf-8").split()):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith((".nii", ".nii.gz")):
            shutil.copyfile(packed if name.endswith(".gz") else plain, path)
        else:
            text = GRADIENTS.get(name) or json.dumps({"number": number})
            path.write_text(text, encoding="utf-8")
    return target


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str], Path]:
    """Write a manifest beside the images."""

    def write(text: str, name: str = "study.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write
