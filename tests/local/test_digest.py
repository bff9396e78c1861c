"""The MD5 of a file, and files that are not what they were."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.local.digest import CHUNK, md5_of
from xnat_sync.local.disk import Disk

Put = Callable[[str, bytes], str]


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, 2 * CHUNK + 7])
def test_digest_and_progress(put: Put, size: int) -> None:
    data = os.urandom(size)
    told: list[int] = []
    path = put("a", data)
    assert md5_of(path, told.append) == hashlib.md5(data).hexdigest() == Disk().md5(path)
    assert sum(told) == size


def test_missing_and_unfit(tmp_path: Path) -> None:
    for path in (tmp_path / "gone", tmp_path):
        with pytest.raises(LocalFileError) as caught:
            md5_of(str(path))
        assert caught.value.path == str(path)


def test_a_file_that_changes_meanwhile(put: Put) -> None:
    path = put("a", bytes(3 * CHUNK))

    def append(_count: int) -> None:
        with Path(path).open("ab") as stream:
            stream.write(b"x")

    with pytest.raises(LocalFileError, match="changed while it was read"):
        md5_of(path, append)


def test_a_file_that_is_replaced_meanwhile(put: Put) -> None:
    path = put("a", bytes(CHUNK))
    other = put("b", bytes(CHUNK))

    def replace(_count: int) -> None:
        Path(other).replace(path)

    with pytest.raises(LocalFileError, match="changed while it was read"):
        md5_of(path, replace)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LocalFileError, match="regular"):
        md5_of(str(tmp_path / "pipe"))
