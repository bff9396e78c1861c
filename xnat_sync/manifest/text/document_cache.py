"""A large document as bytes that are read back sooner than its text: what was found out about it once, by its content.

Only text, mappings, lists and places are in them, as JSON and numbers: whatever the bytes are, reading them back cannot
do anything else than fail.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zlib
from array import array
from functools import partial
from typing import TYPE_CHECKING, Any

from xnat_sync.manifest.text.document import Map, Seq
from xnat_sync.manifest.text.fast_parser import WORD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.local_port import Memory
    from xnat_sync.manifest.text.document import Data

LEAST = 1 << 20
"""A shorter text is read sooner than a cache is opened."""
CACHE_VERSION = 1
"""Raise this whenever the code that reads YAML may make something else of a text, or packs it in another form.

Documents kept under another number are not found. `tests/local/test_cache_versions.py` says when the number is due.
"""
_LENGTH = 8


def recall(memory: Memory | None, text: str) -> Map | None:
    """What a text was read as before, ``None`` if nobody knows."""
    if memory is None or len(text) < LEAST:
        return None
    found = memory.recall(_key(text))
    if found is None:
        return None
    try:
        return unpacked(found)
    except (ValueError, zlib.error, RecursionError):
        return None


def keep(memory: Memory | None, text: str, data: Map) -> None:
    """Remember what a text was read as, if nothing in it is shared: that would be lost."""
    if memory is not None and len(text) >= LEAST and "&" not in text:
        memory.keep(_key(text), partial(packed, data))


def _key(text: str) -> bytes:
    """Return a digest of the text, of the version of the code that reads it, and of the Python that runs it."""
    digest = hashlib.blake2b(f"{CACHE_VERSION} {sys.version} ".encode(), digest_size=16)
    digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.digest()


def packed(data: Map) -> bytes:
    """A tree without shared parts as bytes."""
    marks = array("Q")
    _gather(data, marks)
    places = marks.tobytes()
    content = json.dumps(data, separators=(",", ":")).encode()
    return zlib.compress(len(places).to_bytes(_LENGTH, sys.byteorder) + places + content, 1)


def unpacked(content: bytes) -> Map:
    """The tree again.

    Raises:
        ValueError, zlib.error, RecursionError: the bytes are not those of `packed`.

    """
    plain = zlib.decompress(content)
    end = _LENGTH + int.from_bytes(plain[:_LENGTH], sys.byteorder)
    unpacker = _Unpacker(array("Q", plain[_LENGTH:end]))
    made = json.loads(plain[end:], object_hook=unpacker.mapping)
    if not isinstance(made, Map) or unpacker.left:
        raise ValueError("not a document")
    return made


def _gather(value: Data, marks: array[int]) -> None:
    """The places in the order in which `_Unpacker` comes by: mappings from within, each with the lists in it."""
    if isinstance(value, Seq):
        for item in value:
            _gather(item, marks)
    elif isinstance(value, Map):
        for below in value.values():
            if not isinstance(below, str):
                _gather(below, marks)
        for below in value.values():
            if isinstance(below, Seq):
                _gather_lists(below, marks)
        marks.extend(value.marks)


def _gather_lists(value: Seq, marks: array[int]) -> None:
    for item in value:
        if isinstance(item, Seq):
            _gather_lists(item, marks)
    marks.extend(value.marks)


class _Unpacker:
    """Makes mappings and lists with places of those that JSON has."""

    def __init__(self, marks: array[int]) -> None:
        self._marks = marks
        self._at = 0
        self._words: dict[str, str] = {}

    @property
    def left(self) -> int:
        """How many places nobody took."""
        return len(self._marks) - self._at

    def mapping(self, plain: dict[str, Any]) -> Map:
        """One mapping; those inside were made before."""
        made, word = Map(), self._words.setdefault
        for key, value in plain.items():
            if type(value) is str:
                made[key] = word(value, value) if len(value) <= WORD else value
            else:
                made[key] = self._list(value) if type(value) is list else value
        made.marks = self._take(2 * len(made))
        return made

    def _list(self, plain: Iterable[Any]) -> Seq:
        made = Seq()
        made.extend(self._list(item) if type(item) is list else item for item in plain)
        made.marks = self._take(len(made))
        return made

    def _take(self, count: int) -> array[int]:
        taken = self._marks[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError("places are missing")
        self._at += count
        return taken
