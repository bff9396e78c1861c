"""Values out of JSON that others may have written, each of the kind that it is meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST = 1 << 63
"""No size, count or number of this program is as large."""


def text(data: Mapping[str, Any], key: str, *, default: str | None = None) -> str:
    """A text.

    Raises:
        KeyError: it is missing, and there is no default.
        TypeError: it is something else, or no text that can be written.

    """
    value = data[key] if default is None else data.get(key, default)
    if not _is_text(value):
        raise TypeError(f"{key} is no text")
    return str(value)


def text_or_nothing(data: Mapping[str, Any], key: str) -> str | None:
    """A text, or null; raises as `text`."""
    return None if data[key] is None else text(data, key)


def texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts; raises as `text`."""
    value = data[key]
    if not isinstance(value, list) or not all(map(_is_text, value)):
        raise TypeError(f"{key} is no list of texts")
    return tuple(value)


def number(data: Mapping[str, Any], key: str) -> int:
    """A whole number from 0 on; raises as `text`."""
    value = data[key]
    if type(value) is not int or not 0 <= value < LARGEST:
        raise TypeError(f"{key} is no number")
    return value


def flag(data: Mapping[str, Any], key: str) -> bool:
    """Yes or no, no where nothing is said; raises as `text`."""
    value = data.get(key, False)
    if type(value) is not bool:
        raise TypeError(f"{key} is neither true nor false")
    return value


def mapping(data: Mapping[str, Any], key: str, fits: Callable[[Any], bool]) -> dict[str, Any]:
    """A mapping whose values fit; raises as `text`."""
    value = data[key]
    if not isinstance(value, dict) or not all(_is_text(name) and fits(below) for name, below in value.items()):
        raise TypeError(f"{key} is no mapping of the right kind")
    return dict(value)


def is_text_or_nothing(value: Any) -> bool:
    """Whether a value is a text or null."""
    return value is None or _is_text(value)


def is_number(value: Any) -> bool:
    """Whether a value is a whole number from 0 on."""
    return type(value) is int and 0 <= value < LARGEST


def _is_text(value: Any) -> bool:
    """Whether a value is a text; a file's name may have bytes in it that are none, other halves of characters not."""
    if not isinstance(value, str):
        return False
    try:
        value.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True
