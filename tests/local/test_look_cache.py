"""What was seen before: the same as a new look would show, or not there."""

from __future__ import annotations

import os
import sqlite3
import struct
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.local_port import Inspection, LocalFile
from xnat_sync.local.cache import inspection_cache
from xnat_sync.local.cache.inspection_cache import NAME, open_looks
from xnat_sync.local.imaging.sidecar import read_json
from xnat_sync.local.inspection import inspect

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDECAR = '{"RepetitionTime": 2, "EchoTime": 0.03, "PatientName": "DOE^JOHN", "Manufacturer": "Siemens é"}'


def nifti(volumes: int = 5) -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 2, 2, 2, volumes, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(16 * volumes)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[LocalFile]:
    """A scan's files, which have rested for an hour."""
    (tmp_path / "sub-1_bold.nii").write_bytes(nifti())
    (tmp_path / "sub-1_bold.json").write_text(SIDECAR, encoding="utf-8")
    (tmp_path / "sub-1_bold.bval").write_text("0 1000 1000 1000 2000", encoding="utf-8")
    age(monkeypatch, 3_600_000_000_000)
    return [LocalFile(str(path), path.name) for path in sorted(tmp_path.iterdir())]


def age(monkeypatch: pytest.MonkeyPatch, nanoseconds: int) -> None:
    now = time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + nanoseconds)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def look(folder: Path | None, files: Sequence[LocalFile]) -> tuple[Inspection, int]:
    """What is seen, and how often anybody looked."""
    asked: list[int] = []

    def ask(some: Sequence[LocalFile]) -> Inspection:
        asked.append(1)
        return inspect(some)

    with closing(open_looks(folder)) as looks:
        return looks.look(files, ask), len(asked)


def test_what_was_seen_is_known_to_the_next_run(folder: Path, files: list[LocalFile]) -> None:
    first, asked = look(folder, files)
    assert asked == 1
    assert first.clues
    assert first.found["diffusion_b_max"].value == "2000"
    assert look(folder, files) == (first, 0)
    assert look(None, files) == (first, 1)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_file_that_changed_is_looked_into(folder: Path, files: list[LocalFile], which: int) -> None:
    look(folder, files)
    with Path(files[which].path).open("ab") as stream:
        stream.write(b" ")
    assert look(folder, files)[1] == 1


def test_so_is_one_that_hides_its_time(folder: Path, files: list[LocalFile]) -> None:
    path = Path(files[1].path)
    os.utime(path, ns=(1, 1))
    look(folder, files)
    before = path.stat()
    # Until the clock of the file system has moved on.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        with path.open("r+b") as stream:
            stream.write(b"[")
        os.utime(path, ns=(1, 1))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    seen, asked = look(folder, files)
    assert asked == 1
    assert [breach.rule for _, breach in seen.breaches] == ["XS320"]


def test_another_name_or_another_set_is_looked_at(folder: Path, files: list[LocalFile]) -> None:
    look(folder, files)
    assert look(folder, files[:2])[1] == 1
    assert look(folder, [files[0]._replace(name="other.txt"), *files[1:]])[1] == 1
    assert look(folder, files[::-1])[1] == 1
    assert look(folder, files)[1] == 0


def test_what_is_wrong_is_told_anew(folder: Path, files: list[LocalFile], tmp_path: Path) -> None:
    (tmp_path / "sub-1_bold.json").write_text("{", encoding="utf-8")
    first, _ = look(folder, files)
    assert first.breaches
    assert look(folder, files) == (first, 1)


def test_a_pair_is_looked_at_anew_for_its_other_half_may_be_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.img").write_bytes(b"")
    files = [LocalFile(str(tmp_path / "a.img"), "a.img")]
    look(folder, files)
    assert look(folder, files)[1] == 1


def test_what_changed_just_now_is_not_kept(
    folder: Path, files: list[LocalFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: Path(files[0].path).stat().st_ctime_ns + 1_999_999_999)
    look(folder, files)
    assert look(folder, files)[1] == 1


def test_nor_is_what_changes_while_it_is_looked_at(folder: Path, files: list[LocalFile]) -> None:
    def change(some: Sequence[LocalFile]) -> Inspection:
        with Path(some[0].path).open("ab") as stream:
            stream.write(b" ")
        return inspect(some)

    with closing(open_looks(folder)) as looks:
        looks.look(files, change)
    assert look(folder, files)[1] == 1


def test_a_file_that_is_gone_is_looked_for(folder: Path, files: list[LocalFile]) -> None:
    look(folder, files)
    Path(files[1].path).unlink()
    assert look(folder, files)[0].breaches


def test_other_code_looks_for_itself_and_forgets_the_rest(
    folder: Path, files: list[LocalFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    look(folder, files)
    monkeypatch.setattr(inspection_cache, "CACHE_VERSION", inspection_cache.CACHE_VERSION + 1)
    assert look(folder, files)[1] == 1
    assert look(folder, files)[1] == 0
    with closing(sqlite3.connect(folder / NAME)) as database:
        assert database.execute("SELECT count(*) FROM look").fetchone() == (1,)


def test_a_damaged_cache_is_done_without(folder: Path, files: list[LocalFile]) -> None:
    folder.mkdir()
    (folder / NAME).write_bytes(b"no database at all, but long enough to look like one" * 40)
    assert look(folder, files)[1] == 1


def test_a_cache_that_breaks_in_use_forgets(folder: Path, files: list[LocalFile]) -> None:
    first, _ = look(folder, files)
    with closing(open_looks(folder)) as looks:
        with closing(sqlite3.connect(folder / NAME)) as database:
            database.execute("DROP TABLE look")
        assert looks.look(files, inspect) == first


def test_what_is_left_of_a_lost_half_is_not_believed(folder: Path, files: list[LocalFile]) -> None:
    first, _ = look(folder, files)
    with closing(sqlite3.connect(folder / NAME)) as database, database:
        database.execute("DELETE FROM shown")
    assert look(folder, files) == (first, 1)


def test_reading_is_what_it_saves(folder: Path, files: list[LocalFile], monkeypatch: pytest.MonkeyPatch) -> None:
    look(folder, files)
    monkeypatch.setattr("xnat_sync.local.inspection.read_json", lambda path: pytest.fail(f"read {path}"))
    assert look(folder, files)[1] == 0
    assert read_json(files[1].path).value


def test_it_keeps_other_things_too_the_newest_of_them(folder: Path) -> None:
    with closing(open_looks(folder)) as looks:
        assert looks.recall(b"0") is None
        for number in range(40):
            looks.keep(str(number).encode(), lambda: b"value")
        looks.keep(b"39", lambda: b"another")
    with closing(open_looks(folder)) as looks:
        assert looks.recall(b"39") == b"another"
        assert looks.recall(b"10") == b"value"
        assert looks.recall(b"0") is None
    with closing(open_looks(None)) as looks:
        looks.keep(b"0", lambda: pytest.fail("made for nobody"))
        assert looks.recall(b"0") is None
