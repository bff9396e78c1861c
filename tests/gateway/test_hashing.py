"""Digests that are taken in another thread."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.refs import Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.gateway.bodies import hashing
from xnat_sync.gateway.bodies.body import FileBody
from xnat_sync.gateway.bodies.hashing import WORTH_A_THREAD, Md5Beside

if TYPE_CHECKING:
    from pathlib import Path

CHUNKS = [os.urandom(100_000) for _ in range(20)]


@pytest.mark.parametrize("size", [0, WORTH_A_THREAD])
def test_the_digest_is_that_of_all_chunks_in_order(size: int) -> None:
    digest = Md5Beside(size)
    for number, chunk in enumerate(CHUNKS, start=1):
        digest.update(chunk)
        if number % 7 == 0:
            assert digest.hexdigest() == hashlib.md5(b"".join(CHUNKS[:number])).hexdigest()
    digest.close()
    digest.close()
    assert digest.hexdigest() == hashlib.md5(b"".join(CHUNKS)).hexdigest()


def test_a_small_file_starts_no_thread_and_a_large_one_leaves_none() -> None:
    before = threading.active_count()
    small, large = Md5Beside(WORTH_A_THREAD - 1), Md5Beside(WORTH_A_THREAD)
    small.update(b"x")
    assert threading.active_count() == before
    large.update(b"x")
    assert threading.active_count() == before + 1
    large.close()
    assert threading.active_count() == before


def test_the_last_bytes_wait_for_the_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "WORTH_A_THREAD", 1)
    (tmp_path / "x").write_bytes(b"".join(CHUNKS))
    spec = FileSpec(ref=Ref.parse("P/resource:R/x"), path=str(tmp_path / "x"), size=2_000_000, md5="0" * 32)
    body = FileBody(spec, lambda _: None)
    for _ in range(19):
        assert len(body.read(100_000)) == 100_000
    with pytest.raises(LocalFileError, match="its content is not what was planned"):
        body.read(100_000)
    body.close()
