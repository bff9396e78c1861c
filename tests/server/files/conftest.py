"""A small study on a running server: one project, one subject, two sessions, scans, an assessor, a reconstruction."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.identity.users import add_user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

BINARY = {"Content-Type": "application/octet-stream"}
ROLES = {"member": "member", "collab": "collaborator"}


@dataclass(frozen=True)
class Study:
    """Where the objects are, as paths without the host."""

    project: str = "/data/projects/P"
    subject: str = "/data/projects/P/subjects/SUB1"
    session: str = "/data/experiments/XNAT_E00001"
    scan: str = "/data/experiments/XNAT_E00001/scans/1"
    scan2: str = "/data/experiments/XNAT_E00001/scans/2"
    scan_by_label: str = "/data/projects/P/subjects/SUB1/experiments/MR1/scans/1"
    assessor: str = "/data/experiments/XNAT_E00001/assessors/XNAT_E00003"
    reconstruction: str = "/data/experiments/XNAT_E00001/reconstructions/R1"
    session2: str = "/data/experiments/XNAT_E00002"


_EXPERIMENTS = "/data/projects/P/subjects/SUB1/experiments"
_OBJECTS = (
    "/data/projects/P?accessibility=private",
    "/data/projects/P/subjects/SUB1",
    f"{_EXPERIMENTS}/MR1?xsiType=xnat:mrSessionData",
    f"{_EXPERIMENTS}/MR2?xsiType=xnat:mrSessionData",
    f"{_EXPERIMENTS}/MR1/scans/1?xsiType=xnat:mrScanData&type=T1w",
    f"{_EXPERIMENTS}/MR1/scans/2?xsiType=xnat:mrScanData&type=bold/x",
    f"{_EXPERIMENTS}/MR1/scans/3?xsiType=xnat:mrScanData",
    f"{_EXPERIMENTS}/MR2/scans/1?xsiType=xnat:mrScanData&type=T1w",
    f"{_EXPERIMENTS}/MR1/assessors/QC?xsiType=xnat:qcManualAssessorData",
    f"{_EXPERIMENTS}/MR1/reconstructions/R1?xsiType=xnat:reconstructedImageData",
)


@pytest.fixture
def study(http: Any) -> Study:
    """The study, made through the server; it is empty, so the accession IDs are known."""
    for path in _OBJECTS:
        assert http.put(path).status_code in {200, 201}, path
    return Study()


@pytest.fixture
def put(http: Any, study: Study) -> Callable[..., requests.Response]:
    """Uploads bytes in-body: ``put(study.scan + "/resources/NIFTI/files/a.nii", b"...")``; it must succeed."""

    def send(path: str, data: bytes, **params: str) -> requests.Response:
        reply: requests.Response = http.put(path, data=data, headers=BINARY, params=params)
        assert reply.status_code == 200, reply.text
        return reply

    return send


@pytest.fixture
def tar() -> Callable[[Mapping[str, bytes]], bytes]:
    """A tar of names and contents."""

    def pack(files: Mapping[str, bytes]) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()

    return pack


@pytest.fixture
def on_disk(server: RunningServer, study: Study) -> Path:
    """The folder of the first session."""
    return server.context.archive / "P" / "arc001" / "MR1"


@pytest.fixture
def as_user(server: RunningServer, http: Any, study: Study) -> Iterator[Callable[[str], Any]]:
    """Clients logged in as a ``member``, a ``collab`` or a ``stranger`` of the project."""
    clients = []

    def log_in(name: str) -> Any:
        with server.context.store.write() as db:
            add_user(db, name, name)
            if name in ROLES:
                db.execute("INSERT INTO membership(project, login, role) VALUES ('P', ?, ?)", (name, ROLES[name]))
        client = type(http)(server.url)
        clients.append(client)
        client.log_in(name, name)
        return client

    yield log_in
    for client in clients:
        client.session.close()


@pytest.fixture
def raw(server: RunningServer, http: Any) -> Callable[..., tuple[int, bytes]]:
    """Sends a path exactly as it is written, which requests does not: ``raw("GET", "/data/a%2Eb")``."""
    cookie = "; ".join(f"{name}={value}" for name, value in http.session.cookies.items() if name == "JSESSIONID")

    def send(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        connection = HTTPConnection(server.url.removeprefix("http://"))
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in {**BINARY, "Cookie": cookie, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    return send
