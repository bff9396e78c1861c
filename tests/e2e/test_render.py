"""The same study as rules and written out: one plan. And where each value came from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Cli = Any
SCHEMA = Path(__file__).parents[2] / "schemas" / "explanation.v1.json"


def made(cli: Cli, bids: Path, folder: Path) -> Path:
    manifest = folder / "rules.yaml"
    assert cli("init", "--from-bids", bids, "--project", "P", "--out", manifest).status == 0
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("create: false", "create: true", 1), encoding="utf-8")
    return manifest


def test_rules_and_what_they_stand_for_have_one_plan(cli: Cli, bids: Path, tmp_path: Path) -> None:
    rules = made(cli, bids, tmp_path)
    (tmp_path / "deep").mkdir()
    explicit = tmp_path / "deep" / "explicit.yaml"
    done = cli("render", rules, "--out", explicit)
    assert done.status == 0, done.err
    plans = [json.loads(cli("plan", "--format", "json", "--allow-root", bids, path).out) for path in (rules, explicit)]
    assert plans[0]["changes"] == plans[1]["changes"]
    assert len(plans[0]["changes"]) > 40
    assert cli("apply", "--yes", rules).status == 0
    assert cli("plan", "--detailed-exitcode", "--allow-root", bids, explicit).status == 0
    assert cli("render", rules, "--out", explicit).status == 64


def test_standard_output_takes_it_too(cli: Cli, bids: Path, tmp_path: Path) -> None:
    rules = made(cli, bids, tmp_path)
    assert cli("render", rules).out.startswith("version: 1\n")
    assert json.loads(cli("render", rules, "--format", "json").out)["project"]["id"] == "P"


def test_a_value_is_explained(cli: Cli, bids: Path, tmp_path: Path) -> None:
    rules = made(cli, bids, tmp_path)
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("defaults: {", "defaults: {scan: {quality: usable}, ", 1), encoding="utf-8")
    name = "sub-01/sub-01_ses-01/func-task-rest_echo-1_bold"
    done = cli("explain", name, rules)
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["type", "bold", "rest", "a", "template"] in [line[:5] for line in lines]
    assert ["quality", "usable", "defaults"] in [line[:3] for line in lines]
    assert any(line[0].startswith("NIFTI/sub-01_ses-01_task-rest_echo-1_bold") for line in lines)
    data = json.loads(cli("explain", name, rules, "--format", "json").out)
    assert list(Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(data)) == []
    assert cli("explain", "sub-77", rules).status == 64


def test_what_is_pruned_at_a_place_is_explained(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        'version: 1\nproject: {id: P, prune: {delete: [files, scans], keep: ["QC*"]}}\n'
        "subjects: {S: {}, T: {prune: []}}\n",
        encoding="utf-8",
    )
    assert f"  prunes scans, files, but QC*  {path}:2\n" in cli("explain", "S", path).out
    assert f"  prunes nothing  {path}:3\n" in cli("explain", "T", path).out
    data = json.loads(cli("explain", "S", path, "--format", "json").out)
    assert list(Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).iter_errors(data)) == []
    assert data["prune"] == {"delete": ["scans", "files"], "keep": ["QC*"], "place": f"{path}:2"}
    path.write_text("version: 1\nproject: P\nsubjects: {S: {}}\n", encoding="utf-8")
    assert "prunes" not in cli("explain", "S", path).out
