"""Studies to upload: what our manifest says of one, and the same as a plain list for the scripts of other clients."""

from __future__ import annotations

import gzip
import json
import math
import random
import struct
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_Files = Callable[[str], Iterable[tuple[str, Iterable[bytes]]]]
"""The names and contents, in pieces, of the files of one scan, whose names begin so."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan with the files of its one resource."""

    id: str
    type: str
    description: str
    folder: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """One session of one subject."""

    subject: str
    label: str
    date: str
    scans: tuple[Scan, ...]


@dataclass(frozen=True, slots=True)
class Upload:
    """A study on the disk, twice described."""

    manifest: Path
    task: Path
    sessions: tuple[Session, ...]

    @property
    def files(self) -> int:
        """How many files it has."""
        return sum(len(scan.files) for session in self.sessions for scan in session.scans)


def diffusion_study(folder: Path, project: str, sessions: int, scans: int = 10) -> Upload:
    """Sessions of scans of an image with its sidecar and its gradient tables."""
    chance = random.Random(sessions)

    def files(stem: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield f"{stem}.nii.gz", [gzip.compress(_image(chance), 1, mtime=0)]
        yield f"{stem}.json", [b'{"EchoTime": 0.09, "MagneticFieldStrength": 3}']
        yield f"{stem}.bval", [b"0 1000 1000 1000 1000\n"]
        yield f"{stem}.bvec", [b"0 1 0 0 1\n0 0 1 0 0\n0 0 0 1 0\n"]

    return _write(folder, project, sessions, scans, files)


def pairs_study(folder: Path, project: str, sessions: int, scans: int = 10) -> Upload:
    """Sessions of scans of a small image with its sidecar."""
    chance = random.Random(sessions)

    def files(stem: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        yield f"{stem}.nii.gz", [gzip.compress(_image(chance, (8, 8, 4, 1)), 1, mtime=0)]
        yield f"{stem}.json", [b'{"EchoTime": 0.09}']

    return _write(folder, project, sessions, scans, files)


def large_files_study(folder: Path, project: str, files: int, megabytes: int) -> Upload:
    """One session with so many scans of one large file each."""
    block = random.Random(files).randbytes(1_000_000)

    def make(stem: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        # Never whole in memory: what a process holds counts for those that it starts.
        yield f"{stem}.dat", chain([stem.encode()], repeat(block, megabytes))

    return _write(folder, project, 1, files, make)


def small_files_study(folder: Path, project: str, files: int, resources: int = 50, size: int = 4096) -> Upload:
    """So many small files in so many resources, ten a session."""
    chance = random.Random(files)

    def make(stem: str) -> Iterator[tuple[str, Iterable[bytes]]]:
        # Noise alone would begin like a gzip file now and then, and be refused as a damaged one.
        head = b"part"
        parts = range(files // resources)
        return ((f"{stem}_part-{part:04}.dat", [head, chance.randbytes(size - len(head))]) for part in parts)

    return _write(folder, project, resources // 10, 10, make)


def _write(folder: Path, project: str, sessions: int, scans: int, files: _Files) -> Upload:
    found = []
    for number in range(sessions):
        subject = f"sub-{number + 1:03}"
        made = []
        for scan in range(1, scans + 1):
            stem = f"{subject}_run-{scan:02}_dwi"
            here = folder / "data" / subject / f"run-{scan:02}"
            here.mkdir(parents=True, exist_ok=True)
            names = []
            for name, content in files(stem):
                with (here / name).open("wb") as file:
                    file.writelines(content)
                names.append(name)
            made.append(Scan(str(scan), "dwi", f"dwi {scan}", str(here), tuple(names)))
        found.append(Session(subject, f"{subject}_ses-01", "2024-03-01", tuple(made)))
    manifest, task = folder / "study.yaml", folder / "task.json"
    manifest.write_text(_manifest(project, found), encoding="utf-8")
    task.write_text(json.dumps({"project": project, "sessions": [asdict(session) for session in found]}))
    return Upload(manifest, task, tuple(found))


def _manifest(project: str, sessions: list[Session]) -> str:
    lines = ["version: 1", f"project: {{id: {project}, create: true}}", "root: data"]
    lines += ["defaults: {session: {xsi_type: 'xnat:mrSessionData'}}", "subjects:"]
    for session in sessions:
        lines += [f"  {session.subject}:", "    sessions:", f"      {session.label}:"]
        lines += [f"        date: {session.date}", "        scans:"]
        for scan in session.scans:
            pattern = f"{session.subject}/run-{int(scan.id):02}/*"
            lines += [f'          "{scan.id}":', f"            type: {scan.type}"]
            lines += [f"            series_description: {scan.description}", f"            files: {pattern}"]
    return "\n".join(lines) + "\n"


def _image(chance: random.Random, shape: tuple[int, int, int, int] = (32, 32, 8, 5)) -> bytes:
    """A little-endian NIfTI-1 image of noise."""
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
    return bytes(header) + chance.randbytes(2 * math.prod(shape))
