from __future__ import annotations

import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.gateway.bodies.body import CHUNK, FileBody, Meter, TarBody

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RESOURCE = Ref.parse("P/S/E/scan:1/resource:NIFTI")


def spec(folder: Path, name: str, content: bytes, *, hashed: bool = True) -> FileSpec:
    path = folder / hashlib.sha1(name.encode()).hexdigest()
    path.write_bytes(content)
    digest = hashlib.md5(content).hexdigest() if hashed else None
    return FileSpec(ref=RESOURCE.child(Level.FILE, name), path=str(path), size=len(content), md5=digest)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120).filter(
    lambda name: not name.startswith("/") and not name.endswith("/")
)


@settings(max_examples=50)
@given(
    members=st.dictionaries(NAMES, st.sampled_from([0, 1, 511, 512, 513, 70_000]), min_size=1, max_size=4),
    step=st.integers(min_value=1, max_value=100_000),
)
def test_an_archive_has_the_promised_length_and_all_members(
    tmp_path_factory: pytest.TempPathFactory, members: dict[str, int], step: int
) -> None:
    folder = tmp_path_factory.mktemp("files")
    contents = {name: (name.encode() or b"x") * size for name, size in members.items()}
    files = [spec(folder, name, content) for name, content in contents.items()]
    told: list[int] = []
    body = TarBody(files, told.append)
    promised = len(body)
    read = b"".join(iter(lambda: body.read(step), b""))
    assert len(read) == promised
    assert sum(told) == sum(map(len, contents.values()))
    assert body.md5 == {file.ref: file.md5 for file in files}
    with tarfile.open(fileobj=io.BytesIO(read)) as archive:
        found = {member.name: archive.extractfile(member) for member in archive}
        assert {name: file.read() for name, file in found.items() if file} == contents
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in archive} == {(0, 0, "", "", 0, 0o644)}


@pytest.mark.parametrize("size", [512, 2048, CHUNK - 512, CHUNK])
def test_no_read_before_the_end_gives_out_nothing(tmp_path: Path, size: int) -> None:
    body = TarBody([spec(tmp_path, name, bytes(size)) for name in "abc"], lambda _: None)
    given = 0
    while given < len(body):
        chunk = body.read(min(size + 512, CHUNK))
        assert len(chunk) == min(size + 512, CHUNK, len(body) - given)
        given += len(chunk)
    assert body.read(10) == b""


def test_one_file_is_sent_as_it_is(tmp_path: Path) -> None:
    file = spec(tmp_path, "a.nii", bytes(range(256)) * 10)
    told: list[int] = []
    body = FileBody(file, told.append)
    assert len(body) == 2560
    assert b"".join(body) == bytes(range(256)) * 10
    assert told == [2560]
    assert body.md5 == {file.ref: file.md5}
    assert body.read(10) == b""


@pytest.mark.parametrize("as_archive", [False, True])
def test_the_end_of_a_changed_file_is_never_given_out(tmp_path: Path, as_archive: bool) -> None:
    content = bytes(3_000_000)
    file = spec(tmp_path, "a.nii", content)
    body = TarBody([file], lambda _: None) if as_archive else FileBody(file, lambda _: None)
    path = tmp_path / file.path
    path.write_bytes(content[:-1] + b"!")
    given: list[bytes] = []
    with pytest.raises(LocalFileError, match="not what was planned"):
        given.extend(iter(lambda: body.read(100_000), b""))
    assert sum(map(len, given)) < len(content)
    body.close()


def test_a_file_that_changes_while_it_is_read_is_noticed_without_a_digest(tmp_path: Path) -> None:
    file = spec(tmp_path, "a.nii", bytes(100), hashed=False)
    for change, words in ((bytes(50), "shorter"), (bytes(150), "longer")):
        body = FileBody(file, lambda _: None)
        (tmp_path / file.path).write_bytes(change)
        with pytest.raises(LocalFileError, match=words):
            list(body)
        body.close()
        (tmp_path / file.path).write_bytes(bytes(100))


def write_inside(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(data)


def grow_old(path: Path) -> None:
    """Set the time of the last change back; that of the inode, which cannot be set, stays young."""
    os.utime(path, (1.6e9, 1.6e9))


def replace_by(path: Path, data: bytes) -> None:
    path.with_suffix(".new").write_bytes(data)
    path.with_suffix(".new").replace(path)


def write_unseen(path: Path, at: int, data: bytes) -> None:
    write_inside(path, at, data)
    grow_old(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "in place": lambda path: write_inside(path, 100, b"!"),
    "in place, behind what was read": lambda path: write_inside(path, 2_900_000, b"!"),
    "in place, its time set back": lambda path: write_unseen(path, 100, b"!"),
    "by another file of its size": lambda path: replace_by(path, bytes(3_000_000)),
    "it is gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("as_archive", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_written_to_while_it_is_read_is_never_given_out_whole(
    tmp_path: Path, change: str, as_archive: bool
) -> None:
    """Its size stays, and no digest is known that could be held against it."""
    file = spec(tmp_path, "a.nii", bytes(3_000_000), hashed=False)
    grow_old(tmp_path / file.path)
    body = TarBody([file], lambda _: None) if as_archive else FileBody(file, lambda _: None)
    given = [body.read(1_000_000)]
    CHANGES[change](tmp_path / file.path)
    with pytest.raises(LocalFileError, match=r"written to while|No such file"):
        given.extend(iter(lambda: body.read(100_000), b""))
    assert sum(map(len, given)) < file.size
    assert body.md5 == {}
    body.close()


def test_a_change_within_one_tick_of_the_clock_is_noticed(tmp_path: Path) -> None:
    """Where a file system counts in seconds, a file that was young when it was opened keeps its time."""
    file = spec(tmp_path, "a.nii", bytes(3_000_000), hashed=False)
    before = (tmp_path / file.path).stat()
    body = FileBody(file, lambda _: None)
    body.read(1_000_000)
    write_inside(tmp_path / file.path, 100, b"!")
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(LocalFileError, match="written to while"):
        list(body)
    body.close()


def test_a_file_of_which_only_the_rights_change_is_sent(tmp_path: Path) -> None:
    file = spec(tmp_path, "a.nii", bytes(3_000_000), hashed=False)
    grow_old(tmp_path / file.path)
    body = FileBody(file, lambda _: None)
    first = body.read(1_000_000)
    (tmp_path / file.path).chmod(0o600)
    assert first + b"".join(body) == bytes(3_000_000)


def test_a_folder_or_a_missing_file_is_no_body(tmp_path: Path) -> None:
    folder = FileSpec(ref=RESOURCE.child(Level.FILE, "x"), path=str(tmp_path), size=0)
    missing = FileSpec(ref=RESOURCE.child(Level.FILE, "x"), path=str(tmp_path / "no"), size=1)
    for file in (folder, missing):
        with pytest.raises(LocalFileError) as caught:
            FileBody(file, lambda _: None)
        assert caught.value.path == file.path
        with pytest.raises(LocalFileError):
            TarBody([file], lambda _: None)


def test_a_missing_member_is_noticed_before_anything_is_sent(tmp_path: Path) -> None:
    good = spec(tmp_path, "a", b"a")
    missing = FileSpec(ref=RESOURCE.child(Level.FILE, "b"), path=str(tmp_path / "no"), size=1)
    with pytest.raises(LocalFileError):
        TarBody([good, missing], lambda _: None)


def test_a_member_beyond_eight_gigabytes_has_a_header_and_a_length(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(9 << 30)
    body = TarBody([FileSpec(ref=RESOURCE.child(Level.FILE, "big"), path=str(path), size=9 << 30)], lambda _: None)
    assert body._size > 9 << 30
    head = tarfile.TarInfo.frombuf(body.read(512), "utf-8", "strict")
    assert head.size == 9 << 30
    body.close()


def test_a_meter_takes_back_what_it_told() -> None:
    told: list[int] = []
    meter = Meter(told.append)
    meter(3)
    meter(0)
    meter(4)
    meter.rewind()
    meter.rewind()
    meter(1)
    assert told == [3, 4, -7, 1]
