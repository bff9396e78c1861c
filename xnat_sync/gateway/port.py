"""The port: what the rest of the program asks of an XNAT, in the program's own words.

Rules for every method: a failure is a `GatewayError`; reads may be repeated freely; one gateway serves one thread.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from xnat_sync.core.model.permissions import Rights
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteFile, RemoteObject

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """Who answers, and as whom: ``checksums`` is ``None`` where the server does not tell."""

    url: str
    version: str
    user: str
    checksums: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadReply:
    """What an upload did: the MD5 of each file as it was read, and the paths that the server kept as they were.

    ``duplicates`` are paths inside the resource that existed, so that the server answered 200 and did not store them.
    """

    md5: Mapping[Ref, str]
    duplicates: frozenset[str]


class Repair(enum.Enum):
    """What a refresh of a catalog can bring in line with the files on the server's disk."""

    DIGESTS = "digests"
    """Compute the digest and size of every catalogued file anew."""
    ENTRIES = "entries"
    """Catalogue the files that no entry names; the new entries have neither labels nor, by this alone, digests."""
    GHOSTS = "ghosts"
    """Drop the entries whose file is gone."""


LONGEST_LIST = 1000
"""Characters of accession IDs, with their commas, that one request asks for.

XNAT answers a list longer than about 2,100 with the experiments of the whole site, and 200: Restlet 1.1 matches a
segment with a recursive expression, and a shorter route wins where a thread's stack is too small (recorded on 1.8.11).
"""


def fitting(
    numbers: Iterable[Item], longest: int = LONGEST_LIST, key: Callable[[Item], str] = str
) -> Iterator[list[Item]]:
    """Yield things in parts whose accession IDs, which ``key`` gives, fit one request."""
    part: list[Item] = []
    length = 0
    for number in numbers:
        size = len(key(number)) + 1
        # The last one has no comma behind it.
        if part and length + size - 1 > longest:
            yield part
            part, length = [], 0
        part.append(number)
        length += size
    if part:
        yield part


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTypes:
    """A pair of xsi types that one request can read the attributes of: ``xnat:mrSessionData``, ``xnat:mrScanData``."""

    session: str
    scan: str


class Reader(Protocol):
    """The half of a gateway that cannot write.

    Listings that are asked for a custom variable may tell others too; asked for `datatypes.EVERY_CUSTOM`, they tell
    all.
    """

    def server(self) -> ServerInfo:
        """The server and the account. One or two requests."""
        ...

    def rights(self, project: str) -> Rights:
        """What the account may do in a project; what the server does not tell is unknown. Two or three requests."""
        ...

    def project(self, label: str, names: frozenset[str] | None = None) -> RemoteObject | None:
        """The project with its attributes, ``None`` if it is missing or hidden. One request.

        Its accessibility costs a second one, made only if ``names`` has it or nothing was named.
        """
        ...

    def subjects(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """All subjects of a project, each with those of the named attributes that are set. One request."""
        ...

    def sessions(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """All experiments of a project with those of the named attributes that every experiment has. One request.

        Names that only imaging sessions have are passed over; custom variables are read here. Experiments that are no
        imaging sessions are listed too: they occupy labels.
        """
        ...

    def images(
        self, project: str, types: ImageTypes | None, session_names: frozenset[str], scan_names: frozenset[str]
    ) -> tuple[RemoteObject, ...]:
        """The imaging sessions and their scans, each with those of the named attributes that are set. One request.

        With ``types`` ``None``: all of them, with attributes that every session or scan has; names that only some type
        has are passed over. With types: sessions of that type and their scans of that type, own attributes included.
        An object may appear in several answers with part of its attributes; the fields add up. Of custom variables
        only a scan's are read here, and only with types.
        """
        ...

    def session_files(self, sessions: Sequence[Ref]) -> tuple[RemoteFile, ...]:
        """All files of some sessions and their scans, assessors left out. One request for as many as are `fitting`.

        One more for each session that was neither listed nor put before. A session that was deleted since is a
        ``NotFound``, or shows no files.

        Raises:
            UnexpectedReply: the server answers with something else than the files of these sessions.

        """
        ...

    def own_files(self, owner: Ref) -> tuple[RemoteFile, ...]:
        """The files in a project's, or a subject's, own resources; of a session, those of its scans too. One request.

        Two where a session was neither listed nor put before.
        """
        ...

    def resource_files(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """The files of one resource as its catalog has them now; none if there is no such resource. One request."""
        ...

    def resources(self, owner: Ref) -> frozenset[Ref]:
        """All resources of an object (of a session: those of its scans too), empty ones included.

        One request where the object was listed or put before, else two.
        """
        ...

    def disk_files(self, session: Ref) -> Mapping[Ref, int]:
        """The files in the folders of a session's resources and of its scans', catalogued or not, with their sizes.

        One request, two where the session was neither listed nor put before.
        """
        ...

    def disk_size(self, file: Ref) -> int | None:
        """The size of a catalogued file on the server's disk, ``None`` if it is not there. One request.

        Raises:
            Rejected: as `download`.

        """
        ...

    def record(self, ref: Ref) -> bytes:
        """The whole record of a project, subject, session or scan as the server exports it, in XML. One request.

        Raises:
            NotFound: there is no such object.

        """
        ...

    def download(self, file: Ref) -> AbstractContextManager[Iterator[bytes]]:
        """The bytes of one file in chunks.

        Raises:
            NotFound: there is no such file.
            Rejected: the name holds something that no URL to XNAT can carry: ``%``, ``;`` or a backslash; or another
                file is stored under the text by which a URL would write it, as ``a%23b`` beside ``a#b``.

        """
        ...

    def close(self) -> None:
        """Give back what this gateway holds. Safe to repeat."""
        ...


class Gateway(Reader, Protocol):
    """A gateway that can write. Each write carries a reason, which XNAT keeps in the object's history."""

    def put_object(self, spec: ObjectSpec, *, exists: bool, fields: Mapping[str, str | None], reason: str) -> None:
        """Create an object, or set some attributes of one that exists. Safe to repeat.

        XNAT drops what it does not understand and answers 200: read back what matters.
        """
        ...

    def put_session(self, session: ObjectSpec, scans: Sequence[ObjectSpec], *, reason: str) -> None:
        """Create a session together with its scans, all of their attributes set. One request. Safe to repeat.

        For a session that does not exist yet. A server may refuse what it takes one by one, and then has done nothing;
        or drop parts of it without a word: read back what matters.
        """
        ...

    def upload(
        self,
        resource: Ref,
        files: Sequence[FileSpec],
        *,
        overwrite: bool,
        reason: str,
        sent: Callable[[int], None],
    ) -> UploadReply:
        """Send files into one resource, creating it if it is missing. All files share one format and content label.

        One file goes as itself where its name and size allow, anything else as one streamed archive. ``sent`` is told
        about bytes as they go. Without ``overwrite`` existing files are left alone and reported.

        Raises:
            LocalFileError: a file is gone, or no longer has the size or the digest of its spec.

        """
        ...

    def refresh(self, resource: Ref, repairs: frozenset[Repair], *, size: int, reason: str) -> None:
        """Bring a resource's catalog in line with the server's disk. Needs no more than the right to edit.

        ``size`` is how many bytes the server will have to read, for how long to wait. A server that does not get at the
        catalog answers success and does nothing: list what matters afterwards. Nothing happens to what is not there.
        """
        ...

    def delete(self, ref: Ref, *, reason: str, along: Collection[Ref] = ()) -> None:
        """Delete an object with all below it, a resource, or one file and no other. Safe to repeat: absent is done.

        ``along`` are files that are to go too: where XNAT cannot tell a file from them, they go with it.

        Raises:
            Rejected: XNAT has no way to delete this file without one that is to stay.

        """
        ...


class GatewayFactory(Protocol):
    """Makes gateways that share one login; ``close`` ends the login."""

    def __call__(self) -> Gateway:
        """A gateway for the calling thread."""
        ...

    def close(self) -> None:
        """End the login. Safe to repeat."""
        ...
