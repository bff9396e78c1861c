"""What a BIDS tree holds: which files are images, which belong to them, and what is left. Names in, names out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.core.formats.bids import DATATYPES, IMAGES, BidsName, side_files

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

NOT_RAW = ("derivatives", "sourcedata", "code", "stimuli")
"""Folders at the top of a data set that are none of its raw data."""

KINDS = {
    **dict.fromkeys(("anat", "dwi", "fmap", "func", "perf", "mrs"), "mr"),
    "pet": "pet",
    "ct": "ct",
    "eeg": "eeg",
    "ieeg": "eeg",
    "emg": "eeg",
    "meg": "meg",
}
"""The stem of the XNAT types that fit each datatype; the others have no type that fits."""

RECORDINGS = (".edf", ".bdf", ".vhdr", ".set", ".fif", ".nwb")
"""The files of recordings that stand for themselves, or for those that lie beside them."""
COMPANIONS = (".vmrk", ".eeg", ".fdt")
"""The other files of one recording, with the same stem."""


class Image(NamedTuple):
    """One image or recording; ``visit`` is empty where there is no session folder."""

    path: str
    subject: str
    visit: str
    datatype: str
    ending: str

    @property
    def kind(self) -> str:
        """The stem of its XNAT types."""
        return KINDS[self.datatype]

    @property
    def folder(self) -> tuple[str, str]:
        """Its subject and visit."""
        return self.subject, self.visit


@dataclass(slots=True, kw_only=True)
class Survey:
    """A data set by what its files are; ``left`` are those of each subject and visit that belong to no image.

    ``derived`` are the files of each pipeline that was asked for, ``skipped`` counts those of each folder that is none
    of the raw data.
    """

    images: list[Image] = field(default_factory=list)
    sides: set[str] = field(default_factory=set)
    project: list[str] = field(default_factory=list)
    left: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    derived: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    skipped: Counter[str] = field(default_factory=Counter)


def survey(paths: Iterable[str], derivatives: Collection[str] = ()) -> Survey:
    """Look a tree over; ``paths`` are relative to its top, with ``/``. ``derivatives`` are the pipelines to take."""
    found = Survey()
    folders: dict[str, list[str]] = defaultdict(list)
    below: list[str] = []
    for path in sorted(paths):
        if _is_put_aside(path, derivatives, found):
            continue
        top, _, rest = path.partition("/")
        folder, _, name = path.rpartition("/")
        folders[folder].append(name)
        if top.startswith("sub-") and rest:
            below.append(path)
        else:
            found.project.append(path)
    for path in below:
        image = _image(path)
        if image:
            found.images.append(image)
            found.sides.update(side_files(path, folders))
            if not path.endswith(IMAGES):
                found.sides.update(path[: -len(image.ending)] + ending for ending in COMPANIONS)
    known = {image.path for image in found.images} | found.sides
    for path in below:
        if path not in known:
            parts = path.split("/")
            visit = parts[1] if len(parts) > 2 and parts[1].startswith("ses-") else ""
            found.left[parts[0], visit].append(path)
    return found


def _is_put_aside(path: str, derivatives: Collection[str], found: Survey) -> bool:
    """Whether a file is none of the raw data, which is noted."""
    top, _, rest = path.partition("/")
    if top not in NOT_RAW or not rest:
        return False
    pipeline, _, inner = rest.partition("/")
    if top == "derivatives" and inner and pipeline in derivatives:
        found.derived[pipeline].append(path)
    else:
        found.skipped[f"{top}/{pipeline}" if top == "derivatives" and inner else top] += 1
    return True


def _image(path: str) -> Image | None:
    """An image or recording in its place, ``None`` for any other file."""
    parts = path.split("/")
    visit = parts[1] if len(parts) == 4 and parts[1].startswith("ses-") else ""
    datatype = parts[-2]
    name = BidsName.parse(parts[-1])
    if len(parts) != (4 if visit else 3) or name is None or datatype not in KINDS or "sub" not in name.entities:
        return None
    electric = datatype not in ("pet", "ct") and KINDS[datatype] != "mr"
    known = (*RECORDINGS, ".eeg") if electric else IMAGES
    if name.extension not in known or (electric and name.suffix != datatype) or name.extension == ".eeg":
        return None
    return Image(path, parts[0], visit, datatype, name.extension)


assert KINDS.keys() - {"ct"} <= DATATYPES
