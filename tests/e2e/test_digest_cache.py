"""Runs that remember what they read."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.settings import cache_folder
from xnat_sync.local.cache.digest_cache import NAME
from xnat_sync.local.cache.inspection_cache import NAME as LOOKS
from xnat_sync.local.imaging.images import Look

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*.nii}
"""


@pytest.fixture
def sync(
    cli: Cli, images: Path, manifest: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run a command on a study whose files have rested for an hour, with a cache; what it told is in ``err``."""
    assert images.is_dir()
    study = manifest(STUDY)
    now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: now() + 3_600_000_000_000)
    return lambda *words: cli(*words, study, environ={"XDG_CACHE_HOME": str(tmp_path / "cache")})


@pytest.fixture
def synced(sync: Callable[..., Any]) -> Callable[..., Any]:
    assert sync("apply", "--yes").status == 0
    return sync


def test_what_was_sent_is_not_read_again(synced: Callable[..., Any], tmp_path: Path) -> None:
    assert (tmp_path / "cache" / "xnat-sync" / NAME).is_file()
    done = synced("plan")
    assert "Nothing to do" in done.out
    assert "hashing" not in done.err


def test_what_was_found_sound_is_read_once(sync: Callable[..., Any], tmp_path: Path) -> None:
    assert "reading 2 local files whole" in sync("plan", "--out", str(tmp_path / "plan.json")).err
    assert "files whole" not in sync("plan", "--out", str(tmp_path / "plan.json")).err
    assert "reading 2 local files whole" in sync("plan", "--rehash", "--out", str(tmp_path / "plan.json")).err
    assert "files whole" not in sync("apply", "--yes").err


@pytest.mark.parametrize("option", ["--rehash", "--no-cache"])
def test_it_is_read_again_on_demand(synced: Callable[..., Any], option: str) -> None:
    assert "hashing 2 local files" in synced("plan", option).err


def test_without_a_cache_no_digest_is_written(sync: Callable[..., Any], tmp_path: Path) -> None:
    assert sync("apply", "--yes", "--no-cache").status == 0
    assert not list((tmp_path / "cache").rglob("digests*"))
    assert "hashing 2 local files" in sync("plan").err
    assert "hashing" not in sync("plan").err


def test_verify_trusts_the_cache_only_if_told_to(synced: Callable[..., Any]) -> None:
    assert "hashing 2 local files" in synced("verify").err
    done = synced("verify", "--no-rehash")
    assert "hashing" not in done.err
    assert "2 proven by digest" in done.out


def test_a_changed_file_is_sent(synced: Callable[..., Any], images: Path) -> None:
    (image,) = images.glob("sub-01/ses-01/anat/*.nii")
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    done = synced("plan")
    assert "hashing 1 local file\n" in done.err
    assert "1 to replace" in done.out


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"XDG_CACHE_HOME": "/c", "HOME": "/h"}, "/c/xnat-sync"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/h"}, "/h/.cache/xnat-sync"),
        ({"HOME": "/h"}, "/h/.cache/xnat-sync"),
        ({}, None),
    ],
)
def test_the_place_of_the_cache(environ: dict[str, str], folder: str | None) -> None:
    found = cache_folder(environ)
    assert (str(found) if found else None) == folder


def test_what_was_looked_into_is_not_opened_again(
    sync: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = sync("validate")
    assert first.status == 0
    assert (tmp_path / "cache" / "xnat-sync" / LOOKS).is_file()
    opened: list[str] = []

    def look(path: str, _: str) -> Look:
        opened.append(path)
        return Look()

    monkeypatch.setattr("xnat_sync.local.inspection.look_at", look)
    for command in ("validate", "plan"):
        assert sync(command).status == 0
        assert not opened
    assert sync("validate").out == first.out
    for words in (("validate", "--no-cache"), ("validate", "--deep"), ("plan", "--no-cache"), ("plan", "--rehash")):
        sync(*words)
        assert len(opened) == 2, words
        opened.clear()


def test_without_a_cache_nothing_is_written(sync: Callable[..., Any], tmp_path: Path) -> None:
    assert sync("validate", "--no-cache").status == 0
    assert not (tmp_path / "cache").exists()
