"""What a manifest may state, and when it agrees with what XNAT makes of it."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.attributes import SCAN_TYPES, SESSION_TYPES, Attribute, Kind, attribute_of, attributes_of
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.values import agrees, same_value, value_error, without_backslashes


def of(kind: Kind, **rest: object) -> Attribute:
    return Attribute(name="x", path="x", kind=kind, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attribute", "text", "words"),
    [
        (of(Kind.TEXT), "", "empty"),
        (of(Kind.TEXT), "x" * 256, "256 characters"),
        (of(Kind.TEXT), " \t", "empty"),
        (of(Kind.TEXT), "\U0001f9e0" * 128, "256 characters"),
        (of(Kind.TEXT), "a\0b", "U+0000"),
        (of(Kind.TEXT), "\x1b[31m", "U+001B"),
        (of(Kind.WORDS), "\ud800", "U+D800"),
        (of(Kind.TEXT), "\ufffe", "U+FFFE"),
        (of(Kind.TEXT), "C:\\data", "backslash"),
        (of(Kind.WORDS), "ORIGINAL\\PRIMARY", "backslash"),
        (of(Kind.NUMBER), "1e39", "32 bits"),
        (of(Kind.TEXT), "null", "word for clearing"),
        (of(Kind.TEXT), "a <b> <script>", "script"),
        (of(Kind.INTEGER), "1.0", "whole number"),
        (of(Kind.INTEGER), "1_000", "whole number"),
        (of(Kind.INTEGER, low=0, high=30), "31", "above 30"),
        (of(Kind.INTEGER, low=0, high=30), "-1", "below 0"),
        (of(Kind.NUMBER), "nan", "not a number"),
        (of(Kind.NUMBER), "inf", "not a number"),
        (of(Kind.NUMBER), "1e999", "not a number"),
        (of(Kind.NUMBER), "1_0.5", "not a number"),
        (of(Kind.NUMBER), " 1", "not a number"),
        (of(Kind.NUMBER), "\u0661", "not a number"),
        (of(Kind.DATE), "2024-02-30", "date"),
        (of(Kind.DATE), "20240301", "date"),
        (of(Kind.TIME), "12:30", "time"),
        (of(Kind.TIME), "25:00:00", "time"),
        (of(Kind.CHOICE, choices=("a", "b")), "c", "none of a, b"),
    ],
)
def test_values_that_the_server_would_refuse(attribute: Attribute, text: str, words: str) -> None:
    assert words in (value_error(attribute, text) or "")


@pytest.mark.parametrize(
    ("attribute", "text"),
    [
        (of(Kind.TEXT), "x" * 255),
        (of(Kind.TEXT), " two\r\n\tlines \u0085\u2028\ue000 "),
        (of(Kind.WORDS), "ORIGINAL/PRIMARY"),
        (of(Kind.DOUBLE), "1e39"),
        (of(Kind.INTEGER), "+12"),
        (of(Kind.NUMBER), "-1.5e-3"),
        (of(Kind.DATE), "1925-01-01"),
        (of(Kind.TIME), "09:30:00.250"),
        (of(Kind.CHOICE, choices=("male", "F")), " MALE "),
    ],
)
def test_values_that_the_server_takes(attribute: Attribute, text: str) -> None:
    assert value_error(attribute, text) is None


@given(st.sampled_from(Kind), st.text(max_size=12), st.text(max_size=12))
def test_comparing_is_symmetric(kind: Kind, one: str, other: str) -> None:
    attribute = of(kind)
    assert same_value(attribute, one, other) == same_value(attribute, other, one)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_equal_in_every_spelling(number: float) -> None:
    assert same_value(of(Kind.DOUBLE), repr(number), f"{number:.17e}")


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-3e38, max_value=3e38))
def test_a_float_agrees_with_what_32_bits_hold_of_it(number: float) -> None:
    (held,) = struct.unpack("f", struct.pack("f", number))
    assert same_value(of(Kind.NUMBER), repr(number), f"{held:.9g}")
    assert same_value(of(Kind.DOUBLE), repr(number), f"{held:.9g}") is (float(f"{held:.9g}") == number)


HELD = [
    # As recorded on a running XNAT 1.8.11.
    (of(Kind.NUMBER), "0.1234567891", "0.12345679"),
    (of(Kind.NUMBER), "123456789.123", "1.23456792E8"),
    (of(Kind.NUMBER), "3.0000001", "3.0"),
    (of(Kind.NUMBER), "2000.1234567", "2000.1234"),
    (of(Kind.WORDS), "ORIGINAL/PRIMARY/M", r"ORIGINAL\\PRIMARY\\M"),
    (of(Kind.CHOICE, choices=("male", "female")), "female", " Female"),
    (of(Kind.CHOICE, choices=("left", "right")), "left", "LEFT"),
    # What follows from it.
    (of(Kind.WORDS), "ORIGINAL/PRIMARY/M", "ORIGINAL" + "\\" * 64 + "PRIMARY" + "\\" * 64 + "M"),
    (of(Kind.WORDS), "EP/SE", " EP \\ SE "),
    (of(Kind.TEXT), "a\\b", "a" + "\\" * 8 + "b"),
    (of(Kind.TEXT), "two\nlines", "two\r\nlines "),
    (of(Kind.INTEGER), "007", "7"),
    (of(Kind.TIME), "09:30:00.25", "09:30:00.000"),
]


@pytest.mark.parametrize(("attribute", "wanted", "held"), HELD)
def test_a_value_agrees_with_what_the_server_makes_of_it(attribute: Attribute, wanted: str, held: str) -> None:
    assert agrees(attribute, wanted, held)


@pytest.mark.parametrize(
    ("attribute", "wanted", "held"),
    [
        (of(Kind.NUMBER), "3.000001", "3.0"),
        (of(Kind.DOUBLE), "3.0000001", "3.0"),
        (of(Kind.WORDS), "ORIGINAL/PRIMARY", "ORIGINAL/PRIMARY/M"),
        (of(Kind.WORDS), "A/B", "B/A"),
        (of(Kind.WORDS), "A/B", "AB"),
        (of(Kind.TEXT), "a/b", "a\\b"),
        (of(Kind.TEXT), "ab", "a\\b"),
        (of(Kind.TEXT), "a b", "a  b"),
        (of(Kind.TEXT), "a", "A"),
        (of(Kind.TEXT), "a", None),
        (of(Kind.TEXT), None, "a"),
    ],
)
def test_a_value_that_differs_is_seen(attribute: Attribute, wanted: str | None, held: str | None) -> None:
    assert not agrees(attribute, wanted, held)


@pytest.mark.parametrize("held", [None, "", "  "])
def test_no_value_agrees_with_a_blank_one(held: str | None) -> None:
    assert agrees(of(Kind.TEXT), None, held)


@given(st.sampled_from((Kind.TEXT, Kind.WORDS)), st.text(max_size=40), st.integers(0, 5))
def test_whatever_is_legal_stays_as_it_is_however_often_it_is_saved(kind: Kind, text: str, saves: int) -> None:
    attribute = of(kind)
    if value_error(attribute, text) is None:
        assert agrees(attribute, text, text.replace("\\", "\\" * 2**saves))


@given(st.lists(st.sampled_from(("ORIGINAL", "M", "00", "T 1")), min_size=1), st.integers(0, 4))
def test_held_code_words_can_be_stated(words: list[str], saves: int) -> None:
    attribute = of(Kind.WORDS)
    held = ("\\" * 2**saves).join(words)
    stated = without_backslashes(attribute, held)
    assert value_error(attribute, stated) is None or len(stated) > attribute.longest
    assert agrees(attribute, stated, held)


def test_numbers_have_the_bits_of_the_schema() -> None:
    schema = Path(__file__).parents[2] / "xnat_sync/server/schemas/xnat.xsd"
    doubles = set(re.findall(r'name="(\w+)" type="xs:double"', schema.read_text(encoding="utf-8")))
    levels = {Level.SESSION: SESSION_TYPES, Level.SCAN: SCAN_TYPES}
    known = [attributes_of(level, xsi_type) for level, types in levels.items() for xsi_type in types]
    numbers = [found for types in known for found in types.values() if found.kind in (Kind.NUMBER, Kind.DOUBLE)]
    assert {found.path.rpartition("/")[2] for found in numbers if found.kind is Kind.DOUBLE} == doubles
    assert all(found.path.rpartition("/")[2] not in doubles for found in numbers if found.kind is Kind.NUMBER)


def test_custom_variables_are_texts() -> None:
    for level in (Level.SUBJECT, Level.SESSION, Level.SCAN):
        attribute = attribute_of(level, "xnat:mrScanData", "fields.k")
        assert attribute
        assert "backslash" in (value_error(attribute, "a\\b") or "")


INTEGER = Attribute(name="age", path="age", kind=Kind.INTEGER)
TIME = Attribute(name="time", path="time", kind=Kind.TIME)


@pytest.mark.parametrize("text", ["2147483648", "-2147483649", "9" * 5000])
def test_a_whole_number_beyond_the_column_is_refused(text: str) -> None:
    assert "beyond what XNAT keeps" in (value_error(INTEGER, text) or "")


@pytest.mark.parametrize("text", ["2147483647", "-2147483648", "007"])
def test_a_whole_number_that_the_column_takes(text: str) -> None:
    assert value_error(INTEGER, text) is None


def test_digits_of_other_scripts_are_refused() -> None:
    assert value_error(INTEGER, "\u0661") == "is not a whole number"


def test_times_agree_in_the_second_that_xnat_keeps() -> None:
    assert same_value(TIME, "23:59:59.999", "23:59:59.000")
    assert not same_value(TIME, "23:59:59.999", "23:59:58.999")
