"""extract=true: which names are archives and what is taken out of them (FileExtractor, ZipUtils, TarUtils)."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest

from xnat_sync.server.files.extract import ArchiveError, ArchiveRefusedError, Format, format_of, members

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = {"a.nii": b"A" * 1000, "sub/b.nii.gz": b"not really gzip", "sub/deep/empty": b"", "é ü.txt": b"text"}


class Unseekable:
    """Bytes in small pieces, as from a socket."""

    def __init__(self, data: bytes, piece: int = 1000) -> None:
        self._data = io.BytesIO(data)
        self._piece = piece

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(self._piece if size < 0 else min(size, self._piece))


class Pipe(io.RawIOBase):
    """Where a zip is written that cannot be seeked."""

    def __init__(self) -> None:
        self.data = b""

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.data += bytes(data)
        return len(data)


def tar_of(files: Mapping[str, bytes], kind: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=kind) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def zip_of(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def streamed_zip(files: Mapping[str, bytes], method: int) -> bytes:
    """A zip written to a pipe: entries carry a data descriptor."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return pipe.data


def unpack(name: str, data: bytes, piece: int = 1000) -> dict[str, bytes]:
    kind = format_of(name)
    assert kind is not None
    found = {}
    for member in members(kind, name, Unseekable(data, piece)):
        content = b""
        while chunk := member.content.read(777):
            content += chunk
        if not member.is_folder:
            found[member.path] = content
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("x.tar", Format.TAR),
        ("x.xar", Format.TAR),
        ("x.tgz", Format.TGZ),
        ("x.tar.gz", Format.TGZ),
        ("x.zip", Format.ZIP),
        ("x.zar", Format.ZIP),
        ("x.nii.gz", Format.GZ),
        ("x.ZIP", None),
        ("x.TAR.GZ", None),
        ("x.tar.bz2", None),
        ("x.7z", None),
        ("x.jar", None),
        ("zip", None),
    ],
)
def test_the_name_decides_and_case_counts(name: str, kind: Format | None) -> None:
    """FileExtractor.Format: x.ZIP and x.tar.bz2 are plain files, x.nii.gz is a compressed one."""
    assert format_of(name) is kind


@pytest.mark.parametrize("kind", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
@pytest.mark.parametrize("piece", [1, 511, 100_000])
def test_tar(kind: int, piece: int) -> None:
    files = {**FILES, "long/" + "x" * 150: b"long name"}
    assert unpack("x.tar", tar_of(files, kind), piece) == files


def test_tgz() -> None:
    assert unpack("x.tar.gz", gzip.compress(tar_of(FILES))) == FILES
    assert unpack("x.tgz", gzip.compress(tar_of(FILES))) == FILES


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("piece", [1, 100_000])
def test_zip(method: int, piece: int) -> None:
    assert unpack("x.zip", zip_of(FILES, method), piece) == FILES


def test_zip64_sizes_in_the_local_header() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, archive.open("big", "w", force_zip64=True) as member:
        member.write(b"content")
    assert unpack("x.zip", buffer.getvalue()) == {"big": b"content"}


def test_a_deflated_member_with_a_descriptor() -> None:
    assert unpack("x.zip", streamed_zip({"a": b"A" * 5000, "b": b""}, zipfile.ZIP_DEFLATED)) == {
        "a": b"A" * 5000,
        "b": b"",
    }


def test_a_stored_member_with_a_descriptor_fails() -> None:
    """java.util.zip.ZipInputStream's own words."""
    with pytest.raises(ArchiveError, match="only DEFLATED entries can have EXT descriptor"):
        unpack("x.zip", streamed_zip({"a": b"A"}, zipfile.ZIP_STORED))


def test_forced_zip64_descriptors_on_a_small_member_fail() -> None:
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(b"A" * 50) + packer.flush()
    extra = struct.pack("<HHQQ", 1, 16, 0, 0)
    header = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 45, 8, 8, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, 1, len(extra))
    descriptor = struct.pack("<4sIQQ", b"PK\x07\x08", zlib.crc32(b"A" * 50), len(data), 50)
    with pytest.raises(ArchiveError, match=r"invalid entry size \(expected 0 but got 50 bytes\)"):
        unpack("x.zip", header + b"a" + extra + data + descriptor)


def test_what_is_no_zip_has_no_members() -> None:
    """ZipInputStream finds no entry in arbitrary bytes: nothing is stored and XNAT answers 200."""
    assert unpack("x.zip", b"this is no zip file, however long it may be") == {}


def test_a_truncated_zip_fails() -> None:
    with pytest.raises(ArchiveError):
        unpack("x.zip", zip_of({"a": bytes(range(256)) * 100})[:150])


def test_a_zip_with_a_wrong_checksum_fails() -> None:
    data = bytearray(zip_of({"a": b"A" * 100}, zipfile.ZIP_STORED))
    data[40] ^= 1
    with pytest.raises(ArchiveError, match="invalid entry CRC"):
        unpack("x.zip", bytes(data))


def test_a_zip_with_a_name_that_is_not_utf_8_is_refused() -> None:
    """Java raises IllegalArgumentException, which FileList answers with 400."""
    with pytest.raises(ArchiveRefusedError):
        unpack("x.zip", zip_of({"aaaa": b"x"}).replace(b"aaaa", b"\xff\xfe\xfd\xfc"))


def test_bad_gzip() -> None:
    with pytest.raises(ArchiveError, match="Not in GZIP format"):
        unpack("x.tgz", b"plain text")
    with pytest.raises(ArchiveError, match="Not in GZIP format"):
        unpack("x.nii.gz", b"plain text")


def test_truncated_archives_fail() -> None:
    with pytest.raises(ArchiveError):
        unpack("x.tar", tar_of({"a": b"A" * 10_000})[:4000])
    with pytest.raises(ArchiveError):
        unpack("x.tgz", gzip.compress(tar_of({"a": bytes(range(256)) * 100}))[:-20])


def test_a_bare_gz_is_one_file_in_the_root() -> None:
    """Format.GZ: x.nii.gz becomes x.nii, whatever folder the URL names."""
    assert unpack("anat/x.nii.gz", gzip.compress(b"image")) == {"x.nii": b"image"}


def test_folders_are_reported_but_are_no_files() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in (".", "./empty"):
            info = tarfile.TarInfo(name)
            info.type = tarfile.DIRTYPE
            archive.addfile(info)
    found = [(member.path, member.is_folder) for member in members(Format.TAR, "x.tar", Unseekable(buffer.getvalue()))]
    assert found == [("empty", True)]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "a\nb"])
def test_members_outside_the_folder_are_refused(name: str) -> None:
    """Zip slip: XNAT has no check, this server has."""
    for archive, data in (("x.tar", tar_of({name: b"x"})), ("x.zip", zip_of({name: b"x"}))):
        with pytest.raises(ArchiveRefusedError, match=r"Illegal|Malformed"):
            unpack(archive, data)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ArchiveRefusedError, match="neither a file nor a folder"):
        unpack("x.tar", buffer.getvalue())


def test_an_absurd_tar_header_is_refused_before_it_is_read() -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 1 << 33
    with pytest.raises(ArchiveRefusedError, match="Illegal archive header"):
        unpack("x.tar", info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096)


def test_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xnat_sync.server.files.extract._BOMB_FLOOR", 1 << 20)
    with pytest.raises(ArchiveRefusedError, match="unpacks to more than"):
        unpack("x.nii.gz", gzip.compress(bytes(4 << 20)))
    assert unpack("x.nii.gz", gzip.compress(bytes(1 << 19))) == {"x.nii": bytes(1 << 19)}
