"""Whatever the quick reader reads, the thorough one reads the same, place by place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xnat_sync.core.formats.yaml_writer import yaml_text
from xnat_sync.manifest.text.fast_parser import read_plain
from xnat_sync.manifest.text.parser import parse

if TYPE_CHECKING:
    from xnat_sync.manifest.text.document import Node

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "manifests").rglob("*.yaml"))
THOROUGH = "\n#\t"
"""A note that the quick reader does not take, and that means nothing."""

WORDS = st.sampled_from(
    [
        *(
            "a",
            "b1",
            "001",
            "12:30",
            "null",
            "~",
            "NULL",
            "",
            "a b",
            "x, y",
            "a:b",
            "a: b",
            "a:",
            "-",
            "- a",
            "a - b",
            "é",
        ),
        *(
            "sub-01/*_T1w.nii.gz",
            "./a",
            "...",
            "---",
            "..",
            "=",
            "<<",
            "a#b",
            "a #b",
            "# a",
            "&a",
            "*a",
            "!!str a",
            "%a",
        ),
        *(
            "'a'",
            '"a"',
            '"a: b"',
            "'it''s'",
            '"\\n"',
            '""',
            "''",
            '"',
            "'a",
            '"<<"',
            "(a)",
            "a=b",
            "a@b",
            "@a",
            "`",
            "|",
        ),
        *(">", "?", "? a", "{}", "[]", "{ }", "[ ]", "{a: b}", "{a: [b, 'c'], \"d\": {e: f}}", "{a: b, a: c}", "{a}"),
        *("{a: }", "{a:b}", "{a : b}", "[a, b]", "[a, b", "{a: b]", "[a, ]", "[{a: b}, c]", "{'a': null}", "{a: b} c"),
        *(
            "{<<: {a: b}}",
            "[a b , c]",
            "{ a: b , c: d }",
            "[,]",
            "{a: b:c}",
            "{a: -}",
            "[a: b]",
            "{a: b #c}",
            "a\u2028b",
        ),
        *(
            "{'': a}",
            "[-a]",
            "a{b",
            "a}b",
            "a]b",
            "a,b]",
            "  a",
            "a  ",
            "true",
            "1e3",
            "0x1",
            "a?b",
            "{a: ?b}",
            '{"a":b}',
        ),
    ]
)
KEYS = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "001",
        "a-b",
        "a.b",
        '"a b"',
        "'c d'",
        '"a"',
        "<<",
        '""',
        "a b",
        "-a",
        "- a",
        "é",
        '"é"',
        '"a\\tb"',
        "~",
    ]
)
LINES = st.one_of(
    st.builds(
        lambda indent, key, colon, value, tail: f"{' ' * indent}{key}{colon}{value}{tail}",
        st.sampled_from([0, 0, 2, 2, 4, 1, 6]),
        KEYS,
        st.sampled_from([": ", ": ", ": ", ":", ":  ", " : "]),
        WORDS,
        st.sampled_from(["", "", "", " ", " # note"]),
    ),
    st.sampled_from(["", "  ", "# note", "  # note: b", "---", "...", "- a", "  - a: b", "text"]),
)


def told(node: Node) -> Any:
    """A tree with every place in it."""
    here = (node.key, type(node.value).__name__, [node.origin(), node.key_origin()])
    return (*here, [told(child) for child in node.children()] or node.value)


def hold_against(text: str) -> bool:
    quick = read_plain(text, text.splitlines())
    if quick is None:
        return False
    document, problems = parse(text, "x")
    thorough, others = parse(text + THOROUGH, "x")
    assert problems == others == ()
    assert document
    assert thorough
    assert document.data == quick
    # The note at the end is in the lines of one of them alone.
    thorough.lines = document.lines
    assert told(document.root()) == told(thorough.root())
    return True


@settings(max_examples=400)
@given(st.lists(LINES, max_size=8).map("\n".join))
@example("a:\n  b: c\n    d: e")
@example("a:\nb: c")
@example("a:\n    b: c\n  d: e")
@example(" a: b\nc: d")
@example("a:\n  b:\n    c: d\n  e: f\ng: h")
@example("a: b\n\n# note\nb: {c: d}\n")
def test_nothing_is_read_that_the_thorough_reader_reads_otherwise(text: str) -> None:
    hold_against(text)


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "001", "a b", "é", "a-b", "~"]),
        st.recursive(
            st.sampled_from(["a", "001", "12:30", "null", "a b", "x, y", "a: b", "é", "'", '"', "", "*a", "a.nii.gz"]),
            lambda below: st.lists(below, max_size=3) | st.dictionaries(st.sampled_from("abc"), below, max_size=3),
        ),
        min_size=1,
    )
)
def test_what_this_program_writes_is_read_alike(data: dict[str, Any]) -> None:
    hold_against(yaml_text(data))


def test_a_written_out_study_is_plain() -> None:
    scans = {str(number): {"type": "bold", "files": f"sub-1/{number}_bold.nii.gz"} for number in range(3)}
    text = yaml_text({"version": "1", "subjects": {"sub-1": {"sessions": {"ses-1": {"scans": scans}}}}})
    assert hold_against(text)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    hold_against(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# note",
        "a",
        "- a",
        "a: b\na: c",
        "a: &x b",
        "a: |\n  b",
        "a: b\n c: d",
        "a: {b: c",
        "a: 'b",
        "\ta: b",
        "a:\n",
    ],
)
def test_what_is_not_plain_is_left_to_the_other(text: str) -> None:
    assert read_plain(text, text.splitlines()) is None


def test_brackets_without_end_are_left_to_the_other() -> None:
    text = "a: " + "[" * 200 + "]" * 200
    assert read_plain(text, [text]) is None
