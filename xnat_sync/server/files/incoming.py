"""A file on its way into a resource: streaming in a request's body, or already spooled from a form."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from xnat_sync.server.http.multipart import Part
    from xnat_sync.server.storage.archive import Folder, Readable, Written


class Incoming(Protocol):
    """What an upload stores or unpacks."""

    @property
    def name(self) -> str:
        """The name that decides how it is unpacked, and where it goes if the URL names no file."""
        ...

    @property
    def length(self) -> int | None:
        """The size of the bytes to come, if it is known."""
        ...

    def store(self, folder: Folder, path: str) -> Written:
        """Puts the bytes into the file of ``path``."""
        ...

    def opened(self) -> AbstractContextManager[Readable]:
        """The bytes, for unpacking."""
        ...


@dataclass(frozen=True, slots=True)
class StreamedFile:
    """The body itself: it goes straight into the final file (``FileWriterWrapper`` of an in-body upload)."""

    name: str
    length: int | None
    body: Readable

    def store(self, folder: Folder, path: str) -> Written:
        """Streams; if the client goes away, a truncated file stays."""
        return folder.write(path, self.body)

    @contextmanager
    def opened(self) -> Iterator[Readable]:
        """The body as it comes."""
        yield self.body


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A part of a form: complete on disk, it is only moved."""

    part: Part

    @property
    def name(self) -> str:
        """The base name of the part."""
        return self.part.name

    @property
    def length(self) -> int | None:
        """Its size."""
        return self.part.written.size

    def store(self, folder: Folder, path: str) -> Written:
        """Moves; a copy stays behind for a second part of the same name in the URL."""
        folder.move_in(path, self.part.path)
        return self.part.written

    @contextmanager
    def opened(self) -> Iterator[Readable]:
        """The spooled bytes."""
        with self.part.path.open("rb") as file:
            yield file


class FullDisk:
    """Stands in for a body on a disk that fills up after its first piece."""

    def __init__(self, body: Readable) -> None:
        self._body = body
        self._written = False

    def read(self, size: int = -1, /) -> bytes:
        """Half of the first piece, then the error of the operating system."""
        if self._written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._written = True
        piece = self._body.read(size)
        return piece[: max(1, len(piece) // 2)]
