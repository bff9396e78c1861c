"""Every wrong manifest below ``tests/cases/manifests`` with the rules that it breaks and where.

A case is a YAML file whose first line says what is expected, or a folder with a file ``expect``. Expected are all
problems, in order: rule, line, column, and the file's name where it is not ``manifest.yaml``.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from xnat_sync.core.model.errors import ManifestError, Problem
from xnat_sync.core.model.rules import RULES
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import load_study
from xnat_sync.manifest.surroundings import Surroundings

CASES = Path(__file__).parents[1] / "cases" / "manifests"
AROUND = Surroundings(
    environ={"SITE": "rotterdam", "HIDDEN": "hunter2"}, variables=frozenset({"SITE", "HIDDEN", "UNSET"})
)
MARK = "# expect:"


def expected(case: Path) -> str:
    text = (case / "expect").read_text() if case.is_dir() else case.read_text(encoding="utf-8").split("\n", 1)[0]
    return text.removeprefix(MARK).strip()


def place(problem: Problem) -> str:
    assert problem.origin
    file = "" if problem.origin.file == "manifest.yaml" else f"{problem.origin.file}:"
    return f"{problem.rule} {file}{problem.origin.line}:{problem.origin.column}"


def problems_of(case: Path, study: Path) -> tuple[Problem, ...]:
    if case.is_dir():
        shutil.copytree(case, study, dirs_exist_ok=True)
    else:
        shutil.copy(case, study / "manifest.yaml")
    try:
        return load_study([Path("manifest.yaml")], around=AROUND, local=Disk()).problems
    except ManifestError as error:
        return error.problems


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.stem)
def test_case(case: Path, study: Path, monkeypatch: pytest.MonkeyPatch, updating: bool) -> None:
    monkeypatch.chdir(study)
    problems = problems_of(case, study)
    found = ", ".join(map(place, problems))
    if updating:
        write(case, found)
    assert found == expected(case)
    for problem in problems:
        assert problem.hint
        assert problem.summary == problem.summary.strip()
        assert problem.origin
        text = f"{problem.summary} {problem.hint} {problem.origin.excerpt}"
        assert "hunter2" not in text
        if problem.origin.excerpt:
            assert problem.origin.column <= len(problem.origin.excerpt) + 1


def write(case: Path, found: str) -> None:
    if case.is_dir():
        (case / "expect").write_text(f"{MARK} {found}\n")
    else:
        rest = case.read_text(encoding="utf-8").split("\n", 1)[1]
        case.write_text(f"{MARK} {found}\n{rest}", encoding="utf-8")


def test_every_rule_has_a_case() -> None:
    told = {word for case in CASES.iterdir() for word in expected(case).replace(",", " ").split() if word[:2] == "XS"}
    # Beyond the cases: what fmt alone says, what needs a file without rights, or images that tests/local makes.
    elsewhere = {"XS036", "XS206"} | {rule for rule in RULES if rule > "XS302"}
    assert RULES.keys() - told - elsewhere == set()
