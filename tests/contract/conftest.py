"""One suite, two gateways: the in-memory XNAT, and the real client on the embedded server."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import pytest

from xnat_sync.core.model.attributes import PROJECT, SUBJECT
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.server.running import running
from xnat_sync.testing.fake_xnat import MemoryServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from xnat_sync.core.model.state import RemoteFile, RemoteObject
    from xnat_sync.gateway.port import Gateway, GatewayFactory, UploadReply

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


class Harm(Protocol):
    """What accidents do to a server's disk."""

    def lose(self, file: Ref) -> None: ...

    def cut(self, file: Ref, content: bytes) -> None:
        """Put other bytes behind the catalog's back."""

    def leave(self, file: Ref, content: bytes) -> None:
        """Put a file that no catalog lists."""

    def empty_catalog(self, resource: Ref) -> None: ...


class MemoryHarm:
    def __init__(self, server: MemoryServer) -> None:
        self.server = server
        self.lose = server.lose
        self.leave = server.add_orphan
        self.empty_catalog = server.empty_catalog

    def cut(self, file: Ref, content: bytes) -> None:
        self.server.store(file, content, catalogued=self.server.files()[file])


class DiskHarm:
    def __init__(self, archive: Path) -> None:
        self.archive = archive

    def path(self, ref: Ref) -> Path:
        session, scan, resource = ref.at(Level.SESSION), ref.at(Level.SCAN), ref.at(Level.RESOURCE)
        assert resource
        if session:
            home = self.archive / ref.project / "arc001" / session.label
            home /= f"SCANS/{scan.label}" if scan else "RESOURCES"
        else:
            subject = ref.at(Level.SUBJECT)
            home = self.archive / ref.project / (f"subjects/{subject.label}" if subject else "resources")
        return home / resource.label / (ref.label if ref.level is Level.FILE else "")

    def lose(self, file: Ref) -> None:
        self.path(file).unlink()

    def cut(self, file: Ref, content: bytes) -> None:
        self.path(file).write_bytes(content)

    def leave(self, file: Ref, content: bytes) -> None:
        self.path(file).parent.mkdir(parents=True, exist_ok=True)
        self.path(file).write_bytes(content)

    def empty_catalog(self, resource: Ref) -> None:
        (self.path(resource) / f"{resource.label}_catalog.xml").write_bytes(b"")


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the embedded server's files."""
    return tmp_path_factory.mktemp("xnat") / "archive"


@pytest.fixture(scope="session")
def connection(archive: Path) -> Iterator[XnatConnection]:
    with running(archive.parent) as server:
        factory = XnatConnection(server.url, "admin", "admin")
        yield factory
        factory.close()


@pytest.fixture
def harm(factory: GatewayFactory, archive: Path) -> Harm:
    return MemoryHarm(factory) if isinstance(factory, MemoryServer) else DiskHarm(archive)


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
