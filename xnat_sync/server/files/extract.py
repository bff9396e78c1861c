"""What ``extract=true`` does with a body: which names are archives, and what members they have.

From ``FileExtractor.Format``, ``ZipUtils`` and ``TarUtils``: the name decides, case counts, and a ``.gz`` that is no
tar is one compressed file. Stricter than XNAT: members that leave the folder, links, devices and bombs are refused.
"""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from dataclasses import dataclass
from enum import Enum
from typing import IO, TYPE_CHECKING, Final, cast

from xnat_sync.server.files.zip_stream import ZipStreamError, zip_members
from xnat_sync.server.storage.archive import UnsafeNameError, safe_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.storage.archive import Readable

_TAR_BLOCKS: Final = 64 * 1024
_MAX_TAR_HEADER: Final = 1 << 20
_CONTENT_TYPES: Final = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_BOMB_FLOOR: Final = 1 << 30
_BOMB_RATIO: Final = 200


class Format(Enum):
    """The four kinds of body that are unpacked, and their names (``FileExtractor.Format``)."""

    TGZ = re.compile(r".*\.(tgz|tar\.gz)")
    TAR = re.compile(r".*\.(tar|xar)")
    ZIP = re.compile(r".*\.(zip|zar)")
    GZ = re.compile(r".*\.gz")


class ArchiveError(Exception):
    """An archive that cannot be read: 500 with this text, members before the failure stay on disk."""


class ArchiveRefusedError(Exception):
    """An archive that XNAT would unpack to its own harm; this server does not."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member about to be unpacked; ``path`` is safe and relative to the resource folder."""

    path: str
    is_folder: bool
    content: Readable


def format_of(name: str) -> Format | None:
    """How a file of this name is unpacked; ``None`` means that it is stored as it is, also with ``extract=true``."""
    return next((kind for kind in Format if kind.value.fullmatch(name)), None)


def members(kind: Format, name: str, body: Readable, *, length: int | None = None) -> Iterator[Member]:
    """The members in archive order, each to be read before the next; ``length`` is the size of the body if known.

    Raises ``ArchiveError`` for a damaged archive and ``ArchiveRefusedError`` for a dangerous one, possibly after some
    members.
    """
    counted = _Counted(body)
    guard = _BombGuard(counted, length)
    with _TRANSLATED:
        for member in _MEMBERS[kind](name, counted):
            if member.is_folder and member.path.strip("/.") == "":
                continue
            yield Member(safe_path(member.path), member.is_folder, _Guarded(member.content, guard))
        while counted.read(_TAR_BLOCKS):
            pass


class _Translation:
    """Turns what the decoders raise into the two errors of this module; entered for every read, so no generator."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnsafeNameError | UnicodeError):
            raise ArchiveRefusedError(str(error)) from error
        if isinstance(error, tarfile.TarError | gzip.BadGzipFile | ZipStreamError | zlib.error | EOFError | ValueError):
            raise ArchiveError(str(error)) from error


_TRANSLATED: Final = _Translation()


class _BoundedHeader(tarfile.TarInfo):
    """Refuses a header that carries more than names: the module would read all of it into memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in _CONTENT_TYPES and self.size > _MAX_TAR_HEADER:
            message = f"Illegal archive header of {self.size} bytes"
            raise ArchiveRefusedError(message)
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def _tar_members(_: str, body: Readable) -> Iterator[Member]:
    stream = cast("IO[bytes]", body)
    try:
        archive = tarfile.open(fileobj=stream, mode="r|", bufsize=_TAR_BLOCKS, tarinfo=_BoundedHeader)  # noqa: SIM115
    except tarfile.ReadError as error:
        if str(error) == "empty file":
            return
        raise
    with archive:
        for info in archive:
            archive.members = []  # type: ignore[attr-defined] # it keeps all it has seen; nobody asks for them again
            if info.isdir():
                yield Member(info.name, True, _NOTHING)  # noqa: FBT003
            elif info.isreg() and not info.issparse():
                yield Member(info.name, False, archive.extractfile(info) or _NOTHING)  # noqa: FBT003
            else:
                message = f"Illegal archive member, neither a file nor a folder: {info.name!r}"
                raise ArchiveRefusedError(message)


def _tgz_members(name: str, body: Readable) -> Iterator[Member]:
    yield from _tar_members(name, _gunzip(body))


def _zip_members(_: str, body: Readable) -> Iterator[Member]:
    for member in zip_members(body):
        yield Member(member.name, member.is_folder, member)


def _gz_member(name: str, body: Readable) -> Iterator[Member]:
    """One file, named as the body without ``.gz``, in the root of the resource whatever folder the URL names."""
    yield Member(name.rpartition("/")[2].removesuffix(".gz"), False, _gunzip(body))  # noqa: FBT003


_MEMBERS: Final = {
    Format.TAR: _tar_members,
    Format.TGZ: _tgz_members,
    Format.ZIP: _zip_members,
    Format.GZ: _gz_member,
}


def _gunzip(body: Readable) -> Readable:
    unzipped = gzip.GzipFile(fileobj=cast("IO[bytes]", body), mode="rb")
    try:
        unzipped.peek(1)
    except gzip.BadGzipFile as error:
        message = "Not in GZIP format"
        raise ArchiveError(message) from error
    return unzipped


class _Nothing:
    def read(self, size: int = -1, /) -> bytes:
        del size
        return b""


_NOTHING: Final = _Nothing()


class _Counted:
    """Counts what is read of the body."""

    def __init__(self, body: Readable) -> None:
        self._body = body
        self.consumed = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._body.read(size)
        self.consumed += len(data)
        return data


class _BombGuard:
    """Refuses content that is absurdly larger than the archive it came in.

    Real images compress a hundredfold at best beyond the first gigabyte; a bomb a thousandfold.
    """

    def __init__(self, body: _Counted, length: int | None) -> None:
        self._body = body
        self._length = length
        self._unpacked = 0

    def add(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > _BOMB_FLOOR:
            packed = max(self._body.consumed, self._length or 0)
            if self._unpacked > _BOMB_RATIO * packed:
                message = f"The archive unpacks to more than {_BOMB_RATIO} times its size"
                raise ArchiveRefusedError(message)


class _Guarded:
    def __init__(self, content: Readable, guard: _BombGuard) -> None:
        self._content = content
        self._guard = guard

    def read(self, size: int = -1, /) -> bytes:
        with _TRANSLATED:
            data = self._content.read(size)
        self._guard.add(len(data))
        return data
