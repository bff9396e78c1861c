"""Copies of gzip files without what their headers tell of whoever packed them: name, comment and time.

The compressed data stay byte for byte as they are, and so does what they hold.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.local.atomic_write import arriving
from xnat_sync.local.imaging.magic import GZIP
from xnat_sync.local.imaging.streams import opened

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.local.imaging.streams import File

_CHUNK = 1 << 18
_MOST_INFLATED = 1 << 20
_MOST_HEADER = 1 << 17
# Flags of RFC 1952. The extra field stays: block-wise readers live by it.
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


def tells(path: str) -> bool:
    """Whether a file is gzip, and the header of its first member says more than it must."""
    try:
        with opened(path) as file:
            start = file.read(10, 0)
    except OSError:
        return False
    return start.startswith(GZIP) and len(start) == 10 and (bool(start[3] & (_NAME | _COMMENT)) or any(start[4:8]))


def copy_nameless(path: str, target: Path) -> None:
    """Copy a sound gzip file, every member with a header that tells nothing.

    Raises:
        LocalFileError: it cannot be read, is damaged, or the target exists or cannot be written.

    """
    try:
        with opened(path) as file, arriving(target, replace=False) as out:
            try:
                _copy(file, out)
            except (zlib.error, ValueError) as error:
                raise LocalFileError(f"it is damaged, so it was not copied: {error}", path=path) from error
    except OSError as error:
        why = f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
        raise LocalFileError(f"it was not copied: {why.lower()}", path=path) from error


def _copy(file: File, out: BinaryIO) -> None:
    at = 0
    while at < file.size:
        start = file.read(_MOST_HEADER, at)
        if not start.startswith(GZIP):
            # What follows the last member belongs to none; it is not carried along.
            break
        length, bare = _bare_header(start)
        out.write(bare)
        at = _copy_data(file, at + length, out)
    else:
        if not at:
            raise ValueError("it is empty")


def _bare_header(start: bytes) -> tuple[int, bytes]:
    """The length of a member's header, and one in its place that tells nothing."""
    if len(start) < 10:
        raise ValueError("its header is cut off")
    flags, at = start[3], 10
    extra = b""
    if flags & _EXTRA:
        (size,) = struct.unpack_from("<H", start[at:].ljust(2, b"\0"))
        extra = start[at : at + 2 + size]
        at += 2 + size
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            at = start.index(b"\0", at) + 1
    if flags & _HEADER_CRC:
        at += 2
    kept = flags & ~(_NAME | _COMMENT | _HEADER_CRC)
    return at, start[:3] + bytes([kept]) + bytes(4) + start[8:10] + extra


def _copy_data(file: File, at: int, out: BinaryIO) -> int:
    """Copy compressed data with the trailer behind them; where the next member would begin."""
    inflater = zlib.decompressobj(-15)
    while not inflater.eof:
        chunk = file.read(_CHUNK, at)
        if not chunk:
            raise ValueError("it is cut off")
        pending = chunk
        while pending and not inflater.eof:
            inflater.decompress(pending, _MOST_INFLATED)
            pending = inflater.unconsumed_tail
        used = len(chunk) - len(inflater.unused_data)
        out.write(chunk[:used])
        at += used
    trailer = file.read(8, at)
    if len(trailer) < 8:
        raise ValueError("it is cut off")
    out.write(trailer)
    return at + 8
