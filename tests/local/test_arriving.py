from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xnat_sync.local.atomic_write import arriving

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
