"""Do the files beside an image agree with it? Gradient tables and the repetition time, as BIDS has them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from xnat_sync.core.formats.bids import BidsName, side_files
from xnat_sync.core.model.local_port import Breach
from xnat_sync.local.imaging.sidecar import read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xnat_sync.local.imaging.header import ImageFacts

Tables: TypeAlias = "dict[int, list[list[float]]]"
"""The rows of gradient tables by the place of their file in the list of all."""

_MOST_TABLE = 1 << 22
_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".img", ".json", ".bvals", ".bvecs", ".bval", ".bvec")
_KINDS = {".bvals": ".bval", ".bvecs": ".bvec"}
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFile:
    """One file of a scan: its place in the list of all, its name in the resource, and what is known of it.

    ``stem`` and ``kind`` are those of `split_name`.
    """

    index: int
    path: str
    name: str
    stem: str
    kind: str
    facts: ImageFacts | None = None
    value: Any = None
    repeated: tuple[dict[str, Any], ...] = ()

    @property
    def shown(self) -> str:
        """The local file's name, for a message."""
        return repr(self.path.rpartition("/")[2])


def split_name(name: str) -> tuple[str, str]:
    """A file's name without folders as stem and kind: ``sub-01_dwi`` and ``.bval``; no kind for any other file."""
    base = name.rpartition("/")[2]
    lower = base.lower()
    if not lower.endswith(_SUFFIXES):
        return base, ""
    suffix = next(suffix for suffix in _SUFFIXES if lower.endswith(suffix))
    return base[: len(base) - len(suffix)], _KINDS.get(suffix, suffix)


def companions(image: SideFile, kind: str, files: Sequence[SideFile]) -> list[SideFile]:
    """The files of a kind that belong to an image, the nearest last.

    Those that apply to it by BIDS, inherited ones first; where none does that of its stem, or the only one beside the
    only image.
    """
    of_kind = [file for file in files if file.kind == kind]
    named = [file for file in of_kind if file.stem == image.stem]
    if len(of_kind) > len(named):
        inherited = _applying(image, of_kind)
        if inherited:
            return inherited
    if named or not of_kind:
        return named if len(named) == 1 else []
    images = [file for file in files if file.facts]
    return of_kind if len(of_kind) == len(images) == 1 else []


def companion(image: SideFile, kind: str, files: Sequence[SideFile]) -> SideFile | None:
    """The file of a kind that belongs to an image more closely than any other."""
    found = companions(image, kind, files)
    return found[-1] if found else None


def sidecar_of(image: SideFile, files: Sequence[SideFile]) -> dict[str, Any] | None:
    """What the sidecars of an image say together, ``None`` without any: of inherited ones the nearer wins by key."""
    values = [file.value for file in companions(image, ".json", files) if isinstance(file.value, dict)]
    return {key: value for said in values for key, value in said.items()} if values else None


def _applying(image: SideFile, files: Sequence[SideFile]) -> list[SideFile]:
    """Those of some files of one kind that apply to an image by BIDS, which tells by where they lie on the disk."""
    folders: dict[str, list[str]] = {}
    by_path = {file.path.lstrip("/"): file for file in files}
    for path in by_path:
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    own = BidsName.parse(image.path.rpartition("/")[2])
    applying = side_files(image.path.lstrip("/"), folders)
    return [by_path[path] for path in applying if own and _has_suffix(path, own.suffix)]


def _has_suffix(path: str, suffix: str) -> bool:
    """Whether a file describes the image itself: events and the like have sidecars too."""
    name = BidsName.parse(path.rpartition("/")[2])
    return name is not None and name.suffix == suffix


def read_tables(files: Sequence[SideFile]) -> tuple[Tables, list[tuple[int, Breach]]]:
    """The gradient tables among the files of one scan, and which of them cannot be read."""
    tables: Tables = {}
    breaches: list[tuple[int, Breach]] = []
    for file in files:
        if file.kind in (".bval", ".bvec"):
            found = _read_table(file)
            if isinstance(found, Breach):
                breaches.append((file.index, found))
            else:
                tables[file.index] = found
    return tables, breaches


def check_side_files(files: Sequence[SideFile], tables: Tables) -> Iterator[tuple[int, Breach]]:
    """What does not fit among the files of one scan, each with the place of the file that is to blame."""
    for image in files:
        if image.facts:
            yield from _check_gradients(image, image.facts, files, tables)
            yield from _check_repetition(image, image.facts, companions(image, ".json", files))


def volumes(facts: ImageFacts) -> int:
    """How many volumes an image has."""
    return math.prod(facts.shape[3:])


def repetition_seconds(facts: ImageFacts) -> float | None:
    """The time between volumes that a header states, ``None`` where it does not or in no unit of time."""
    unit = _SECONDS.get(facts.time_unit)
    if unit is None or len(facts.shape) < 4 or facts.shape[3] < 2 or not 0 < facts.zooms[3] < math.inf:
        return None
    return facts.zooms[3] * unit


def _read_table(file: SideFile) -> list[list[float]] | Breach:
    """The rows of a gradient table: b-values are one row or one column, directions three of either."""
    try:
        lines = read_text(file.path, _MOST_TABLE).decode("ascii").splitlines()
        rows = [[float(word) for word in line.split()] for line in lines if line.strip()]
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        return Breach(rule="XS321", summary=f"{file.shown} cannot be read as a table: {why}")
    except ValueError:
        return Breach(rule="XS321", summary=f"{file.shown} has something in it that is no number")
    if not rows:
        return Breach(rule="XS321", summary=f"{file.shown} is empty")
    if file.kind == ".bval":
        return [[value for row in rows for value in row]]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        return Breach(rule="XS321", summary=f"{file.shown} has rows of different lengths")
    if len(rows) == 3 or widths == {3}:
        return rows
    what = f"{file.shown} has {len(rows)} rows of {widths.pop()}, where directions take 3 rows"
    return Breach(rule="XS321", summary=what)


def _check_gradients(
    image: SideFile, facts: ImageFacts, files: Sequence[SideFile], tables: Tables
) -> Iterator[tuple[int, Breach]]:
    count = volumes(facts)
    for kind, noun in ((".bval", "b-values"), (".bvec", "directions")):
        file = companion(image, kind, files)
        rows = tables.get(file.index) if file else None
        if file is None or rows is None:
            continue
        number = len(rows[0])
        if kind == ".bvec" and len(rows) != 3:
            number = len(rows)
            yield file.index, Breach(rule="XS324", summary=f"{file.shown} has {number} rows of 3")
        if number != count:
            summary = f"{file.shown} has {number} {noun}, and {image.shown} has {count} volumes"
            yield file.index, Breach(rule="XS322", summary=summary)


def _check_repetition(image: SideFile, facts: ImageFacts, sidecars: Sequence[SideFile]) -> Iterator[tuple[int, Breach]]:
    telling = [file for file in sidecars if isinstance(file.value, dict) and "RepetitionTime" in file.value]
    if not telling:
        return
    sidecar = telling[-1]
    said, held = sidecar.value["RepetitionTime"], repetition_seconds(facts)
    if not isinstance(said, int | float) or isinstance(said, bool) or held is None:
        return
    if abs(said - held) > max(0.0015, 0.001 * held):
        hint = "BIDS counts in seconds" if abs(said - held * 1000) < 1.5 else ""
        summary = f"{sidecar.shown} says {said:g} s as RepetitionTime, the header of {image.shown} {held:g} s"
        yield sidecar.index, Breach(rule="XS323", summary=summary, hint=hint)
