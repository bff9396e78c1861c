"""Copies of gzip files whose headers tell nothing, with the same bytes in them."""

from __future__ import annotations

import gzip
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.local_port import LocalFile
from xnat_sync.local.imaging.integrity import read_whole
from xnat_sync.local.inspection import inspect
from xnat_sync.local.privacy.gzip_names import copy_nameless, tells

Make = Callable[..., bytes]
Put = Callable[[str, bytes], str]


def member(data: bytes, *, name: bytes = b"", comment: bytes = b"", extra: bytes = b"", crc: bytes = b"") -> bytes:
    plain = gzip.compress(data, mtime=1_700_000_000)
    flags = (2 if crc else 0) | (4 if extra else 0) | (8 if name else 0) | (16 if comment else 0)
    parts = [plain[:3], bytes([flags]), plain[4:10]]
    parts += [struct.pack("<H", len(extra)) + extra] if extra else []
    parts += [text + b"\0" for text in (name, comment) if text]
    return b"".join((*parts, crc, plain[10:]))


@pytest.mark.parametrize(
    "told",
    [
        {"name": b"DOE_JOHN.nii"},
        {"comment": b"DOE^JOHN"},
        {"name": b"n" * 70_000, "comment": b"c" * 9},
        {"name": b"a", "comment": b"b", "extra": b"BC\2\0\1\2", "crc": b"\x12\x34"},
        {},
    ],
)
def test_what_it_told_is_gone_and_what_it_holds_is_not(
    image: Make, put: Put, tmp_path: Path, told: dict[str, bytes]
) -> None:
    data = image() + os.urandom(700_000)
    content = member(data[:1000], **told) + member(data[1000:], **told)
    path = put("a.nii.gz", content)
    assert tells(path)
    target = tmp_path / "clean" / "deep" / "a.nii.gz"
    copy_nameless(path, target)
    clean = target.read_bytes()
    assert not tells(str(target))
    assert not any(value in clean for value in told.values() if len(value) > 6)
    assert (b"BC\2\0\1\2" in clean) is ("extra" in told)
    assert gzip.decompress(clean) == data
    assert {breach.rule for breach in read_whole(str(target)).findings} <= {"XS311"}
    assert Path(path).read_bytes() == content


def test_a_clean_file_tells_nothing(put: Put) -> None:
    assert not tells(put("a.nii.gz", gzip.compress(b"x", mtime=0)))
    assert not tells(put("b.nii.gz", b"\x1f\x8b"))
    assert not tells(put("c.nii.gz", b""))
    assert not tells("/nowhere/d.nii.gz")


def test_the_gate_is_content_with_a_copy(image: Make, put: Put, tmp_path: Path) -> None:
    path = put("a.nii.gz", member(image(), name=b"DOE_JOHN_19700101.nii"))
    assert {clue.rule for _, clue in inspect([LocalFile(path=path, name="a.nii.gz")]).clues} == {"XS523", "XS542"}
    copy_nameless(path, tmp_path / "b.nii.gz")
    assert inspect([LocalFile(path=str(tmp_path / "b.nii.gz"), name="b.nii.gz")]).clues == ()


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-3], lambda data: data[:30], lambda data: data[:10], lambda _: b""]
)
def test_a_damaged_file_is_not_copied(image: Make, put: Put, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = put("a.nii.gz", damage(member(image(), name=b"DOE_JOHN.nii")))
    with pytest.raises(LocalFileError, match="damaged"):
        copy_nameless(path, tmp_path / "b.nii.gz")
    assert not (tmp_path / "b.nii.gz").exists()


def test_nothing_is_written_over(image: Make, put: Put) -> None:
    content = member(image(), name=b"a")
    path = put("a.nii.gz", content)
    with pytest.raises(LocalFileError, match="exists"):
        copy_nameless(path, Path(path))
    assert Path(path).read_bytes() == content
