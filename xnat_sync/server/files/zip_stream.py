"""A zip file read front to back, as ``java.util.zip.ZipInputStream`` does, with its refusals.

Python's ``zipfile`` reads the directory at the end; XNAT never sees it, so an archive that Java cannot stream must fail
here too, and bytes that are no zip at all are an archive without members.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.storage.archive import Readable

_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR: Final = struct.Struct("<III")
_SIGNATURE: Final = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
_STORED: Final = 0
_DEFLATED: Final = 8
_ZIP64: Final = 0xFFFFFFFF
_CHUNK: Final = 256 * 1024
_RAW_DEFLATE: Final = -15


class ZipStreamError(Exception):
    """What Java's reader throws; the text is its message."""


@dataclass(slots=True)
class _Header:
    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int

    @property
    def has_descriptor(self) -> bool:
        return bool(self.flags & 8)


class ZipMember:
    """One member; it must be read (or skipped) before the next is asked for."""

    def __init__(self, header: _Header, source: _Source) -> None:
        self.name = header.name
        self._header = header
        self._source = source
        self._inflater = zlib.decompressobj(_RAW_DEFLATE) if header.method == _DEFLATED else None
        self._crc = 0
        self._size = 0
        self._compressed = 0
        self._finished = False

    @property
    def is_folder(self) -> bool:
        """Whether the name says that this is a folder."""
        return self.name.endswith("/")

    def read(self, size: int = _CHUNK, /) -> bytes:
        """The next piece of the content, not longer than ``size``; nothing at the end, after the checks of Java."""
        while not self._finished:
            chunk = self._stored(size) if self._inflater is None else self._inflated(self._inflater, size)
            if chunk:
                self._crc = zlib.crc32(chunk, self._crc)
                self._size += len(chunk)
                return chunk
        return b""

    def skip(self) -> None:
        """Reads what is left."""
        while self.read(_CHUNK):
            pass

    def _stored(self, size: int) -> bytes:
        remaining = self._header.size - self._size
        if remaining == 0:
            self._finish()
            return b""
        chunk = self._source.read(min(size, remaining))
        if not chunk:
            message = "unexpected EOF"
            raise ZipStreamError(message)
        self._compressed += len(chunk)
        return chunk

    def _inflated(self, inflater: zlib._Decompress, size: int) -> bytes:
        if inflater.eof:
            self._compressed -= len(inflater.unused_data)
            self._source.push_back(inflater.unused_data)
            self._finish()
            return b""
        piece = inflater.unconsumed_tail
        if not piece:
            piece = self._source.read(_CHUNK)
            if not piece:
                message = "Unexpected end of ZLIB input stream"
                raise ZipStreamError(message)
            self._compressed += len(piece)
        try:
            return inflater.decompress(piece, size)
        except zlib.error as error:
            raise ZipStreamError(str(error)) from error

    def _finish(self) -> None:
        self._finished = True
        header = self._header
        if header.has_descriptor:
            header.crc, header.compressed, header.size = self._descriptor()
        if header.size != self._size:
            message = f"invalid entry size (expected {header.size} but got {self._size} bytes)"
            raise ZipStreamError(message)
        if header.compressed != self._compressed:
            message = f"invalid entry compressed size (expected {header.compressed} but got {self._compressed} bytes)"
            raise ZipStreamError(message)
        if header.crc != self._crc:
            message = f"invalid entry CRC (expected 0x{header.crc:x} but got 0x{self._crc:x})"
            raise ZipStreamError(message)

    def _descriptor(self) -> tuple[int, int, int]:
        """Checksum and sizes after the data; Java expects eight bytes for a size only where the size needs them."""
        wide = self._size > _ZIP64 or self._compressed > _ZIP64
        layout = struct.Struct("<IQQ") if wide else _DESCRIPTOR
        start = self._source.exactly(4)
        rest = b"" if start == _DESCRIPTOR_SIGNATURE else start
        crc, compressed, size = layout.unpack(rest + self._source.exactly(layout.size - len(rest)))
        return crc, compressed, size


class _Source:
    """The bytes of the archive, with what was read too far put back."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._back = b""

    def push_back(self, data: bytes) -> None:
        self._back = data + self._back

    def read(self, size: int) -> bytes:
        if self._back:
            chunk, self._back = self._back[:size], self._back[size:]
            return chunk
        return self._stream.read(size)

    def up_to(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size and (chunk := self.read(size)):
            parts.append(chunk)
            size -= len(chunk)
        return b"".join(parts)

    def exactly(self, size: int) -> bytes:
        data = self.up_to(size)
        if len(data) < size:
            message = "Unexpected end of ZLIB input stream"
            raise ZipStreamError(message)
        return data


def zip_members(stream: Readable) -> Iterator[ZipMember]:
    """The members in the order of the stream, until something that is no member begins."""
    source = _Source(stream)
    while (header := _next_header(source)) is not None:
        member = ZipMember(header, source)
        yield member
        member.skip()


def _next_header(source: _Source) -> _Header | None:
    data = source.up_to(_LOCAL.size)
    if len(data) < _LOCAL.size or not data.startswith(_SIGNATURE):
        return None
    _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = _LOCAL.unpack(data)
    # Java decodes names as UTF-8 whatever the flag says; a UnicodeDecodeError is its IllegalArgumentException.
    name = source.exactly(name_length).decode()
    extra = source.exactly(extra_length)
    if flags & 1:
        message = "encrypted ZIP entry not supported"
        raise ZipStreamError(message)
    if method not in {_STORED, _DEFLATED}:
        message = "unsupported compression method"
        raise ZipStreamError(message)
    if flags & 8 and method != _DEFLATED:
        message = "only DEFLATED entries can have EXT descriptor"
        raise ZipStreamError(message)
    size, compressed = _zip64(extra, size, compressed)
    return _Header(name, flags, method, crc, compressed, size)


def _zip64(extra: bytes, size: int, compressed: int) -> tuple[int, int]:
    """The sizes, from the zip64 extra field where the header has none."""
    position = 0
    while position + 4 <= len(extra):
        tag, length = struct.unpack_from("<HH", extra, position)
        if tag == 1:
            values = list(struct.unpack_from(f"<{length // 8}Q", extra, position + 4))
            size = values.pop(0) if size == _ZIP64 and values else size
            compressed = values.pop(0) if compressed == _ZIP64 and values else compressed
        position += 4 + length
    return size, compressed
