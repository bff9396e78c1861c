"""Values of tables as people write them, in XNAT's words: ``F`` and ``Female``, ``n/a``, ``89+``, ``30.0``. Pure."""

from __future__ import annotations

import re

from xnat_sync.core.formats.identifiers import is_null
from xnat_sync.core.model.attributes import Attribute, Kind
from xnat_sync.core.model.values import value_error

_SPELLINGS = {
    "gender": {
        **dict.fromkeys(("m", "male", "man", "boy"), "male"),
        **dict.fromkeys(("f", "female", "woman", "girl"), "female"),
        **dict.fromkeys(("o", "other", "d", "diverse", "nonbinary", "non-binary"), "other"),
        **dict.fromkeys(("u", "unknown"), "unknown"),
    },
    "handedness": {
        **dict.fromkeys(("l", "left", "lh"), "left"),
        **dict.fromkeys(("r", "right", "rh"), "right"),
        **dict.fromkeys(("a", "ambidextrous", "ambi", "both", "mixed"), "ambidextrous"),
        **dict.fromkeys(("u", "unknown"), "unknown"),
    },
}
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d*)?Z?")


def says_nothing(text: str) -> bool:
    """Whether a cell is empty or one of the words for that, such as ``n/a``."""
    return is_null(text.strip())


def understood(attribute: Attribute, text: str) -> str | None:
    """What a cell means as a value of an attribute, ``None`` if XNAT has no way to keep it.

    An age of ``89+``, the cap that BIDS once had, is 89; a fraction of a whole number's year or so is cut off. Of a
    moment a date takes the day and a time the time of day.
    """
    value = text.strip()
    known = _SPELLINGS.get(attribute.name)
    if known is not None:
        value = known.get(value.lower(), value)
    elif attribute.name == "age" and value.endswith("+"):
        value = value[:-1]
    moment = _MOMENT.fullmatch(value)
    if moment and attribute.kind in (Kind.DATE, Kind.TIME):
        value = moment[1 if attribute.kind is Kind.DATE else 2]
    if attribute.kind is Kind.INTEGER and re.fullmatch(r"\d{1,9}\.\d*", value):
        value = value.partition(".")[0]
    return None if value_error(attribute, value) else value
