"""Where a file may say who somebody is: header texts, extensions, the gzip header, sidecars, tables, plain text.

A `Clue` names the rule and the place, never what stands there. What is taken for a finding, and what is not, was tuned
on public data sets; see the README for what this cannot see.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, Any

from xnat_sync.core.formats.identifiers import (
    CONTACTS,
    STRONG,
    Trace,
    column_rule,
    is_above_89,
    is_full_name,
    is_null,
    is_shifted,
    key_rule,
    names_exam,
    plain,
    traces,
)
from xnat_sync.core.model.local_port import Clue
from xnat_sync.local.imaging.header import ANALYZE_PATIENT, LOOSE, extensions, texts
from xnat_sync.local.imaging.magic import GZIP
from xnat_sync.local.imaging.streams import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.local.imaging.header import ImageFacts
    from xnat_sync.local.imaging.images import Look

_MOST_TEXT = 1 << 18
_MOST_TABLE = 1 << 24
_MOST_ITEMS = 100
_MOST_GZIP_HEADER = 1 << 13
_TABLES = re.compile(
    r"(?:participants|samples|.*_sessions|sessions|.*_scans)\.tsv|(?:.*/)?phenotype/.*\.tsv", re.IGNORECASE
)
_ABOUT_DATA = re.compile(r"(?:.*_|dataset_)description\.json|readme.*|citation.*|license.*|changes.*", re.IGNORECASE)
_PLAIN_TEXT = (".txt", ".log", ".md", ".csv", ".hdr.txt")
_DICTIONARY = frozenset(("Description", "Levels", "LongName", "Units", "TermURL"))
_DICOM, _AFNI = 2, 4
# What a key of these says depends on its value alone.
_TELLING = frozenset(("burnedinannotation", "age", "patientage"))
_SAFE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,40}")
_FACES = re.compile(r"(?i)_(?:T1w|T2w|FLAIR|PDw|UNIT1|ct)\.nii(?:\.gz)?$")


def image_clues(look: Look) -> Iterator[Clue]:
    """What the header of an image, its extensions and the gzip file around it give away."""
    if look.wrapping:
        yield from gzip_clues(look.wrapping)
    if look.facts is None:
        return
    for name, raw in texts(look.head, look.facts).items():
        if not raw.strip(b"\0"):
            continue
        text, nul, behind = raw.partition(b"\0")
        yield from _text_clues(text.decode("latin-1"), f"{name} in the header")
        hidden = re.search(rb"[\x20-\x7e]{4,}", behind) if nul else None
        if hidden:
            yield Clue(rule="XS524", what=f"{name} in the header goes on behind its end")
    if look.facts.version == 0 and not is_null(look.head[ANALYZE_PATIENT].partition(b"\0")[0].decode("latin-1")):
        yield Clue(rule="XS501", what="patient_id in the header has a value")
    for code, content in extensions(look.head, look.facts):
        yield from _extension_clues(code, content)
    if look.facts.datatype in (128, 2304) and _slices(look.facts) < 2:
        yield Clue(rule="XS525", what="the image is a single picture in colour, like a captured screen")


def _slices(facts: ImageFacts) -> int:
    return facts.shape[2] if len(facts.shape) > 2 else 1


def gzip_clues(wrapping: bytes) -> Iterator[Clue]:
    """What the optional parts of the first member's header give away (RFC 1952); nothing in what is no gzip file."""
    if len(wrapping) < 10 or not wrapping.startswith(GZIP):
        return
    flags, mtime = wrapping[3], struct.unpack_from("<I", wrapping, 4)[0]
    if mtime:
        yield Clue(rule="XS542", what="")
    at = 10
    if flags & 4 and len(wrapping) >= 12:
        at += 2 + int(struct.unpack_from("<H", wrapping, 10)[0])
    for flag, name in ((8, "file name"), (16, "comment")):
        if flags & flag:
            text = wrapping[at:].partition(b"\0")[0]
            at += len(text) + 1
            yield from _text_clues(text.decode("latin-1"), f"the {name} in the gzip header")


def _text_clues(text: str, place: str) -> Iterator[Clue]:
    for trace in sorted(traces(text), key=lambda trace: trace.name):
        yield Clue(rule=STRONG.get(trace, "XS523"), what=f"{place} holds {trace.value}")


def _extension_clues(code: int, content: bytes) -> Iterator[Clue]:
    place = f"a header extension of kind {code}" if code != LOOSE else "what lies between header and voxels"
    if code == _DICOM:
        yield Clue(rule="XS503", what=f"{place} holds DICOM")
        return
    text = content.rstrip(b"\0").decode("latin-1")
    for trace in sorted(traces(text), key=lambda trace: trace.name):
        # Histories are full of formulas: what looks like a name there may be none.
        rule = "XS523" if trace is Trace.PERSON else STRONG.get(trace, "XS523")
        yield Clue(rule=rule, what=f"{place} holds {trace.value}")


def json_clues(value: Any, name: str) -> Iterator[Clue]:
    """What the keys and texts of a JSON file give away."""
    about_data = _ABOUT_DATA.fullmatch(name.rpartition("/")[2]) is not None
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        key, item = waiting.pop()
        if isinstance(item, dict):
            for below, inner in item.items():
                # What describes a column of a table is no value.
                if not (isinstance(inner, dict) and _DICTIONARY & inner.keys()):
                    yield from _key_clues(below, inner)
                    waiting.append((below, inner))
        elif isinstance(item, list):
            waiting.extend((key, inner) for inner in item)
        elif isinstance(item, str):
            yield from _value_clues(key, item, contacts=not about_data)


def _key_clues(key: str, value: Any) -> Iterator[Clue]:
    word = plain(key)
    rule = key_rule(key)
    if rule is None and word not in _TELLING:
        return
    text = _flat(value)
    if is_null(text):
        return
    if word == "burnedinannotation" and text.strip().upper() == "YES":
        yield Clue(rule="XS502", what="the sidecar says that text is burned into the image")
    if word in ("age", "patientage") and is_above_89(text.strip().rstrip("Yy")):
        yield Clue(rule="XS527", what=f"the key {key} holds an age above 89")
    if rule is None or (rule == "XS520" and "date" in word and is_shifted(text)):
        return
    yield Clue(rule=rule, what=key if rule == "XS540" else f"the key {key} has a value")


def _flat(value: Any) -> str:
    """The first text below a value that says something; only so many are asked."""
    waiting = [value]
    for _ in range(_MOST_ITEMS):
        if not waiting:
            break
        item = waiting.pop()
        if isinstance(item, list):
            waiting.extend(reversed(item[:_MOST_ITEMS]))
        elif isinstance(item, dict):
            waiting.extend(list(item.values())[_MOST_ITEMS::-1])
        elif item is not None and not is_null(text := str(item)):
            return text
    return ""


def _value_clues(key: str, text: str, *, contacts: bool) -> Iterator[Clue]:
    found = traces(text)
    if not found:
        return
    place = f"the key {key}" if _SAFE_KEY.fullmatch(key) else "a key"
    for trace in sorted(found, key=lambda trace: trace.name):
        if trace is Trace.PERSON and names_exam(key):
            continue
        if trace is Trace.SOCIAL and plain(key) == "deviceserialnumber":
            continue
        if trace in STRONG:
            yield Clue(rule=STRONG[trace], what=f"{place} holds {trace.value}")
        elif trace in CONTACTS and contacts:
            yield Clue(rule="XS528", what=f"{place} holds {trace.value}")


def is_table(name: str) -> bool:
    """Whether a name is that of a table about people, sessions or scans, as BIDS has them."""
    return _TABLES.fullmatch(name.rpartition("/")[2]) is not None or _TABLES.fullmatch(name) is not None


def is_text(name: str) -> bool:
    """Whether a name is that of plain text that may be a dump of a DICOM header."""
    return name.lower().endswith(_PLAIN_TEXT)


def table_clues(text: str) -> Iterator[Clue]:
    """What the columns of a table give away. The first value of each kind is enough."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines:
        return
    columns = lines[0].split("\t")
    told: set[Clue] = set()
    for line in lines[1:]:
        for column, value in zip(columns, line.split("\t"), strict=False):
            if value and not is_null(value):
                for clue in _cell_clues(column, value):
                    if clue not in told:
                        told.add(clue)
                        yield clue


def _cell_clues(column: str, value: str) -> Iterator[Clue]:
    place = f"the column {column}" if _SAFE_KEY.fullmatch(column) else "a column"
    rule = column_rule(column)
    if rule == "XS506" or (plain(column) == "name" and is_full_name(value)):
        yield Clue(rule="XS506", what=f"{place} has values")
    elif rule == "XS526" and not is_shifted(value):
        yield Clue(rule="XS526", what=f"{place} holds dates that were not shifted")
    if plain(column) in ("age", "ageatscan", "scanage") and is_above_89(value):
        yield Clue(rule="XS527", what=f"{place} holds an age above 89")
    for trace in sorted(traces(value), key=lambda trace: trace.name):
        if trace in STRONG:
            yield Clue(rule=STRONG[trace], what=f"{place} holds {trace.value}")
        elif trace in CONTACTS:
            yield Clue(rule="XS528", what=f"{place} holds {trace.value}")


def text_clues(text: str) -> Iterator[Clue]:
    """What plain text gives away: headers are dumped into it."""
    for trace in sorted(traces(text) & STRONG.keys(), key=lambda trace: trace.name):
        yield Clue(rule=STRONG[trace], what=f"the text holds {trace.value}")


def start_of_gzip(path: str) -> bytes:
    """So much of a file as the header of a gzip member takes; nothing where it cannot be read."""
    try:
        with opened(path) as file:
            return file.read(_MOST_GZIP_HEADER, 0)
    except OSError:
        return b""


def read_lines(path: str, *, table: bool = False) -> str:
    """The beginning of a text file, of a table all of it, whatever the encoding; nothing where it cannot be read."""
    try:
        with opened(path) as file:
            data = file.read(_MOST_TABLE if table else _MOST_TEXT, 0)
    except OSError:
        return ""
    return data.decode("utf-8", "replace")


def may_show_a_face(name: str, facts: ImageFacts, sidecar: Any) -> bool:
    """Whether an image covers a head, and nothing says that the face was taken out of it."""
    if not _FACES.search(name) or "deface" in name.lower() or facts.space_unit not in ("mm", ""):
        return False
    if isinstance(sidecar, dict) and any(plain(key).startswith("deidentificationmethod") for key in sidecar):
        return False
    extents = [size * abs(zoom) for size, zoom in zip(facts.shape[:3], facts.zooms[:3], strict=True)]
    return len(extents) == 3 and min(extents) > 100 and sorted(extents)[1] > 150
