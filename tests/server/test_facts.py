"""Each fact that a client's author must know of XNAT is shown by a test, or it is said why not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
FACTS = HERE.parent / "cases" / "facts"
NUMBERS = {"objects": 25, "files": 25, "site": 23}


def _facts(name: str) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = yaml.safe_load((FACTS / f"{name}.yaml").read_text(encoding="utf-8"))
    return facts


def _tests(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_list_of_facts_is_read() -> None:
    assert {path.stem for path in FACTS.glob("*.yaml")} == set(NUMBERS)


@pytest.mark.parametrize("name", NUMBERS)
def test_every_fact_is_there(name: str) -> None:
    assert [fact["fact"] for fact in _facts(name)] == list(range(1, NUMBERS[name] + 1))


@pytest.mark.parametrize(
    "fact", [pytest.param(fact, id=f"{name}-{fact['fact']}") for name in NUMBERS for fact in _facts(name)]
)
def test_a_fact_is_shown_or_it_is_said_why_not(fact: dict[str, Any]) -> None:
    assert set(fact) in ({"fact", "about", "tests"}, {"fact", "about", "not_shown"})
    if "not_shown" in fact:
        assert len(fact["not_shown"].split()) > 5
        return
    assert fact["tests"]
    for test in fact["tests"]:
        path, _, function = test.partition("::")
        assert function in _tests(HERE / path), test
