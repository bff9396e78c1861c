"""Small pieces of text: numbers with their units, words in number, and text from outside made safe for a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.refs import Level

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_IRREGULAR = {"entry": "entries", "is": "are"}


def size(count: float) -> str:
    """A number of bytes for people: ``0 B``, ``9.8 GiB``, ``412 MiB``."""
    value, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if abs(value) < 1024 or unit == _UNITS[-1]:
            break
        value /= 1024
    digits = 1 if unit != "B" and abs(value) < 100 else 0
    return f"{value:.{digits}f} {unit}"


def count(number: int, noun: str) -> str:
    """A number with its noun: ``1 file``, ``3 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {_IRREGULAR.get(noun, noun + 's')}"


def levels(numbers: Iterable[tuple[Level, int]]) -> str:
    """Counts of several levels in one phrase: ``1 subject, 2 sessions``."""
    return ", ".join(count(number, level.noun) for level, number in numbers if number)


def duration(seconds: float) -> str:
    """A time span for people: ``0.4 s``, ``12 s``, ``4 min 38 s``, ``2 h 05 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    return f"{hours} h {minutes_left:02d} min" if hours else f"{minutes} min {rest:02d} s"


def visible(text: str) -> str:
    """Text from outside with control characters spelled out, so that a terminal shows them and does not obey."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
