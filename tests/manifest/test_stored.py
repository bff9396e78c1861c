"""Large documents come out of the memory as they went in, with every place."""

from __future__ import annotations

import zlib
from array import array
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.manifest.text import document_cache
from xnat_sync.manifest.text.document import Map, Seq
from xnat_sync.manifest.text.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.manifest.text.document import Data

VALUES = st.recursive(
    st.none() | st.sampled_from(["a", "null", "é", "x" * 30, "\ud800", ""]),
    lambda below: (
        st.lists(below, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c", "é"]), below, max_size=3)
    ),
    max_leaves=12,
)


class Remembering:
    """A memory, and how often it was asked."""

    def __init__(self) -> None:
        self.kept: dict[bytes, bytes] = {}
        self.asked = 0

    def recall(self, key: bytes) -> bytes | None:
        self.asked += 1
        return self.kept.get(key)

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        self.kept[key] = make()


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Remembering:
    monkeypatch.setattr(document_cache, "LEAST", 1)
    return Remembering()


def places(value: Data) -> Any:
    match value:
        case Map():
            return ["map", list(value.marks), [(key, places(below)) for key, below in value.items()]]
        case Seq():
            return ["list", list(value.marks), [places(below) for below in value]]
        case _:
            return value


def made(value: Any, counter: list[int]) -> Data:
    """A tree in which no place is like another."""
    counter[0] += 1
    if isinstance(value, dict):
        mapping = Map()
        mapping.update({key: made(below, counter) for key, below in value.items()})
        mapping.marks = array("Q", [counter[0] * 1000 + number for number in range(2 * len(value))])
        return mapping
    if isinstance(value, list):
        items = Seq()
        items.extend(made(below, counter) for below in value)
        items.marks = array("Q", [counter[0] * 1000 + number for number in range(len(value))])
        return items
    return value if value is None else str(value)


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES, max_size=3))
def test_a_tree_comes_back_with_every_place(value: dict[str, Any]) -> None:
    tree = made(value, [0])
    assert isinstance(tree, Map)
    assert places(document_cache.unpacked(document_cache.packed(tree))) == places(tree)


@pytest.mark.parametrize("text", ["a: b", "a: {b: [c, [d], {e: f}]}", "a: |\n  text\nb: !!str c", '{"a": null}'])
def test_a_document_that_is_known_is_not_read(text: str, memory: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = parse(text, "x", memory)
    assert len(memory.kept) == 1
    monkeypatch.setattr("xnat_sync.manifest.text.parser.read_plain", lambda *_: pytest.fail("it is read"))
    again, problems = parse(text, "y", memory)
    assert first
    assert again
    assert (places(again.data), again.lines, problems) == (places(first.data), first.lines, ())
    assert again.name == "y"


def test_what_other_code_kept_is_read_anew(memory: Remembering, monkeypatch: pytest.MonkeyPatch) -> None:
    parse("a: b", "x", memory)
    monkeypatch.setattr(document_cache, "CACHE_VERSION", document_cache.CACHE_VERSION + 1)
    parse("a: b", "x", memory)
    assert len(memory.kept) == 2


@pytest.mark.parametrize("text", ["a: b\na: c", "a: &x b\nc: *x", "a: [b", ""])
def test_what_is_wrong_or_shared_is_not_kept(text: str, memory: Remembering) -> None:
    parse(text, "x", memory)
    assert not memory.kept


def test_another_text_is_another_document(memory: Remembering) -> None:
    parse("a: b", "x", memory)
    found, _ = parse("a: c", "x", memory)
    assert found
    assert found.data == {"a": "c"}


def test_a_short_text_asks_nobody() -> None:
    memory = Remembering()
    parse("a: b", "x", memory)
    assert (memory.asked, memory.kept) == (0, {})


@pytest.mark.parametrize("damage", [b"", b"no zlib", zlib.compress(b"\x10" + b"\0" * 30), None])
def test_what_is_damaged_is_read_anew(damage: bytes | None, memory: Remembering) -> None:
    parse("a: b", "x", memory)
    (key,) = memory.kept
    memory.kept[key] = document_cache.packed(Map())[:-3] if damage is None else damage
    found, problems = parse("a: b", "x", memory)
    assert found
    assert (found.data, problems) == ({"a": "b"}, ())
