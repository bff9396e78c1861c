"""Images made to measure: `Recipe` writes a NIfTI header with anything in it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., bytes]

# Offset and form of each part of a NIfTI-1 and a NIfTI-2 header (nifti1.h, nifti2.h).
FIELDS_1 = {
    "sizeof_hdr": (0, "i"),
    "dim": (40, "8h"),
    "intent": (68, "h"),
    "datatype": (70, "h"),
    "bitpix": (72, "h"),
    "pixdim": (76, "8f"),
    "vox_offset": (108, "f"),
    "slope": (112, "f"),
    "inter": (116, "f"),
    "units": (123, "B"),
    "qform": (252, "h"),
    "sform": (254, "h"),
    "quatern": (256, "3f"),
    "srow": (280, "12f"),
    "magic": (344, "4s"),
    "extender": (348, "4s"),
    "esize": (352, "i"),
    "ecode": (356, "i"),
    "descrip": (148, "80s"),
}
FIELDS_2 = {
    "sizeof_hdr": (0, "i"),
    "magic": (4, "8s"),
    "datatype": (12, "h"),
    "bitpix": (14, "h"),
    "dim": (16, "8q"),
    "pixdim": (104, "8d"),
    "vox_offset": (168, "q"),
    "slope": (176, "d"),
    "inter": (184, "d"),
    "qform": (344, "i"),
    "sform": (348, "i"),
    "quatern": (352, "3d"),
    "srow": (400, "12d"),
    "units": (500, "i"),
    "intent": (504, "i"),
    "extender": (540, "4s"),
}
EYE = (2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)


def make_image(*, version: int = 1, order: str = "<", pad: int = 0, cut: int = 0, **parts: object) -> bytes:
    """A NIfTI file of 4 × 4 × 3 × 2 int16 zeros, with some parts of its header replaced."""
    fields, size = (FIELDS_1, 352) if version == 1 else (FIELDS_2, 544)
    values: dict[str, object] = {
        "sizeof_hdr": size - 4,
        "dim": (4, 4, 4, 3, 2, 1, 1, 1),
        "datatype": 4,
        "bitpix": 16,
        "pixdim": (1, 2, 2, 2, 1.5, 1, 1, 1),
        "vox_offset": size,
        "units": 10,
        "qform": 1,
        "sform": 1,
        "srow": EYE,
        "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\x1a\n",
        **parts,
    }
    length = 512 if "esize" in values or values["vox_offset"] == 512 else size
    header = bytearray(length)
    for name, value in values.items():
        offset, form = fields[name]
        struct.pack_into(order + form, header, offset, *(value if isinstance(value, tuple) else (value,)))
    data = bytes(header) + bytes(4 * 4 * 3 * 2 * 2 + pad)
    return data[: len(data) - cut]


@pytest.fixture
def image() -> Make:
    return make_image


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Write a file and say its path."""

    def write(name: str, data: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    return write


@pytest.fixture
def zipped() -> Callable[[bytes], bytes]:
    return lambda data: gzip.compress(data, mtime=0)
