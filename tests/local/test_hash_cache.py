"""Digests between runs: right, or not there."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from xnat_sync.local.cache.digest_cache import NAME, DigestCache, NoCache, open_cache
from xnat_sync.local.digest import md5_of
from xnat_sync.local.file_stat import Stamp, stamp_of, stamped

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1_000_000_000_000_000_000
MD5 = "5d41402abc4b2a76b9719d911017c592"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a.nii.gz"
    path.parent.mkdir()
    path.write_bytes(b"hello")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def settled(path: Path) -> Stamp:
    """The stamp that the file will have when it is old enough to be trusted."""
    stamp = stamp_of(str(path))
    assert stamp
    return stamp


def remember(folder: Path, path: Path, md5: str = MD5) -> None:
    with closing(open_cache(folder)) as cache:
        cache.put(str(path), settled(path), md5)


def recall(folder: Path, path: Path) -> str | None:
    with closing(open_cache(folder)) as cache:
        return cache.get(str(path))


@pytest.mark.parametrize("year", [1902, 1969, 2106, 2300, 2440])
def test_a_date_far_away_is_no_trouble(folder: Path, file: Path, year: int) -> None:
    """SQLite's integers end in 2262."""
    seconds = int((year - 1970) * 365.2425 * 24 * 3600)
    os.utime(file, (seconds, seconds))
    assert stamped(md5_of, str(file))[0] == MD5
    remember(folder, file)
    assert recall(folder, file) == MD5
    os.utime(file, (seconds + 1, seconds + 1))
    assert recall(folder, file) is None


def test_what_was_read_is_known_to_the_next_run(folder: Path, file: Path) -> None:
    remember(folder, file)
    assert recall(folder, file) == MD5
    assert recall(folder, file.with_name("b")) is None


def test_a_file_that_changed_is_not_known(folder: Path, file: Path) -> None:
    remember(folder, file)
    file.write_bytes(b"hello, you")
    assert recall(folder, file) is None


def test_a_change_that_hides_its_time_is_seen(folder: Path, file: Path) -> None:
    os.utime(file, ns=(OLD, OLD))
    remember(folder, file)
    before = file.stat()
    file.write_bytes(b"HELLO")
    os.utime(file, ns=(OLD, OLD))
    after = file.stat()
    assert (before.st_size, before.st_mtime_ns, before.st_ino) == (after.st_size, after.st_mtime_ns, after.st_ino)
    assert recall(folder, file) is None


def test_another_file_of_the_same_name_size_and_time_is_not_known(folder: Path, file: Path) -> None:
    os.utime(file, ns=(OLD, OLD))
    remember(folder, file)
    other = file.with_name("other")
    other.write_bytes(b"HELLO")
    os.utime(other, ns=(OLD, OLD))
    other.rename(file)
    assert recall(folder, file) is None


def test_a_file_that_changed_just_now_has_no_stamp(file: Path) -> None:
    assert stamped(md5_of, str(file)) == (MD5, None)


def test_neither_has_one_whose_time_was_set_back_or_lies_ahead(file: Path) -> None:
    os.utime(file, ns=(OLD, OLD))
    assert stamped(md5_of, str(file)) == (MD5, None)
    os.utime(file, ns=(4 * OLD, 4 * OLD))
    assert stamped(md5_of, str(file)) == (MD5, None)


def test_a_file_that_rested_has_one(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = settled(file).ctime_ns + 2_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)
    assert stamped(md5_of, str(file)) == (MD5, settled(file))
    monkeypatch.setattr("time.time_ns", lambda: later - 1)
    assert stamped(md5_of, str(file)) == (MD5, None)


def test_a_file_that_changes_while_it_is_read_has_none(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later = settled(file).ctime_ns + 3_000_000_000
    monkeypatch.setattr("time.time_ns", lambda: later)

    def read(path: str) -> str:
        file.write_bytes(b"other")
        return path

    assert stamped(read, str(file))[1] is None


def test_nothing_is_kept_without_a_stamp(folder: Path, file: Path) -> None:
    with closing(open_cache(folder)) as cache:
        cache.put(str(file), None, MD5)
    assert recall(folder, file) is None


def test_a_name_that_is_no_text_is_a_name(folder: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"\xff.txt")
    odd.write_bytes(b"hello")
    remember(folder, odd)
    assert recall(folder, odd) == MD5


def test_only_the_owner_can_look_into_the_folder(folder: Path, file: Path) -> None:
    remember(folder, file)
    assert folder.stat().st_mode & 0o77 == 0


def test_without_a_folder_nothing_is_remembered(file: Path) -> None:
    cache = open_cache(None)
    cache.put(str(file), settled(file), MD5)
    assert cache.get(str(file)) is None
    assert isinstance(cache, NoCache)


def broken(folder: Path, content: bytes) -> DigestCache:
    folder.mkdir()
    (folder / NAME).write_bytes(content)
    return open_cache(folder)


def test_a_damaged_cache_is_told_and_done_without(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert isinstance(broken(folder, b"no database at all, but long enough to look like one" * 40), NoCache)
    assert NAME in caplog.text


def test_a_cache_of_another_version_is_left_alone(folder: Path) -> None:
    folder.mkdir()
    with closing(sqlite3.connect(folder / NAME)) as database:
        database.execute("PRAGMA user_version = 7")
    assert isinstance(open_cache(folder), NoCache)


def test_a_place_where_no_folder_can_be_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert isinstance(open_cache(tmp_path / "file" / "below"), NoCache)


def test_a_cache_that_breaks_in_use_forgets(folder: Path, file: Path) -> None:
    remember(folder, file)
    with closing(open_cache(folder)) as cache:
        with closing(sqlite3.connect(folder / NAME)) as database:
            database.execute("DROP TABLE digest")
        assert cache.get(str(file)) is None
        cache.put(str(file), settled(file), MD5)


def test_a_cache_that_is_locked_is_done_without(folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(folder, file)
    monkeypatch.setattr("xnat_sync.local.cache.cache_file.WAIT", 0.01)
    with closing(sqlite3.connect(folder / NAME, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        remember(folder, file, "0" * 32)
        other.execute("ROLLBACK")
    assert recall(folder, file) == MD5


def test_two_processes_share_it(folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from xnat_sync.local.cache.digest_cache import open_cache, HashCache\n"
        "from xnat_sync.local.file_stat import stamp_of\n"
        "cache = open_cache(pathlib.Path(sys.argv[1]))\n"
        "assert isinstance(cache, HashCache)\n"
        "for path in sys.argv[2:]:\n"
        "    cache.put(path, stamp_of(path), '00' * 16)\n"
        "    cache._write()\n"
        "cache.close()\n"
    )
    files = [tmp_path / f"f{number}" for number in range(40)]
    for path in files:
        path.write_bytes(b"x")
    halves = [files[:20], files[20:]]
    running = [subprocess.Popen([sys.executable, "-c", code, folder, *map(str, half)]) for half in halves]
    assert [process.wait(60) for process in running] == [0, 0]
    assert {recall(folder, path) for path in files} == {"0" * 32}


def test_what_was_found_sound_stays_so_until_it_changes(folder: Path, file: Path) -> None:
    def sound() -> str | None:
        with closing(open_cache(folder)) as cache:
            return cache.get(str(file), sound=True)

    def put(md5: str = MD5, *, sound: bool) -> None:
        with closing(open_cache(folder)) as cache:
            cache.put(str(file), settled(file), md5, sound=sound)

    put(sound=False)
    assert (recall(folder, file), sound()) == (MD5, None)
    put(sound=True)
    assert (recall(folder, file), sound()) == (MD5, MD5)
    put(sound=False)
    assert sound() == MD5
    file.write_bytes(b"another")
    assert sound() is None
    put("00" * 16, sound=False)
    assert (recall(folder, file), sound()) == ("00" * 16, None)
