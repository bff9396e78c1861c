"""A gateway that cannot write, because it has nothing to write with."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from xnat_sync.core.model.permissions import Rights
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import RemoteFile, RemoteObject
    from xnat_sync.gateway.port import ImageTypes, Reader, ServerInfo


class ReadOnly:
    """The reading half of another gateway: a `Reader` and at run time no more than that."""

    __slots__ = ("__reader",)

    def __init__(self, reader: Reader) -> None:
        self.__reader = reader

    def server(self) -> ServerInfo:
        """See `Reader.server`."""
        return self.__reader.server()

    def rights(self, project: str) -> Rights:
        """See `Reader.rights`."""
        return self.__reader.rights(project)

    def project(self, label: str, names: frozenset[str] | None = None) -> RemoteObject | None:
        """See `Reader.project`."""
        return self.__reader.project(label, names)

    def subjects(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.subjects`."""
        return self.__reader.subjects(project, names)

    def sessions(self, project: str, names: frozenset[str]) -> tuple[RemoteObject, ...]:
        """See `Reader.sessions`."""
        return self.__reader.sessions(project, names)

    def images(
        self, project: str, types: ImageTypes | None, session_names: frozenset[str], scan_names: frozenset[str]
    ) -> tuple[RemoteObject, ...]:
        """See `Reader.images`."""
        return self.__reader.images(project, types, session_names, scan_names)

    def session_files(self, sessions: Sequence[Ref]) -> tuple[RemoteFile, ...]:
        """See `Reader.session_files`."""
        return self.__reader.session_files(sessions)

    def own_files(self, owner: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.own_files`."""
        return self.__reader.own_files(owner)

    def resource_files(self, resource: Ref) -> tuple[RemoteFile, ...]:
        """See `Reader.resource_files`."""
        return self.__reader.resource_files(resource)

    def resources(self, owner: Ref) -> frozenset[Ref]:
        """See `Reader.resources`."""
        return self.__reader.resources(owner)

    def disk_files(self, session: Ref) -> Mapping[Ref, int]:
        """See `Reader.disk_files`."""
        return self.__reader.disk_files(session)

    def disk_size(self, file: Ref) -> int | None:
        """See `Reader.disk_size`."""
        return self.__reader.disk_size(file)

    def record(self, ref: Ref) -> bytes:
        """See `Reader.record`."""
        return self.__reader.record(ref)

    def download(self, file: Ref) -> AbstractContextManager[Iterator[bytes]]:
        """See `Reader.download`."""
        return self.__reader.download(file)

    def close(self) -> None:
        """See `Reader.close`."""
        self.__reader.close()
