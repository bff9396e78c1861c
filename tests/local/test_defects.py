"""Every known way in which an image is broken, each made from one sound image: verdict and rule, and never a hang.

The verdict is that of a whole validation: finding the file, its header, and all of its bytes.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import math
import os
import random
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.local_port import LocalFile
from xnat_sync.core.model.rules import RULES
from xnat_sync.local.disk import Disk
from xnat_sync.local.imaging.images import check_image

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., bytes]
NAN, INF = math.nan, math.inf
VOXELS = random.Random(7).randbytes(72 * 72 * 5 * 2 * 2)
DIM = (4, 72, 72, 5, 2, 1, 1, 1)


def judge(path: Path) -> list[str]:
    """The rules that a file breaks, as ``validate --deep`` would tell them."""
    disk = Disk()
    matches = disk.find(str(path.parent), path.name)
    found = list(matches.breaches)
    for file in matches.files:
        found += (breach for _, breach in disk.inspect([LocalFile(path=file.path, name=path.name)]).breaches)
        found += disk.read_whole(file.path).findings
    assert all(repr(path.name) in breach.summary for breach in found)
    return sorted({breach.rule for breach in found})


EXTENDED = {"vox_offset": 512, "extender": b"\1\0\0\0", "esize": 160}
HEADERS: dict[str, tuple[dict[str, object], list[str]]] = {
    "sound": ({}, []),
    "big-endian throughout": ({"order": ">"}, []),
    "NIfTI-2": ({"version": 2}, []),
    "big-endian NIfTI-2": ({"version": 2, "order": ">"}, []),
    "sizeof_hdr 0": ({"sizeof_hdr": 0}, ["XS304"]),
    "sizeof_hdr 347": ({"sizeof_hdr": 347}, ["XS304"]),
    "sizeof_hdr 540 in a NIfTI-1": ({"sizeof_hdr": 540}, ["XS304"]),
    "sizeof_hdr of the other byte order": ({"sizeof_hdr": 0x5C010000}, ["XS304"]),
    "magic abc": ({"magic": b"abc\0"}, ["XS304"]),
    "magic zero": ({"magic": bytes(4)}, ["XS304"]),
    "magic of a pair": ({"magic": b"ni1\0"}, ["XS312"]),
    "magic of NIfTI-2 after text mode": ({"version": 2, "magic": b"n+2\0\n\x1a\n\0"}, ["XS304"]),
    "dim[0] = 0": ({"dim": (0, 72, 72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dim[0] = 8": ({"dim": (8, 72, 72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dim[0] = -1": ({"dim": (-1, 72, 72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dim[0] = 100": ({"dim": (100, 72, 72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dim[0] = 256, a 1 of the other byte order": ({"dim": (256, 72, 72, 5, 2, 1, 1, 1)}, ["XS304"]),
    "dim[1] = 0": ({"dim": (4, 0, 72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dim[4] = 0": ({"dim": (4, 72, 72, 5, 0, 1, 1, 1)}, ["XS305"]),
    "dim[2] negative": ({"dim": (4, 72, -72, 5, 2, 1, 1, 1)}, ["XS305"]),
    "dims 32767 cubed": ({"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, ["XS308"]),
    "dims 32767 to the seventh": ({"dim": (7, *[32767] * 7)}, ["XS308"]),
    "dims of 2^40 in NIfTI-2": ({"version": 2, "dim": (3, 1 << 40, 1 << 40, 1 << 40, 1, 1, 1, 1)}, ["XS308"]),
    "pixdim[1] NaN": ({"pixdim": (1, NAN, 2, 2, 1, 1, 1, 1)}, ["XS309"]),
    "pixdim[2] inf": ({"pixdim": (1, 2, INF, 2, 1, 1, 1, 1)}, ["XS309"]),
    "pixdim[3] -inf": ({"pixdim": (1, 2, 2, -INF, 1, 1, 1, 1)}, ["XS309"]),
    "pixdim[4] NaN": ({"pixdim": (1, 2, 2, 2, NAN, 1, 1, 1)}, ["XS313"]),
    "pixdim[4] inf": ({"pixdim": (1, 2, 2, 2, INF, 1, 1, 1)}, ["XS313"]),
    "pixdim[4] = 0": ({"pixdim": (1, 2, 2, 2, 0, 1, 1, 1)}, ["XS313"]),
    "pixdim[1] negative": ({"pixdim": (1, -2, 2, 2, 1, 1, 1, 1)}, ["XS313"]),
    "pixdim[3] = 0": ({"pixdim": (1, 2, 2, 0, 1, 1, 1, 1)}, ["XS313"]),
    "units 0": ({"units": 0}, []),
    "units 255": ({"units": 255}, ["XS313"]),
    "units msec": ({"units": 18}, []),
    "units usec": ({"units": 26}, []),
    "qform and sform differ": ({"quatern": (0.5, 0.5, 0.5)}, []),
    "both codes 0": ({"qform": 0, "sform": 0}, ["XS314"]),
    "qform code 99": ({"qform": 99}, ["XS314"]),
    "sform code negative": ({"sform": -3}, ["XS314"]),
    "sform of zeros": ({"srow": (0,) * 12}, ["XS314"]),
    "sform of NaN": ({"srow": (NAN,) * 12}, ["XS314"]),
    "quaternion longer than 1": ({"quatern": (1, 1, 1)}, ["XS314"]),
    "quaternion NaN": ({"quatern": (NAN, 0, 0)}, ["XS314"]),
    "datatype 0": ({"datatype": 0, "bitpix": 0}, ["XS306"]),
    "datatype 999": ({"datatype": 999}, ["XS306"]),
    "datatype negative": ({"datatype": -4}, ["XS306"]),
    "datatype 1, single bits": ({"datatype": 1, "bitpix": 1, "dim": (4, 288, 288, 5, 2, 1, 1, 1)}, ["XS312"]),
    "datatype 1536, float128": ({"datatype": 1536, "bitpix": 128, "dim": (3, 72, 18, 5, 1, 1, 1, 1)}, ["XS312"]),
    "bitpix of another type": ({"bitpix": 8}, ["XS306"]),
    "bitpix 0": ({"bitpix": 0}, ["XS306"]),
    "int64": ({"datatype": 1024, "bitpix": 64, "dim": (3, 72, 36, 5, 1, 1, 1, 1)}, ["XS312"]),
    "uint64": ({"datatype": 1280, "bitpix": 64, "dim": (3, 72, 36, 5, 1, 1, 1, 1)}, ["XS312"]),
    "complex64": ({"datatype": 32, "bitpix": 64, "dim": (3, 72, 36, 5, 1, 1, 1, 1)}, []),
    "complex128": ({"datatype": 1792, "bitpix": 128, "dim": (3, 72, 18, 5, 1, 1, 1, 1)}, []),
    "RGB24": ({"datatype": 128, "bitpix": 24, "dim": (3, 72, 48, 10, 1, 1, 1, 1)}, []),
    "RGBA32": ({"datatype": 2304, "bitpix": 32, "dim": (3, 72, 36, 10, 1, 1, 1, 1)}, []),
    "vox_offset 1e9": ({"vox_offset": 1e9}, ["XS308"]),
    "vox_offset 1e30": ({"vox_offset": 1e30}, ["XS308"]),
    "vox_offset 0": ({"vox_offset": 0}, ["XS312"]),
    "vox_offset 348": ({"vox_offset": 348}, ["XS307"]),
    "vox_offset -352": ({"vox_offset": -352}, ["XS307"]),
    "vox_offset 353": ({"vox_offset": 353}, ["XS308", "XS312"]),
    "vox_offset NaN": ({"vox_offset": NAN}, ["XS307"]),
    "vox_offset inf": ({"vox_offset": INF}, ["XS307"]),
    "slope NaN": ({"slope": NAN}, []),
    "slope 0": ({"slope": 0}, []),
    "slope inf": ({"slope": INF}, []),
    "intercept NaN under a slope": ({"slope": 2, "inter": NAN}, ["XS304"]),
    "extension, sound": (EXTENDED, []),
    "extension, esize 7": ({**EXTENDED, "esize": 7}, ["XS304"]),
    "extension, esize 0": ({**EXTENDED, "esize": 0}, ["XS304"]),
    "extension, esize huge": ({**EXTENDED, "esize": 1 << 30}, ["XS304"]),
    "extension, esize negative": ({**EXTENDED, "esize": -16}, ["XS304"]),
    "extension, esize 150": ({**EXTENDED, "esize": 150}, ["XS312"]),
    "extension flag, none there": ({"extender": b"\1\0\0\0"}, []),
    "extension flag of garbage": ({"extender": b"\xff\x7f\x03\x09"}, []),
    "extension of an unknown kind": ({**EXTENDED, "ecode": 777}, []),
    "extension of garbage that says it is DICOM": ({**EXTENDED, "ecode": 2}, []),
    "text that is no UTF-8": ({"descrip": b"caf\xe9 \xff\x1b[31m"}, []),
    "time folded into slices": ({"dim": (3, 2, 6, 4320, 1, 1, 1, 1)}, ["XS316"]),
    "many slices, and no more than scanners take": ({"dim": (3, 9, 6, 960, 1, 1, 1, 1)}, []),
}


def build(image: Make, parts: dict[str, object], cut: int = 0) -> bytes:
    """The sound image with some parts of its header replaced, its voxels filled with noise."""
    made = image(**{"dim": DIM, **parts})
    header = made[: len(made) - 192]
    data = header + VOXELS
    return data[: len(data) - cut]


@pytest.mark.parametrize("name", HEADERS)
def test_headers(image: Make, tmp_path: Path, name: str) -> None:
    parts, expected = HEADERS[name]
    data = build(image, parts)
    for suffix, content in ((".nii", data), (".nii.gz", gzip.compress(data, 1, mtime=0))):
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content)
        assert judge(path) == expected, suffix


def flip(data: bytes, offset: int) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= 0x10
    return bytes(changed)


def trailer(data: bytes, crc: int = 0, size: int = 0) -> bytes:
    old_crc, old_size = struct.unpack("<2I", data[-8:])
    return data[:-8] + struct.pack("<2I", old_crc ^ crc, old_size ^ size)


def archive(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archived:
        archived.writestr("a.nii", data)
    return stream.getvalue()


PAGE = b"<!DOCTYPE html><html><body>please log in</body></html>" + b" " * 2000
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
ANNEX = b"/annex/objects/MD5E-s12--00.nii.gz\n"
# From the sound image (plain, and as gzip) to the bytes of a file, its suffix, and what is said of it.
FILES: dict[str, tuple[str, Callable[[bytes, bytes], bytes], list[str]]] = {
    "gz cut in the middle": (".nii.gz", lambda _, packed: packed[: len(packed) // 2], ["XS308"]),
    "gz lost its last 4 bytes": (".nii.gz", lambda _, packed: packed[:-4], ["XS303"]),
    "gz lost its last 8 bytes": (".nii.gz", lambda _, packed: packed[:-8], ["XS303"]),
    "gz lost its last byte": (".nii.gz", lambda _, packed: packed[:-1], ["XS303"]),
    "gz, one byte flipped in the middle": (".nii.gz", lambda _, packed: flip(packed, len(packed) // 2), ["XS303"]),
    "gz, wrong CRC": (".nii.gz", lambda _, packed: trailer(packed, crc=1), ["XS303"]),
    "gz, wrong ISIZE": (".nii.gz", lambda _, packed: trailer(packed, size=1), ["XS303"]),
    "gz cut inside of its own header": (".nii.gz", lambda _, packed: packed[:6], ["XS303"]),
    "gz cut inside of the image's header": (".nii.gz", lambda _, packed: packed[:60], ["XS303"]),
    "sound gz around truncated data": (".nii.gz", lambda data, _: gzip.compress(data[:60_000]), ["XS308"]),
    "gz with surplus inside": (".nii.gz", lambda data, _: gzip.compress(data + b"more"), ["XS311"]),
    "gz and zeros": (".nii.gz", lambda _, packed: packed + bytes(100), ["XS311"]),
    "gz and garbage": (".nii.gz", lambda _, packed: packed + b"GARBAGE", ["XS311"]),
    "gz and half of a gz": (".nii.gz", lambda _, packed: packed + packed[:500], ["XS303"]),
    "gz of two members": (".nii.gz", lambda data, _: gzip.compress(data[:99]) + gzip.compress(data[99:]), []),
    "gz of many members": (
        ".nii.gz",
        lambda data, _: b"".join(gzip.compress(data[at : at + 9000]) for at in range(0, len(data), 9000)),
        [],
    ),
    "gz of many members, one flipped": (
        ".nii.gz",
        lambda data, _: b"".join(
            trailer(gzip.compress(data[at : at + 9000]), crc=at == 9000) for at in range(0, len(data), 9000)
        ),
        ["XS303"],
    ),
    "gz with a name in it": (
        ".nii.gz",
        lambda _, packed: packed[:3] + b"\x08" + packed[4:10] + b"a.nii\0" + packed[10:],
        [],
    ),
    "gzipped twice": (".nii.gz", lambda _, packed: gzip.compress(packed), ["XS303"]),
    "gz of nothing": (".nii.gz", lambda _data, _packed: gzip.compress(b""), ["XS301"]),
    "gz of 100 bytes": (".nii.gz", lambda data, _: gzip.compress(data[:100]), ["XS301"]),
    "nii truncated by a byte": (".nii", lambda data, _: data[:-1], ["XS308"]),
    "nii truncated by half": (".nii", lambda data, _: data[: len(data) // 2], ["XS308"]),
    "nii of 348 bytes": (".nii", lambda data, _: data[:348], ["XS308"]),
    "nii of 352 bytes": (".nii", lambda data, _: data[:352], ["XS308"]),
    "nii of 200 bytes": (".nii", lambda data, _: data[:200], ["XS301"]),
    "nii of zero bytes": (".nii", lambda _data, _packed: b"", ["XS301"]),
    "nii.gz of zero bytes": (".nii.gz", lambda _data, _packed: b"", ["XS301"]),
    "nii with surplus": (".nii", lambda data, _: data + b"more", ["XS311"]),
    "nii that is gzip": (".nii", lambda _, packed: packed, ["XS302"]),
    "nii.gz that is plain": (".nii.gz", lambda data, _: data, ["XS302"]),
    "nii.gz that is a zip": (".nii.gz", lambda data, _: archive(data), ["XS302"]),
    "nii.gz that is bzip2": (".nii.gz", lambda data, _: bz2.compress(data), ["XS302"]),
    "nii.gz that is xz": (".nii.gz", lambda data, _: lzma.compress(data), ["XS302"]),
    "nii.gz that is Zstandard": (".nii.gz", lambda data, _: b"\x28\xb5\x2f\xfd" + data, ["XS302"]),
    "nii.gz that is a login page": (".nii.gz", lambda _data, _packed: PAGE, ["XS302"]),
    "nii.gz that is a git-lfs pointer": (".nii.gz", lambda _data, _packed: LFS, ["XS207"]),
    "nii that is a git-lfs pointer": (".nii", lambda _data, _packed: LFS, ["XS207"]),
    "nii.gz that is an unlocked annex pointer": (".nii.gz", lambda _data, _packed: ANNEX, ["XS207"]),
    "nii that is DICOM": (".nii", lambda data, _: bytes(128) + b"DICM" + data, ["XS302"]),
    "nii.gz of DICOM": (".nii.gz", lambda data, _: gzip.compress(bytes(128) + b"DICM" + data), ["XS302"]),
    "nii that is JSON": (".nii", lambda _data, _packed: b'{"a": "' + b"x" * 500 + b'"}', ["XS302"]),
    "nii that is NRRD": (".nii", lambda data, _: b"NRRD0004\n" + data, ["XS302"]),
    "nii of zeros": (".nii", lambda data, _: bytes(len(data)), ["XS302"]),
    "nii of noise": (".nii", lambda _data, _packed: VOXELS, ["XS304"]),
    "nii.gz of noise": (".nii.gz", lambda _data, _packed: gzip.compress(VOXELS), ["XS304"]),
    "an image without a suffix": ("", lambda data, _: data[:-1], []),
    "NII in capitals": (".NII", lambda data, _: data, []),
    "NII.GZ in capitals": (".NII.GZ", lambda _, packed: packed, []),
    "Nii.Gz": (".Nii.Gz", lambda _, packed: packed, []),
}


@pytest.mark.parametrize("name", FILES)
def test_files(image: Make, tmp_path: Path, name: str) -> None:
    suffix, make, expected = FILES[name]
    data = build(image, {})
    path = tmp_path / f"a{suffix}"
    path.write_bytes(make(data, gzip.compress(data, 1, mtime=0)))
    assert judge(path) == expected


@pytest.mark.parametrize(
    ("name", "volumes", "expected"),
    [
        ("sub-1_task-x_bold.nii", 1, ["XS316"]),
        ("sub-1_dwi.nii", 1, ["XS316"]),
        ("sub-1_dwi.nii", 2, []),
        ("sub-1_task-x_sbref.nii", 1, []),
    ],
)
def test_a_series_of_one_volume(image: Make, tmp_path: Path, name: str, volumes: int, expected: list[str]) -> None:
    (tmp_path / name).write_bytes(build(image, {"dim": (4, 72, 72, 10 // volumes, volumes, 1, 1, 1)}))
    assert judge(tmp_path / name) == expected


class TestPairs:
    @pytest.fixture
    def header(self, image: Make) -> bytes:
        return build(image, {"magic": b"ni1\0", "vox_offset": 0})[:348]

    def test_sound(self, tmp_path: Path, header: bytes) -> None:
        (tmp_path / "a.hdr").write_bytes(header)
        (tmp_path / "a.img").write_bytes(VOXELS)
        assert judge(tmp_path / "a.hdr") == judge(tmp_path / "a.img") == []

    def test_lonely(self, tmp_path: Path, header: bytes) -> None:
        (tmp_path / "a.hdr").write_bytes(header)
        (tmp_path / "b.img").write_bytes(VOXELS)
        assert judge(tmp_path / "a.hdr") == judge(tmp_path / "b.img") == ["XS310"]

    def test_truncated(self, tmp_path: Path, header: bytes) -> None:
        (tmp_path / "a.hdr").write_bytes(header)
        (tmp_path / "a.img").write_bytes(VOXELS[:-1])
        assert judge(tmp_path / "a.img") == ["XS308"]
        (tmp_path / "a.img").write_bytes(b"")
        assert judge(tmp_path / "a.img") == ["XS308"]

    def test_analyze(self, tmp_path: Path, header: bytes) -> None:
        (tmp_path / "a.hdr").write_bytes(header[:344] + bytes(4))
        (tmp_path / "a.img").write_bytes(VOXELS)
        assert judge(tmp_path / "a.hdr") == ["XS312"]


class TestOddEntries:
    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".hdr", ".json", ".bval"])
    def test_they_are_told_and_never_waited_for(self, tmp_path: Path, suffix: str) -> None:
        os.mkfifo(tmp_path / f"pipe{suffix}")
        (tmp_path / f"folder{suffix}").mkdir()
        (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
        (tmp_path / f"loop{suffix}").symlink_to(f"loop{suffix}")
        annexed = "../.git/annex/objects/aa/bb/MD5E-s12--00/MD5E-s12--00"
        (tmp_path / f"annexed{suffix}").symlink_to(annexed)
        (tmp_path / f"dangling{suffix}").symlink_to("nowhere")
        assert judge(tmp_path / f"pipe{suffix}") == ["XS205"]
        assert judge(tmp_path / f"folder{suffix}") == ["XS205"]
        assert judge(tmp_path / f"device{suffix}") == ["XS204"]
        assert judge(tmp_path / f"loop{suffix}") == ["XS201"]
        assert judge(tmp_path / f"annexed{suffix}") == ["XS207"]
        assert judge(tmp_path / f"dangling{suffix}") == ["XS201"]
        assert judge(tmp_path / f"missing{suffix}") == ["XS201"]

    def test_readable_by_nobody(self, image: Make, tmp_path: Path) -> None:
        path = tmp_path / "a.nii"
        path.write_bytes(build(image, {}))
        path.chmod(0)
        assert judge(path) == ([] if os.access(path, os.R_OK) else ["XS206"])


def test_the_words_name_the_remedy(image: Make, tmp_path: Path) -> None:
    data = build(image, {})
    cases = {
        "plain.nii.gz": (data, "rename it to .nii"),
        "packed.nii": (gzip.compress(data), "rename it to .nii.gz"),
        "twice.nii.gz": (gzip.compress(gzip.compress(data)), "decompress it once"),
    }
    for name, (content, remedy) in cases.items():
        (tmp_path / name).write_bytes(content)
        (breach,) = check_image(str(tmp_path / name), name)
        assert remedy in breach.hint
    assert all(rule.remedy for rule in RULES.values())


GREEDY: list[dict[str, object]] = [
    {"dim": (7, *[32767] * 7)},
    {"version": 2, "dim": (7, *[1 << 60] * 7)},
    {"vox_offset": 1e30},
    {**EXTENDED, "esize": (1 << 31) - 1},
]


def test_nothing_is_allocated_by_what_a_header_says(image: Make, tmp_path: Path) -> None:
    judge(tmp_path / "nothing")
    tracemalloc.start()
    for parts in GREEDY:
        data = build(image, parts)
        for suffix, content in ((".nii", data), (".nii.gz", gzip.compress(data, 1))):
            path = tmp_path / f"a{suffix}"
            path.write_bytes(content)
            tracemalloc.reset_peak()
            held, _ = tracemalloc.get_traced_memory()
            judge(path)
            assert tracemalloc.get_traced_memory()[1] - held < 8 << 20
    tracemalloc.stop()


LITTLE_MEMORY = """
import resource, sys
import nibabel.nifti1  # it takes room for its threads, whatever the images are
from xnat_sync.__main__ import main
with open("/proc/self/statm") as file:
    held = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + (96 << 20), held + (96 << 20)))
sys.argv = ["xnat-sync", "validate", "--deep", "study.yaml"]
main()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the kernel how much memory a process has")
def test_little_memory_is_enough_for_every_defect(image: Make, tmp_path: Path) -> None:
    """One run over all of them ends with words: the kernel gives it 96 MB on top of what the program itself takes."""
    packed = gzip.compress(build(image, {}), 1, mtime=0)
    contents = [(suffix, make(build(image, {}), packed)) for suffix, make, _ in FILES.values() if suffix]
    for parts in [*(parts for parts, _ in HEADERS.values()), *GREEDY]:
        data = build(image, parts)
        contents += [(".nii", data), (".nii.gz", gzip.compress(data, 1, mtime=0))]
    contents.append((".nii.gz", gzip.compress(bytes(128 << 20), 9, mtime=0)))
    contents.append((".nii.gz", gzip.compress(build(image, {}) + bytes(128 << 20), 9, mtime=0)))
    (tmp_path / "data").mkdir()
    for number, (suffix, content) in enumerate(contents):
        (tmp_path / f"data/{number}{suffix}").write_bytes(content)
    (tmp_path / "study.yaml").write_text(
        "{version: 1, project: P, root: data, subjects: {S: {resources: {R: {files: '*'}}}}}", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_MEMORY], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (3, ""), done.stderr[-2000:]
    wrong = sum(bool(rules) for _, rules in HEADERS.values()) * 2 + sum(bool(rules) for *_, rules in FILES.values())
    assert wrong > 150
    assert done.stdout.count("XS3") + done.stdout.count("XS207") >= wrong
