"""Patterns into files."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.local.files import FileFinder

if TYPE_CHECKING:
    from pathlib import Path

Put = Callable[[str, bytes], str]


def names(root: Path, pattern: str) -> list[str]:
    matches = FileFinder().find(str(root), pattern)
    assert matches.breaches == ()
    return [file.name for file in matches.files]


def breaches(root: Path, pattern: str) -> list[str]:
    return [breach.rule for breach in FileFinder().find(str(root), pattern).breaches]


TREE = ("a.txt", "b.txt", "x/a.txt", "x/y/a.txt", "x/y/c.nii", "z/a.txt", ".h/a.txt", "x/.h.txt", "x/[1].txt")


@pytest.fixture
def tree(put: Put, tmp_path: Path) -> Path:
    for name in TREE:
        put(name, b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a.txt", ["a.txt"]),
        ("./a.txt", ["a.txt"]),
        ("*", ["a.txt", "b.txt"]),
        ("?.txt", ["a.txt", "b.txt"]),
        ("[!a].txt", ["b.txt"]),
        ("*/a.txt", ["x/a.txt", "z/a.txt"]),
        ("**/a.txt", ["a.txt", "x/a.txt", "x/y/a.txt", "z/a.txt"]),
        ("**", ["a.txt", "b.txt", "x/[1].txt", "x/a.txt", "x/y/a.txt", "x/y/c.nii", "z/a.txt"]),
        ("x/**", ["x/[1].txt", "x/a.txt", "x/y/a.txt", "x/y/c.nii"]),
        ("x/**/*.nii", ["x/y/c.nii"]),
        ("**/y/**", ["x/y/a.txt", "x/y/c.nii"]),
        ("**/**/c.nii", ["x/y/c.nii"]),
        (".h/*", [".h/a.txt"]),
        (".*/a.txt", [".h/a.txt"]),
        ("x/.*", ["x/.h.txt"]),
        ("x/[[]1].txt", ["x/[1].txt"]),
        ("nothing*", []),
        ("a.txt/*", []),
        ("gone/*", []),
    ],
)
def test_patterns(tree: Path, pattern: str, found: list[str]) -> None:
    assert names(tree, pattern) == found


@pytest.mark.parametrize(
    "pattern",
    ["/a.txt", "../a.txt", "x/../a.txt", "x//a.txt", "x/./a.txt", "x/", "", "a\\b", "a**", "{a,b}.txt", "a\0b"],
)
def test_patterns_that_cannot_be_used(tree: Path, pattern: str) -> None:
    assert breaches(tree, pattern) == ["XS215"]


@given(st.lists(st.sampled_from(["*", "?", "**", "a.txt", "x", "y", "*.txt", "[ab].txt"]), min_size=1, max_size=4))
def test_patterns_match_as_pathlib_has_it(tree: Path, parts: list[str]) -> None:
    pattern = "/".join(parts)
    wanted = pattern + "/*" if parts[-1] == "**" else pattern
    hidden = {path for path in tree.rglob("*") if any(part.startswith(".") for part in path.relative_to(tree).parts)}
    expected = {str(path.relative_to(tree)) for path in set(tree.glob(wanted)) - hidden if path.is_file()}
    assert {file.name for file in FileFinder().find(str(tree), pattern).files} == expected


def test_facts_of_a_file(tree: Path) -> None:
    (file,) = FileFinder().find(str(tree), "x/a.txt").files
    status = (tree / "x/a.txt").stat()
    assert (file.path, file.size, file.mtime_ns) == (str(tree / "x/a.txt"), status.st_size, status.st_mtime_ns)


class TestLinks:
    def test_within_the_root(self, tree: Path) -> None:
        (tree / "z/link.txt").symlink_to("../x/a.txt")
        (tree / "folder").symlink_to("x")
        assert names(tree, "z/link.txt") == ["z/link.txt"]
        assert names(tree, "folder/a.txt") == ["folder/a.txt"]
        assert names(tree, "fold*/a.txt") == ["folder/a.txt"]

    def test_a_root_that_is_a_link(self, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        link = tmp_path_factory.mktemp("links") / "root"
        link.symlink_to(tree)
        assert names(link, "x/*.txt") == ["x/[1].txt", "x/a.txt"]

    def test_out_of_the_root(self, tree: Path) -> None:
        (tree / "x/out.txt").symlink_to("../a.txt")
        (tree / "x/folder").symlink_to("..")
        assert breaches(tree / "x", "out.txt") == ["XS204"]
        assert breaches(tree / "x", "*.txt") == ["XS204"]
        assert breaches(tree / "x", "folder/b.txt") == ["XS204"]
        assert breaches(tree / "x", "*/b.txt") == ["XS204"]

    def test_a_root_whose_name_another_begins_with(self, tree: Path, put: Put) -> None:
        put("x2/secret.txt", b"x")
        (tree / "x/sly.txt").symlink_to("../x2/secret.txt")
        assert breaches(tree / "x", "sly.txt") == ["XS204"]

    def test_circles_of_folders(self, tree: Path) -> None:
        (tree / "x/y/up").symlink_to("..")
        assert names(tree, "**/c.nii") == ["x/y/c.nii"]

    def test_broken(self, tree: Path) -> None:
        (tree / "broken.txt").symlink_to("gone")
        (tree / "loop.txt").symlink_to("loop.txt")
        assert breaches(tree, "broken.txt") == ["XS201"]
        assert breaches(tree, "loop.txt") == ["XS201"]
        (tree / "annex.txt").symlink_to(".git/annex/objects/aa/bb/K/K")
        assert breaches(tree, "annex.txt") == ["XS207"]
        assert breaches(tree, "anne*") == ["XS207"]

    def test_annexed_content_that_is_here(self, tree: Path, put: Put) -> None:
        put(".git/annex/objects/aa/bb/K/K", b"content")
        (tree / "annex.txt").symlink_to(".git/annex/objects/aa/bb/K/K")
        assert names(tree, "annex.txt") == ["annex.txt"]


class TestUnfit:
    def test_missing(self, tree: Path) -> None:
        assert breaches(tree, "gone.txt") == ["XS201"]
        assert breaches(tree, "a.txt/b") == ["XS201"]
        (breach,) = FileFinder().find(str(tree), "x/A.TXT").breaches
        assert breach.hint == "did you mean a.txt?"

    def test_folders(self, tree: Path) -> None:
        assert breaches(tree, "x") == ["XS205"]
        assert names(tree, "x*") == []

    def test_pipes_and_sockets(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tree)
        os.mkfifo("z/pipe")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("z/socket")
            assert breaches(tree, "z/pipe") == ["XS205"]
            assert breaches(tree, "z/*") == ["XS205", "XS205"]

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_without_rights(self, tree: Path) -> None:
        (tree / "a.txt").chmod(0)
        assert breaches(tree, "a.txt") == ["XS206"]

    def test_pointers(self, tree: Path, put: Put) -> None:
        put("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
        put("annex", b"/annex/objects/MD5-s1--0\n")
        put("text", b"/annex/objects/ is where git-annex keeps content" + b" and more" * 200)
        assert breaches(tree, "lfs") == ["XS207"]
        assert breaches(tree, "annex") == ["XS207"]
        assert names(tree, "text") == ["text"]


def test_many_double_stars_are_as_good_as_one(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"abcdefghij" * 3)
    deep.mkdir(parents=True)
    (deep / "x.nii").touch()
    (tmp_path / "a" / "y.nii").touch()
    finder = FileFinder()
    one = finder.paths(str(tmp_path), "**/*.nii")
    assert len(one) == 2
    begun = time.monotonic()
    for pattern in ("**/" * 3000 + "*.nii", "**/*/" * 12 + "**/*.nii", "**/?/**/?/**/?/**/?/**/?/**/?/**/*.nii"):
        assert set(finder.paths(str(tmp_path), pattern)) <= set(one)
    assert finder.paths(str(tmp_path), "**/" * 3000 + "*.nii") == one
    assert finder.paths(str(tmp_path), "**/**") == finder.paths(str(tmp_path), "**")
    assert finder.paths(str(tmp_path), "**/b/**/*.nii") == [name for name in one if "/b/" in name]
    assert time.monotonic() - begun < 5
