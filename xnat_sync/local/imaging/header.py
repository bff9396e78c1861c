"""NIfTI-1, NIfTI-2 and Analyze 7.5 headers: bytes in, facts and breaches out. Nothing is allocated by what they say.

Offsets and codes are those of ``nifti1.h`` and ``nifti2.h``.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from xnat_sync.core.model.local_port import Breach

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_HEADER = 544
"""As many bytes as the longest header has, with the four that announce extensions."""

Form = Literal["single", "header"]
"""One file with header and voxels, or the header of a pair."""

_CODES = {
    1: (1,),
    8: (2, 256),
    16: (4, 512),
    24: (128,),
    32: (8, 16, 768, 2304),
    64: (32, 64, 1024, 1280),
    128: (1536, 1792),
    256: (2048,),
}
BITS = {code: bits for bits, codes in _CODES.items() for code in codes}
"""Bits per voxel of every voxel type of the standard."""
RARE = {1: "single bits", 1024: "int64", 1280: "uint64", 1536: "float128", 2048: "complex256"}
"""Legal voxel types that many readers lack."""

_SPACE_UNITS = {0: "", 1: "m", 2: "mm", 3: "um"}
_TIME_UNITS = {0: "", 8: "s", 16: "ms", 24: "us", 32: "Hz", 40: "ppm", 48: "rad/s"}
_COMMON_TEXTS = {"data_type": (4, 14), "db_name": (14, 32), "descrip": (148, 228), "aux_file": (228, 252)}
_TEXTS = {
    0: {**_COMMON_TEXTS, "originator": (253, 263), "generated": (263, 273), "scannum": (273, 283)},
    1: {**_COMMON_TEXTS, "intent_name": (328, 344)},
    2: {"descrip": (240, 320), "aux_file": (320, 344), "intent_name": (508, 524), "unused_str": (525, 540)},
}
ANALYZE_PATIENT = slice(283, 293)
"""Where an Analyze 7.5 header holds a patient's number."""
LOOSE = -1
"""The code of what is in no extension; it is none of the standard's."""
_SIZES = {struct.pack(order + "i", size): (size, order) for size in (348, 540) for order in "<>"}
"""What a header begins with: its size, without the bytes that announce extensions, and by that its byte order."""
_NIFTI2_TAIL = b"\r\n\x1a\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFacts:
    """What a header says: ``shape`` and ``zooms`` without the dimensions that it does not use.

    Units are empty where the header does not know them; ``offset`` is where the voxels begin in their file.
    """

    version: int
    """1 or 2; 0 is Analyze 7.5."""
    big_endian: bool
    shape: tuple[int, ...]
    zooms: tuple[float, ...]
    datatype: int
    bits: int
    offset: int
    space_unit: str
    time_unit: str
    qform_code: int
    sform_code: int

    @property
    def least_offset(self) -> int:
        """Where the voxels of a single file begin if nothing lies between the header and them."""
        return 544 if self.version == 2 else 352

    @property
    def data_bytes(self) -> int:
        """How many bytes the voxels take."""
        return (math.prod(self.shape) * self.bits + 7) // 8


class _Raw(NamedTuple):
    """The numbers of a header as they stand there, in one shape for both versions."""

    version: int
    order: str
    magic: bytes
    dim: tuple[int, ...]
    pixdim: tuple[float, ...]
    datatype: int
    bitpix: int
    offset: float
    slope: float
    inter: float
    units: int
    qform_code: int
    sform_code: int
    quatern: tuple[float, ...]
    srow: tuple[float, ...]
    intent: int


def read_header(data: bytes, form: Form) -> tuple[ImageFacts | None, tuple[Breach, ...]]:
    """Facts and breaches of the first `LONGEST_HEADER` bytes of a header; no facts where it cannot be trusted."""
    if len(data) < 348:
        return None, (Breach(rule="XS301", summary=f"has {len(data)} bytes where a NIfTI header has 348"),)
    raw, breaches = _unpack(data, form)
    if raw is None:
        return None, tuple(breaches)
    breaches += _magic_breaches(raw, form)
    breaches += _dimension_breaches(raw)
    breaches += _type_breaches(raw)
    breaches += _offset_breaches(raw, form, data)
    breaches += _zoom_breaches(raw)
    breaches += _orientation_breaches(raw)
    trusted = not any(breach.rule in ("XS304", "XS305", "XS306", "XS307") for breach in breaches)
    return _facts(raw, form) if trusted else None, tuple(breaches)


def announced_end(data: bytes, most: int) -> int:
    """Where the voxels begin if extensions lie before them, but at most ``most``; 0 where no extension is announced.

    ``data`` begin with a header, whole or damaged.
    """
    size, _ = _SIZES.get(data[:4], (0, ""))
    if not size or not data[size]:
        return 0
    facts = read_header(data, "single")[0]
    return min(facts.offset, most) if facts and data[facts.least_offset - 4] else 0


def extensions(data: bytes, facts: ImageFacts) -> Iterator[tuple[int, bytes]]:
    """The code and content of each extension of a header, as far as ``data`` go.

    What lies between header and voxels and is in no sound extension comes last, with the code `LOOSE`.
    """
    # In the header of a pair they go on to its end.
    at, end = facts.least_offset, min(facts.offset or len(data), len(data))
    announced = len(data) >= at and data[at - 4] != 0
    while announced and at + 8 <= end:
        size, code = struct.unpack_from((">" if facts.big_endian else "<") + "2i", data, at)
        if size < 8:
            break
        yield code, data[at + 8 : min(at + size, end)]
        at += size
    if facts.offset and at < end:
        yield LOOSE, data[at:end]


def texts(data: bytes, facts: ImageFacts) -> dict[str, bytes]:
    """The text fields of a header as they lie there, padding and what may follow it too."""
    return {name: data[start:end] for name, (start, end) in _TEXTS[facts.version].items()}


def _unpack(data: bytes, form: Form) -> tuple[_Raw | None, list[Breach]]:
    size, order = _SIZES.get(data[:4], (0, ""))
    if not order:
        (stated,) = struct.unpack_from("<i", data)
        return None, [_damaged(f"has the header size {stated} where NIfTI has 348 or 540")]
    if size == 540:
        if len(data) < 540:
            return None, [Breach(rule="XS301", summary=f"has {len(data)} bytes where a NIfTI-2 header has 540")]
        if data[4:6] not in (b"n+", b"ni"):
            return None, [_damaged("has the header size 540 of NIfTI-2 and not its magic")]
        return _unpack_2(data, order), []
    raw = _unpack_1(data, order)
    other = struct.unpack_from(("<" if order == ">" else ">") + "h", data, 40)[0]
    if not 1 <= raw.dim[0] <= 7 and 1 <= other <= 7:
        return None, [_damaged("mixes two byte orders")]
    if raw.magic[:4] in (b"\0\0\0\0", b"    ") and form == "single":
        return None, [_damaged("has no NIfTI magic: it is an Analyze header or damaged")]
    return raw, []


# dim, intent code, type and bits, pixdim, offset with slope and inter, units, both codes, quaternion, srow, magic.
_NUMBERS_1 = {order: struct.Struct(order + "40x 8h 12x 3h 2x 8f 3f 3x B 128x 2h 3f 12x 12f 16x 4s") for order in "<>"}


def _unpack_1(data: bytes, order: str) -> _Raw:
    all_of_it = _NUMBERS_1[order].unpack_from(data)
    intent, datatype, bitpix = all_of_it[8:11]
    offset, slope, inter, units, qform_code, sform_code = all_of_it[19:25]
    magic = all_of_it[40]
    return _Raw(
        version=1 if magic[:3] in (b"n+1", b"ni1") else 0,
        order=order,
        magic=magic,
        dim=all_of_it[:8],
        pixdim=all_of_it[11:19],
        datatype=datatype,
        bitpix=bitpix,
        offset=offset,
        slope=slope,
        inter=inter,
        units=units,
        qform_code=qform_code,
        sform_code=sform_code,
        quatern=all_of_it[25:28],
        srow=all_of_it[28:40],
        intent=intent,
    )


def _unpack_2(data: bytes, order: str) -> _Raw:
    def take(form: str, offset: int) -> tuple[float, ...]:
        return struct.unpack_from(order + form, data, offset)

    datatype, bitpix = struct.unpack_from(order + "2h", data, 12)
    qform_code, sform_code = struct.unpack_from(order + "2i", data, 344)
    slope, inter = take("2d", 176)
    return _Raw(
        version=2,
        order=order,
        magic=data[4:12],
        dim=struct.unpack_from(order + "8q", data, 16),
        pixdim=take("8d", 104),
        datatype=datatype,
        bitpix=bitpix,
        offset=struct.unpack_from(order + "q", data, 168)[0],
        slope=slope,
        inter=inter,
        units=struct.unpack_from(order + "i", data, 500)[0],
        qform_code=qform_code,
        sform_code=sform_code,
        quatern=take("3d", 352),
        srow=take("12d", 400),
        intent=struct.unpack_from(order + "i", data, 504)[0],
    )


def _facts(raw: _Raw, form: Form) -> ImageFacts:
    count = raw.dim[0]
    return ImageFacts(
        version=raw.version,
        big_endian=raw.order == ">",
        shape=tuple(raw.dim[1 : count + 1]),
        zooms=tuple(raw.pixdim[1 : count + 1]),
        datatype=raw.datatype,
        bits=BITS[raw.datatype],
        offset=int(raw.offset) if raw.offset or form == "header" else _least_offset(raw),
        space_unit=_SPACE_UNITS.get(raw.units & 7, ""),
        time_unit=_TIME_UNITS.get(raw.units & 56, ""),
        qform_code=raw.qform_code if raw.version else 0,
        sform_code=raw.sform_code if raw.version else 0,
    )


def _damaged(what: str) -> Breach:
    return Breach(rule="XS304", summary=what)


def _rare(what: str) -> Breach:
    return Breach(rule="XS312", summary=what)


def _magic_breaches(raw: _Raw, form: Form) -> list[Breach]:
    if raw.version == 0:
        known = raw.magic in (b"\0\0\0\0", b"    ")
        if known and form == "header":
            return [_rare("is an Analyze 7.5 header, not NIfTI: it does not say left from right")]
        return [_damaged(f"has the magic {raw.magic!r} where NIfTI has 'n+1' or 'ni1'")]
    if raw.version == 2 and raw.magic[4:] != _NIFTI2_TAIL:
        return [_damaged("has a damaged NIfTI-2 magic, as after a transfer in text mode")]
    kind = raw.magic[:2]
    if kind not in (b"n+", b"ni"):
        return [_damaged(f"has the magic {raw.magic!r} where NIfTI has 'n+' or 'ni'")]
    if kind == b"ni" and form == "single":
        return [_rare("says that it is the header of a pair, though it is named as a single file")]
    if kind == b"n+" and form == "header":
        return [_rare("says that it is a single file, though it is named as the header of a pair")]
    return []


def _dimension_breaches(raw: _Raw) -> list[Breach]:
    count = raw.dim[0]
    if not 1 <= count <= 7:
        return [Breach(rule="XS305", summary=f"has {count} dimensions where NIfTI has 1 to 7")]
    wrong = [f"{size} along dimension {number}" for number, size in enumerate(raw.dim[1 : count + 1], 1) if size < 1]
    return [Breach(rule="XS305", summary=f"has the size {', '.join(wrong)}")] if wrong else []


def _type_breaches(raw: _Raw) -> list[Breach]:
    bits = BITS.get(raw.datatype)
    if bits is None:
        return [Breach(rule="XS306", summary=f"has the voxel type {raw.datatype}, which NIfTI does not know")]
    if bits != raw.bitpix:
        what = f"says {raw.bitpix} bits per voxel, but its voxel type {raw.datatype} has {bits}"
        return [Breach(rule="XS306", summary=what)]
    if raw.datatype in RARE:
        return [_rare(f"has voxels of {RARE[raw.datatype]}, which many programs cannot read")]
    return []


def _least_offset(raw: _Raw) -> int:
    return 544 if raw.version == 2 else 352


def _offset_breaches(raw: _Raw, form: Form, data: bytes) -> list[Breach]:
    """Where the voxels begin, and the first of the extensions that may lie before them."""
    least = _least_offset(raw) if form == "single" else 0
    if not math.isfinite(raw.offset) or raw.offset != int(raw.offset):
        return [Breach(rule="XS307", summary=f"has voxels beginning at byte {raw.offset}")]
    if raw.offset == 0 and form == "single":
        return [_rare(f"says that its voxels begin at byte 0; readers take {least}")]
    if raw.offset < least:
        return [Breach(rule="XS307", summary=f"has voxels beginning at byte {int(raw.offset)}, inside of the header")]
    if form == "header" or len(data) < least:
        return []
    breaches = _extension_breaches(raw, int(raw.offset), least, data)
    if raw.offset % 16:
        breaches.append(_rare(f"has voxels beginning at byte {int(raw.offset)}, no multiple of 16"))
    return breaches


def _extension_breaches(raw: _Raw, offset: int, least: int, data: bytes) -> list[Breach]:
    announced = data[least - 4] != 0
    if not announced or offset < least + 8 or len(data) < least + 8:
        return []
    size = struct.unpack_from(raw.order + "i", data, least)[0]
    if size < 8 or least + size > offset:
        return [_damaged(f"has a header extension of {size} bytes where {offset - least} have room")]
    return [_rare(f"has a header extension of {size} bytes, no multiple of 16")] if size % 16 else []


def _zoom_breaches(raw: _Raw) -> list[Breach]:
    breaches: list[Breach] = []
    zooms = raw.pixdim[1 : max(0, min(raw.dim[0], 3)) + 1]
    if not all(map(math.isfinite, zooms)):
        breaches.append(Breach(rule="XS309", summary=f"has the voxel sizes {_numbers(zooms)}"))
    elif any(zoom <= 0 for zoom in zooms):
        breaches.append(Breach(rule="XS313", summary=f"has the voxel sizes {_numbers(zooms)}"))
    if raw.dim[0] >= 4 and raw.dim[4] > 1 and not 0 < raw.pixdim[4] < math.inf:
        breaches.append(Breach(rule="XS313", summary=f"has {raw.pixdim[4]:g} as time between volumes"))
    if raw.version and (raw.units & 7 not in _SPACE_UNITS or raw.units & 56 not in _TIME_UNITS or raw.units & ~63):
        breaches.append(Breach(rule="XS313", summary=f"has the unknown units {raw.units}"))
    if math.isfinite(raw.slope) and raw.slope and not math.isfinite(raw.inter) and raw.version:
        breaches.append(_damaged(f"scales its voxels by {raw.slope:g} and adds {raw.inter}"))
    return breaches


def _orientation_breaches(raw: _Raw) -> list[Breach]:
    # CIFTI, whose intents are 3000 and up, lists brain ordinates: it does not lie in space.
    if not raw.version or 3000 <= raw.intent < 3100:
        return []
    wrong: list[str] = []
    if raw.qform_code == 0 and raw.sform_code == 0:
        wrong.append("does not say how it lies in space (qform and sform are both 0)")
    wrong += [
        f"has the unknown {name} code {code}"
        for name, code in (("qform", raw.qform_code), ("sform", raw.sform_code))
        if not 0 <= code <= 5
    ]
    rotation = [raw.srow[index] for index in (0, 1, 2, 4, 5, 6, 8, 9, 10)]
    if raw.sform_code > 0 and (not all(map(math.isfinite, raw.srow)) or not any(rotation)):
        wrong.append("has an sform of zeros or of no numbers")
    norm = sum(part * part for part in raw.quatern)
    if raw.qform_code > 0 and not norm <= 1.0001:
        wrong.append("has a qform that is no rotation")
    return [Breach(rule="XS314", summary=what) for what in wrong]


def _numbers(values: tuple[float, ...]) -> str:
    return " × ".join(f"{value:g}" for value in values)
