"""A small study on the disk, made anew for each test: real enough for every rule about local files."""

from __future__ import annotations

import gzip
import os
import struct
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def nifti(shape: tuple[int, ...] = (4, 4, 3), *, surplus: int = 0) -> bytes:
    """A little-endian NIfTI-1 image of int16 zeros."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    voxels = 2
    for size in shape:
        voxels *= size
    return bytes(header) + bytes(voxels + surplus)


def zipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


FILES = {
    "sub-01/anat/sub-01_T1w.nii.gz": zipped(nifti()),
    "sub-01/anat/sub-01_T1w.json": b"{}",
    "sub-01/func/sub-01_bold.nii": nifti((4, 4, 3, 5)),
    "sub-01/func/sub-01_bold.json": b'{"RepetitionTime": 2}',
    "sub-01/func/sub-01_events.tsv": b"onset\tduration\n",
    "sub-01/func/.hidden.json": b"{}",
    "sub-02/anat/sub-02_T1w.nii.gz": zipped(nifti()),
    "sub-02/anat/sub-02_T2w.nii.gz": zipped(nifti()),
    "sub-02/anat/sub-02_T1w.json": b"{}",
    "derivatives/fs/stats/aseg.txt": b"1",
    "derivatives/fs/mri/T1.txt": b"2",
    "odd/truncated.nii.gz": zipped(nifti()[:-20]),
    "odd/page.nii.gz": b"<!DOCTYPE html><html><body>please log in</body></html>",
    "odd/lfs.nii.gz": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n",
    "odd/unlocked.nii.gz": b"/annex/objects/MD5E-s12--00.nii.gz\n",
    "odd/zipped.nii": zipped(nifti()),
    "odd/surplus.nii": nifti(surplus=7),
    "odd/empty.nii": b"",
    "odd/lonely.hdr": nifti()[:344] + b"ni1\0",
    "odd/a#b.txt": b"x",
    "odd/ü.txt": b"x",
    "odd/x_catalog.xml": b"<x/>",
    "odd/A.txt": b"x",
    "odd/a.txt": b"x",
    "odd/readme": b"x",
}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with ``data/`` as every case expects it; manifests go beside that."""
    root = tmp_path / "study"
    for name, content in FILES.items():
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "outside.txt").write_bytes(b"secret")
    odd = root / "data" / "odd"
    (odd / "escape.txt").symlink_to("../../outside.txt")
    (odd / "inside.txt").symlink_to("../derivatives/fs/mri/T1.txt")
    (odd / "annex.nii.gz").symlink_to("../.git/annex/objects/aa/bb/MD5E-s12--00/MD5E-s12--00.nii.gz")
    os.mkfifo(odd / "pipe")
    return root
