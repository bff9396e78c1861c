"""YAML into text with places."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.manifest.text.document import Map, Node, Seq
from xnat_sync.manifest.text.parser import parse

SCALARS = st.none() | st.text(st.sampled_from("aZ09 é—:#-&*!|>'\"\\\n\t{}[],?%@`~."), max_size=12)
KEYS = st.text(st.sampled_from("aZ09 é:#-<'\"\\,?~"), min_size=1, max_size=6)
TREES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=4) | st.dictionaries(KEYS, below, max_size=4))


def plain(value: object) -> Any:
    match value:
        case Map():
            return {key: plain(below) for key, below in value.items()}
        case Seq():
            return [plain(below) for below in value]
        case _:
            return value


def below(node: Node) -> list[Node]:
    return [node, *(deeper for child in node.children() for deeper in below(child))]


@given(st.dictionaries(KEYS, TREES, max_size=4), st.sampled_from([None, 0, 1, 3]))
def test_what_json_says_is_read_with_the_place_of_each_value(tree: dict[str, Any], indent: int | None) -> None:
    document, problems = parse(json.dumps(tree, ensure_ascii=False, indent=indent), "x")
    assert problems == ()
    assert document
    assert plain(document.data) == tree
    for node in below(document.root()):
        for origin, value in ((node.origin(), node.value), (node.key_origin(), node.key)):
            if isinstance(value, str) and not node.is_top:
                assert origin.excerpt[origin.column - 1 :].startswith(json.dumps(value, ensure_ascii=False))
        assert document.at(node.path).value is node.value


@given(st.text(st.sampled_from("ab:-&*!|>'\"\\\n\t {}[],?%@`~.<#é\x07\ufeff\x85"), max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    document, problems = parse(text, "x")
    assert document is not None or problems
    for problem in problems:
        assert problem.origin
        assert problem.origin.line >= 1
        assert problem.origin.column >= 1


@pytest.mark.parametrize("text", ["a: null", "a: ~", "a:", "a: !!null", "a: NULL", "{a: }"])
def test_null(text: str) -> None:
    document, problems = parse(text, "x")
    assert problems == ()
    assert document
    assert document.data == {"a": None}


@pytest.mark.parametrize("value", ["'null'", '"~"', "''", "!!str null", "'on'", "|\n  x\n", "! x"])
def test_text(value: str) -> None:
    document, problems = parse(f"a: {value}", "x")
    assert problems == ()
    assert document
    assert isinstance(document.data["a"], str)


def test_merge_keys_yield_to_own_keys_and_earlier_sources() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  y: 3\n  <<: [*a, *b]\nd: {<<: *b, <<: *a}\n'<<': {q: 1}\n"
    document, problems = parse(text, "x")
    assert problems == ()
    assert document
    assert document.data["c"] == {"y": "3", "x": "1", "z": "2"}
    assert document.data["<<"] == {"q": "1"}
    node = document.at(("c", "z"))
    assert (node.origin().line, node.origin().column) == (2, 17)


def test_aliases_share_and_keep_the_place_of_the_anchor() -> None:
    document, _ = parse("a: &a {x: 1}\nb: *a\nc: &s text\nd: *s\n", "x")
    assert document
    assert document.data["a"] is document.data["b"]
    assert document.at(("b", "x")).origin().line == 1
    assert document.at(("d",)).origin().line == 4


def test_many_aliases_of_one_small_thing_are_fine() -> None:
    text = "a: &a {x: [1, 2, 3]}\n" + "".join(f"k{number}: *a\n" for number in range(20_000))
    document, problems = parse(text, "x")
    assert problems == ()
    assert document


def test_a_bomb_costs_nothing() -> None:
    names = [f"n{number}" for number in range(90)]
    text = "n0: &n0 [x, x]\n" + "".join(
        f"{after}: &{after} [*{before}, *{before}]\n" for before, after in itertools.pairwise(names)
    )
    document, problems = parse(text, "x")
    assert document is None
    assert [problem.rule for problem in problems] == ["XS004"]


@pytest.mark.parametrize(
    ("text", "rule", "line", "column"),
    [
        ("a: 1\n\tb: 2", "XS002", 2, 1),
        ("a:\n  b: 1\n \tc: 2\n", "XS002", 3, 2),
        ("a: 1\nb: \x07", "XS001", 2, 4),
        ("a: @x", "XS001", 1, 4),
        ("a: 'x", "XS001", 1, 4),
        ("a: *gone", "XS001", 1, 4),
        ("? {a: b}\n: c", "XS008", 1, 3),
        ("<<: text", "XS008", 1, 5),
        ("a: !secret x", "XS005", 1, 4),
        ("a: !!set {x}", "XS005", 1, 4),
        ("a: 1\n'a': 2", "XS003", 2, 1),
        ("just text", "XS007", 1, 1),
    ],
)
def test_places_of_errors(text: str, rule: str, line: int, column: int) -> None:
    _, (problem, *_) = parse(text, "x")
    assert problem.origin
    assert (problem.rule, problem.origin.line, problem.origin.column) == (rule, line, column)


@pytest.mark.parametrize(
    ("text", "may"),
    [("a: b", False), ("a: ${env:X}", True), ('a: "\\x24{env:X}"', True), ("a: $ {env:X}", False)],
)
def test_it_is_known_where_the_environment_cannot_be_used(text: str, *, may: bool) -> None:
    document, _ = parse(text, "x")
    assert document
    assert document.may_use_environment is may
