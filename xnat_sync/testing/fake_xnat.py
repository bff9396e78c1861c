"""An XNAT in memory, for tests and for whoever wants to rehearse: same port, same surprises, no network.

It keeps to what XNAT does where a caller could notice: a session label is unique in its project, and a session that is
put under another subject moves there; a session's missing subject is made; attributes that a type does not have are
dropped in silence; numbers and times come back written in the server's way; existing files stay unless they are to be
overwritten; two uploads at once into one resource fail; a deleted project's ID is burnt.
"""

from __future__ import annotations

import enum
import hashlib
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import CUSTOM_PREFIX, EVERY_CUSTOM, attribute_of, generic_attributes
from xnat_sync.core.model.errors import NotFound
from xnat_sync.core.model.permissions import ALL, Rights
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.gateway.bodies.body import CHUNK, Meter
from xnat_sync.gateway.bodies.hashed_file import HashedFile
from xnat_sync.gateway.port import ServerInfo, UploadReply
from xnat_sync.gateway.protocol.columns import EXPERIMENT_NAMES
from xnat_sync.testing.fake_store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from xnat_sync.core.model.state import ObjectSpec, RemoteFile, RemoteObject
    from xnat_sync.gateway.port import ImageTypes, Repair


class Moment(enum.Enum):
    """When a fault is asked for: before a call has any effect, or when the effect is there but not yet the answer."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a gateway: the method's name, what it is about, its reason, and the paths of the files it sends."""

    method: str
    ref: Ref | None
    moment: Moment = Moment.BEFORE
    reason: str = ""
    paths: tuple[str, ...] = ()


class MemoryServer:
    """What several gateways share: objects, files, and a record of all calls. It is the factory of its gateways.

    ``calls`` counts calls by method name, ``log`` has them in order. ``fault`` may be set at any time; it is consulted
    before and after each call, and may raise. If it returns true before a write, nothing is done and all looks well,
    as when XNAT answers 200 to someone who may not write. ``rights`` are what it tells every account of its rights; it
    does not enforce them.
    """

    def __init__(self, *, checksums: bool = True, fault: Callable[[Call], bool | None] | None = None) -> None:
        self.checksums = checksums
        self.rights = ALL
        self.fault = fault
        self.calls: Counter[str] = Counter()
        self.log: list[Call] = []
        self.closed = False
        self._store = Store()
        self._lock = threading.RLock()

    def __call__(self) -> MemoryGateway:
        """A gateway for the calling thread."""
        return MemoryGateway(self)

    def gateway(self) -> MemoryGateway:
        """The same as calling the server."""
        return self()

    def close(self) -> None:
        """End the login. Safe to repeat; the content stays."""
        self.closed = True

    @property
    def writes(self) -> int:
        """How many calls so far were writes."""
        return sum(self.calls[name] for name in ("put_object", "put_session", "upload", "refresh", "delete"))

    def objects(self) -> dict[Ref, RemoteObject]:
        """All objects with all their attributes."""
        with self._lock:
            return dict(self._store.objects)

    def files(self) -> dict[Ref, RemoteFile]:
        """All files."""
        with self._lock:
            return {ref: file.remote for files in self._store.resources.values() for ref, file in files.items()}

    def content(self, file: Ref) -> bytes:
        """The bytes of one file; ``KeyError`` if there is none."""
        assert file.parent
        with self._lock:
            return self._store.resources[file.parent][file].content

    def store(self, file: Ref, content: bytes, *, catalogued: RemoteFile | None = None) -> None:
        """Put bytes behind a file's name, as another client would; ``catalogued`` is what the listing shall claim."""
        spec = FileSpec(ref=file, path="", size=len(content))
        with self._lock:
            self._store.put_file(spec, content, self._digest(hashlib.md5(content, usedforsecurity=False).hexdigest()))
            if catalogued:
                assert file.parent
                self._store.resources[file.parent][file].remote = catalogued

    def add(self, spec: ObjectSpec) -> None:
        """Make an object with its attributes, as another client would."""
        with self._lock:
            self._store.put(spec, spec.fields)

    def lend(self, ref: Ref, owner: str) -> None:
        """Have a subject or session belong to another project, which shares it into the one where it is found."""
        with self._lock:
            self._store.lend(ref, owner)

    def add_resource(self, resource: Ref) -> None:
        """Make an empty resource, as another client would."""
        with self._lock:
            self._store.resources.setdefault(resource, {})

    def add_orphan(self, file: Ref, content: bytes = b"") -> None:
        """Leave a file that no catalog lists but that blocks its name, as a failed catalog write does."""
        with self._lock:
            self._store.add_orphan(file, content)

    def lose(self, file: Ref) -> None:
        """Take a file from the server's disk behind the catalog's back."""
        with self._lock:
            self._store.lose(file)

    def empty_catalog(self, resource: Ref) -> None:
        """Leave all files of a resource on disk and in no catalog, as a crash while the catalog is written does."""
        with self._lock:
            self._store.empty_catalog(resource)

    def double(self, resource: Ref) -> None:
        """Have a resource twice under one label, as two first uploads at once make it: files are listed twice."""
        with self._lock:
            self._store.doubled.add(resource)

    def orphans(self) -> frozenset[Ref]:
        """The files on disk that no catalog lists."""
        with self._lock:
            return self._store.orphans()

    def remove(self, ref: Ref) -> None:
        """Take away an object, a resource or a file, as another client would."""
        with self._lock:
            self._store.remove(ref)

    def set_fields(self, ref: Ref, fields: Mapping[str, str | None]) -> None:
        """Change attributes of an object, as another client would."""
        with self._lock:
            self._store.set_fields(ref, fields)

    def _digest(self, md5: str) -> str | None:
        return md5 if self.checksums else None

    @contextmanager
    def _answering(self, call: Call) -> Iterator[Store | None]:
        """Count a call and consult the fault on both sides of it; ``None`` where the call is to have no effect."""
        with self._lock:
            self.calls[call.method] += 1
            self.log.append(call)
        muted = self.fault(call) if self.fault else None
        yield None if muted else self._store
        if self.fault:
            self.fault(replace(call, moment=Moment.AFTER))


class MemoryGateway:
    """A `Gateway` on a `MemoryServer`. Any number of them may be used at once, each by one thread."""

    def __init__(self, server: MemoryServer | None = None) -> None:
        self._server = server or MemoryServer()
        self._lock = self._server._lock  # noqa: SLF001 - server and gateway are one thing in two classes

    def _answering(self, call: Call) -> AbstractContextManager[Store | None]:
        return self._server._answering(call)  # noqa: SLF001 - see above

    @contextmanager
    def _reading(self, method: str, ref: Ref | None) -> Iterator[Store]:
        with self._answering(Call(method=method, ref=ref)), self._lock:
            yield self._server._store  # noqa: SLF001 - see above

    def server(self) -> ServerInfo:
        """See `Reader.server`."""
        with self._reading("server", None):
            checksums = self._server.checksums
        return ServerInfo(url="memory:", version="memory", user="memory", checksums=checksums)

    def rights(self, project: str) -> Rights:
        """See `Reader.rights`."""
        with self._reading("rights", Ref.project_of(project)):
            return self._server.rights

    def project(self, label: str, names: frozenset[str] | None = None) -> RemoteObject | None:
        """See `Reader.project`."""
        ref = Ref.project_of(label)
        with self._reading("project", ref) as store:
            held = store.objects.get(ref)
        if held is None or names is None or "accessibility" in names:
            return held
        return _only(held, held.fields.keys() - {"accessibility"})

    def subjects(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.subjects`."""
        ref = Ref.project_of(project)
        with self._reading("subjects", ref) as store:
            store.require(ref)
            return tuple(_only(held, names) for held in store.below(ref, Level.SUBJECT))

    def sessions(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.sessions`."""
        ref = Ref.project_of(project)
        wanted = {name for name in names if name in EXPERIMENT_NAMES or name.startswith(CUSTOM_PREFIX)}
        with self._reading("sessions", ref) as store:
            store.require(ref)
            # The share's words, whoever owns it (`ProjSubExptList`).
            found = [replace(held, project=project) for held in store.below(ref, Level.SESSION)]
            return tuple(_only(store.placed(held), wanted) for held in found)

    def images(
        self, project: str, types: ImageTypes | None, session_names: frozenset[str], scan_names: frozenset[str]
    ) -> tuple[RemoteObject, ...]:
        """See `Reader.images`."""
        ref = Ref.project_of(project)
        session_part, scan_part = (_listed(Level.SESSION, types, session_names), _listed(Level.SCAN, types, scan_names))
        with self._reading("images", ref) as store:
            store.require(ref)
            sessions = [held for held in store.images(ref) if types is None or held.xsi_type == types.session]
            parents = {session.ref for session in sessions}
            scans = [
                held
                for held in store.below(ref, Level.SCAN)
                if held.ref.parent in parents and (types is None or held.xsi_type == types.scan)
            ]
            return (
                *(_only(store.placed(session), session_part) for session in sessions),
                *(_only(store.placed(scan), scan_part) for scan in scans),
            )

    def session_files(self, sessions: Sequence[Ref]) -> tuple[RemoteFile, ...]:
        """See `Reader.session_files`."""
        wanted = set(sessions)
        with self._reading("session_files", None) as store:
            for ref in wanted:
                store.require(ref)
            resources = [resource for resource in store.resources if resource.at(Level.SESSION) in wanted]
            return tuple(file for resource in resources for file in store.listed(resource))

    def own_files(self, owner: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.own_files`."""
        with self._reading("own_files", owner) as store:
            return tuple(file for resource in store.resources_of(owner) for file in store.listed(resource))

    def resource_files(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.resource_files`."""
        with self._reading("resource_files", resource) as store:
            return store.listed(resource)

    def resources(self, owner: Ref) -> frozenset[Ref]:
        """See `Reader.resources`."""
        with self._reading("resources", owner) as store:
            store.require(owner)
            return frozenset(store.resources_of(owner))

    def disk_files(self, session: Ref) -> Mapping[Ref, int]:
        """See `Reader.disk_files`."""
        with self._reading("disk_files", session) as store:
            store.require(session)
            return {ref: size for ref, size in store.disk().items() if ref.at(Level.SESSION) == session}

    def disk_size(self, file: Ref) -> int | None:
        """See `Reader.disk_size`."""
        with self._reading("disk_size", file) as store:
            if not store.has_file(file) or store.is_lost(file):
                return None
            return len(self._server.content(file))

    def record(self, ref: Ref) -> bytes:
        """See `Reader.record`. Attributes by their names here, and the experiments of a subject."""
        with self._reading("record", ref) as store:
            store.require(ref)
            held = store.objects[ref]
            fields = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in sorted(held.fields.items()))
            below = (one for one in store.below(ref, Level.SESSION) if ref.level is Level.SUBJECT)
            inside = "".join(f'<m:experiment ID="{one.accession_id}" project="{one.project}"/>' for one in below)
            head = f'type="{held.xsi_type}" label="{escape(ref.label)}" project="{held.project}"'
            return f"<m:object {head}>{fields}{inside}</m:object>".encode()

    @contextmanager
    def download(self, file: Ref) -> Iterator[Iterator[bytes]]:
        """See `Reader.download`."""
        with self._reading("download", file) as store:
            if not store.has_file(file) or store.is_lost(file):
                raise NotFound("no such file", ref=file, status=404)
            content = self._server.content(file)
        yield (content[start : start + CHUNK] for start in range(0, len(content), CHUNK))

    def close(self) -> None:
        """See `Reader.close`."""

    def put_object(self, spec: ObjectSpec, *, exists: bool, fields: Mapping[str, str | None], reason: str) -> None:
        """See `Gateway.put_object`."""
        sent = fields if exists else {name: value for name, value in fields.items() if value is not None}
        with self._answering(Call(method="put_object", ref=spec.ref, reason=reason)) as store:
            if store is not None:
                with self._lock:
                    store.put(spec, sent)

    def put_session(self, session: ObjectSpec, scans: Sequence[ObjectSpec], *, reason: str) -> None:
        """See `Gateway.put_session`."""
        with self._answering(Call(method="put_session", ref=session.ref, reason=reason)) as store:
            if store is not None:
                with self._lock:
                    store.put_together((session, *scans))

    def upload(
        self,
        resource: Ref,
        files: Sequence[FileSpec],
        *,
        overwrite: bool,
        reason: str,
        sent: Callable[[int], None],
    ) -> UploadReply:
        """See `Gateway.upload`."""
        paths = tuple(file.ref.label for file in files)
        with self._answering(Call(method="upload", ref=resource, reason=reason, paths=paths)) as store:
            if store is None:
                return UploadReply(
                    md5={file.ref: _read(file, Meter(sent))[1] for file in files}, duplicates=frozenset()
                )
            with self._lock:
                store.begin_upload(resource)
            try:
                bodies = {file.ref: _read(file, Meter(sent)) for file in files}
                duplicates = set()
                with self._lock:
                    for file in files:
                        if store.is_taken(file.ref) and not overwrite:
                            duplicates.add(file.ref.label)
                        else:
                            content, md5 = bodies[file.ref]
                            store.put_file(file, content, self._server._digest(md5))  # noqa: SLF001 - see above
            finally:
                with self._lock:
                    store.end_upload(resource)
        return UploadReply(md5={ref: md5 for ref, (_, md5) in bodies.items()}, duplicates=frozenset(duplicates))

    def refresh(self, resource: Ref, repairs: frozenset[Repair], *, size: int, reason: str) -> None:
        """See `Gateway.refresh`. Digests are computed even where uploads get none, as XNAT does when told so."""
        with self._answering(Call(method="refresh", ref=resource, reason=reason)) as store:
            if store is not None:
                with self._lock:
                    store.refresh(resource, repairs)

    def delete(self, ref: Ref, *, reason: str, along: Collection[Ref] = ()) -> None:
        """See `Gateway.delete`. Each file can be told from all others."""
        with self._answering(Call(method="delete", ref=ref, reason=reason)) as store:
            if store is not None:
                with self._lock:
                    store.remove(ref)


def _listed(level: Level, types: ImageTypes | None, names: frozenset[str]) -> set[str]:
    """Which of the named attributes a listing of images has columns for."""
    if types is None:
        return {name for name in names if name in generic_attributes(level)}
    xsi_type = types.session if level is Level.SESSION else types.scan
    # A session's custom variables come with `sessions`: here they would multiply the rows of its scans.
    return {
        name
        for name in names
        if attribute_of(level, xsi_type, name) and not (level is Level.SESSION and name.startswith(CUSTOM_PREFIX))
    }


def _only(held: RemoteObject, names: set[str] | frozenset[str]) -> RemoteObject:
    prefix = CUSTOM_PREFIX if EVERY_CUSTOM in names else None
    return replace(
        held,
        fields={
            name: value for name, value in held.fields.items() if name in names or (prefix and name.startswith(prefix))
        },
    )


def _read(file: FileSpec, sent: Callable[[int], None]) -> tuple[bytes, str]:
    """The bytes of a local file and their digest."""
    source = HashedFile(file)
    chunks = []
    try:
        while chunk := source.read(CHUNK):
            chunks.append(chunk)
            sent(len(chunk))
    finally:
        source.close()
    return b"".join(chunks), source.md5
