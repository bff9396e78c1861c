"""Whatever bytes a file has: looking into it ends, soon, and with findings instead of a traceback."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.core.formats.identifiers import traces
from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.local_port import LocalFile
from xnat_sync.core.model.rules import RULES
from xnat_sync.local.imaging.integrity import read_whole
from xnat_sync.local.inspection import inspect
from xnat_sync.local.privacy.gzip_names import copy_nameless, tells

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., bytes]
NAMES = ["a.nii", "a.nii.gz", "a.hdr", "a.img", "a.json", "a.bval", "a.bvec", "participants.tsv", "a.txt", "x.tsv.gz"]
EDITS = st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8)), min_size=1, max_size=6)


def look(folder: Path, contents: dict[str, bytes]) -> None:
    files = []
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content)
        files.append(LocalFile(path=str(path), name=name))
        for breach in read_whole(str(path)).findings:
            assert breach.rule in RULES
        if tells(str(path)):
            target = folder / "copy"
            target.unlink(missing_ok=True)
            with suppress(LocalFileError):
                copy_nameless(str(path), target)
    found = inspect(files)
    assert all(breach.rule in RULES for _, breach in found.breaches)
    assert all(clue.rule in RULES for _, clue in found.clues)
    assert all(value.value for value in found.found.values())


def edited(data: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    changed = bytearray(data)
    for offset, content in edits:
        changed[offset : offset + len(content)] = content
    return bytes(changed)


@given(edits=EDITS, version=st.sampled_from([1, 2]), order=st.sampled_from("<>"))
@settings(max_examples=100)
def test_headers_with_random_bytes(
    image: Make, tmp_path: Path, edits: list[tuple[int, bytes]], version: int, order: str
) -> None:
    data = edited(image(version=version, order=order, vox_offset=1024 if version == 2 else 512), edits)
    pair = {"a.hdr": data[:352], "a.img": data[352:]}
    look(tmp_path, {"a.nii": data, "b.nii.gz": gzip.compress(data, 1), "c.nii.gz": edited(gzip.compress(data), edits)})
    look(tmp_path, pair)


@given(contents=st.dictionaries(st.sampled_from(NAMES), st.binary(max_size=600), min_size=1))
@settings(max_examples=100)
def test_random_bytes_under_any_name(tmp_path: Path, contents: dict[str, bytes]) -> None:
    look(tmp_path, contents)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "RepetitionTime",
    "EchoTime",
    "ImageType",
    "AcquisitionTime",
    "MagneticFieldStrength",
    "PatientName",
    "FlipAngle",
]


@given(values=st.dictionaries(st.sampled_from(KEYS), VALUES))
@settings(max_examples=60)
def test_sidecars_with_random_values(image: Make, tmp_path: Path, values: dict[str, object]) -> None:
    look(tmp_path, {"a.nii": image(), "a.json": json.dumps(values).encode()})


def test_a_sidecar_as_deep_as_json_goes(image: Make, tmp_path: Path) -> None:
    for depth in (100, 400, 900, 960, 990):
        for opening, closing in (("[", "]"), ('{"PatientName": ', "}")):
            text = '{"PatientID": ' + opening * depth + "1" + closing * depth + "}"
            look(tmp_path, {"a.nii": image(), "a.json": text.encode()})


@given(rows=st.lists(st.lists(st.text(max_size=12), max_size=4), max_size=6))
def test_tables_with_random_cells(tmp_path: Path, rows: list[list[str]]) -> None:
    text = "participant_id\tage\tname\tdob\n" + "\n".join("\t".join(row) for row in rows)
    look(tmp_path, {"participants.tsv": text.encode("utf-8", "surrogatepass")})


@pytest.mark.parametrize(
    "unit",
    ["a", "A-", "A'", "1.", "1 ", "a.", "a@", "[a", "MRN ", "MRN: ", "dob ", "may ", "/Users/", "A^", "12-", "+1 "],
)
def test_no_text_is_slow(unit: str) -> None:
    began = time.process_time()
    traces(unit * (200_000 // len(unit)))
    traces("1:" + unit * (200_000 // len(unit)) + "!")
    assert time.process_time() - began < 2
