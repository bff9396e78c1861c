"""A checkout may hold what a stranger sent in a pull request: it costs neither files nor secrets of the account."""

from __future__ import annotations

import hashlib
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync import api
from xnat_sync.core.model.errors import ManifestError

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


# ---------------------------------------------------------------------- what a manifest may read

SECRET = "HIV positive"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git checkout with a manifest's folder and data, beside a folder of the account that is none of its business."""
    private = tmp_path / "account" / "private"
    private.mkdir(parents=True)
    (private / "table.tsv").write_text(f"subject\tgroup\nS1\t{SECRET}\n", encoding="utf-8")
    (private / "id_rsa").write_text(SECRET, encoding="utf-8")
    (private / "study.yaml").write_text(f"- {SECRET}\n", encoding="utf-8")
    study = tmp_path / "account" / "checkout"
    for folder in (".git", "manifests", "data"):
        (study / folder).mkdir(parents=True)
    (study / "data/a.txt").write_text("a", encoding="utf-8")
    (study / ".git/config").write_text(SECRET, encoding="utf-8")
    (study / "data/linked").symlink_to(private)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return study


def manifest_in(checkout: Path, text: str) -> Path:
    path = checkout / "manifests" / "study.yaml"
    path.write_text(f"version: 1\nproject: {{id: P, create: true}}\n{text}", encoding="utf-8")
    return path


SENDS = "subjects: {S1: {resources: {R: {files: [id_rsa]}}}}\n"
READS = "tables: [{file: table.tsv, key: subject, set: {group: group}}]\nsubjects: {S1: {}}\n"
WALKS = 'discover: [{path: "{subject}/{stem}.nii", scan: {id: "{stem}"}}]\n'


@pytest.mark.parametrize(
    "root", ["/", "..", "../../private", "../data/linked", "/proc/self", "ABSOLUTE", "../.git", "${env:X}"]
)
@pytest.mark.parametrize("rest", [SENDS, READS, WALKS], ids=["files", "tables", "discover"])
@pytest.mark.parametrize("command", ["validate", "plan", "render"])
def test_a_root_elsewhere_is_not_read(
    cli: Cli, checkout: Path, server: RunningServer, root: str, rest: str, command: str
) -> None:
    private = checkout.parent / "private"
    said = "../.." if root == ".." else root.replace("ABSOLUTE", str(private))
    path = manifest_in(checkout, f"root: '{said}'\n{rest}")
    done = cli(command, *(["--env", "X"] if "env" in root else []), path, environ={"X": str(private)})
    assert done.status == 3
    assert SECRET not in done.out + done.err
    assert "XS218" in done.out
    # Nothing was looked at: no word of what is or is not there.
    assert done.out.count("error ") == 1
    assert not server.log.writes
    if ".git" in root or "env" in root:
        return
    real = os.path.realpath(checkout / "manifests" / said)
    assert f"--allow-root {real}" in done.out
    if rest == WALKS:
        return
    assert "XS218" not in cli("validate", path, "--allow-root", real).out
    assert "XS218" not in cli("validate", path, environ={"XNAT_SYNC_ALLOW_ROOT": f"/nowhere:{real}"}).out


def test_a_study_may_lie_in_its_folder_its_checkout_and_the_working_folder(
    cli: Cli, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = manifest_in(checkout, "root: ../data\nsubjects: {S1: {resources: {R: {files: a.txt}}}}\n")
    assert cli("validate", path).status == 0
    (checkout / ".git").rename(checkout / "nogit")
    assert cli("validate", path).status == 3
    monkeypatch.chdir(checkout.parent)
    assert cli("validate", path).status == 0


def test_a_checkout_of_the_whole_home_is_no_study(cli: Cli, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some keep the settings of their account in git."""
    monkeypatch.setenv("HOME", str(checkout.parent))
    (checkout.parent / ".git").mkdir()
    path = manifest_in(checkout, f"root: ../../private\n{SENDS}")
    assert cli("validate", path).status == 3


def test_the_allowed_roots_of_the_functions(checkout: Path) -> None:
    path = manifest_in(checkout, f"root: ../../private\n{READS}")
    with pytest.raises(ManifestError):
        api.validate([path])
    loaded = api.validate([path], allow_roots=[checkout.parent])
    assert SECRET in str(loaded.desired)


@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
def test_a_manifest_that_is_a_link_out_of_the_checkout_is_not_read(cli: Cli, checkout: Path, whole: bool) -> None:
    link = checkout / "manifests" / "study.yaml"
    link.symlink_to(checkout.parent / "private" / "study.yaml")
    for command in (["validate"], ["fmt"]):
        done = cli(*command, link.parent if whole else link)
        assert done.status == 3
        assert "XS016" in done.out
        assert SECRET not in done.out + done.err


def test_a_link_in_a_folder_of_manifests_opens_no_other_folder(cli: Cli, checkout: Path) -> None:
    path = manifest_in(checkout, f"root: ../../private\n{SENDS}")
    (path.parent / "other.yaml").symlink_to(checkout.parent / "private" / "study.yaml")
    done = cli("validate", path.parent)
    assert "XS218" in done.out
    assert "XS016" in done.out


@pytest.mark.parametrize("name", [".git/config", ".g*/config", "data/config"])
def test_what_git_keeps_for_itself_is_not_sent(cli: Cli, checkout: Path, name: str) -> None:
    """A runner's checkout has its token there."""
    (checkout / "data/config").symlink_to("../.git/config")
    path = manifest_in(checkout, f"root: ..\nsubjects: {{S1: {{resources: {{R: {{files: '{name}'}}}}}}}}\n")
    done = cli("validate", path)
    assert done.status == 3
    assert "XS204" in done.out


def test_an_include_is_allowed_by_the_same_word(cli: Cli, checkout: Path) -> None:
    other = checkout.parent / "private" / "part.yaml"
    other.write_text("subjects: {S2: {}}\n", encoding="utf-8")
    path = manifest_in(checkout, "include: ['../../private/p*.yaml']\n")
    assert "XS016" in cli("validate", path).out
    assert cli("validate", "--allow-root", other.parent, path).status == 0


def next_of(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith("Next: ")]
    return shlex.split(line)[2:]


def test_what_is_next_names_the_folders_that_it_needs(
    cli: Cli, bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "my study"
    here.mkdir()
    monkeypatch.chdir(here)
    moved = bids.rename(tmp_path / "my data")
    table = here / "upload.csv"
    table.write_text(
        "subject,session,scan,type,session_type,project,file\n"
        f"S1,E1,2,T1w,MR,P,{next(moved.rglob('*_T1w.nii*'))}\n", encoding="utf-8"
    )  # fmt: skip
    assert "create: true" not in cli("init", "--from-csv", table, "--out", "t.yaml").err
    first = cli("init", "--from-bids", moved, "--project", "P")
    assert next_of(first.out) == ["validate", "--allow-root", str(moved), "xnat.yaml"]
    for words in (next_of(first.out), next_of(cli("init", "--from-csv", table, "--out", "t2.yaml").out)):
        assert cli(*words).status == 0
    text = (here / "xnat.yaml").read_text(encoding="utf-8")
    (here / "xnat.yaml").write_text(text.replace("create: false", "create: true"), encoding="utf-8")
    assert cli("apply", "--yes", "xnat.yaml").status == 3
    assert cli("apply", "--yes", "xnat.yaml", "--allow-root", "../my data").status == 0
    pulled = cli("pull", "--project", "P", "--out", "pulled.yaml", "--files", tmp_path / "there")
    assert cli(*next_of(pulled.out)).status == 0
    near = cli("pull", "--project", "P", "--out", "near.yaml", "--files", "here")
    assert next_of(near.out) == ["validate", "near.yaml"]
    render = cli("render", "--allow-root", "../my data", "--out", "r.yaml", "xnat.yaml")
    assert cli(*next_of(render.out)).status == 0
