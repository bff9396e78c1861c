"""What the in-memory XNAT keeps, and the rules of XNAT by which it changes. No locks, no faults, no I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import (
    IMAGE_SCAN,
    PROJECT,
    SESSION_TYPES,
    SUBJECT,
    Kind,
    attribute_of,
)
from xnat_sync.core.model.errors import AlreadyExists, Forbidden, GatewayError, NotFound, Rejected, ServerFault
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteFile, RemoteObject
from xnat_sync.core.model.values import as_float, parse_number, parse_time, value_error
from xnat_sync.gateway.port import Repair

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from xnat_sync.core.model.attributes import Attribute
    from xnat_sync.core.model.state import FileSpec, ObjectSpec

_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_FIXED_TYPE = {Level.PROJECT: PROJECT, Level.SUBJECT: SUBJECT}
_SAVED_WHOLE = (Level.SUBJECT, Level.SESSION)
_ID_LETTER = {Level.SUBJECT: "S", Level.SESSION: "E"}


@dataclass(slots=True)
class StoredFile:
    """One file: what the catalog says about it, and its bytes on disk; ``lost`` are those of a file that is gone."""

    remote: RemoteFile
    content: bytes
    lost: bool = False


@dataclass(slots=True)
class Store:
    """Objects by ref, and files by resource."""

    objects: dict[Ref, RemoteObject] = field(default_factory=dict)
    resources: dict[Ref, dict[Ref, StoredFile]] = field(default_factory=dict)
    _sessions: dict[tuple[str, str], Ref] = field(default_factory=dict)
    _burnt: set[str] = field(default_factory=set)
    _busy: set[Ref] = field(default_factory=set)
    _orphans: dict[Ref, bytes] = field(default_factory=dict)
    doubled: set[Ref] = field(default_factory=set)
    """Resources that two rows of the server's table stand for: what they hold is listed twice."""
    _count: int = 0

    def require(self, ref: Ref) -> None:
        """Make sure that an object is there.

        Raises:
            NotFound: it is not.

        """
        if ref not in self.objects:
            raise NotFound(f"Unable to identify {ref.level.noun} {ref.label}", ref=ref, status=404)

    def below(self, ref: Ref, level: Level) -> Iterator[RemoteObject]:
        """The objects of a level below another one."""
        length = len(ref.parts)
        return (held for own, held in self.objects.items() if own.level is level and own.parts[:length] == ref.parts)

    def images(self, project: Ref) -> Iterator[RemoteObject]:
        """The imaging sessions of a project."""
        return (held for held in self.below(project, Level.SESSION) if _is_imaging(held.xsi_type))

    def placed(self, held: RemoteObject) -> RemoteObject:
        """An object as listings show it: with the ID of what it lies in."""
        parent = held.ref.parent
        above = self.objects.get(parent) if parent and parent.level is not Level.PROJECT else None
        return replace(held, parent_id=above.accession_id) if above else held

    # --- objects

    def lend(self, ref: Ref, owner: str) -> None:
        """Have an object, and the scans of a session, belong to another project."""
        for own in (own for own in self.objects if own == ref or (own.level is Level.SCAN and own.parent == ref)):
            self.objects[own] = replace(self.objects[own], project=owner)

    def put(self, spec: ObjectSpec, fields: Mapping[str, str | None]) -> None:
        """Create or update an object as XNAT's PUT does.

        Raises:
            NotFound: the parent is missing.
            Rejected: a label, a type or a value is not legal.
            AlreadyExists: a scan of that ID has another type.

        """
        ref = spec.ref
        if not _LABEL.fullmatch(ref.label):
            raise Rejected(f"Invalid character in {ref.level.noun} label.", ref=ref, status=417)
        self._make_parent(ref)
        if ref.level is Level.SESSION:
            self._bring_session(ref)
        held = self.objects.get(ref) or self._new(spec)
        if ref.level is Level.SCAN and held.xsi_type != spec.xsi_type:
            raise AlreadyExists("Specified xsiType differs from existing xsiType", ref=ref, status=409)
        changed = _with_fields(held, fields, is_new=ref not in self.objects)
        self.objects[ref] = changed
        if ref.level is Level.SESSION:
            self._sessions[ref.project, ref.label] = ref

    def put_together(self, specs: Sequence[ObjectSpec]) -> None:
        """Create several objects, or none of them if one is refused. Raises like `put`."""
        before = dict(self.objects), dict(self.resources), dict(self._sessions)
        try:
            for spec in specs:
                self.put(spec, {name: value for name, value in spec.fields.items() if value is not None})
        except GatewayError:
            self.objects, self.resources, self._sessions = before
            raise

    def set_fields(self, ref: Ref, fields: Mapping[str, str | None]) -> None:
        """Change some attributes of an object that is there."""
        self.require(ref)
        self.objects[ref] = _with_fields(self.objects[ref], fields, is_new=False)

    def remove(self, ref: Ref) -> None:
        """Take away an object with all below it, a resource, or a file. Nothing happens where there is none."""
        if ref.level is Level.FILE:
            assert ref.parent
            self.resources.get(ref.parent, {}).pop(ref, None)
            return
        if ref.level is Level.PROJECT and ref in self.objects:
            self._burnt.add(ref.label)
        for gone in [own for own in self.objects if _is_at_or_below(own, ref)]:
            del self.objects[gone]
            if gone.level is Level.SESSION:
                self._sessions.pop((gone.project, gone.label), None)
        for gone in [own for own in self.resources if _is_at_or_below(own, ref)]:
            del self.resources[gone]
            self.doubled.discard(gone)
        if ref.level < Level.RESOURCE:
            # A deleted resource leaves what it does not know on disk; what it lay in takes it along.
            self._orphans = {own: content for own, content in self._orphans.items() if not _is_at_or_below(own, ref)}

    def _make_parent(self, ref: Ref) -> None:
        parent = ref.parent
        if parent is None or parent in self.objects:
            return
        # `SubjAssessmentResource` makes a missing subject by itself.
        if ref.level is Level.SESSION and parent.parent in self.objects:
            self.objects[parent] = RemoteObject(
                ref=parent, accession_id=self._next_id(Level.SUBJECT), xsi_type=SUBJECT, project=parent.project
            )
            return
        raise NotFound(f"Unable to identify {parent.level.noun} {parent.label}", ref=ref, status=404)

    def _bring_session(self, ref: Ref) -> None:
        """A label belongs to one session of the project: under another subject it is moved here (`SubjAssessment…`)."""
        old = self._sessions.get((ref.project, ref.label))
        if old is None or old == ref:
            return
        for own in [own for own in self.objects if _is_at_or_below(own, old)]:
            new = _moved(own, old, ref)
            self.objects[new] = replace(self.objects.pop(own), ref=new)
        for own in [own for own in self.resources if _is_at_or_below(own, old)]:
            files = self.resources.pop(own)
            self.resources[_moved(own, old, ref)] = {
                _moved(path, old, ref): StoredFile(replace(file.remote, ref=_moved(path, old, ref)), file.content)
                for path, file in files.items()
            }

    def _new(self, spec: ObjectSpec) -> RemoteObject:
        ref = spec.ref
        if ref.label in self._burnt and ref.level is Level.PROJECT:
            raise Forbidden(
                f"Project '{ref.label}' was used in a previously deleted project and cannot be reused.",
                ref=ref,
                status=403,
            )
        if ref.level is Level.SCAN and spec.xsi_type in ("", IMAGE_SCAN):
            raise Rejected("Multiple scan modalities can be associated here.", ref=ref, status=400)
        if ref.level is Level.SESSION and not spec.xsi_type:
            raise Rejected("Need PUT Contents", ref=ref, status=417)
        defaults = {}
        if ref.level is Level.PROJECT:
            defaults = {"name": ref.label, "secondary_id": ref.label, "accessibility": "private"}
        return RemoteObject(
            ref=ref,
            accession_id=self._next_id(ref.level) if ref.level in _ID_LETTER else ref.label,
            xsi_type=_FIXED_TYPE.get(ref.level, spec.xsi_type),
            fields=defaults,
            project=ref.project,
        )

    def _next_id(self, level: Level) -> str:
        self._count += 1
        return f"MEMORY_{_ID_LETTER[level]}{self._count:05}"

    # --- files

    def resources_of(self, owner: Ref) -> list[Ref]:
        """The resources of an object; of a session, those of its scans too."""
        return [
            resource
            for resource in self.resources
            if resource.parent == owner or (owner.level is Level.SESSION and resource.at(Level.SESSION) == owner)
        ]

    def begin_upload(self, resource: Ref) -> None:
        """Open a resource for one writer, creating it if it is missing.

        Raises:
            NotFound: the object that the resource is to belong to is missing.
            ServerFault: another upload into the resource is under way; XNAT's catalog check fails the later one.

        """
        assert resource.parent
        self.require(resource.parent)
        if resource in self._busy:
            raise ServerFault(
                "Another thread or process modified the catalog since I last read it", ref=resource, status=500
            )
        self._busy.add(resource)
        self.resources.setdefault(resource, {})

    def end_upload(self, resource: Ref) -> None:
        """The writer is done, well or not."""
        self._busy.discard(resource)

    def put_file(self, spec: FileSpec, content: bytes, md5: str | None) -> None:
        """Store one file over whatever was there. Without a new digest the old one stays, as in XNAT."""
        resource = spec.ref.parent
        assert resource
        old = self.resources.get(resource, {}).get(spec.ref)
        md5 = md5 or (old.remote.md5 if old else None)
        remote = RemoteFile(
            ref=spec.ref, size=len(content), md5=md5, format=spec.format or "", content=spec.content or ""
        )
        self.resources.setdefault(resource, {})[spec.ref] = StoredFile(remote, content)
        self._orphans.pop(spec.ref, None)

    def add_orphan(self, ref: Ref, content: bytes) -> None:
        """Leave a file on the server's disk of which no catalog knows, as an upload does whose catalog write failed."""
        self.remove(ref)
        self._orphans[ref] = content

    def lose(self, ref: Ref) -> None:
        """Take a file from the disk and leave its entry."""
        assert ref.parent
        self.resources[ref.parent][ref].lost = True

    def empty_catalog(self, resource: Ref) -> None:
        """Make orphans of all files of a resource."""
        files = self.resources[resource]
        self._orphans |= {ref: file.content for ref, file in files.items() if not file.lost}
        files.clear()

    def orphans(self) -> frozenset[Ref]:
        """The files on disk that no catalog has."""
        return frozenset(self._orphans)

    def disk(self) -> dict[Ref, int]:
        """All files on disk with their sizes."""
        files = (entry for held in self.resources.values() for entry in held.items())
        catalogued = {ref: len(file.content) for ref, file in files if not file.lost}
        return {ref: len(content) for ref, content in self._orphans.items()} | catalogued

    def listed(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """The files of a resource as listings show them."""
        files = tuple(file.remote for file in self.resources.get(resource, {}).values())
        return files * 2 if resource in self.doubled else files

    def refresh(self, resource: Ref, repairs: frozenset[Repair]) -> None:
        """Bring a catalog in line with the disk; entries get digests only where that is asked for."""
        files = self.resources.get(resource)
        if files is None:
            return
        if Repair.ENTRIES in repairs:
            for ref in [own for own in self._orphans if own.parent == resource]:
                content = self._orphans.pop(ref)
                files[ref] = StoredFile(RemoteFile(ref=ref, size=len(content)), content)
        for ref, file in list(files.items()):
            if file.lost and Repair.GHOSTS in repairs:
                del files[ref]
            elif not file.lost and Repair.DIGESTS in repairs:
                file.remote = replace(file.remote, size=len(file.content), md5=_md5(file.content))

    def is_taken(self, ref: Ref) -> bool:
        """Whether an upload without ``overwrite`` finds a file of that name on disk, in the catalog or not."""
        return ref in self._orphans or (self.has_file(ref) and not self.is_lost(ref))

    def is_lost(self, ref: Ref) -> bool:
        """Whether a catalogued file is gone from the disk."""
        assert ref.parent
        return self.resources[ref.parent][ref].lost

    def has_file(self, ref: Ref) -> bool:
        """Whether a file is in its resource's catalog."""
        assert ref.parent
        return ref in self.resources.get(ref.parent, {})


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _is_imaging(xsi_type: str) -> bool:
    return xsi_type in SESSION_TYPES or xsi_type.endswith("SessionData")


def _is_at_or_below(ref: Ref, top: Ref) -> bool:
    return ref.parts[: len(top.parts)] == top.parts


def _moved(ref: Ref, old: Ref, new: Ref) -> Ref:
    return Ref.of((*new.parts, *ref.parts[len(old.parts) :]))


def _with_fields(held: RemoteObject, fields: Mapping[str, str | None], *, is_new: bool) -> RemoteObject:
    values = dict(held.fields)
    for name, value in fields.items():
        attribute = attribute_of(held.ref.level, held.xsi_type, name)
        if attribute is None:
            continue  # XNAT drops what a type does not have, and says nothing.
        if value is None:
            if not attribute.clearable and not is_new:
                raise Rejected("'NULL' Must Match Pre-Defined Values", ref=held.ref, status=400)
            values.pop(name, None)
            continue
        if not value:
            continue  # Restlet's form reader takes it for no value.
        problem = value_error(attribute, value.replace("\\", ""))
        if problem:
            raise Rejected(f"{name} {problem}", ref=held.ref, status=400)
        values[name] = as_served(attribute, value)
    if held.ref.level in _SAVED_WHOLE and not is_new and values != held.fields:
        # It is saved with all its texts, and each save doubles the backslashes of those that come from the database.
        kept = values.keys() - fields.keys()
        values |= {name: values[name].replace("\\", "\\\\") for name in kept}
    return replace(held, fields=values)


def as_served(attribute: Attribute, text: str) -> str:
    r"""How the server keeps and writes a value: floats of 32 bits, times with milliseconds, each ``\`` twice."""
    match attribute.kind:
        case Kind.TEXT | Kind.WORDS:
            return text.replace("\\", "\\\\")
        case Kind.NUMBER:
            number = as_float(parse_number(text))
            return next(short for digits in range(1, 10) if as_float(float(short := f"{number:.{digits}g}")) == number)
        case Kind.DOUBLE:
            return str(parse_number(text))
        case Kind.INTEGER:
            return str(int(text))
        case Kind.TIME:
            moment = parse_time(text)
            return moment.isoformat(timespec="milliseconds") if moment else text
        case _:
            return text
