from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from xnat_sync.local.atomic_write import arriving, write_whole

if TYPE_CHECKING:
    from pathlib import Path


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.nii"
    with arriving(path) as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert names_in(path.parent) == {"a.nii"}


def broken_off(path: Path) -> None:
    with arriving(path) as stream:
        stream.write(b"half")
        raise KeyboardInterrupt


def test_what_does_not_arrive_leaves_no_trace(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        broken_off(tmp_path / "a.nii")
    assert names_in(tmp_path) == set()


def test_files_that_arrive_at_once_are_not_in_each_others_way(tmp_path: Path) -> None:
    long = "x" * 250
    names = ("a", "a.part", ".a.part", "é" * 127, long + "1.nii", long + "2.nii")
    with arriving(tmp_path / names[0]) as first:
        for name in names[1:]:
            with arriving(tmp_path / name) as stream:
                stream.write(name.encode())
        first.write(b"a")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {name: name.encode() for name in names}


def test_what_is_there_is_kept_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    write_whole(path, "one", replace=False)
    path.chmod(0o600)
    with pytest.raises(FileExistsError):
        write_whole(path, "two", replace=False)
    assert path.read_text(encoding="utf-8") == "one"
    write_whole(path, "two", replace=True)
    assert path.read_text(encoding="utf-8") == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert names_in(tmp_path) == {"plan.json"}


@pytest.mark.parametrize("replace", [True, False])
def test_a_link_is_not_written_through(tmp_path: Path, replace: bool) -> None:
    victim, path = tmp_path / "victim", tmp_path / "plan.json"
    victim.write_text("mine", encoding="utf-8")
    path.symlink_to(victim)
    with nullcontext() if replace else pytest.raises(FileExistsError):
        write_whole(path, "new", replace=replace)
    assert victim.read_text(encoding="utf-8") == "mine"
    assert path.is_symlink() is not replace


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        write_whole(tmp_path / "pipe", "new", replace=True)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("name", ["a" * 300, "file/below", "nowhere/x"])
def test_a_name_that_can_be_none_is_told_by_that_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError) as caught:  # noqa: PT011 - what it is called differs from system to system
        write_whole(tmp_path / name, "new", replace=True)
    assert str(tmp_path) in str(caught.value.filename)
    assert ".part" not in str(caught.value)
    assert names_in(tmp_path) == {"file"}
