"""Texts that become values: validation as ``XFTValidator`` does it, one normal form per kind, and how each is shown."""

from __future__ import annotations

import math
import re
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.schema.data_types import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.server.schema.data_types import Field

_SCRIPT = re.compile(r"<[^>]*script", re.IGNORECASE)
_DATES: Final = (
    (re.compile(r"(\d{1,4})-(\d{1,4})-(\d{1,4})"), (0, 1, 2)),
    (re.compile(r"(\d{1,4})/(\d{1,4})/(\d{1,4})"), (2, 0, 1)),
    (re.compile(r"(\d{1,4})\.(\d{1,4})\.(\d{1,4})"), (2, 0, 1)),
    (re.compile(r"(\d{4})(\d{2})(\d{2})"), (0, 1, 2)),
)
_JAVA_DATE = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} \d{1,2}) (\d{1,2}:\d{1,2}:\d{1,2}) \S+ (\d{4})")
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(\.\d+)?")
_PACKED_TIME = re.compile(r"(\d{2})(\d{2})(\d{2})(\.\d+)?")
_DATETIME = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{1,2}:\d{1,2}:\d{1,2})(\.\d+)?")
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_INTEGER_BITS: Final = {Kind.INTEGER: 31, Kind.LONG: 63}
_MAX_DIGITS: Final = 100
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0"})


class InvalidValueError(ValueError):
    """The text is not a value of the field; the message is the end of XNAT's validation line."""


def is_null(text: str) -> bool:
    """Whether the text is the literal that clears a value (``DBAction.ValueParser``)."""
    return text.upper() == "NULL"


def normalize(field: Field, text: str) -> str | None:
    """The stored form of ``text``, ``None`` for a cleared value; raises :class:`InvalidValueError`.

    An empty text is an empty string for text and nothing for numbers; for dates and times XNAT fails in SQL (500).
    """
    if field.choices:
        return _choice(field, text)
    if is_null(text):
        return None
    if field.kind is Kind.TEXT:
        return _text(field, text)
    if not text.strip():
        if field.kind in {Kind.DATE, Kind.TIME, Kind.DATETIME}:
            raise XnatError(500)  # inferred: '' is no date in SQL
        return None
    return _PARSERS[field.kind](field, text.strip())


def _choice(field: Field, text: str) -> str:
    for choice in field.choices:
        if choice.lower() == text.strip().lower():
            return choice
    message = f"'{text}' Must Match Pre-Defined Values...({','.join(field.choices)})"
    raise InvalidValueError(message)


def _text(field: Field, text: str) -> str:
    if _SCRIPT.search(text):
        raise XnatError(400)  # InvalidValueException carries no message to the client
    if len(text) > field.max_length:
        message = f"Must Be Less Than {field.max_length} Characters : Current Length ({len(text)})"
        raise InvalidValueError(message)
    return text


def is_integer(text: str, kind: Kind = Kind.INTEGER) -> bool:
    """Whether Java reads the text as a whole number of 32 bits, or of 64 for ``Kind.LONG``."""
    if _INTEGER.fullmatch(text) is None or len(text) > _MAX_DIGITS:
        return False
    limit = 1 << _INTEGER_BITS[kind]
    return -limit <= int(text) < limit


def _integer(field: Field, text: str) -> str:
    if not is_integer(text, field.kind):
        message = f"'{text}' Must Be A Valid Integer"
        raise InvalidValueError(message)
    number = int(text)
    _demand_range(field, number, text)
    return str(number)


def _float(field: Field, text: str) -> str:
    try:
        number = float(text)
    except ValueError:
        message = f"'{text}' Must Be A Valid Float"
        raise InvalidValueError(message) from None
    _demand_range(field, number, text)
    return java_double(number)


def _demand_range(field: Field, number: float, text: str) -> None:
    if field.low is not None and number < field.low:
        message = f"'{text}' Must Be Greater Than Or Equal To {field.low}"
        raise InvalidValueError(message)
    if field.high is not None and number > field.high:
        message = f"'{text}' Must Be Less Than Or Equal To {field.high}"
        raise InvalidValueError(message)


def java_double(number: float) -> str:
    """A number as Java prints it: ``12.0``, ``1.0E7``, ``NaN``."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0 or 1e-3 <= abs(number) < 1e7:
        plain = repr(number)
        return plain if "e" not in plain else f"{number:.17f}".rstrip("0")
    mantissa, _, exponent = f"{number!r}".partition("e") if "e" in repr(number) else _scientific(number)
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


def _scientific(number: float) -> tuple[str, str, str]:
    digits = len(repr(abs(number)).replace(".", "").strip("0"))
    mantissa, _, exponent = f"{number:.{max(digits - 1, 1)}e}".partition("e")
    return mantissa.rstrip("0") if not mantissa.endswith(".0") else mantissa, "e", exponent


def _boolean(_field: Field, text: str) -> str:
    if text.lower() in _TRUE:
        return "1"
    if text.lower() in _FALSE:
        return "0"
    message = f"'{text}' Must Be A Valid Boolean"
    raise InvalidValueError(message)


def _date(_field: Field, text: str) -> str:
    for pattern, order in _DATES:
        match = pattern.match(text)
        if match is not None:
            year, month, day = (int(match[position + 1]) for position in order)
            return _lenient_date(text, year, month, day)
    written = _java_date(text)
    if written is None:
        raise InvalidValueError(_not_a_date(text))
    return written[0]


def _java_date(text: str) -> tuple[str, str] | None:
    """Day and time of what ``java.util.Date.toString`` writes; the zone is taken for the server's own."""
    match = _JAVA_DATE.match(text)
    if match is None:
        return None
    try:
        day = datetime.strptime(f"{match[1]} {match[3]}", "%b %d %Y")  # noqa: DTZ007 - a calendar day, no moment
    except ValueError:
        return None
    return f"{day:%Y-%m-%d}", match[2]


def _not_a_date(text: str) -> str:
    return f"'{text}' Must Be A Valid Date"


def _lenient_date(text: str, year: int, month: int, day: int) -> str:
    """Months and days beyond their range roll over, as in Java's lenient calendar (``DateUtils``)."""
    try:
        first = date(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
        return (first + timedelta(days=day - 1)).isoformat()
    except (ValueError, OverflowError):
        raise InvalidValueError(_not_a_date(text)) from None


def _time(_field: Field, text: str) -> str:
    match = _TIME.match(text) or _PACKED_TIME.match(text)
    if match is None:
        message = f"'{text}' Must Be A Valid Time"
        raise InvalidValueError(message)
    seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3])
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _datetime(field: Field, text: str) -> str:
    """A moment; a date alone is its midnight, and the lenient calendar counts for the day."""
    match, written = _DATETIME.match(text), _java_date(text)
    if match is not None:
        return f"{_date(field, match[1])} {_time(field, match[2])}{match[3] or '.0'}"
    if written is not None:
        return f"{written[0]} {written[1]}.0"
    try:
        return f"{_date(field, text)} 00:00:00.0"
    except InvalidValueError:
        message = f"'{text}' Must Be A Valid DateTime"
        raise InvalidValueError(message) from None


_PARSERS: dict[Kind, Callable[[Field, str], str]] = {
    Kind.INTEGER: _integer,
    Kind.LONG: _integer,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.DATETIME: _datetime,
}


def as_json(kind: Kind, text: str) -> str | int | float:
    """A value in an item document: numbers are numbers, booleans and NaN are strings (``ItemJSONBuilder``)."""
    if kind in _INTEGER_BITS:
        return int(text)
    if kind is Kind.FLOAT:
        number = float(text)
        if not math.isfinite(number):
            return text
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    if kind is Kind.BOOLEAN:
        return "true" if text == "1" else "false"
    return text


def as_xml(kind: Kind, text: str) -> str:
    """A value in a document: a moment has its ``T`` there (TestXmlOddities)."""
    return text.replace(" ", "T", 1) if kind is Kind.DATETIME else text


def as_cell(kind: Kind, text: str, *, milliseconds: bool) -> str:
    """A value in a listing: always text; times have milliseconds in JSON only (XNAT-7784)."""
    if kind is Kind.TIME and milliseconds and text:
        return f"{text}.000"
    return text
