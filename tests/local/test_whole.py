"""A whole file in one pass: its digest, and what is wrong with a gzip file that a header cannot show."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.local.digest import CHUNK
from xnat_sync.local.imaging.integrity import Inflation, read_whole

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., bytes]
Put = Callable[[str, bytes], str]


def rules(path: str) -> list[str]:
    return [breach.rule for breach in read_whole(path).findings]


def flipped(data: bytes, offset: int) -> bytes:
    changed = bytearray(data)
    changed[offset] ^= 0x55
    return bytes(changed)


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(CHUNK + 5), gzip.compress(os.urandom(2 * CHUNK))])
def test_the_digest_is_that_of_the_bytes_as_they_lie(put: Put, content: bytes) -> None:
    told: list[int] = []
    md5, findings = read_whole(put("a.bin", content), told.append)
    assert md5 == hashlib.md5(content).hexdigest()
    assert findings == ()
    assert sum(told) == len(content)


def test_every_single_flipped_byte_is_found(image: Make, put: Put) -> None:
    data = gzip.compress(image() + os.urandom(300), mtime=0)
    harmless = {4, 5, 6, 7, 8, 9}  # time, level and system: nothing that a checksum covers
    for offset in range(len(data)):
        if offset not in harmless | {0, 1}:
            found = rules(put("a.nii.gz", flipped(data, offset)))
            assert set(found) & {"XS303", "XS308"}, offset


def test_every_cut_is_found(image: Make, put: Put) -> None:
    data = gzip.compress(image(), mtime=0)
    for length in range(2, len(data)):
        assert rules(put("a.nii.gz", data[:length])) in (["XS303"], ["XS308"]), length


def test_what_the_words_say(image: Make, put: Put) -> None:
    data = gzip.compress(image(), mtime=0)
    wrong_sum = flipped(data, len(data) - 8)
    wrong_length = flipped(data, len(data) - 1)
    assert "checksum" in read_whole(put("a.nii.gz", wrong_sum)).findings[0].summary
    assert "another length" in read_whole(put("b.nii.gz", wrong_length)).findings[0].summary
    assert (
        read_whole(put("c.nii.gz", data[:-3])).findings[0].summary.startswith("'c.nii.gz' is a gzip file that is cut")
    )


def test_several_members_and_what_follows_them(image: Make, put: Put) -> None:
    data = image()
    for cut in (1, 100, 347, 348, 400, len(data) - 1):
        members = gzip.compress(data[:cut]) + gzip.compress(data[cut:])
        assert rules(put("a.nii.gz", members)) == []
        assert rules(put("a.nii.gz", members + bytes(9))) == ["XS311"]
        assert rules(put("a.nii.gz", members[:-1])) in (["XS303"], ["XS308"])
        assert rules(put("a.nii.gz", gzip.compress(data) + gzip.compress(b"")[:12])) == ["XS303"]


def test_members_that_begin_at_the_edge_of_a_chunk(image: Make, put: Put) -> None:
    first = gzip.compress(image(), mtime=0)
    for edge in (CHUNK - 1, CHUNK, CHUNK + 1):
        padded = first[:3] + b"\x08" + first[4:10] + b"n" * (edge - len(first) - 1) + b"\0" + first[10:]
        assert len(padded) == edge
        assert rules(put("a.nii.gz", padded + gzip.compress(b""))) == []
        assert rules(put("a.nii.gz", padded + b"\x1f")) == ["XS311"]


def test_any_gzip_file_is_proven_whatever_its_name(put: Put) -> None:
    data = gzip.compress(b"onset\tduration\n" * 50)
    assert rules(put("a_physio.tsv.gz", data)) == []
    assert rules(put("b_physio.tsv.gz", flipped(data, 20))) == ["XS303"]
    assert rules(put("c_physio.tsv.gz", data + b"x")) == ["XS311"]


def test_a_stream_without_end_is_not_followed() -> None:
    """64 MiB of zeros shrink to 64 KiB: what a header does not ask for is not worth the electricity."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 1, 4, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, *[1.0] * 8)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    inflation = Inflation()
    inflation.feed(packer.compress(bytes(header)))
    zeros = bytes(1 << 20)
    for _ in range(70):
        inflation.feed(packer.compress(zeros))
    inflation.feed(packer.flush())
    assert inflation._total < 68 << 20
    breach = inflation.verdict()
    assert breach
    assert (breach.rule, "more than" in breach.summary) == ("XS311", True)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LocalFileError):
        read_whole(f"{tmp_path}/gone")
    os.mkfifo(f"{tmp_path}/pipe")
    with pytest.raises(LocalFileError, match="regular"):
        read_whole(f"{tmp_path}/pipe")
