"""What is written reads back as it was."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.formats.yaml_writer import yaml_text
from xnat_sync.manifest.text.document import Map, Seq
from xnat_sync.manifest.text.parser import parse

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12) | st.sampled_from(
    [
        "null",
        "~",
        "001",
        "1",
        "1.5",
        "no",
        "y",
        "a: b",
        "#x",
        "- a",
        "*",
        "{a}",
        "x # y",
        " a",
        ".5",
        "=",
        "<<",
        "2024-01-01",
    ]
)
DATA = st.dictionaries(
    TEXTS,
    st.recursive(
        TEXTS | st.none(),
        lambda below: st.lists(below, min_size=1, max_size=3) | st.dictionaries(TEXTS, below, min_size=1, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=4,
)


def plain(value: Any) -> Any:
    match value:
        case Map():
            return {key: plain(below) for key, below in value.items()}
        case Seq():
            return [plain(below) for below in value]
        case _:
            return value


@given(DATA)
def test_this_program_and_other_readers_read_the_same_texts(data: dict[str, Any]) -> None:
    text = yaml_text(data)
    document, problems = parse(text, "made")
    assert document is not None, (text, problems)
    assert plain(document.data) == data
    assert yaml.safe_load(text) == data


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041"], ids=ascii
)
def test_what_a_screen_would_obey_is_spelled_out(sign: str) -> None:
    text = yaml_text({f"a{sign}b": f"{sign}c"})
    assert sign not in text
    assert yaml.safe_load(text) == {f"a{sign}b": f"{sign}c"}


def test_what_is_short_stands_in_one_line() -> None:
    data: dict[str, Any] = {
        "a": {"b": ["c", "d e"], "f": 1},
        "long": {"x" * 60: "y" * 60},
        "list": [{"k" * 60: "v" * 60, "z": True}],
    }
    assert yaml_text(data) == (
        f"a: {{b: [c, d e], f: 1}}\nlong:\n  {'x' * 60}: {'y' * 60}\nlist:\n  - {'k' * 60}: {'v' * 60}\n    z: true\n"
    )


@pytest.mark.parametrize("word", ["null", "NO", "0x1F", "12:30", "1_000", ".inf"])
def test_words_that_others_take_for_something_else_are_quoted(word: str) -> None:
    assert yaml_text({"a": word}) == f'a: "{word}"\n'
