r"""Values as a manifest states them and as XNAT holds them: which texts are legal, and when two mean the same.

XNAT does not hold every value as it was sent, and a value that is compared as it was sent drifts for ever. What it does
was seen on a running 1.8.11:

- Every save of a text doubles its backslashes (`XftStringUtils.CleanForSQLValue`), and a session or subject is saved
  with all its texts whenever anything of it changes: ``a\b`` grows without end. So no value with one is ever sent, and
  those that others sent are compared with each run of them taken for one.
- ``xs:float`` has 32 bits, ``xs:double`` 64.
- An enumeration is kept as it was sent, in any case and with blanks around it (`XFTValidator` only compares so).
- An empty value is none (Restlet's form reader).
- What XML 1.0 has no character for cannot be in an item at all.
"""

from __future__ import annotations

import re
import struct
from datetime import date, time
from typing import assert_never

from xnat_sync.core.model.attributes import Attribute, Kind

WORD_SEPARATOR = "/"
"""Stands between code words where DICOM has a backslash; no code word has it in it (CS, PS3.5 6.2)."""

_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 document can carry: control characters, lone surrogates."""
_BETWEEN_WORDS = re.compile(r"[/\\]+")
_BACKSLASHES = re.compile(r"\\+")
_LINE_END = re.compile(r"\r\n?")
_ASTRAL = re.compile(r"[\U00010000-\U0010ffff]")

_INTEGER = re.compile(r"[+-]?[0-9]+")


def parse_number(text: str) -> float | None:
    """The value of a decimal number, ``None`` if the text is none; infinities and NaN are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    legal = text.isascii() and "_" not in text and text.strip() == text
    return value if legal and value - value == 0 else None


def parse_date(text: str) -> date | None:
    """The date that ``yyyy-MM-dd`` says, ``None`` if the text is no such date."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """The time of day that ``HH:mm:ss`` says, with or without a fraction, ``None`` if the text is no such time."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", text)
    if not found:
        return None
    hour, minute, second, fraction = found.groups(default="0")
    try:
        return time(int(hour), int(minute), int(second), int(fraction.ljust(6, "0")[:6]))
    except ValueError:
        return None


def value_error(attribute: Attribute, text: str) -> str | None:
    """What is wrong with a value, in words, ``None`` if the server will take it."""
    match attribute.kind:
        case Kind.TEXT | Kind.WORDS:
            return _text_error(attribute, text)
        case Kind.INTEGER:
            return _integer_error(attribute, text)
        case Kind.NUMBER | Kind.DOUBLE:
            return _number_error(attribute, text)
        case Kind.DATE:
            return None if parse_date(text) else "is not a date like 2024-03-01"
        case Kind.TIME:
            return None if parse_time(text) else "is not a time like 09:30:00"
        case Kind.CHOICE:
            legal = text.strip().lower() in {choice.lower() for choice in attribute.choices}
            return None if legal else f"is none of {', '.join(attribute.choices)}"
        case _:
            assert_never(attribute.kind)


def _number_error(attribute: Attribute, text: str) -> str | None:
    number = parse_number(text)
    if number is None:
        return "is not a number"
    if attribute.kind is Kind.NUMBER and as_float(number) is None:
        return "is beyond what XNAT keeps in 32 bits"
    return _bounds_error(attribute, text)


def as_float(number: float | None) -> float | None:
    """Return a number as 32 bits hold it, ``None`` for none and for what is beyond them."""
    try:
        found: tuple[float] | None = None if number is None else struct.unpack("<f", struct.pack("<f", number))
    except OverflowError:
        return None
    return found and found[0]


def _bounds_error(attribute: Attribute, text: str) -> str | None:
    value = float(text)
    if attribute.low is not None and value < attribute.low:
        return f"is below {attribute.low:g}"
    if attribute.high is not None and value > attribute.high:
        return f"is above {attribute.high:g}"
    return None


_MANY_DIGITS = 100
"""More than zeros in front could explain; Python refuses to read thousands."""


def _integer_error(attribute: Attribute, text: str) -> str | None:
    if not _INTEGER.fullmatch(text):
        return "is not a whole number"
    if len(text) > _MANY_DIGITS or not -(2**31) <= int(text) < 2**31:
        # `XFTValidator` parses it as a Java integer, and the column has 32 bits.
        return "is beyond what XNAT keeps, -2147483648 to 2147483647"
    return _bounds_error(attribute, text)


# XNAT keeps texts XML-escaped and measures them so (`TurbineUtils.escapeParam`): how many characters each one grows by.
_ESCAPED_LENGTH = {"&": 4, "<": 3, ">": 3, '"': 5, "'": 5}
_MOST_ESCAPED = 1 + max(_ESCAPED_LENGTH.values())


def _text_error(attribute: Attribute, text: str) -> str | None:
    if not text.strip():
        return "is empty (write null to clear it)"
    strange = _NO_XML.search(text)
    if strange:
        return f"has the character U+{ord(strange.group()):04X} in it, which XNAT cannot keep"
    if "\\" in text:
        return "has a backslash in it, which XNAT doubles whenever it saves the object"
    length = len(text)
    if length * _MOST_ESCAPED > attribute.longest:
        length += sum(text.count(character) * more for character, more in _ESCAPED_LENGTH.items())
        # Java counts in UTF-16 units.
        length += len(_ASTRAL.findall(text))
    if length > attribute.longest:
        return f"is {length} characters long as XNAT keeps it; XNAT takes {attribute.longest}"
    if text.strip().upper() == "NULL":
        return "is XNAT's word for clearing a value (write null without quotes to clear it)"
    if "<" in text and re.search(r"<[^>]*script", text, re.IGNORECASE):
        return "contains a <script> tag, which XNAT refuses"
    return None


def without_backslashes(attribute: Attribute, held: str) -> str:
    """Return a held value as a manifest may state it: code words with our separator; other texts stay as they are."""
    return WORD_SEPARATOR.join(_words(held)) if attribute.kind is Kind.WORDS and "\\" in held else held


def agrees(attribute: Attribute, wanted: str | None, held: str | None) -> bool:
    """Return whether the server holds what is wanted; ``None`` is no value, and so is a blank one."""
    held = held if held and held.strip() else None
    if wanted is None or held is None:
        return wanted is held
    return same_value(attribute, wanted, held)


def same_value(attribute: Attribute, wanted: str, held: str) -> bool:
    """Return whether two texts of an attribute mean the same to XNAT.

    Numbers are compared by value as the column holds it, enumerations without case, times by the second, code words one
    by one whatever separates them; other texts without blanks around them, kinds of line ends, and doubled backslashes.
    """
    match attribute.kind:
        case Kind.TEXT:
            return wanted == held or _plain(wanted) == _plain(held)
        case Kind.WORDS:
            return _words(wanted) == _words(held)
        case Kind.NUMBER:
            return _same(as_float(parse_number(wanted)), as_float(parse_number(held)))
        case Kind.INTEGER | Kind.DOUBLE:
            return _same(parse_number(wanted), parse_number(held))
        case Kind.DATE:
            return _same(parse_date(wanted), parse_date(held))
        case Kind.TIME:
            return _same(_second(wanted), _second(held))
        case Kind.CHOICE:
            return wanted.strip().lower() == held.strip().lower()
        case _:
            assert_never(attribute.kind)


def _plain(text: str) -> str:
    return _BACKSLASHES.sub(r"\\", _LINE_END.sub("\n", text.strip()))


def _words(text: str) -> list[str]:
    return [word for part in _BETWEEN_WORDS.split(text) if (word := part.strip())]


def _second(text: str) -> time | None:
    """A time of day as far as XNAT keeps it: whatever fraction was sent, listings end in ``.000`` (`XFTTable`)."""
    found = parse_time(text)
    return found and found.replace(microsecond=0)


def _same(wanted: object, held: object) -> bool:
    return wanted is not None and wanted == held
