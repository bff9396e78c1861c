"""``xnat-sync fmt``: what it writes, what it says, and what it leaves alone."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.manifest.text.schema import schema_text

if TYPE_CHECKING:
    from pathlib import Path

MESSY = "# mine\nproject:   P # whose\nversion: 1\n"
NEAT = "# mine\nversion: 1\nproject: P  # whose\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fmt(*arguments: str) -> tuple[int, str]:
    """Run the command; its status and all that it says."""
    said = io.StringIO()
    status = run(["fmt", *arguments], Console(out=said, err=said, stdin=io.StringIO(), environ={}))
    return status, said.getvalue()


def test_a_manifest_is_laid_out_once(folder: Path) -> None:
    path = folder / "xnat.yaml"
    path.write_text(MESSY, encoding="utf-8")
    path.chmod(0o640)
    assert fmt() == (0, "xnat.yaml: laid out\n")
    assert path.read_text(encoding="utf-8") == NEAT
    assert path.stat().st_mode & 0o7777 == 0o640
    before = path.stat()
    assert fmt() == (0, "1 manifest in normal form\n")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert list(folder.iterdir()) == [path]


def test_check_writes_nothing(folder: Path) -> None:
    for name, text in (("a.yaml", MESSY), ("b.yml", NEAT), ("c.yaml", MESSY.replace("\n", "\r\n"))):
        (folder / name).write_text(text, encoding="utf-8", newline="")
    assert fmt("--check", ".") == (2, "a.yaml: not in normal form\nc.yaml: not in normal form\n")
    assert (folder / "a.yaml").read_text(encoding="utf-8") == MESSY
    assert fmt("--check", "b.yml") == (0, "1 manifest in normal form\n")
    status, said = fmt("--check", "--format", "json", ".")
    data = json.loads(said)
    Draft202012Validator(json.loads(schema_text("formatting.v1.json"))).validate(data)
    assert status == 2
    assert data["files"] == [
        {"file": "a.yaml", "changed": True},
        {"file": "b.yml", "changed": False},
        {"file": "c.yaml", "changed": True},
    ]


def test_one_broken_manifest_leaves_all_as_they_are(folder: Path) -> None:
    (folder / "a.yaml").write_text(MESSY, encoding="utf-8")
    (folder / "b.yaml").write_text("version: 1\nversion: 2\n", encoding="utf-8")
    status, said = fmt("a.yaml", "b.yaml", "c.yaml")
    assert status == 3
    assert "b.yaml:2:1  error XS003" in said
    assert "c.yaml:1:1  error XS006" in said
    assert (folder / "a.yaml").read_text(encoding="utf-8") == MESSY


def test_what_cannot_be_laid_out_is_left_as_it_is(folder: Path) -> None:
    # A key so long that no reader takes it in one line with its value.
    text = f"x-a:\n  ? {'k' * 1100}\n  : b\n"
    (folder / "xnat.yaml").write_text(text, encoding="utf-8")
    status, said = fmt()
    assert status == 3
    assert "xnat.yaml:1:1  error XS036" in said
    assert (folder / "xnat.yaml").read_text(encoding="utf-8") == text


def test_a_read_only_manifest_is_said(folder: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (folder / name).write_text(MESSY, encoding="utf-8")
    (folder / "b.yaml").chmod(0o444)
    assert fmt("a.yaml", "b.yaml") == (3, "xnat-sync: b.yaml: is read-only\n")
    assert (folder / "a.yaml").read_text(encoding="utf-8") == MESSY
    assert fmt("--check", "b.yaml")[0] == 2


def test_a_link_stays_one(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "study.yaml").write_text(MESSY, encoding="utf-8")
    (folder / "xnat.yaml").symlink_to("real/study.yaml")
    assert fmt()[0] == 0
    assert (folder / "xnat.yaml").is_symlink()
    assert (folder / "real" / "study.yaml").read_text(encoding="utf-8") == NEAT
