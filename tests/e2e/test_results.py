"""Results as JSON documents, part of a study, the library, and one login a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from xnat_sync import api
from xnat_sync.cli.parser import SCHEMAS
from xnat_sync.core.model.outcome import Status
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.manifest.text.schema import schema_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any

STUDY = """\
version: 1
project: {id: P, create: true}
root: images
defaults: {session: {xsi_type: "xnat:mrSessionData"}}
subjects:
  sub-01:
    sessions:
      sub-01_ses-01:
        scans:
          "2": {type: T1w, files: sub-01/ses-01/anat/*.nii}
          "4": {type: bold, files: sub-01/ses-01/func/*.nii}
  sub-02:
    sessions:
      sub-02_ses-01:
        scans:
          "5": {type: dwi, files: sub-02/ses-01/dwi/*}
"""


@pytest.fixture
def study(images: Path, manifest: Callable[[str], Path]) -> Path:
    assert images.is_dir()
    return manifest(STUDY)


def document(text: str, schema: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(text)
    version = 2 if schema == "plan" else 1
    Draft202012Validator(json.loads(schema_text(f"{schema}.v{version}.json"))).validate(data)
    assert data["format_version"] == version
    return data


def test_json_documents_keep_to_their_schemas(cli: Cli, study: Path, tmp_path: Path) -> None:
    assert document(cli("validate", "--format", "json", study).out, "problems")["ok"]
    plan = document(cli("plan", "--format", "json", study).out, "plan")
    assert plan["summary"]["upload"] == 6
    assert plan["summary"]["create"] == 8
    missing = document(cli("verify", "--format", "json", study).out, "verification")
    assert len(missing["findings"]) == 6
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    pinned = document(stored.read_text(encoding="utf-8"), "plan")
    assert all(change["file"]["md5"] for change in pinned["changes"] if change["action"] == "upload")
    assert not any(change["file"]["path"].startswith("/") for change in pinned["changes"] if change["file"])
    report = document(cli("apply", "--yes", "--format", "json", stored).out, "report")
    assert report["ok"]
    assert report["plan_fingerprint"] == pinned["fingerprint"]
    again = document(cli("apply", "--yes", "--format", "json", study).out, "report")
    assert again["outcomes"] == []
    proof = document(cli("verify", "--download", "--format", "json", study).out, "verification")
    assert proof["ok"]
    assert proof["by_download"] == 6


def test_every_schema_is_printed(cli: Cli) -> None:
    for name in SCHEMAS:
        done = cli("schema", name)
        assert done.status == 0
        Draft202012Validator.check_schema(json.loads(done.out))


def test_only_a_part_is_applied(cli: Cli, study: Path, server: RunningServer) -> None:
    assert cli("apply", "--yes", "--only", "sub-01/*/4", study).status == 0
    assert not any("sub-02" in entry.path or "/scans/2" in entry.path for entry in server.log.writes)
    left = cli("plan", "--format", "json", study)
    assert json.loads(left.out)["summary"]["upload"] == 5
    assert cli("plan", "--detailed-exitcode", "--only", "sub-01/*/4", study).status == 0


def test_a_stored_plan_stands_for_the_files_that_it_saw(
    cli: Cli, study: Path, tmp_path: Path, images: Path, server: RunningServer
) -> None:
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    image = images / "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii"
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    server.log.clear()
    done = cli("apply", "--yes", stored)
    assert done.status == 3
    assert "sub-01_ses-01_T1w.nii" in done.out
    assert not server.log.writes
    assert cli("plan", "--detailed-exitcode", study).status == 2
    assert cli("apply", "--yes", study).status == 0
    assert cli("verify", "--download", study).status == 0


def test_a_flipped_byte_behind_a_good_header_never_leaves(
    cli: Cli, study: Path, tmp_path: Path, images: Path, server: RunningServer
) -> None:
    image = images / "sub-02/ses-01/dwi/sub-02_ses-01_dwi.nii.gz"
    content = bytearray(image.read_bytes())
    content[len(content) // 2] ^= 1
    image.write_bytes(content)
    assert cli("validate", study).status == 0
    deep = cli("validate", "--deep", "--format", "json", study)
    assert deep.status == 3
    problems = json.loads(deep.out)["problems"]
    assert [problem["rule"] for problem in problems if problem["severity"] == "error"] == ["XS303"]
    assert cli("plan", "--out", tmp_path / "plan.json", study).status == 3
    assert not (tmp_path / "plan.json").exists()
    server.log.clear()
    done = cli("apply", "--yes", "--format", "json", study)
    assert done.status == 3
    (problem,) = json.loads(done.out)["problems"]
    assert problem["rule"] == "XS303"
    assert problem["origin"]["line"]
    assert not server.log.writes


def test_one_login_for_a_run_and_closed_at_its_end(cli: Cli, study: Path, server: RunningServer) -> None:
    server.log.clear()
    assert cli("apply", "--yes", "--jobs", "8", study).status == 0
    logins = [entry for entry in server.log if entry.method == "PUT" and entry.path.endswith("/services/auth")]
    logouts = [entry for entry in server.log if entry.method == "DELETE" and entry.path.endswith("/JSESSION")]
    assert (len(logins), len(logouts)) == (1, 1)
    assert server.log[-1].path.endswith("/JSESSION")


def test_the_library_does_the_same(study: Path, server: RunningServer) -> None:
    loaded = api.validate([study])
    connect = XnatConnection(server.url, user="boss", password="pass phrase&7")
    try:
        difference = api.plan(loaded, connect)
        report = api.apply(difference, connect, api.Options(reason="from Python", jobs=2))
        assert report.counts[Status.APPLIED] == len(difference.changes)
        assert api.plan(loaded, connect).is_empty
        assert api.verify(loaded, connect, download=True).ok
    finally:
        connect.close()


def test_the_embedded_server_for_the_length_of_a_command(cli: Cli, study: Path, tmp_path: Path) -> None:
    where = f"embedded:{tmp_path / 'kept'}"
    assert cli("apply", "--yes", "--server", where, study).status == 0
    assert cli("plan", "--detailed-exitcode", "--server", where, study).status == 0


def test_an_entry_without_bytes_is_a_finding(cli: Cli, study: Path, server: RunningServer) -> None:
    assert cli("apply", "--yes", study).status == 0
    lost = min(path for path in server.context.archive.rglob("*.json") if path.is_file())
    lost.unlink()
    done = cli("verify", "--download", "--format", "json", study)
    assert done.status == 2
    proof = document(done.out, "verification")
    (finding,) = proof["findings"]
    assert (finding["fault"], finding["ref"].endswith(lost.name)) == ("damaged", True)
    assert proof["by_download"] == 5


def test_checksums_off_is_said_and_size_decides(cli: Cli, study: Path, server: RunningServer, http: Any) -> None:
    assert http.post(f"{server.url}/xapi/siteConfig/checksums", json=False).status_code == 200
    done = cli("apply", "--yes", study)
    assert done.status == 0, done.out
    assert "digests off" in done.out
    assert "6 changes: size checked only: the server states no digest" in done.out
    plan = cli("plan", "--detailed-exitcode", study)
    assert plan.status == 0
    assert "6 files compared by size only: the server states no digest" in plan.out
    assert "equal in size only" in cli("verify", study).out
    assert cli("verify", "--download", study).status == 0


def test_without_digests_files_are_read_back_where_that_is_asked_for(
    cli: Cli, study: Path, images: Path, server: RunningServer, http: Any, tmp_path: Path
) -> None:
    assert http.post(f"{server.url}/xapi/siteConfig/checksums", json=False).status_code == 200
    assert cli("apply", "--yes", study).status == 0
    plan = cli("plan", "--detailed-exitcode", "--compare", "digest", study)
    assert plan.status == 0
    assert "size only" not in plan.out
    assert "(6 read back and equal)" in cli("verify", "--compare", "digest", study).out
    image = images / "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.nii"
    content = image.read_bytes()
    image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert cli("plan", "--detailed-exitcode", study).status == 0, "the size is the same, and nobody asked"
    assert cli("verify", "--compare", "digest", study).status == 2
    stored = tmp_path / "plan.json"
    plan = cli("plan", "--detailed-exitcode", "--compare", "digest", "--out", stored, "--format", "json", study)
    assert plan.status == 2
    assert [change["action"] for change in document(plan.out, "plan")["changes"]] == ["replace"]
    done = cli("apply", "--yes", stored)
    assert done.status == 0, done.out
    assert "1 applied" in done.out
    assert cli("verify", "--compare", "digest", study).status == 0
    assert "was so already" in cli("apply", "--yes", "--format", "json", stored).out


@pytest.mark.parametrize(
    ("arguments", "environ", "kind", "status"),
    [
        (["plan"], {"XNAT_SYNC_PASSWORD": "wrong"}, "NotAuthenticated", 4),
        (["plan", "--server", "http://127.0.0.1:9"], {}, "Unreachable", 5),
        (["plan", "--server", "ftp://x"], {}, "UsageError", 64),
        (["plan", "--jobs", "none"], {}, "UsageError", 64),
        (["plan", "--unheard-of"], {}, "UsageError", 64),
    ],
)
def test_what_ends_a_command_early_is_a_document_too(
    cli: Cli, study: Path, arguments: list[str], environ: dict[str, str], kind: str, status: int
) -> None:
    done = cli(*arguments, "--format", "json", study, environ=environ)
    assert done.status == status
    data = document(done.out, "error")
    assert (data["error"]["kind"], data["error"]["exit"]) == (kind, status)


def test_what_was_written_is_told_in_json_too(cli: Cli, study: Path, tmp_path: Path, images: Path) -> None:
    rendered = cli("render", "--format", "json", "--out", tmp_path / "explicit.yaml", study)
    assert document(rendered.out, "written") == {
        "format_version": 1,
        "manifest": str(tmp_path / "explicit.yaml"),
        "subjects": 2,
        "sessions": 2,
        "scans": 3,
        "left_out": [],
        "errors": 0,
    }
    first = ("init", "--from-bids", images, "--project", "P", "--out", tmp_path / "bids.yaml")
    assert document(cli(*first, "--format", "json").out, "written")["subjects"] == 3


def test_a_stored_plan_is_for_its_own_server(cli: Cli, study: Path, tmp_path: Path) -> None:
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    done = cli("apply", "--yes", "--server", f"embedded:{tmp_path / 'another'}", "--format", "json", stored)
    assert done.status == 7
    assert document(done.out, "error")["error"]["kind"] == "StalePlan"
