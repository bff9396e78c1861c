"""What went up comes back: the same tree, the same bytes, and a manifest with nothing to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

if TYPE_CHECKING:
    import requests

    from xnat_sync.server.running import RunningServer

    Cli = Any

SCHEMA = Path(__file__).parents[2] / "schemas" / "pull.v1.json"
EXTRA = {
    "task-rest_bold.json": '{"TaskName": "rest"}',
    "sub-01/sub-01_sessions.tsv": "session_id\tacq_time\nses-01\t1901-02-03T04:05:06\n",
    "sub-01/ses-01/sub-01_ses-01_task-rest_bold.json": '{"EchoTime": 0.02}',
    "sub-01/ses-01/func/sub-01_ses-01_task-rest_echo-1_events.tsv": "onset\tduration\n1\t2\n",
    "sub-01/ses-01/beh/sub-01_ses-01_task-x_beh.tsv": "a\tb\n1\t2\n",
    "sub-03/eeg/sub-03_task-x_eeg.edf": "0       recording",
    "sub-03/eeg/sub-03_task-x_eeg.json": "{}",
    "phenotype/iq.tsv": "participant_id\tiq\nsub-01\t100\n",
}


@pytest.fixture
def study(bids: Path, tmp_path: Path, cli: Cli) -> Path:
    """A BIDS tree that was applied with the manifest of ``init``."""
    for name, text in EXTRA.items():
        (bids / name).parent.mkdir(parents=True, exist_ok=True)
        (bids / name).write_text(text, encoding="utf-8")
    manifest = tmp_path / "xnat.yaml"
    assert cli("init", "--from-bids", bids, "--project", "P", "--out", manifest).status == 0
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("create: false", "create: true", 1), encoding="utf-8")
    done = cli("apply", "--yes", manifest)
    assert done.status == 0, done.out + done.err
    return bids


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bids_tree_comes_back(study: Path, cli: Cli, tmp_path: Path) -> None:
    manifest, tree = tmp_path / "new/xnat.yaml", tmp_path / "new/tree"
    manifest.parent.mkdir()
    done = cli("pull", "--project", "P", "--out", manifest, "--files", tree, "--bids")
    assert done.status == 0, done.out + done.err
    assert content(tree) == content(study)
    assert set(EXTRA) <= content(tree).keys()
    plan = cli("plan", "--detailed-exitcode", manifest)
    assert plan.status == 0, plan.out
    assert cli("verify", manifest).status == 0
    remade = tmp_path / "new/again.yaml"
    assert cli("init", "--from-bids", tree, "--project", "P", "--out", remade).status == 0
    assert cli("plan", "--detailed-exitcode", remade).status == 0


def test_pulling_again_brings_nothing_and_goes_over_nothing(
    study: Path, cli: Cli, tmp_path: Path, server: RunningServer
) -> None:
    tree = tmp_path / "tree"
    assert cli("pull", "--project", "P", "--out", tmp_path / "1.yaml", "--files", tree, "--bids").status == 0
    assert cli("pull", "--project", "P", "--out", tmp_path / "1.yaml", "--files", tree, "--bids").status == 64
    server.log.clear()
    assert cli("pull", "--project", "P", "--out", tmp_path / "2.yaml", "--files", tree, "--bids").status == 0
    assert [entry.path for entry in server.log if "/files/" in entry.path] == []
    (tree / "README").write_text("mine", encoding="utf-8")
    (tree / "phenotype/iq.tsv").unlink()
    done = cli("pull", "--project", "P", "--out", tmp_path / "3.yaml", "--files", tree, "--bids")
    assert done.status == 6
    assert "left out: file BIDS/README" in done.out
    assert (tree / "README").read_text(encoding="utf-8") == "mine"
    assert (tree / "phenotype/iq.tsv").read_bytes() == (study / "phenotype/iq.tsv").read_bytes()


def test_files_come_by_their_labels_too(study: Path, cli: Cli, tmp_path: Path) -> None:
    manifest, folder = tmp_path / "p.yaml", tmp_path / "files"
    assert cli("pull", "--project", "P", "--out", manifest, "--files", folder).status == 0
    name = "sub-01/sub-01_ses-01/func-task-rest_echo-1_bold/BIDS/sub-01/ses-01/sub-01_ses-01_task-rest_bold.json"
    assert name in content(folder)
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    assert cli("verify", "--download", manifest).status == 0


def test_without_files_the_manifest_has_the_objects_and_tells_of_the_files(
    study: Path, cli: Cli, tmp_path: Path
) -> None:
    manifest = tmp_path / "objects.yaml"
    done = cli("pull", "--project", "P", "--out", manifest, "--format", "json")
    assert done.status == 0
    told = json.loads(done.out)
    assert (told["subjects"], told["sessions"], told["scans"], told["left_out"]) == (3, 5, 20, [])
    assert list(Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(told)) == []
    assert "x-files" in manifest.read_text(encoding="utf-8")
    assert cli("plan", "--detailed-exitcode", manifest).status == 0


def test_values_that_grew_on_the_server_are_pulled_fit_for_another_project(
    cli: Cli, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    """What XNAT makes of a DICOM image type and of a Windows path, saved once and twice."""
    base = f"{server.url}/data/projects/GROWN"
    session = f"{base}/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData"
    scan = f"{base}/subjects/S1/experiments/E1/scans/1?xsiType=xnat:mrScanData&type=T1w&xnat:mrScanData/parameters"
    twice, fourfold = "%5C" * 2, "%5C" * 4
    made = [
        base,
        f"{base}/subjects/S1?group=a{fourfold}b&race=other",
        f"{session}&note=C:{twice}data&acquisition_site=here&xnat:mrSessionData/fields/field%5Bname%3Dk%5D/field={twice}",
        f"{scan}/imageType=ORIGINAL{twice}PRIMARY{twice}M&xnat:mrScanData/parameters/scanOptions=FS{fourfold}PFF",
        f"{scan}/tr=0.12345679&xnat:mrScanData/parameters/flip=1.23456792E8",
    ]
    for url in made:
        assert http.put(url).status_code in (200, 201), url
    pulled = tmp_path / "grown.yaml"
    done = cli("pull", "--project", "GROWN", "--out", pulled)
    assert done.status == 6
    left = [line.split("left out: ")[1] for line in done.out.splitlines() if "left out: " in line]
    assert left == ["group of subject S1", "custom variable k of session S1/E1", "note of session S1/E1"]
    text = pulled.read_text(encoding="utf-8")
    assert "image_type: ORIGINAL/PRIMARY/M" in text
    assert "\\" not in text
    assert cli("plan", "--detailed-exitcode", pulled).status == 0
    other = tmp_path / "other.yaml"
    text = text.replace("GROWN", "ANEW").replace("{id: ANEW,", "{id: ANEW, create: true,")
    other.write_text(text, encoding="utf-8")
    assert cli("apply", "--yes", other).status == 0
    assert cli("plan", "--detailed-exitcode", other).status == 0


def test_what_people_made_is_pulled_as_it_is(
    cli: Cli, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    base = f"{server.url}/data/projects/OTHER"
    made = [
        "",
        "?description=a%20%26%20b",
        "?xnat:projectData/fields/field%5Bname%3Dethics%5D/field=2024-117",
        "/subjects/S1?gender=male&yob=1980&xnat:subjectData/fields/field%5Bname%3Diq%5D/field=112",
        "/subjects/S1/experiments/E1?xsiType=xnat:petmrSessionData&date=2024-01-02",
        "/subjects/S1/experiments/E1?xsiType=xnat:petmrSessionData&xnat:petmrSessionData/fields/field%5Bname%3Da%20b%5D/field=x%20%26%20y",
        "/subjects/S1/experiments/E1?xsiType=xnat:petmrSessionData&xnat:petmrSessionData/fields/field%5Bname%3Dü%5D/field=z",
        "/subjects/S1/experiments/E1/scans/1?xsiType=xnat:mrScanData&type=T1w&xnat:mrScanData/parameters/tr=2000",
        "/subjects/S1/experiments/E1/scans/2?xsiType=xnat:petScanData&type=PET&quality=usable",
        "/subjects/S1/experiments/E1/scans/1?xsiType=xnat:mrScanData&xnat:mrScanData/parameters/addParam%5Bname%3Dm%5D/addField=low",
        "/subjects/S1/experiments/E1/scans/1/resources/ODD",
        "/subjects/S1/experiments/E1/scans/1/resources/DICOM",
    ]
    for path in made:
        assert http.put(base + path).status_code in (200, 201), path
    scan = f"{base}/subjects/S1/experiments/E1/scans/1/resources"
    for name in ("ODD/files/a%20b.txt", "ODD/files/sub/c.txt", "DICOM/files/1.dcm"):
        assert http.put(f"{scan}/{name}?inbody=true", data=b"content").status_code == 200
    manifest, folder = tmp_path / "p.yaml", tmp_path / "files"
    done = cli("pull", "--project", "OTHER", "--out", manifest, "--files", folder)
    assert done.status == 6, done.out
    assert "left out: file S1/E1/1/DICOM/1.dcm" in done.out
    assert "left out: custom variable ü of session S1/E1" in done.out
    assert sorted(content(folder)) == ["S1/E1/1/ODD/a b.txt", "S1/E1/1/ODD/sub/c.txt"]
    text = manifest.read_text(encoding="utf-8")
    for word in (
        "a & b",
        "gender: male",
        'yob: "1980"',
        "2024-01-02",
        'tr: "2000',
        "xnat:petScanData",
        "quality: usable",
        'ethics: "2024-117"',
        'iq: "112"',
        'fields: {a b: "x & y"}',
        "m: low",
    ):
        assert word in text, text
    assert cli("plan", "--detailed-exitcode", manifest).status == 0


def test_a_project_that_is_not_there_is_said(cli: Cli, tmp_path: Path) -> None:
    done = cli("pull", "--project", "NONE", "--out", tmp_path / "p.yaml")
    assert done.status == 5
    assert "there is no project NONE" in done.err
    assert not (tmp_path / "p.yaml").exists()
    assert cli("pull", "--project", "NONE", "--bids").status == 64


def test_only_a_part_of_a_project_is_pulled(study: Path, cli: Cli, tmp_path: Path) -> None:
    manifest, tree = tmp_path / "part/xnat.yaml", tmp_path / "part/tree"
    manifest.parent.mkdir()
    words = ("--only", "sub-02/sub-02_ses-01", "--only", "sub-03", "--files", tree, "--format", "json")
    done = cli("pull", "--project", "P", "--out", manifest, *words)
    assert done.status == 0, done.out + done.err
    told = json.loads(done.out)
    assert (told["subjects"], told["left_out"]) == (2, [])
    assert {path.split("/")[0] for path in content(tree)} == {"sub-02", "sub-03"}
    assert "sub-01_ses-02" not in manifest.read_text(encoding="utf-8")
    assert "sub-01" not in manifest.read_text(encoding="utf-8")
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    assert cli("verify", manifest).status == 0


def test_a_slip_of_the_pen_pulls_nothing(study: Path, cli: Cli, tmp_path: Path) -> None:
    done = cli("pull", "--project", "P", "--out", tmp_path / "p.yaml", "--only", "sub-O1")
    assert done.status == 64
    assert "nothing on the server has that name" in done.err
    assert not (tmp_path / "p.yaml").exists()
