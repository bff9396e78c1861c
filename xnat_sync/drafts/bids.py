"""What a BIDS tree holds, in the words of a manifest: every raw image once, with the side files that apply to it.

Names and inheritance are those of the BIDS specification (*Common principles*): a side file applies to an image in its
own folder or below if its suffix is the image's and it has no entity that the image lacks.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from xnat_sync.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SESSION_TYPES = {
    **dict.fromkeys(("anat", "dwi", "fmap", "func", "perf"), "mr"),
    "pet": "pet",
    "ct": "ct",
}
"""The datatypes whose images become scans, and the stem of their XNAT types."""

_IMAGE = (".nii.gz", ".nii")
_SIDE = (".json", ".bval", ".bvec")
# These describe a recording under a suffix of their own.
_COMPANIONS = frozenset({"events", "physio", "stim", "aslcontext", "blood"})
_SKIPPED = frozenset({"derivatives", "sourcedata", "code", "stimuli"})
_NULL = frozenset({"", "n/a", "na", "none", "unknown"})
_GENDER = {"m": "male", "male": "male", "f": "female", "female": "female", "o": "other", "other": "other", "d": "other"}
_HAND = {
    "l": "left",
    "left": "left",
    "r": "right",
    "right": "right",
    "a": "ambidextrous",
    "ambidextrous": "ambidextrous",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A BIDS file name taken apart: ``sub-01_task-rest_bold.nii.gz``."""

    path: PurePosixPath
    entities: Mapping[str, str]
    suffix: str
    extension: str

    @property
    def is_image(self) -> bool:
        """Whether it is a NIfTI image."""
        return self.extension in _IMAGE


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanDraft:
    """One image, with the paths of all files that belong to it."""

    label: str
    type: str
    xsi_type: str
    image: str
    sides: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class SessionDraft:
    """One imaging session; ``loose`` are files of its folder that belong to no image."""

    folder: str
    xsi_type: str = "xnat:mrSessionData"
    scans: dict[str, ScanDraft] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class SubjectDraft:
    """One subject with its sessions by label."""

    folder: str
    attributes: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, SessionDraft] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class StudyDraft:
    """A whole data set; ``loose`` are its files above the subjects."""

    subjects: dict[str, SubjectDraft] = field(default_factory=dict)
    loose: list[str] = field(default_factory=list)


def parse_name(path: PurePosixPath) -> Name:
    """Take a file name apart; a name that is not BIDS has no entities."""
    stem, dot, extension = path.name.partition(".")
    *pairs, suffix = stem.split("_")
    entities = dict(pair.split("-", 1) for pair in pairs if "-" in pair)
    return Name(path=path, entities=entities, suffix=suffix, extension=dot + extension)


def draft(paths: Iterable[str], participants: Sequence[Mapping[str, str]] = ()) -> StudyDraft:
    """The study that the files of a BIDS tree make; ``paths`` are relative to its top, with ``/``.

    Raises:
        UsageError: two things would get one label.

    """
    names = [parse_name(PurePosixPath(path)) for path in sorted(paths)]
    names = [name for name in names if name.path.parts[0] not in _SKIPPED and not _is_hidden(name.path)]
    study = StudyDraft()
    used = _place_images(names, study)
    _place_rest([name for name in names if str(name.path) not in used], study)
    for row in participants:
        subject = study.subjects.get(label_of(row.get("participant_id", "")))
        if subject is not None:
            subject.attributes = demographics(row)
    return study


def label_of(text: str) -> str:
    """A BIDS label as XNAT takes it: ``+`` and other foreign characters become ``-``."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", text)


def demographics(row: Mapping[str, str]) -> dict[str, str]:
    """What a row of ``participants.tsv`` says of a subject, in XNAT's words; what does not fit is left out."""
    cells = {key.strip().lower(): value.strip() for key, value in row.items() if value.strip().lower() not in _NULL}
    age = re.fullmatch(r"(\d{1,3})(?:\.0*)?", cells.get("age", ""))
    found = {
        "gender": _GENDER.get(cells.get("sex", cells.get("gender", "")).lower()),
        "handedness": _HAND.get(cells.get("handedness", cells.get("hand", "")).lower()),
        "age": age[1] if age else None,
        "group": cells.get("group"),
    }
    return {name: value for name, value in found.items() if value}


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _place_images(names: Sequence[Name], study: StudyDraft) -> set[str]:
    """Make scans of the images; the paths that went into them."""
    used: set[str] = set()
    sides = [name for name in names if name.extension in _SIDE or name.suffix in _COMPANIONS]
    by_folder: dict[PurePosixPath, list[Name]] = {}
    for name in sides:
        by_folder.setdefault(name.path.parent, []).append(name)
    labels: dict[tuple[str, str], str] = {}
    for name in names:
        datatype = name.path.parent.name
        if not name.is_image or datatype not in SESSION_TYPES or "sub" not in name.entities:
            continue
        session = _session_of(name.path, study, labels)
        own = tuple(sorted(str(side.path) for side in _applying(name, by_folder)))
        stem = SESSION_TYPES[datatype]
        scan = ScanDraft(
            label=_scan_label(name, datatype),
            type=name.suffix,
            xsi_type=f"xnat:{stem}ScanData",
            image=str(name.path),
            sides=own,
        )
        if scan.label in session.scans:
            raise UsageError(f"{session.scans[scan.label].image} and {scan.image} would both be scan {scan.label}")
        session.scans[scan.label] = scan
        used.update((scan.image, *own))
    for subject in study.subjects.values():
        for session in subject.sessions.values():
            session.xsi_type = _session_type(session)
    return used


def _session_type(session: SessionDraft) -> str:
    """The type that fits most of a session's scans; PET together with MR has one of its own."""
    stems = Counter(scan.xsi_type for scan in session.scans.values())
    if {"xnat:petScanData", "xnat:mrScanData"} <= stems.keys():
        return "xnat:petmrSessionData"
    return stems.most_common(1)[0][0].replace("ScanData", "SessionData") if stems else "xnat:mrSessionData"


def _scan_label(name: Name, datatype: str) -> str:
    """Datatype, entities and suffix: stable when data arrive, and never equal to a scan's type."""
    rest = [f"{key}-{value}" for key, value in name.entities.items() if key not in ("sub", "ses")]
    return label_of(f"{datatype}-{'_'.join([*rest, name.suffix])}")


def _session_of(path: PurePosixPath, study: StudyDraft, labels: dict[tuple[str, str], str]) -> SessionDraft:
    """The session that a path below ``sub-…`` belongs to, made if need be."""
    folder = path.parts[0]
    visit = path.parts[1] if len(path.parts) > 1 and path.parts[1].startswith("ses-") else ""
    label = label_of(f"{folder}_{visit}" if visit else folder)
    if labels.setdefault(("subject", label_of(folder)), folder) != folder:
        raise UsageError(f"{folder} and {labels['subject', label_of(folder)]} would both be subject {label_of(folder)}")
    if labels.setdefault(("session", label), f"{folder}/{visit}") != f"{folder}/{visit}":
        raise UsageError(f"{folder}/{visit} and {labels['session', label]} would both be session {label}")
    subject = study.subjects.setdefault(label_of(folder), SubjectDraft(folder=folder))
    return subject.sessions.setdefault(label, SessionDraft(folder=f"{folder}/{visit}" if visit else folder))


def _applying(image: Name, by_folder: Mapping[PurePosixPath, Sequence[Name]]) -> list[Name]:
    """The side files that apply to an image, by inheritance: every JSON, but only the nearest gradient table."""
    found: list[Name] = []
    done: set[str] = set()
    for folder in image.path.parents:
        matching = [
            name
            for name in by_folder.get(folder, ())
            if name.entities.items() <= image.entities.items()
            and (name.suffix in _COMPANIONS or name.suffix == image.suffix)
        ]
        kinds = {name.extension for name in matching if name.extension in (".bval", ".bvec")}
        found += [name for name in matching if name.extension not in done]
        done |= kinds
    return found


def _place_rest(names: Iterable[Name], study: StudyDraft) -> None:
    """Files that belong to no image: those of a session to it, those of a subject to it, the others to the project."""
    for name in names:
        parts = name.path.parts
        subject = study.subjects.get(label_of(parts[0])) if parts[0].startswith("sub-") else None
        if subject is None:
            study.loose.append(str(name.path))
            continue
        visit = parts[1] if len(parts) > 2 and parts[1].startswith("ses-") else ""
        session = subject.sessions.get(label_of(f"{parts[0]}_{visit}" if visit else parts[0]))
        (session.loose if session is not None else subject.loose).append(str(name.path))
