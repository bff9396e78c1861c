"""Values that look legal and that XNAT keeps in another form, or not at all."""

from __future__ import annotations

import pytest

from xnat_sync.core.model.attributes import Attribute, Kind, same_value, value_error

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
