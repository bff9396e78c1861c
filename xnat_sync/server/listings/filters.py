"""What a filter parameter of a listing lets through (``SearchCriteria``)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.schema.data_types import Kind
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    from collections.abc import Callable

_NUMBERS = re.compile(r"\s*(-?[\d.]+)\s*-\s*(-?[\d.]+)\s*")


def matches(wanted: str, value: str, kind: Kind) -> bool:
    """Whether ``value`` satisfies the parameter ``wanted``; a comma means *or*."""
    test = _TESTS.get(kind, _text)
    return any(test(part.strip(), value) for part in wanted.split(","))


def all_match(wanted: list[str], kinds: list[Kind]) -> Callable[[list[str]], bool]:
    """The condition that every value satisfies its parameter."""

    def accepts(values: list[str]) -> bool:
        return all(matches(text, value, kind) for text, value, kind in zip(wanted, values, kinds, strict=True))

    return accepts


def _text(wanted: str, value: str) -> bool:
    """Exact and case-sensitive; with a wildcard anywhere, *contains* and case-insensitive."""
    if "*" in wanted or "%" in wanted:
        return escape(wanted.replace("*", "").replace("%", "")).lower() in value.lower()
    return escape(wanted) == value


def _number(wanted: str, value: str) -> bool:
    span = _NUMBERS.fullmatch(wanted)
    try:
        if span is not None:
            return bool(value) and float(span[1]) <= float(value) <= float(span[2])
        return bool(value) and float(wanted) == float(value)
    except ValueError:
        raise XnatError(500) from None


def _date(wanted: str, value: str) -> bool:
    """``MM/DD/YYYY`` or a range of two; an ISO date is torn apart at its dashes and dies in SQL (inferred)."""
    first, dash, last = wanted.partition("-")
    low = _american(first)
    high = _american(last) if dash else low
    return bool(value) and low <= value[:10] <= high


def _american(text: str) -> str:
    try:
        return datetime.strptime(text.strip(), "%m/%d/%Y").strftime("%Y-%m-%d")  # noqa: DTZ007 - a calendar day, no moment
    except ValueError:
        raise XnatError(500) from None


_TESTS: dict[Kind, Callable[[str, str], bool]] = {
    Kind.INTEGER: _number,
    Kind.LONG: _number,
    Kind.FLOAT: _number,
    Kind.DATE: _date,
    Kind.DATETIME: _date,
}
