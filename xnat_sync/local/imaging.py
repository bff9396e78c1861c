"""Is this image file whole? Cheap answers: a few KB are read, nothing is decoded, nothing is sized by the header.

nibabel, which takes half a second to import and does not see most of these defects, is asked about rare voxel types
only.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.localside import Breach
from xnat_sync.local.header import LONGEST_HEADER, RARE, Form, ImageFacts, read_header
from xnat_sync.local.magic import GZIP, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = 8192
_MOST_HEAD = 1 << 20
_CHUNK = 1 << 20
# The most that deflate can shrink.
_MOST_RATIO = 1032
_FORMS: dict[str, Form] = {".nii": "single", ".nii.gz": "single", ".hdr": "header"}
_MATES = {".hdr": ".img", ".img": ".hdr"}


def is_image(name: str) -> bool:
    """Whether a name is that of a NIfTI or Analyze file, whatever the case of its letters."""
    return _suffix(name) != ""


def check_image(path: str, name: str) -> tuple[Breach, ...]:
    """What is wrong with an image that will be called ``name``, as `LocalSide.check_image` promises."""
    suffix = _suffix(name)
    if not suffix:
        return ()
    shown = repr(path.rpartition("/")[2])
    try:
        breaches = _check_data(path) if suffix == ".img" else _check_header_file(path, suffix)
    except OSError as error:
        return (Breach(rule="XS206", summary=f"{shown} cannot be read: {(error.strerror or str(error)).lower()}"),)
    return tuple(Breach(rule=breach.rule, summary=f"{shown} {breach.summary}", hint=breach.hint) for breach in breaches)


def read_facts(path: str) -> ImageFacts | None:
    """The facts of the header in an image file, ``None`` where there is none that can be trusted."""
    suffix = _suffix(path)
    form = _FORMS.get(suffix)
    if form is None:
        return None
    try:
        with _open(path) as file:
            head, _ = _header_bytes(file, zipped=suffix == ".nii.gz")
    except OSError:
        return None
    return read_header(head, form)[0]


@dataclass(frozen=True, slots=True)
class _File:
    descriptor: int
    size: int

    def read(self, count: int, offset: int) -> bytes:
        return os.pread(self.descriptor, count, offset)


@contextmanager
def _open(path: str) -> Iterator[_File]:
    """A regular file, opened so that a pipe or device of that name can neither block nor be read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        yield _File(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _suffix(name: str) -> str:
    lower = name.lower()
    return next((suffix for suffix in (".nii.gz", ".nii", ".hdr", ".img") if lower.endswith(suffix)), "")


def _mate(path: str) -> str | None:
    """The other file of a pair, its suffix in the same case; ``None`` if the path is not that of one of a pair."""
    stem, suffix = path[:-4], path[-4:]
    other = _MATES.get(suffix.lower())
    if other is None:
        return None
    return stem + (other.upper() if suffix.isupper() else other)


def _check_header_file(path: str, suffix: str) -> list[Breach]:
    """A single file, or the header of a pair."""
    form = _FORMS[suffix]
    with _open(path) as file:
        if not file.size:
            return [Breach(rule="XS301", summary="is empty")]
        zipped = suffix == ".nii.gz"
        misnamed = _misnamed(file.read(_HEAD, 0), zipped=zipped)
        if misnamed:
            return [misnamed]
        head, broken = _header_bytes(file, zipped=zipped)
        if broken:
            return [broken]
        facts, found = read_header(head, form)
        breaches = _name_strangers(head, list(found)) if facts is None else list(found)
        if facts:
            breaches += _nibabel_verdict(facts)
        if facts and form == "single":
            breaches += _zipped_length(file, facts) if zipped else _plain_length(file.size, facts)
    mate = _mate(path) if form == "header" else None
    if mate and not os.path.exists(mate):  # noqa: PTH110 - plain text paths all the way
        breaches.append(Breach(rule="XS310", summary=f"has no {mate.rpartition('/')[2]!r} beside it"))
    return breaches


def _check_data(path: str) -> list[Breach]:
    """The voxels of a pair; the header's own faults are told where the header is named."""
    mate = _mate(path)
    if mate is None:
        return []
    try:
        with _open(mate) as file:
            head = file.read(LONGEST_HEADER, 0)
    except FileNotFoundError:
        return [Breach(rule="XS310", summary=f"has no {mate.rpartition('/')[2]!r} beside it")]
    facts, _ = read_header(head, "header")
    with _open(path) as file:
        return _plain_length(file.size, facts) if facts else []


def _misnamed(head: bytes, *, zipped: bool) -> Breach | None:
    is_gzip = head.startswith(GZIP)
    if zipped and not is_gzip:
        plain = read_header(head[:LONGEST_HEADER], "single")[0] is not None
        what = "plain NIfTI" if plain else kind_of(head) or "something else"
        hint = "rename it to .nii, or compress it" if plain else ""
        return Breach(rule="XS302", summary=f"is not gzip but {what}", hint=hint)
    if is_gzip and not zipped:
        return Breach(rule="XS302", summary="is gzip, which its name does not say", hint="rename it to .nii.gz")
    return None


def _name_strangers(head: bytes, breaches: list[Breach]) -> list[Breach]:
    """Where a header makes no sense: say what the file is instead, if that can be told."""
    kind = kind_of(head)
    damaged = [breach for breach in breaches if breach.rule in ("XS301", "XS304")]
    return [Breach(rule="XS302", summary=f"is not NIfTI but {kind}")] if kind and damaged else breaches


def _header_bytes(file: _File, *, zipped: bool) -> tuple[bytes, Breach | None]:
    """The first bytes of the image, inflated if need be: just enough for a header."""
    if not zipped:
        return file.read(LONGEST_HEADER + 8, 0), None
    inflater = zlib.decompressobj(31)
    head = b""
    offset = 0
    try:
        while len(head) < LONGEST_HEADER + 8 and not inflater.eof and offset < _MOST_HEAD:
            chunk = file.read(_HEAD, offset)
            if not chunk:
                return head, Breach(rule="XS303", summary="is a gzip file that is cut off inside of the header")
            offset += len(chunk)
            head += inflater.decompress(chunk, LONGEST_HEADER + 8 - len(head))
    except zlib.error as error:
        return head, Breach(rule="XS303", summary=f"cannot be decompressed: {error}")
    if head.startswith(GZIP):
        hint = "decompress it once"
        return head, Breach(rule="XS303", summary="is compressed twice", hint=hint)
    return head, None


def _plain_length(size: int, facts: ImageFacts) -> list[Breach]:
    needed = facts.offset + facts.data_bytes
    if size < needed:
        return [_truncated(size, needed)]
    if size > needed:
        return [_surplus(size - needed)]
    return []


def _zipped_length(file: _File, facts: ImageFacts) -> list[Breach]:
    """Compare the length that the gzip trailer states (RFC 1952: modulo 2³²) with what the header asks for."""
    needed = facts.offset + facts.data_bytes
    if needed > file.size * _MOST_RATIO + _HEAD:
        return [Breach(rule="XS308", summary=f"asks for {needed:,} bytes, more than {file.size:,} can ever hold")]
    (stated,) = struct.unpack("<I", file.read(4, file.size - 4))
    if stated == needed & 0xFFFFFFFF:
        return []
    # Cut off, or several members, or something behind the last: only reading it all can tell.
    return _inflated_length(file, needed)


def _inflated_length(file: _File, needed: int) -> list[Breach]:
    total = 0
    behind = 0
    offset = 0
    inflater = zlib.decompressobj(31)
    pending = b""
    try:
        while True:
            if not pending:
                pending = file.read(_CHUNK, offset)
                offset += len(pending)
            if not pending:
                break
            total += len(inflater.decompress(pending, _CHUNK))
            pending = inflater.unconsumed_tail or inflater.unused_data
            if inflater.eof:
                if not pending.startswith(GZIP):
                    behind = len(pending) + file.size - offset
                    break
                inflater = zlib.decompressobj(31)
    except zlib.error as error:
        return [Breach(rule="XS303", summary=f"cannot be decompressed to its end: {error}")]
    if total < needed:
        return [_truncated(total, needed)]
    if not inflater.eof:
        return [Breach(rule="XS303", summary="is a gzip file that is cut off at its end")]
    surplus = total - needed + behind
    return [_surplus(surplus)] if surplus else []


def _truncated(size: int, needed: int) -> Breach:
    return Breach(rule="XS308", summary=f"is truncated: it has {size:,} of {needed:,} bytes")


def _surplus(count: int) -> Breach:
    return Breach(rule="XS311", summary=f"has {count:,} bytes after its voxels")


def _nibabel_verdict(facts: ImageFacts) -> list[Breach]:
    """Whether the most used reader of all takes a rare voxel type."""
    if facts.datatype not in RARE:
        return []
    from nibabel.nifti1 import data_type_codes  # noqa: PLC0415 - half a second that almost nobody needs

    # On some machines NumPy has no such numbers, and nibabel then lists the code without a size.
    try:
        size = getattr(data_type_codes.dtype[facts.datatype], "itemsize", 0)
    except KeyError:
        size = 0
    if size:
        return []
    return [Breach(rule="XS312", summary=f"has voxels of {RARE[facts.datatype]}, which nibabel cannot read here")]
