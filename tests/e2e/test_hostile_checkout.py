"""A checkout may hold what a stranger sent in a pull request: it costs neither files nor secrets of the account."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any
    Manifest = Callable[..., Path]

STUDY = "version: 1\nproject: {id: P, create: true}\nroot: data\nsubjects: {S: {resources: {R: {files: a.txt}}}}\n"
VICTIM = "ssh-ed25519 AAAA\n"


@pytest.fixture
def study(tmp_path: Path, manifest: Manifest) -> Path:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/a.txt").write_text("a", encoding="utf-8")
    return manifest(STUDY)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "account" / "authorized_keys"
    path.parent.mkdir()
    path.write_text(VICTIM, encoding="utf-8")
    return path


def lock_name(server: RunningServer) -> str:
    return "lock-" + hashlib.sha256(f"{server.url}\nP".encode()).hexdigest()[:16]


PLACES = [".xnat-sync", ".xnat-sync/runs", ".xnat-sync/.gitignore", ".xnat-sync/LOCK"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", [["--no-cache"], [], ["--no-cache", "--force-unlock"]], ids=" ".join)
def test_a_link_where_a_run_keeps_its_own_is_not_followed(
    cli: Cli, study: Path, victim: Path, server: RunningServer, place: str, way: list[str]
) -> None:
    trap = study.parent / place.replace("LOCK", lock_name(server))
    trap.parent.mkdir(exist_ok=True)
    trap.symlink_to(victim.parent if place in PLACES[:2] else victim)
    done = cli("apply", "--yes", *way, study, environ={"HOME": str(study.parent / "home")})
    # The lock beside the manifest is not used where there is a cache, and a lock by force is a new one.
    unused = place == PLACES[3] and way != ["--no-cache"]
    assert done.status == (0 if unused else 3), done.err
    assert unused or "is a link" in done.err
    assert victim.read_text(encoding="utf-8") == VICTIM
    assert list(victim.parent.iterdir()) == [victim]
    assert unused or not server.log.writes


@pytest.mark.parametrize("place", PLACES[2:])
def test_another_name_of_a_file_of_the_account_is_not_emptied(
    cli: Cli, study: Path, victim: Path, server: RunningServer, place: str
) -> None:
    trap = study.parent / place.replace("LOCK", lock_name(server))
    trap.parent.mkdir()
    os.link(victim, trap)
    assert cli("apply", "--yes", "--no-cache", study).status == 3
    assert victim.read_text(encoding="utf-8") == VICTIM


def test_a_file_with_the_name_of_a_lock_is_kept_when_it_is_none(cli: Cli, study: Path, server: RunningServer) -> None:
    notes = study.parent / ".xnat-sync" / lock_name(server)
    notes.parent.mkdir()
    notes.write_text("my notes", encoding="utf-8")
    done = cli("apply", "--yes", "--no-cache", study)
    assert done.status == 3
    assert "is no lock of xnat-sync" in done.err
    assert notes.read_text(encoding="utf-8") == "my notes"


def test_a_record_is_not_read_through_a_link(cli: Cli, study: Path, victim: Path) -> None:
    runs = study.parent / ".xnat-sync/runs"
    runs.mkdir(parents=True)
    (runs / "20240301T120000Z-1a2b3c.jsonl").symlink_to(victim)
    done = cli("apply", "--yes", "--retry", "last", study)
    assert done.status == 3
    assert "is a link" in done.err
    assert "AAAA" not in done.err


def test_files_that_are_pulled_stay_below_their_folder(cli: Cli, study: Path, victim: Path, tmp_path: Path) -> None:
    assert cli("apply", "--yes", study).status == 0
    target = tmp_path / "pulled"
    assert cli("pull", "--project", "P", "--out", tmp_path / "1.yaml", "--files", target).status == 0
    (found,) = [path for path in target.rglob("*") if path.is_file()]
    found.unlink()
    found.parent.rmdir()
    found.parent.symlink_to(victim.parent)
    done = cli("pull", "--project", "P", "--out", tmp_path / "2.yaml", "--files", target)
    assert done.status == 6
    assert "leads out of" in done.out
    assert list(victim.parent.iterdir()) == [victim]


def test_half_a_file_is_not_written_through_a_link(cli: Cli, study: Path, victim: Path, tmp_path: Path) -> None:
    assert cli("apply", "--yes", study).status == 0
    target = tmp_path / "pulled"
    assert cli("pull", "--project", "P", "--out", tmp_path / "1.yaml", "--files", target).status == 0
    (found,) = [path for path in target.rglob("*") if path.is_file()]
    found.unlink()
    part = found.with_name(f".{hashlib.md5(os.fsencode(found.name), usedforsecurity=False).hexdigest()}.part")
    part.symlink_to(victim)
    assert cli("pull", "--project", "P", "--out", tmp_path / "2.yaml", "--files", target).status == 0
    assert found.read_text(encoding="utf-8") == "a"
    assert victim.read_text(encoding="utf-8") == VICTIM
