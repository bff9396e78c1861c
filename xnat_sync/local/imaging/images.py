"""Is this image file whole? Cheap answers: a few KB are read, nothing is decoded, nothing is sized by the header.

nibabel, which takes half a second to import and does not see most of these defects, is asked about rare voxel types
only.
"""

from __future__ import annotations

import itertools
import math
import os
import struct
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.local_port import Breach
from xnat_sync.local.imaging.header import LONGEST_HEADER, RARE, Form, ImageFacts, announced_end, read_header
from xnat_sync.local.imaging.magic import GZIP, kind_of
from xnat_sync.local.imaging.streams import File, GzipStream, opened

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = 8192
_CHUNK = 1 << 20
# The most that deflate can shrink.
_MOST_RATIO = 1032
MOST_SURPLUS = 1 << 26
"""So many inflated bytes after the voxels are counted; what would go on beyond them is not inflated."""
# As much of what lies between header and voxels as is looked at: a hundred times more than any real extension.
_MOST_HEAD = 1 << 18
# No scanner takes so many slices of one volume.
_MOST_SLICES = 1024
# What BIDS calls an image that has volumes; one alone is called sbref.
_SERIES = ("_bold", "_dwi")
_FORMS: dict[str, Form] = {".nii": "single", ".nii.gz": "single", ".hdr": "header"}
_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".img")
_MATES = {".hdr": ".img", ".img": ".hdr"}


def is_image(name: str) -> bool:
    """Whether a name is that of a NIfTI or Analyze file, whatever the case of its letters."""
    return _suffix(name) != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What the beginning of an image file shows.

    ``facts`` are there where the header can be trusted; ``head`` are the first bytes of the image, inflated if need be,
    with the extensions of its header; ``wrapping`` the first bytes of the gzip file around it, if there is one.
    """

    breaches: tuple[Breach, ...] = ()
    facts: ImageFacts | None = None
    head: bytes = b""
    wrapping: bytes = b""


_NO_LOOK = Look()


def look_at(path: str, name: str) -> Look:
    """Look at an image that will be called ``name``; an empty look at what is none by its name."""
    suffix = _suffix(name)
    if not suffix:
        return _NO_LOOK
    shown = repr(path.rpartition("/")[2])
    try:
        look = Look(breaches=tuple(_check_data(path))) if suffix == ".img" else _look_at_header(path, name)
    except OSError as error:
        what = f"{shown} cannot be read: {(error.strerror or str(error)).lower()}"
        return Look(breaches=(Breach(rule="XS206", summary=what),))
    if not look.breaches:
        return look
    return replace(look, breaches=tuple(replace(found, summary=f"{shown} {found.summary}") for found in look.breaches))


def check_image(path: str, name: str) -> tuple[Breach, ...]:
    """What is wrong with an image that will be called ``name``: nothing for a name that is not an image's."""
    return look_at(path, name).breaches


def read_facts(path: str) -> ImageFacts | None:
    """The facts of the header in an image file, ``None`` where there is none that can be trusted."""
    suffix = _suffix(path)
    return look_at(path, path).facts if suffix in _FORMS else None


def _suffix(name: str) -> str:
    lower = name.lower()
    if not lower.endswith(_SUFFIXES):
        return ""
    return next(suffix for suffix in _SUFFIXES if lower.endswith(suffix))


def _mate(path: str) -> str | None:
    """The other file of a pair, its suffix in the same case; ``None`` if the path is not that of one of a pair."""
    stem, suffix = path[:-4], path[-4:]
    other = _MATES.get(suffix.lower())
    if other is None:
        return None
    return stem + (other.upper() if suffix.isupper() else other)


def _look_at_header(path: str, name: str) -> Look:
    """A single file, or the header of a pair."""
    suffix = _suffix(name)
    form = _FORMS[suffix]
    with opened(path) as file:
        if not file.size:
            return Look(breaches=(Breach(rule="XS301", summary="is empty"),))
        zipped = suffix == ".nii.gz"
        start = file.read(_HEAD, 0)
        misnamed = _misnamed(start, zipped=zipped)
        if misnamed:
            return Look(breaches=(misnamed,))
        head, broken = _zipped_head(file, start) if zipped else (_plain_head(file, start), None)
        if broken:
            return Look(breaches=(broken,))
        facts, found = read_header(head, form)
        breaches = _name_strangers(head, list(found)) if facts is None else list(found)
        if facts:
            breaches += _nibabel_verdict(facts)
        if facts and form == "single":
            breaches += _zipped_length(file, facts) if zipped else _plain_length(file.size, facts)
        if facts and not any(breach.rule == "XS308" for breach in breaches):
            breaches += _folded(facts, name)
    mate = _mate(path) if form == "header" else None
    if mate and not os.path.exists(mate):  # noqa: PTH110 - plain text paths all the way
        breaches.append(Breach(rule="XS310", summary=f"has no {mate.rpartition('/')[2]!r} beside it"))
    return Look(breaches=tuple(breaches), facts=facts, head=head, wrapping=start if zipped else b"")


def _check_data(path: str) -> list[Breach]:
    """The voxels of a pair; the header's own faults are told where the header is named."""
    mate = _mate(path)
    if mate is None:
        return []
    try:
        with opened(mate) as file:
            head = file.read(LONGEST_HEADER, 0)
    except FileNotFoundError:
        return [Breach(rule="XS310", summary=f"has no {mate.rpartition('/')[2]!r} beside it")]
    facts, _ = read_header(head, "header")
    with opened(path) as file:
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


def _zipped_head(file: File, start: bytes) -> tuple[bytes, Breach | None]:
    """The first inflated bytes, enough for a header with its extensions, of a file whose ``start`` was read."""
    stream = GzipStream(file, start)
    try:
        head = _joined(stream.chunks(_HEAD))
    except zlib.error as error:
        return b"", Breach(rule="XS303", summary=f"cannot be decompressed: {error}")
    if len(head) < 348 and not stream.complete:
        return head, Breach(rule="XS303", summary="is a gzip file that is cut off inside of the header")
    if head.startswith(GZIP):
        return head, Breach(rule="XS303", summary="is compressed twice", hint="decompress it once")
    return head, None


def _plain_head(file: File, start: bytes) -> bytes:
    return _joined(itertools.chain((start,), (file.read(_HEAD, at) for at in range(len(start), _MOST_HEAD, _HEAD))))


def _joined(chunks: Iterable[bytes]) -> bytes:
    """As many chunks as a header has bytes, and its extensions if it announces any."""
    head = b""
    wanted = LONGEST_HEADER + 8
    for chunk in chunks:
        head += chunk
        if len(head) >= wanted:
            wanted = announced_end(head, _MOST_HEAD)
        if len(head) >= wanted or not chunk:
            break
    return head


def _plain_length(size: int, facts: ImageFacts) -> list[Breach]:
    needed = facts.offset + facts.data_bytes
    if size < needed:
        return [truncation(size, needed)]
    if size > needed:
        return [surplus(size - needed)]
    return []


def _zipped_length(file: File, facts: ImageFacts) -> list[Breach]:
    """Compare the length that the gzip trailer states (RFC 1952: modulo 2³²) with what the header asks for."""
    needed = facts.offset + facts.data_bytes
    if needed > file.size * _MOST_RATIO + _HEAD:
        return [Breach(rule="XS308", summary=f"asks for {needed:,} bytes, more than {file.size:,} can ever hold")]
    (stated,) = struct.unpack("<I", file.read(4, file.size - 4))
    if stated == needed & 0xFFFFFFFF:
        return []
    # Cut off, or several members, or something behind the last: only reading it all can tell.
    return _inflated_length(file, needed)


def _inflated_length(file: File, needed: int) -> list[Breach]:
    stream = GzipStream(file)
    total = 0
    try:
        for chunk in stream.chunks(_CHUNK):
            total += len(chunk)
            if total > needed + MOST_SURPLUS:
                return [surplus(total - needed)]
    except zlib.error as error:
        return [damage(str(error))]
    if total < needed:
        return [truncation(total, needed)]
    if not stream.complete:
        return [Breach(rule="XS303", summary="is a gzip file that is cut off at its end")]
    more = total - needed + stream.behind
    return [surplus(more)] if more else []


def damage(error: str) -> Breach:
    """What zlib's complaint about a stream means."""
    if "data check" in error:
        return Breach(rule="XS303", summary="is damaged: its bytes do not fit the checksum in its gzip trailer")
    if "length check" in error:
        return Breach(rule="XS303", summary="is damaged: its gzip trailer states another length than it has")
    return Breach(rule="XS303", summary=f"cannot be decompressed to its end: {error}")


def truncation(size: int, needed: int) -> Breach:
    """Fewer bytes than the header asks for."""
    return Breach(rule="XS308", summary=f"is truncated: it has {size:,} of {needed:,} bytes")


def surplus(count: int) -> Breach:
    """More bytes than the header asks for; of a whole lot at least so many."""
    least = "more than " if count > MOST_SURPLUS else ""
    return Breach(rule="XS311", summary=f"has {least}{min(count, MOST_SURPLUS):,} bytes after its voxels")


def _folded(facts: ImageFacts, name: str) -> list[Breach]:
    """Volumes behind each other in one stack: so a converter leaves a run of which files are missing."""
    sizes = (*facts.shape, 1, 1, 1, 1)
    if sizes[2] > _MOST_SLICES:
        return [Breach(rule="XS316", summary=f"has {sizes[2]:,} slices")]
    stem = name[: len(name) - len(_suffix(name))]
    if stem.endswith(_SERIES) and math.prod(sizes[3:]) == 1:
        return [Breach(rule="XS316", summary="is one volume, though by its name it is a series of them")]
    return []


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
