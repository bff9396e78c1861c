"""What a checkout brings along under a name of ours is never written to, emptied or followed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.local.own_folder import OwnFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

VICTIM = "ssh-ed25519 AAAA"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "authorized_keys"
    path.parent.mkdir()
    path.write_text(VICTIM, encoding="utf-8")
    return path


@pytest.fixture
def own(tmp_path: Path) -> OwnFolder:
    return OwnFolder(tmp_path / "checkout" / ".xnat-sync")


TRAPS: dict[str, Callable[[Path, Path], None]] = {
    "a link": lambda name, victim: name.symlink_to(victim),
    "a dangling link": lambda name, victim: name.symlink_to(victim.with_name("new")),
    "one file under several names": lambda name, victim: os.link(victim, name),
    "a pipe, a socket or a device": lambda name, _: os.mkfifo(name),
}


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("name", ["file", "runs/file"])
def test_a_file_that_is_none_of_ours_is_refused(own: OwnFolder, victim: Path, trap: str, name: str) -> None:
    own.make("runs")
    TRAPS[trap](own.path / name, victim)
    calls: list[Callable[[str], object]] = [own.open, own.check, own.size, own.read]
    for call in calls:
        with pytest.raises(LocalFileError, match=trap.removeprefix("a dangling ")) as caught:
            call(name)
        assert caught.value.path == str(own.path / name)
    with pytest.raises((FileExistsError, LocalFileError)):
        own.create(name)
    assert victim.read_text(encoding="utf-8") == VICTIM
    assert not victim.with_name("new").exists()


def test_a_link_is_taken_away_and_not_what_it_leads_to(own: OwnFolder, victim: Path) -> None:
    own.make()
    (own.path / "lock").symlink_to(victim)
    own.remove("lock")
    own.remove("lock")
    assert not os.path.lexists(own.path / "lock")
    assert victim.exists()


@pytest.mark.parametrize("folder", [".xnat-sync", ".xnat-sync/runs"])
def test_a_folder_that_is_a_link_is_refused_by_every_call(own: OwnFolder, victim: Path, folder: str) -> None:
    trap = own.path.parent / folder
    trap.parent.mkdir(parents=True)
    trap.symlink_to(victim.parent)
    calls: list[Callable[[], object]] = [
        lambda: own.check("runs"),
        lambda: own.make("runs"),
        lambda: own.open("runs/authorized_keys"),
        lambda: own.create("runs/new"),
        lambda: own.read("runs/authorized_keys"),
        lambda: own.names("runs"),
        lambda: own.remove("runs/authorized_keys"),
    ]
    for call in calls:
        with pytest.raises(LocalFileError, match="is a link"):
            call()
    assert [path.name for path in victim.parent.iterdir()] == ["authorized_keys"]
    assert victim.read_text(encoding="utf-8") == VICTIM


def test_a_file_in_the_place_of_the_folder_is_refused(own: OwnFolder) -> None:
    own.path.parent.mkdir()
    own.path.write_text("notes", encoding="utf-8")
    with pytest.raises(NotADirectoryError):
        own.make()
    with pytest.raises(NotADirectoryError):
        own.open("lock")
    assert own.path.read_text(encoding="utf-8") == "notes"


def test_what_is_ours_is_used(own: OwnFolder) -> None:
    assert own.names("runs") == []
    own.make("runs")
    own.make("runs")
    for text in ("a", "b"):
        with os.fdopen(own.create(f"runs/{text}"), "w", encoding="utf-8") as stream:
            stream.write(text)
    with os.fdopen(own.open("runs/a"), "r+", encoding="utf-8") as stream:
        assert stream.read() == "a"
    assert own.names("runs") == ["a", "b"]
    assert own.read("runs/b") == "b"
    assert own.size("runs/b") == 1
    assert own.size("runs/c") == 0
    own.check("runs", "runs/a", "runs/c")
    with pytest.raises(FileExistsError):
        own.create("runs/a")
