"""The gateway to a real XNAT: which requests each call makes, and what it does about XNAT's surprises.

How a request travels is `Transport`'s matter, so that nothing here knows of sockets, cookies or logins.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, urlencode

from xnat_sync.core.model.errors import Forbidden, NotFound, Rejected, ServerFault, UnexpectedReply
from xnat_sync.core.model.permissions import ALL, UNKNOWN
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.gateway.bodies.body import BodyOpener, Meter
from xnat_sync.gateway.port import ServerInfo, UploadReply, fitting
from xnat_sync.gateway.protocol import codec, paths, permissions
from xnat_sync.gateway.protocol.listings import ImageListing, SessionListing, SubjectListing
from xnat_sync.gateway.protocol.memory import Memory
from xnat_sync.gateway.protocol.replies import Reply, error_of
from xnat_sync.gateway.protocol.transport import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from xnat_sync.core.model.permissions import Rights
    from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteFile, RemoteObject
    from xnat_sync.gateway.port import ImageTypes, Repair
    from xnat_sync.gateway.protocol.codec import Query
    from xnat_sync.gateway.protocol.transport import Transport

LONGEST_QUERY = 6000
"""Bytes: Tomcat takes 8 KiB for the whole head of a request."""

_Answer = TypeVar("_Answer")
_ARCHIVE_NAME = "upload.tar"


class RestGateway:
    """A `Gateway` on a transport. One thread's; several may share a `Memory`."""

    def __init__(self, transport: Transport, memory: Memory | None = None) -> None:
        self._transport = transport
        self._memory = memory or Memory()

    # --- reading

    def server(self) -> ServerInfo:
        """See `Reader.server`."""
        version = ""
        reply = self._get(paths.BUILD_INFO)
        if reply.ok:
            try:
                version = str(json.loads(reply.text)["version"])
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UnexpectedReply(f"{paths.BUILD_INFO} was answered with {reply.text[:100]!r}") from error
        # Only some accounts may read it: then the digests in listings have to show.
        told = self._get(paths.CHECKSUMS)
        checksums = {"true": True, "false": False}.get(_word(told)) if told.ok else None
        return ServerInfo(url=self._transport.url, version=version, user=self._transport.user(), checksums=checksums)

    def rights(self, project: str) -> Rights:
        """See `Reader.rights`."""
        user = self._transport.user()
        groups = permissions.names_in(self._get(paths.groups_path(user)))
        roles = permissions.names_in(self._get(paths.roles_path(user)))
        if permissions.is_administrator(groups, roles):
            return replace(ALL, user=user)
        may_create = self._get(paths.PROJECT_CREATION)
        created = {"true": True, "false": False}.get(_word(may_create)) if may_create.ok and roles is not None else None
        if groups is None:
            groups = permissions.members_in(self._get(paths.members_path(Ref.project_of(project))), user)
        found = UNKNOWN if groups is None else permissions.rights_of_groups(project, groups)
        return replace(found or permissions.rights_without_group(roles), user=user, create_project=created)

    def project(self, label: str, names: frozenset[str] | None = None) -> RemoteObject | None:
        """See `Reader.project`."""
        ref = Ref.project_of(label)
        item = self._get(paths.object_path(ref), [("format", "json")], ref=ref)
        if item.status == 404:
            return None
        text = _checked(item, ref).text
        visible = self._accessibility(ref) if names is None or "accessibility" in names else ""
        return codec.decode_project(label, text, visible)

    def _accessibility(self, project: Ref) -> str:
        reply = self._get(paths.accessibility_path(project), ref=project)
        return reply.text.strip() if reply.ok else ""

    def subjects(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.subjects`."""
        ref = Ref.project_of(project)
        listing = SubjectListing(names)
        found = listing.decode(ref, self._rows(paths.list_path(ref, Level.SUBJECT), listing.query, ref))
        return self._noted(found)

    def sessions(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.sessions`."""
        ref = Ref.project_of(project)
        listing = SessionListing(names)
        found = listing.decode(ref, self._rows(paths.list_path(ref, Level.SESSION), listing.query, ref))
        return self._noted(found)

    def images(
        self, project: str, types: ImageTypes | None, session_names: frozenset[str], scan_names: frozenset[str]
    ) -> tuple[RemoteObject, ...]:
        """See `Reader.images`."""
        ref = Ref.project_of(project)
        path = paths.list_path(ref, Level.SESSION)
        listing = ImageListing(types, session_names, scan_names, self._memory.tells_scan_types)
        reply = _checked(self._get(path, listing.query, ref=ref), ref)
        if not reply.text and types is None and listing.with_scan_type:
            # `ProjSubExptList` answers so when a column fails; this one is not documented.
            self._memory.tells_scan_types = False
            return self.images(project, types, session_names, scan_names)
        return listing.decode(ref, codec.decode_rows(reply.text))

    def session_files(self, sessions: Sequence[Ref]) -> tuple[RemoteFile, ...]:
        """See `Reader.session_files`."""
        if not sessions:
            return ()
        refs = {self._accession_id(ref): ref for ref in sessions}
        found: list[RemoteFile] = []
        for part in fitting(refs, self._memory.longest_list):
            found += self._files_of(part, refs)
        return tuple(found)

    def _files_of(self, numbers: list[str], refs: Mapping[str, Ref]) -> tuple[RemoteFile, ...]:
        """The files of some experiments; a server that answers with those of others is asked for half as many."""
        asked = {number: refs[number] for number in numbers}
        rows = self._rows(paths.sessions_files_path(numbers), [("format", "json"), ("all", "true")], refs[numbers[0]])
        try:
            return codec.decode_session_files(rows, asked)
        except UnexpectedReply:
            if len(numbers) == 1:
                raise
        half = len(numbers) // 2
        # It will do so with the next list too.
        self._memory.longest_list = min(self._memory.longest_list, len(",".join(numbers)) // 2)
        return (*self._files_of(numbers[:half], refs), *self._files_of(numbers[half:], refs))

    def own_files(self, owner: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.own_files`."""
        if owner.level is not Level.SESSION:
            return codec.decode_own_files(self._rows(paths.files_path(owner), [("format", "json")], owner), owner)
        return self._current(owner, lambda number: self._files_of([number], {number: owner}))

    def resource_files(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.resource_files`."""
        reply = self._get(paths.files_path(resource), [("format", "json")], ref=resource)
        if reply.status == 404:
            return ()
        rows = codec.decode_rows(_checked(reply, resource).text)
        assert resource.parent
        return tuple(file for file in codec.decode_own_files(rows, resource.parent) if file.ref.parent == resource)

    def resources(self, owner: Ref) -> frozenset[Ref]:
        """See `Reader.resources`."""
        holder = owner.parent if owner.level is Level.SCAN else owner
        assert holder
        query = [("format", "json"), *([("all", "true")] if owner.level is Level.SESSION else [])]

        def read(number: str) -> list[codec.Row]:
            return self._rows(paths.resources_path(owner, number), query, owner)

        rows = read(owner.label) if owner.level is Level.PROJECT else self._current(holder, read)
        return codec.decode_resources(rows, owner)

    def disk_files(self, session: Ref) -> Mapping[Ref, int]:
        """See `Reader.disk_files`."""
        query = [("format", "json"), ("recursive", "true")]
        reply = self._get(paths.disk_path(self._accession_id(session)), query, ref=session)
        if reply.status == 404:
            # Without any file there is no folder. A session that was made anew since is looked up again next time.
            self._memory.forget(session)
            return {}
        return codec.decode_disk(codec.decode_rows(_checked(reply, session).text), session)

    def disk_size(self, file: Ref) -> int | None:
        """See `Reader.disk_size`."""
        reply = self._transport.send(Request(method="HEAD", path=self._readable_path(file), ref=file))
        if reply.status == 404:
            return None
        stated = _checked(reply, file).headers.get("content-length", "")
        if not stated.isdigit():
            raise UnexpectedReply("the server does not say how large the file is", ref=file)
        return int(stated)

    def record(self, ref: Ref) -> bytes:
        """See `Reader.record`."""
        is_project = ref.level is Level.PROJECT
        path = paths.object_path(ref) if is_project else paths.numbered_path(ref, self._accession_id(_holder(ref)))
        reply = _checked(self._get(path, [("format", "xml")], ref=ref), ref)
        if not reply.text.lstrip().startswith("<"):
            raise UnexpectedReply(f"a record was answered with {reply.text[:100]!r}", ref=ref)
        return reply.text.encode()

    @contextmanager
    def download(self, file: Ref) -> Iterator[Iterator[bytes]]:
        """See `Reader.download`."""
        with self._transport.stream(Request(method="GET", path=self._readable_path(file), ref=file)) as chunks:
            yield chunks

    def close(self) -> None:
        """See `Reader.close`."""
        self._transport.close()

    # --- writing

    def put_object(self, spec: ObjectSpec, *, exists: bool, fields: Mapping[str, str | None], reason: str) -> None:
        """See `Gateway.put_object`."""
        ref = spec.ref
        _require_label(ref)
        action = f"{'Modified' if exists else 'Added'} {ref.level.noun}"
        query = [*codec.object_query(spec, fields, exists=exists), *_event(action, reason)]
        self._note_answer(ref, self._put_attributes(paths.object_path(ref), query, ref))

    def put_session(self, session: ObjectSpec, scans: Sequence[ObjectSpec], *, reason: str) -> None:
        """See `Gateway.put_session`."""
        for spec in (session, *scans):
            _require_label(spec.ref)
            paths.object_path(spec.ref)  # What has no address by itself gets none here either.
        query = [*codec.session_query(session, scans), *_event("Added session", reason)]
        self._note_answer(session.ref, self._put_attributes(paths.object_path(session.ref), query, session.ref))

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
        if not files:
            return UploadReply(md5={}, duplicates=frozenset())
        as_itself = len(files) == 1 and files[0].size > 0 and paths.fits_url(files[0].ref.label)
        name = paths.write_name(files[0].ref.label) if as_itself else _ARCHIVE_NAME
        query = codec.upload_query(files, overwrite=overwrite, extract=not as_itself)
        opener = BodyOpener(files, Meter(sent), as_itself=as_itself)
        request = Request(
            method="PUT",
            path=paths.file_path(resource, name),
            query=encode_query([*query, *_event("Uploaded file", reason)]),
            open_body=opener,
            content_type="application/octet-stream" if as_itself else "application/x-tar",
            size=sum(file.size for file in files),
            ref=resource,
        )
        reply = _checked(self._transport.send(request), resource)
        if not reply.text and "content-type" not in reply.headers:
            self._notice_silence(resource, files)
        return UploadReply(md5=opener.md5, duplicates=codec.decode_duplicates(reply.text))

    def refresh(self, resource: Ref, repairs: frozenset[Repair], *, size: int, reason: str) -> None:
        """See `Gateway.refresh`."""
        query = encode_query([*codec.refresh_query(resource, repairs), *_event("Refreshed catalog", reason)])
        request = Request(method="POST", path=paths.REFRESH, query=query, size=size, ref=resource)
        reply = self._transport.send(request)
        if reply.status != 404:
            _checked(reply, resource)

    def delete(self, ref: Ref, *, reason: str, along: Collection[Ref] = ()) -> None:
        """See `Gateway.delete`."""
        match ref.level:
            case Level.FILE:
                self._delete_file(ref, reason, along)
            case Level.RESOURCE:
                self._delete(paths.object_path(ref), [], ref, reason)
            case _:
                if (path := self._place(ref)) is not None:
                    self._delete(path, [("removeFiles", "true")], ref, reason)
                self._memory.forget(ref)

    # --- how

    def _get(self, path: str, query: Query | None = None, *, ref: Ref | None = None) -> Reply:
        return self._transport.send(Request(method="GET", path=path, query=encode_query(query or []), ref=ref))

    def _rows(self, path: str, query: Query, ref: Ref) -> list[codec.Row]:
        return codec.decode_rows(_checked(self._get(path, query, ref=ref), ref).text)

    def _noted(self, found: tuple[RemoteObject, ...]) -> tuple[RemoteObject, ...]:
        for held in found:
            self._memory.note(held)
        return found

    def _current(self, ref: Ref, read: Callable[[str], _Answer]) -> _Answer:
        """Read something by the accession ID of a subject or session, looked up again where it may have been made anew.

        XNAT answers to an ID that it does not know with 404 or, for files, with a 500 (recorded on 1.8.11).
        """
        known = self._memory.number_of(ref)
        if known is None:
            return read(self._accession_id(ref))
        try:
            return read(known)
        except (NotFound, ServerFault):
            anew = self._look_up(ref)
            if anew == known:
                raise
        return read(_required(anew, ref))

    def _accession_id(self, ref: Ref) -> str:
        return self._memory.number_of(ref) or _required(self._look_up(ref), ref)

    def _look_up(self, ref: Ref) -> str | None:
        """The accession ID of a subject or session by one listing, which unlike a GET never takes one for another."""
        project = Ref.project_of(ref.project)
        listing = SubjectListing(frozenset()) if ref.level is Level.SUBJECT else SessionListing(frozenset())
        reply = self._get(paths.list_path(project, ref.level), [*listing.query, ("label", ref.label)], ref=ref)
        self._memory.forget(ref)
        if reply.status == 404:
            return None
        self._noted(listing.decode(project, codec.decode_rows(_checked(reply, ref).text)))
        return self._memory.number_of(ref)

    def _place(self, ref: Ref) -> str | None:
        """The path of an object by accession ID, ``None`` if it is not where its ref says.

        A DELETE looks for accession IDs first and does not check the subject (`SubjAssessmentResource`): a label may be
        another object's ID. An absent project is answered with 400.
        """
        if ref.level is Level.PROJECT:
            path = paths.object_path(ref)
            return None if self._get(path, [("format", "json")], ref=ref).status == 404 else path
        number = self._look_up(_holder(ref))
        return None if number is None else paths.numbered_path(ref, number)

    def _note_answer(self, ref: Ref, reply: Reply) -> None:
        """Remember the accession ID that a PUT was answered with."""
        number = reply.text.strip()
        if ref.level in (Level.SUBJECT, Level.SESSION) and number and "/" not in number:
            self._memory.note_id(ref, number)

    def _put_attributes(self, path: str, query: Query, ref: Ref) -> Reply:
        """Send attributes in the query, or where they are too long for it in a form, whose keys are full paths too."""
        written = encode_query(query)
        if len(written) <= LONGEST_QUERY:
            return _checked(self._transport.send(Request(method="PUT", path=path, query=written, ref=ref)), ref)
        short = [(key, value) for key, value in query if "/" not in key]
        form = encode_query([(key, value) for key, value in query if "/" in key]).encode()
        request = Request(
            method="PUT",
            path=path,
            query=encode_query(short),
            open_body=lambda: form,
            content_type="application/x-www-form-urlencoded",
            size=len(form),
            ref=ref,
        )
        return _checked(self._transport.send(request), ref)

    def _readable_path(self, file: Ref) -> str:
        """The path of a file's bytes, and of no other's."""
        assert file.parent
        name = paths.read_name(file.label)
        if name is None:
            raise Rejected("no URL can carry this file name, so the file cannot be asked for", ref=file)
        first = paths.looked_for(name)
        if first != file.label and any(held.ref.label == first for held in self.resource_files(file.parent)):
            raise Rejected(f"its name is in a URL that of the file {first}, so it cannot be asked for", ref=file)
        return paths.file_path(file.parent, name)

    def _delete(self, path: str, query: Query, ref: Ref, reason: str) -> None:
        query = [*query, *_event(f"Removed {ref.level.noun}", reason)]
        request = Request(method="DELETE", path=path, query=encode_query(query), ref=ref)
        reply = self._transport.send(request)
        if reply.status != 404:
            _checked(reply, ref)

    def _delete_file(self, file: Ref, reason: str, along: Collection[Ref]) -> None:
        resource = file.parent
        assert resource
        held = {found.ref for found in self.resource_files(resource)}
        if file not in held:
            return
        name = paths.delete_name(file.label, [found.label for found in held])
        if name is None:
            name = paths.delete_name(file.label, [found.label for found in held.difference(along)])
        if name is None:
            raise Rejected("XNAT would delete other files along with it", ref=file)
        self._delete(paths.file_path(resource, name), [], file, reason)

    def _notice_silence(self, resource: Ref, files: Sequence[FileSpec]) -> None:
        """Tell a success from the 200 that XNAT gives to who may not write (`FileList.handlePost`).

        A real success has a content type, so only an answer without one costs the request that settles it.
        """
        held = {found.ref for found in self.resource_files(resource)}
        if not any(file.ref in held for file in files):
            raise Forbidden("the server answered success and stored nothing: no right to write here", ref=resource)


def _required(accession_id: str | None, ref: Ref) -> str:
    if accession_id is None:
        raise NotFound(f"there is no {ref.level.noun} {ref.label}", ref=ref)
    return accession_id


def _holder(ref: Ref) -> Ref:
    """What has the accession ID by which an object is known: itself, or a scan's session."""
    return ref.parent if ref.level is Level.SCAN and ref.parent else ref


def encode_query(query: Query) -> str:
    """Parameters as a query string, spaces as ``%20``."""
    return urlencode(query, quote_via=quote, safe="/:@,")


def _word(reply: Reply) -> str:
    """The value of a preference."""
    return reply.text.strip().strip('"').lower()


def _checked(reply: Reply, ref: Ref | None) -> Reply:
    if not reply.ok:
        raise error_of(reply, ref)
    return reply


def _event(action: str, reason: str) -> Query:
    """What XNAT's history shall say of a write: sites may demand either part (`PersistentWorkflowUtils`)."""
    return [("event_action", action), *([("event_reason", reason)] if reason else [])]


def _require_label(ref: Ref) -> None:
    if "." in ref.label:
        # Everywhere else XNAT's own check says it; an experiment label ends in a 500 without a word.
        raise Rejected(f"Invalid character in {ref.level.noun} label {ref.label!r}", ref=ref)
