"""One suite, two gateways: the in-memory XNAT, and the real client on the embedded server."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.datatypes import PROJECT, SUBJECT
from xnat_sync.core.refs import Level, Ref
from xnat_sync.core.state import FileSpec, ObjectSpec
from xnat_sync.gateway.client import XnatConnection
from xnat_sync.gateway.memory import MemoryServer
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xnat_sync.core.state import RemoteFile, RemoteObject
    from xnat_sync.gateway.api import Gateway, GatewayFactory, UploadReply

_LABELS = (f"P{number}" for number in itertools.count(1))
_TYPES = {
    Level.PROJECT: PROJECT,
    Level.SUBJECT: SUBJECT,
    Level.SESSION: "xnat:mrSessionData",
    Level.SCAN: "xnat:mrScanData",
}


@dataclass
class Study:
    """A project of its own on one of the gateways, and short words for what tests do to it."""

    gateway: Gateway
    folder: Path
    project: Ref
    sent: list[int] = field(default_factory=list)

    def subject(self, label: str = "S1") -> Ref:
        return self.project.child(Level.SUBJECT, label)

    def session(self, label: str = "E1", subject: str = "S1") -> Ref:
        return self.subject(subject).child(Level.SESSION, label)

    def scan(self, label: str = "1", session: str = "E1") -> Ref:
        return self.session(session).child(Level.SCAN, label)

    def resource(self, label: str = "NIFTI", owner: Ref | None = None) -> Ref:
        return (owner or self.scan()).child(Level.RESOURCE, label)

    def put(
        self, ref: Ref, fields: Mapping[str, str | None] | None = None, *, exists: bool = False, xsi_type: str = ""
    ) -> Ref:
        spec = ObjectSpec(ref=ref, xsi_type=xsi_type or _TYPES[ref.level], fields=fields or {})
        self.gateway.put_object(spec, exists=exists, fields=spec.fields, reason="a test")
        return ref

    def grow(self) -> Ref:
        """The usual subject, session and scan."""
        self.put(self.subject())
        self.put(self.session())
        return self.put(self.scan())

    def local(self, resource: Ref, name: str, content: bytes, *, labels: tuple[str, str] | None = None) -> FileSpec:
        """A local file that is to go into a resource under a name."""
        digest = hashlib.md5(content).hexdigest()
        path = self.folder / hashlib.md5(name.encode()).hexdigest()
        path.write_bytes(content)
        ref = resource.child(Level.FILE, name)
        kind, meaning = labels or (None, None)
        return FileSpec(ref=ref, path=str(path), size=len(content), md5=digest, format=kind, content=meaning)

    def upload(self, *files: FileSpec, overwrite: bool = False) -> UploadReply:
        resource = files[0].ref.parent
        assert resource
        return self.gateway.upload(resource, files, overwrite=overwrite, reason="a test", sent=self.sent.append)

    def held(self, resource: Ref) -> dict[str, RemoteFile]:
        return {file.ref.label: file for file in self.gateway.resource_files(resource)}

    def content(self, file: Ref) -> bytes:
        with self.gateway.download(file) as chunks:
            return b"".join(chunks)

    def find(self, ref: Ref, *names: str) -> RemoteObject | None:
        """A subject, or an experiment by what every experiment has."""
        wanted = frozenset(names)
        read = self.gateway.subjects if ref.level is Level.SUBJECT else self.gateway.sessions
        return next((held for held in read(ref.project, wanted) if held.ref == ref), None)


@pytest.fixture(scope="session")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XnatConnection]:
    with running(tmp_path_factory.mktemp("xnat")) as server:
        factory = XnatConnection(server.url, "admin", "admin")
        yield factory
        factory.close()


@pytest.fixture(params=["memory", "embedded"])
def factory(request: pytest.FixtureRequest) -> GatewayFactory:
    if request.param == "memory":
        return MemoryServer()
    connection: XnatConnection = request.getfixturevalue("connection")
    return connection


@pytest.fixture
def study(factory: GatewayFactory, tmp_path: Path) -> Iterator[Study]:
    gateway = factory()
    made = Study(gateway, tmp_path, Ref.project_of(next(_LABELS)))
    made.put(made.project)
    yield made
    gateway.close()
