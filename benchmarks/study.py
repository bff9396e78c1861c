"""A study of any size on the disk: a manifest with every file written out, and the files it names."""

from __future__ import annotations

import gzip
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SCANS = 10
LINKS = 1000
"""So many sessions share one image by hard links: no file system counts that far for all of them."""


@dataclass(frozen=True, slots=True)
class Study:
    """What was written."""

    manifest: Path
    sessions: int
    files: int


def make_study(folder: Path, sessions: int, *, with_files: bool = True) -> Study:
    """Write a manifest of ``sessions`` sessions, each with ten scans of an image and a side file."""
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "study.yaml"
    with manifest.open("w", encoding="utf-8") as out:
        out.write("version: 1\nproject: LARGE\nroot: data\n")
        out.write("defaults:\n  session: {xsi_type: 'xnat:mrSessionData'}\nsubjects:\n")
        for number in range(sessions):
            out.write(_session_text(number))
    if with_files:
        (folder / "data").mkdir(exist_ok=True)
        for number in range(sessions):
            _write_files(folder / "data", number)
    return Study(manifest=manifest, sessions=sessions, files=sessions * SCANS * 2)


def _stem(number: int, scan: int) -> str:
    label = f"sub-{number:05}"
    return f"{label}/func/{label}_run-{scan:02}_bold"


def _session_text(number: int) -> str:
    lines = [
        f"  sub-{number:05}:",
        "    sessions:",
        f"      sub-{number:05}_ses-01:",
        "        date: 2024-03-01",
        "        scans:",
    ]
    for scan in range(1, SCANS + 1):
        stem = _stem(number, scan)
        lines += [
            f'          "{scan}":',
            "            type: bold",
            "            series_description: rest",
            "            resources:",
            f"              NIFTI: {{files: {stem}.nii.gz, format: NIFTI, content: RAW}}",
            f"              BIDS: {{files: {stem}.json, format: JSON}}",
        ]
    return "\n".join(lines) + "\n"


def _write_files(data: Path, number: int) -> None:
    image, side = data / f"image-{number // LINKS}", data / f"side-{number // LINKS}"
    if not image.exists():
        image.write_bytes(gzip.compress(_nifti(), mtime=0))
        side.write_bytes(b'{"RepetitionTime": 2}')
    for scan in range(1, SCANS + 1):
        path = data / _stem(number, scan)
        if scan == 1:
            path.parent.mkdir(parents=True, exist_ok=True)
        for source, suffix in ((image, ".nii.gz"), (side, ".json")):
            target = f"{path}{suffix}"
            if not os.path.lexists(target):
                os.link(source, target)


def _nifti() -> bytes:
    """A little-endian NIfTI-1 image of 8 × 8 × 4 × 5 voxels."""
    shape = (8, 8, 4, 5)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(range(256)) * (2 * 8 * 8 * 4 * 5 // 256)
