from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.attributes import (
    SCAN_TYPES,
    SESSION_TYPES,
    Attribute,
    Kind,
    attribute_of,
    attributes_of,
    default_scan_type,
    generic_attributes,
    known_types,
    same_value,
    value_error,
)
from xnat_sync.core.model.refs import Level


def of(kind: Kind, **rest: object) -> Attribute:
    return Attribute(name="x", path="x", kind=kind, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("attribute", "text", "words"),
    [
        (of(Kind.TEXT), "", "empty"),
        (of(Kind.TEXT), "x" * 256, "256 characters"),
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
    assert same_value(of(Kind.NUMBER), repr(number), f"{number:.17e}")


def test_every_type_has_the_generic_attributes() -> None:
    for level, types in ((Level.SESSION, SESSION_TYPES), (Level.SCAN, SCAN_TYPES)):
        for xsi_type in types:
            assert generic_attributes(level).items() <= attributes_of(level, xsi_type).items()


def test_no_two_attributes_of_a_type_share_a_name_or_a_path() -> None:
    for types in (SESSION_TYPES, SCAN_TYPES):
        for xsi_type, attributes in types.items():
            assert len({attribute.name for attribute in attributes}) == len(attributes), xsi_type
            assert len({attribute.path for attribute in attributes}) == len(attributes), xsi_type


def test_types_of_other_namespaces_have_the_generic_attributes() -> None:
    assert attributes_of(Level.SESSION, "neuro:fooSessionData") == generic_attributes(Level.SESSION)


def test_the_scan_type_goes_with_the_session_type() -> None:
    assert default_scan_type("xnat:mrSessionData") == "xnat:mrScanData"
    assert default_scan_type("xnat:petmrSessionData") == "xnat:petScanData"
    assert default_scan_type("neuro:fooSessionData") is None
    assert all(default_scan_type(xsi_type) for xsi_type in known_types(Level.SESSION))


def test_custom_variables_exist_on_every_type() -> None:
    scan = attribute_of(Level.SCAN, "xnat:mrScanData", "fields.k")
    session = attribute_of(Level.SESSION, "xnat:mrSessionData", "fields.k")
    assert scan
    assert scan.path == "parameters/addParam[name=k]/addField"
    assert session
    assert session.path == "fields/field[name=k]/field"
    assert attribute_of(Level.SESSION, "xnat:mrSessionData", "tracer_name") is None
