"""What shells, containers and typing errors do to a command: an answer in words, never a trace."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.errors import UsageError
from xnat_sync.gateway.connection.credentials import login_from_netrc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any
    Manifest = Callable[..., Path]

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
subjects:
  sub-01:
    group: 日本 😀
    sessions:
      sub-01_ses-01:
        xsi_type: xnat:mrSessionData
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
"""


@pytest.fixture
def study(images: Path, manifest: Manifest) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


@pytest.fixture
def shell(server: RunningServer, study: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a line of shell in the study's folder, in which ``$XS`` is the program."""
    login = {"XNAT_SYNC_SERVER": server.url, "XNAT_SYNC_USER": "boss", "XNAT_SYNC_PASSWORD": "pass phrase&7"}

    def run(line: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, **login, "XS": f"{sys.executable} -m xnat_sync", **(environ or {})}
        command = ["sh", "-c", line]
        return subprocess.run(command, env=environ, cwd=study.parent, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("$XS plan study.yaml >&-", 0),
        ("$XS plan study.yaml 2>&-", 0),
        ("$XS plan study.yaml <&-", 0),
        ("$XS apply study.yaml <&-", 64),
    ],
)
def test_a_closed_stream_is_no_mistake(
    shell: Callable[..., subprocess.CompletedProcess[str]], line: str, status: int
) -> None:
    done = shell(line)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr


def test_both_streams_in_one_file_are_in_order(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert shell("$XS apply --yes study.yaml >log 2>&1").returncode == 0
    log = shell("cat log").stdout
    steps = ["reading the server", "Plan: ", "apply: ", "Done: "]
    assert sorted(steps, key=log.index) == steps


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that only Linux has")  # noqa: PTH110 - a device
@pytest.mark.parametrize("command", ["plan study.yaml", "plan study.yaml --format json", "schema", "apply study.yaml"])
def test_a_stream_without_room_is_told(shell: Callable[..., subprocess.CompletedProcess[str]], command: str) -> None:
    done = shell(f"$XS {command} --yes >/dev/full" if "apply" in command else f"$XS {command} >/dev/full")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith("xnat-sync: No space left on device\n")
    assert shell("$XS plan study.yaml 2>/dev/full").returncode == 1


def test_a_disk_without_room_is_told(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert shell("$XS apply --yes study.yaml").returncode == 0
    assert shell("$XS plan study.yaml --out plan.json").returncode == 0
    before = shell("cat plan.json").stdout
    for line, path in (
        ("$XS pull --project P --out p.yaml --files files", "files/sub-01/sub-01_ses-01/2/NIFTI/sub-01_ses-01_T1w.nii"),
        ("$XS pull --project P --out p.yaml", "p.yaml"),
        ("$XS render study.yaml --out r.yaml", "r.yaml"),
        ("$XS init --from-bids images --out i.yaml", "i.yaml"),
        ("$XS plan study.yaml --out plan.json", "plan.json"),
    ):
        # No file may be larger than nothing; what is written elsewhere by the way, a cache, is not missed.
        done = shell(f"ulimit -f 0; {line}")
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        assert f"xnat-sync: {path}: File too large" in done.stderr
    assert shell("find . -name '*.part' -o -name '[pir].yaml'").stdout == ""
    assert shell("cat plan.json").stdout == before


@pytest.mark.parametrize("out", ["nowhere/p.json", "images/p.json/q.json", "x" * 300 + ".json"])
def test_a_plan_that_can_lie_nowhere_is_wrong_usage(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(study.parent)
    done = cli("plan", study, "--out", out)
    assert done.status == 64
    assert f"cannot write {out}" in done.err
    assert not (study.parent / "nowhere").exists()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_stream_of_another_encoding(shell: Callable[..., subprocess.CompletedProcess[str]], encoding: str) -> None:
    narrow = {"PYTHONIOENCODING": encoding}
    assert shell("$XS plan study.yaml --detail >out.txt", narrow).returncode == 0
    assert shell("$XS plan study.yaml --format json >out.json", narrow).returncode == 0
    written = json.loads(shell("cat out.json").stdout)
    assert [change["object"]["fields"]["group"] for change in written["changes"] if change["level"] == "subject"] == [
        "日本 😀"
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a file's name is always text")
def test_a_folder_whose_name_is_no_text(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    moved = shell(
        r"""d=$(printf 'b\377d'); mkdir "$d" && mv images study.yaml "$d" && $XS plan "$d/study.yaml" --out p.json"""
    )
    assert moved.returncode == 0, moved.stderr
    assert shell("$XS apply --yes p.json").returncode == 0
    missing = shell(r"""d=$(printf 'b\377d'); $XS validate "$d/no.yaml" --format json""", {"PYTHONUTF8": "1"})
    assert missing.returncode == 3, missing.stderr
    assert json.loads(missing.stdout)["problems"][0]["rule"] == "XS006"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--server", "embedded:"], "embedded:DIR"),
        (["--server", "embedded:study.yaml"], "cannot use"),
        (["--server", "https://xnat example.org"], "is not the address of a server"),
        (["--jobs", "0"], "'0' is no number from 1 on"),
        (["--out", "plan.txt"], "'plan.txt' does not end in .json"),
    ],
)
def test_wrong_usage_of_plan(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(study.parent)
    done = cli("plan", study, *arguments)
    assert done.status == 64
    assert words in done.err


@pytest.mark.parametrize("port", ["65536", "-1", "x"])
def test_a_port_that_is_none(cli: Cli, tmp_path: Path, port: str) -> None:
    done = cli("serve", "--dir", tmp_path / "s", f"--port={port}")
    assert done.status == 64
    assert "is no port from 0 to 65535" in done.err


def test_a_stored_plan_finds_its_embedded_server_from_anywhere(
    cli: Cli, study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.parent)
    assert cli("plan", study, "--server", "embedded:here", "--out", "p.json").status == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    there = ("--server", f"embedded:{study.parent / 'here'}")
    refused = cli("apply", "--yes", study.with_name("p.json"), environ={"XNAT_SYNC_SERVER": ""})
    assert refused.status == 64
    assert " ".join(there) in refused.err
    assert cli("apply", "--yes", study.with_name("p.json"), *there).status == 0
    assert list(elsewhere.iterdir()) == []
    monkeypatch.chdir(study.parent)
    assert cli("plan", study, "--server", "embedded:here", "--detailed-exitcode").status == 0


def test_an_account_without_a_home_has_no_netrc(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setattr("pathlib.Path.home", homeless)
    with pytest.raises(UsageError, match="set XNAT_SYNC_USER"):
        login_from_netrc("https://xnat.example.org", None)
