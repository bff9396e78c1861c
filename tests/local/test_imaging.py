"""Sound and broken images, each with the rules that it breaks."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import pytest

from xnat_sync.core.model.rules import RULES
from xnat_sync.local.imaging.header import BITS
from xnat_sync.local.imaging.images import check_image, is_image, read_facts

Make = Callable[..., bytes]
Put = Callable[[str, bytes], str]

NAN, INF = math.nan, math.inf


def rules(path: str, name: str = "") -> list[str]:
    found = check_image(path, name or Path(path).name)
    for breach in found:
        assert breach.rule in RULES
        assert breach.summary.startswith(repr(Path(path).name))
    return [breach.rule for breach in found]


def words(path: str) -> str:
    return "; ".join(breach.summary for breach in check_image(path, Path(path).name))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
def test_sound_images(image: Make, put: Put, version: int, order: str) -> None:
    data = image(version=version, order=order)
    for path in (put("a.nii", data), put("b.NII.GZ", gzip.compress(data)), put("c.Nii.Gz", gzip.compress(data))):
        assert rules(path) == []
        facts = read_facts(path)
        assert facts
        assert (facts.version, facts.shape) == (version, (4, 4, 3, 2))
        assert facts.big_endian is (order == ">")
        assert list(facts.zooms) == [2.0, 2.0, 2.0, 1.5]
        assert (facts.datatype, facts.bits, facts.space_unit, facts.time_unit) == (4, 16, "mm", "s")
        assert (facts.qform_code, facts.sform_code) == (1, 1)
        assert facts.offset + facts.data_bytes == len(data)


def test_real_images() -> None:
    folder = Path(nibabel.__file__).parent
    paths = [path for path in folder.rglob("*") if is_image(path.name) and path.suffix.lower() not in (".hdr", ".img")]
    assert len(paths) >= 6
    for path in paths:
        assert {rule for rule in rules(str(path)) if RULES[rule].severity.value == "error"} == set(), path
        facts = read_facts(str(path))
        held: Any = nibabel.load(path)
        assert facts
        if isinstance(held, nibabel.Cifti2Image):
            continue
        assert facts.shape == held.shape
        assert facts.zooms[: len(held.header.get_zooms())] == pytest.approx(held.header.get_zooms()[: len(facts.zooms)])


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"sizeof_hdr": 0}, ["XS304"]),
        ({"sizeof_hdr": 347}, ["XS304"]),
        ({"sizeof_hdr": 0x5C010000}, ["XS304"]),
        ({"magic": b"abc\0"}, ["XS304"]),
        ({"magic": b"\0\0\0\0"}, ["XS304"]),
        ({"magic": b"ni1\0"}, ["XS312"]),
        ({"dim": (0, 4, 4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (8, 4, 4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (-1, 4, 4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (100, 4, 4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (4, 0, 4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (4, 4, 4, 3, 0, 1, 1, 1)}, ["XS305"]),
        ({"dim": (4, 4, -4, 3, 2, 1, 1, 1)}, ["XS305"]),
        ({"dim": (3, 32767, 32767, 32767, 1, 1, 1, 1)}, ["XS308"]),
        ({"dim": (7, 32767, 32767, 32767, 32767, 32767, 32767, 32767)}, ["XS308"]),
        ({"datatype": 0}, ["XS306"]),
        ({"datatype": 999}, ["XS306"]),
        ({"bitpix": 8}, ["XS306"]),
        ({"datatype": 1, "bitpix": 1, "dim": (1, 1536, 1, 1, 1, 1, 1, 1)}, ["XS312", "XS312"]),
        ({"datatype": 1024, "bitpix": 64, "dim": (1, 24, 1, 1, 1, 1, 1, 1)}, ["XS312"]),
        ({"datatype": 128, "bitpix": 24, "dim": (2, 8, 8, 1, 1, 1, 1, 1)}, []),
        ({"vox_offset": NAN}, ["XS307"]),
        ({"vox_offset": INF}, ["XS307"]),
        ({"vox_offset": 348}, ["XS307"]),
        ({"vox_offset": -16}, ["XS307"]),
        ({"vox_offset": 352.5}, ["XS307"]),
        ({"vox_offset": 1e9}, ["XS308"]),
        ({"vox_offset": 0}, ["XS312"]),
        ({"vox_offset": 353}, ["XS312", "XS308"]),
        ({"pixdim": (1, NAN, 2, 2, 1, 1, 1, 1)}, ["XS309"]),
        ({"pixdim": (1, 2, 2, INF, 1, 1, 1, 1)}, ["XS309"]),
        ({"pixdim": (1, 2, 2, 2, NAN, 1, 1, 1)}, ["XS313"]),
        ({"pixdim": (1, 2, 2, 2, 0, 1, 1, 1)}, ["XS313"]),
        ({"pixdim": (1, -2, 2, 2, 1, 1, 1, 1)}, ["XS313"]),
        ({"pixdim": (1, 2, 0, 2, 1, 1, 1, 1)}, ["XS313"]),
        ({"units": 255}, ["XS313"]),
        ({"units": 18}, []),
        ({"units": 0}, []),
        ({"slope": NAN}, []),
        ({"slope": 2, "inter": NAN}, ["XS304"]),
        ({"qform": 0, "sform": 0}, ["XS314"]),
        ({"qform": 99}, ["XS314"]),
        ({"sform": -1}, ["XS314"]),
        ({"srow": (0,) * 12}, ["XS314"]),
        ({"srow": (NAN, *(1,) * 11)}, ["XS314"]),
        ({"quatern": (1, 1, 0)}, ["XS314"]),
        ({"vox_offset": 512, "extender": b"\1\0\0\0", "esize": 160}, []),
        ({"vox_offset": 512, "extender": b"\1\0\0\0", "esize": 150}, ["XS312"]),
        ({"vox_offset": 512, "extender": b"\1\0\0\0", "esize": 7}, ["XS304"]),
        ({"vox_offset": 512, "extender": b"\1\0\0\0", "esize": -5}, ["XS304"]),
        ({"vox_offset": 512, "extender": b"\1\0\0\0", "esize": 1 << 30}, ["XS304"]),
        ({"extender": b"\1\0\0\0"}, []),
        ({"cut": 1}, ["XS308"]),
        ({"cut": 100}, ["XS308"]),
        ({"cut": 192}, ["XS308"]),
        ({"cut": 200}, ["XS301"]),
        ({"pad": 1}, ["XS311"]),
        ({"version": 2, "magic": b"n+2\0\n\x1a\n\0"}, ["XS304"]),
        ({"version": 2, "magic": b"abc\0\r\n\x1a\n"}, ["XS304"]),
        ({"version": 2, "vox_offset": 540}, ["XS307"]),
        ({"version": 2, "cut": 250}, ["XS301"]),
        ({"version": 2, "dim": (3, 1 << 40, 1 << 40, 1 << 40, 1, 1, 1, 1)}, ["XS308"]),
        ({"version": 2, "intent": 3006, "qform": 0, "sform": 0}, []),
    ],
)
def test_headers(image: Make, put: Put, parts: dict[str, object], expected: list[str]) -> None:
    data = image(**parts)
    assert rules(put("a.nii", data)) == expected
    assert rules(put("b.nii.gz", gzip.compress(data))) == expected


def test_every_voxel_type_has_its_size(image: Make, put: Put) -> None:
    for datatype, bits in BITS.items():
        path = put("a.nii", image(datatype=datatype, bitpix=bits, dim=(1, 1536 // bits, 1, 1, 1, 1, 1, 1)))
        assert set(rules(path)) <= {"XS312"}
        facts = read_facts(path)
        assert facts
        assert facts.data_bytes == 192


class TestGzip:
    def test_cut_in_the_middle(self, image: Make, put: Put) -> None:
        data = gzip.compress(image() + os.urandom(5000))
        assert rules(put("a.nii.gz", data[:3000])) == ["XS303"]
        noisy = image(cut=192) + os.urandom(192)
        assert rules(put("b.nii.gz", gzip.compress(noisy)[:-60])) == ["XS308"]

    def test_lost_trailer(self, image: Make, put: Put) -> None:
        data = gzip.compress(image())
        assert rules(put("a.nii.gz", data[:-4])) == ["XS303"]
        assert rules(put("b.nii.gz", data[:-8])) == ["XS303"]

    def test_cut_inside_of_the_header(self, image: Make, put: Put) -> None:
        assert rules(put("a.nii.gz", gzip.compress(image())[:15])) == ["XS303"]
        assert rules(put("b.nii.gz", gzip.compress(image())[:2])) == ["XS303"]

    def test_truncated_inside(self, image: Make, put: Put) -> None:
        path = put("a.nii.gz", gzip.compress(image(cut=20)))
        assert rules(path) == ["XS308"]
        assert "524 of 544 bytes" in words(path)

    def test_several_members(self, image: Make, put: Put) -> None:
        data = image()
        assert rules(put("a.nii.gz", gzip.compress(data[:400]) + gzip.compress(data[400:]))) == []
        assert rules(put("b.nii.gz", gzip.compress(data[:100]) + gzip.compress(data[100:]))) == []

    def test_a_long_name_in_the_gzip_header(self, image: Make, put: Put) -> None:
        plain = gzip.compress(image(), mtime=0)
        named = plain[:3] + b"\x08" + plain[4:10] + b"n" * 9000 + b"\0" + plain[10:]
        assert rules(put("a.nii.gz", named)) == []

    def test_surplus(self, image: Make, put: Put) -> None:
        data = image()
        for name, content in (
            ("a", gzip.compress(data + b"x")),
            ("b", gzip.compress(data) + bytes(100)),
            ("c", gzip.compress(data) + b"GARBAGE"),
        ):
            assert rules(put(f"{name}.nii.gz", content)) == ["XS311"]

    def test_a_damaged_stream_that_is_read_for_its_length(self, image: Make, put: Put) -> None:
        data = bytearray(gzip.compress(image() + b"x" * 600))
        data[-6] ^= 0xFF
        assert rules(put("a.nii.gz", bytes(data))) == ["XS303"]

    def test_twice(self, image: Make, put: Put) -> None:
        assert rules(put("a.nii.gz", gzip.compress(gzip.compress(image())))) == ["XS303"]

    def test_nothing_inside(self, put: Put) -> None:
        assert rules(put("a.nii.gz", gzip.compress(b""))) == ["XS301"]

    def test_a_claim_that_no_stream_can_meet_is_not_inflated(self, image: Make, put: Put) -> None:
        data = gzip.compress(image(dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)) + bytes(3_000_000))
        assert "can ever hold" in words(put("a.nii.gz", data))


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"<!DOCTYPE html>" + b" " * 400, "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
        (b"/annex/objects/MD5E-s1--x.nii.gz\n", "git-annex"),
        (bz2.compress(b"x" * 1000), "bzip2"),
        (b"\x28\xb5\x2f\xfd" + bytes(400), "Zstandard"),
        (b"\xfd7zXZ\x00" + bytes(400), "xz"),
        (bytes(128) + b"DICM" + bytes(400), "DICOM"),
        (b'{"a": 1}' + b" " * 400, "JSON"),
        (b"NRRD0004\n" + b" " * 400, "NRRD"),
        (bytes(1000), "zero bytes"),
        (bytes(257) + b"ustar" + bytes(400), "tar"),
    ],
)
def test_what_it_really_is(put: Put, content: bytes, word: str) -> None:
    for path in (put("a.nii", content), put("b.nii.gz", content), put("c.nii.gz", gzip.compress(content))):
        assert rules(path) == ["XS302"]
        assert word in words(path)


def test_misnamed(image: Make, put: Put, tmp_path: Path) -> None:
    plain = put("a.nii.gz", image())
    assert rules(plain) == ["XS302"]
    assert "plain NIfTI" in words(plain)
    squeezed = put("a.nii", gzip.compress(image()))
    assert rules(squeezed) == ["XS302"]
    with zipfile.ZipFile(tmp_path / "z.nii.gz", "w") as archive:
        archive.writestr("a.nii", image())
    assert "zip archive" in words(str(tmp_path / "z.nii.gz"))
    # The name inside the resource counts, not the local one.
    assert rules(squeezed, "b.nii.gz") == []
    assert rules(squeezed, "b.txt") == []


def test_empty_and_short(put: Put) -> None:
    assert rules(put("a.nii", b"")) == ["XS301"]
    assert rules(put("a.nii.gz", b"")) == ["XS301"]
    assert rules(put("b.nii", b"\x01\x02\x03")) == ["XS301"]


class TestPairs:
    def test_sound(self, image: Make, put: Put) -> None:
        header = put("a.hdr", image(magic=b"ni1\0", vox_offset=0)[:348])
        voxels = put("a.img", bytes(192))
        assert rules(header) == []
        assert rules(voxels) == []

    def test_without_mate(self, image: Make, put: Put) -> None:
        assert rules(put("a.HDR", image(magic=b"ni1\0", vox_offset=0)[:348])) == ["XS310"]
        assert rules(put("b.img", bytes(192))) == ["XS310"]

    def test_truncated_and_surplus(self, image: Make, put: Put) -> None:
        put("a.hdr", image(magic=b"ni1\0", vox_offset=0)[:348])
        assert rules(put("a.img", bytes(191))) == ["XS308"]
        assert rules(put("a.img", bytes(193))) == ["XS311"]

    def test_analyze(self, image: Make, put: Put) -> None:
        put("a.img", bytes(192))
        assert rules(put("a.hdr", image(magic=b"\0\0\0\0", vox_offset=0)[:348])) == ["XS312"]

    def test_single_file_magic(self, image: Make, put: Put) -> None:
        put("a.img", bytes(192))
        assert rules(put("a.hdr", image(vox_offset=0)[:348])) == ["XS312"]

    def test_damaged_header(self, image: Make, put: Put) -> None:
        put("a.img", bytes(10))
        assert rules(put("a.hdr", image(sizeof_hdr=7)[:348])) == ["XS304"]
        assert rules(str(Path(put("a.img", bytes(10))))) == []


def test_what_cannot_be_opened_is_told_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii")
    (tmp_path / "b.nii").mkdir()
    (tmp_path / "c.nii").symlink_to("c.nii")
    for name in ("a.nii", "b.nii", "c.nii", "gone.nii"):
        assert rules(str(tmp_path / name)) == ["XS206"]
        assert read_facts(str(tmp_path / name)) is None


def test_names_of_images() -> None:
    assert all(map(is_image, ("a.nii", "a.nii.gz", "A.NII.GZ", "a.hdr", "a.img")))
    assert not any(map(is_image, ("a.nii.json", "a.gz", "a.niix", "nii", "a.mgz")))
