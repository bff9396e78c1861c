"""One pass over a whole file: its MD5, and what only reading to the end can show.

Programs that read images take the bytes that the header asks for and never reach a gzip file's trailer, so a flipped
byte, a wrong checksum and a lost end stay unseen until somebody computes with wrong voxels.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING

from xnat_sync.core.model.local_port import Breach, Whole
from xnat_sync.local.digest import read_through, start_of
from xnat_sync.local.imaging.header import LONGEST_HEADER, ImageFacts, read_header
from xnat_sync.local.imaging.images import MOST_SURPLUS, damage, surplus, truncation
from xnat_sync.local.imaging.magic import GZIP

if TYPE_CHECKING:
    from collections.abc import Callable

# Inflated bytes held at a time, whatever a stream claims to hold.
_MOST_INFLATED = 1 << 20


def read_whole(path: str, progress: Callable[[int], None] | None = None) -> Whole:
    """Read a file to its end, once: digest it and, if it is gzip by its first bytes, inflate every member of it.

    What comes back depends on the content alone, except that summaries begin with the file's name.

    Raises:
        LocalFileError: it cannot be read, is not a regular file, or changed while it was read.

    """
    digest = hashlib.md5(usedforsecurity=False)
    inflation: list[Inflation] = []

    def take(chunk: bytes) -> None:
        digest.update(chunk)
        if not inflation:
            inflation.append(Inflation() if chunk.startswith(GZIP) else Inflation(ended=True))
        inflation[0].feed(chunk)

    read_through(path, take, progress)
    breach = inflation[0].verdict() if inflation else None
    if breach is None:
        return Whole(digest.hexdigest(), ())
    shown = repr(path.rpartition("/")[2])
    return Whole(digest.hexdigest(), (Breach(rule=breach.rule, summary=f"{shown} {breach.summary}"),))


def only_its_end_tells(path: str) -> bool:
    """Whether a file may be damaged in ways that only `read_whole` finds: one that is gzip by its first bytes.

    Raises:
        LocalFileError: it cannot be read.

    """
    return start_of(path, len(GZIP)) == GZIP


class Inflation:
    """Inflates a gzip file (RFC 1952) that comes in chunks, and keeps nothing of it but its first bytes.

    zlib holds the checksum and the length of each member against its trailer.
    """

    def __init__(self, *, ended: bool = False) -> None:
        self._member = None if ended else zlib.decompressobj(31)
        self._between = b""
        self._ended = ended
        self._gzip = not ended
        self._broken = ""
        self._head = b""
        self._facts: ImageFacts | None = None
        self._total = 0
        self._behind = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the file."""
        while chunk and not self._ended:
            if self._member is None:
                chunk = self._next_member(self._between + chunk)
            else:
                chunk = self._inflate(self._member, chunk)
        self._behind += len(chunk) if self._gzip else 0

    def verdict(self) -> Breach | None:
        """What is wrong, after the last byte."""
        self._behind += len(self._between)
        if self._broken:
            return damage(self._broken)
        needed = self._facts.offset + self._facts.data_bytes if self._facts else None
        if needed is not None and self._total < needed and self._gzip:
            return truncation(self._total, needed)
        if self._member is not None:
            return Breach(rule="XS303", summary="is a gzip file that is cut off at its end")
        more = self._behind + (max(0, self._total - needed) if needed is not None else 0)
        if not more:
            return None
        if needed is None:
            return Breach(rule="XS311", summary=f"has {more:,} bytes after its gzip stream")
        return surplus(more)

    def _next_member(self, data: bytes) -> bytes:
        """Begin the member that follows, if one does; two bytes tell."""
        self._between = b""
        if len(data) < len(GZIP):
            self._between = data
            return b""
        if data.startswith(GZIP):
            self._member = zlib.decompressobj(31)
        else:
            self._ended = True
        return data

    def _inflate(self, member: zlib._Decompress, data: bytes) -> bytes:
        """What is left of some bytes after a step."""
        try:
            inflated = member.decompress(data, _MOST_INFLATED)
        except zlib.error as error:
            self._broken = str(error)
            self._ended = True
            return b""
        self._count(inflated)
        if member.eof:
            self._member = None
            return member.unused_data
        return member.unconsumed_tail

    def _count(self, inflated: bytes) -> None:
        known = len(self._head)
        if known < LONGEST_HEADER + 8:
            self._head += inflated[: LONGEST_HEADER + 8 - known]
            self._facts = read_header(self._head, "single")[0]
        self._total += len(inflated)
        if self._facts and self._total > self._facts.offset + self._facts.data_bytes + MOST_SURPLUS:
            # Nothing that an image needs follows; what is piled up here may have no end.
            self._ended = True
            self._member = None
