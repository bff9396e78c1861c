"""Names of the Brain Imaging Data Structure (BIDS), and which file belongs to which. Pure: names in, names out.

A name is ``key-value_key-value_suffix.ext``. A file beside an image applies to it if it lies in the image's folder or
above, has its suffix and no entity that the image lacks (the inheritance principle of the BIDS specification); some
kinds of files have a suffix of their own and go with the recording that they were made for.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

IMAGES = (".nii.gz", ".nii")

ENTITIES = {
    "sub": "subject",
    "tpl": "template",
    "ses": "session",
    "cohort": "cohort",
    "sample": "sample",
    "task": "task",
    "tracksys": "tracksys",
    "acq": "acquisition",
    "nuc": "nucleus",
    "voi": "volume",
    "ce": "ceagent",
    "trc": "tracer",
    "stain": "stain",
    "rec": "reconstruction",
    "dir": "direction",
    "run": "run",
    "mod": "modality",
    "echo": "echo",
    "flip": "flip",
    "inv": "inversion",
    "mt": "mtransfer",
    "part": "part",
    "proc": "processing",
    "hemi": "hemisphere",
    "space": "space",
    "split": "split",
    "recording": "recording",
    "chunk": "chunk",
}
"""The entities of raw data by their keys in names, in the order of the specification."""

DATATYPES = frozenset(
    ("anat", "beh", "dwi", "eeg", "emg", "fmap", "func", "ieeg", "meg", "micr", "motion", "mrs", "nirs", "perf", "pet")
)
"""The folders of raw data within a session."""

_NAME = re.compile(r"(?P<entities>(?:[A-Za-z]+-[A-Za-z0-9+]+_)*)(?P<suffix>[A-Za-z0-9]+)(?P<extension>\.[^/]*)?")
_ELECTRIC = frozenset(("eeg", "ieeg", "meg", "nirs", "emg", "motion"))
_TIMED = _ELECTRIC | {"bold", "cbv", "phase", "asl", "dwi", "pet"}
# Kinds of files with a suffix of their own: the suffixes of what they go with, and the entities that they may have on
# top of those.
_ASSOCIATED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "events": (_TIMED, frozenset()),
    "physio": (_TIMED, frozenset(("recording",))),
    "physioevents": (_TIMED, frozenset(("recording",))),
    "stim": (_TIMED, frozenset(("recording",))),
    "channels": (_ELECTRIC, frozenset()),
    "electrodes": (_ELECTRIC, frozenset(("space",))),
    "coordsystem": (_ELECTRIC, frozenset(("space",))),
    "photo": (_ELECTRIC, frozenset()),
    "optodes": (frozenset(("nirs",)), frozenset()),
    "headshape": (frozenset(("meg",)), frozenset()),
    "markers": (frozenset(("meg",)), frozenset()),
    "aslcontext": (frozenset(("asl",)), frozenset()),
    "asllabeling": (frozenset(("asl",)), frozenset()),
    "blood": (frozenset(("pet",)), frozenset(("recording",))),
}
# Every level counts of a JSON file, only the lowest of the others.
_SAME_SUFFIX = frozenset((".json", ".bval", ".bvec", ".tsv"))
# `physio.tsv.gz` and `stim.tsv.gz` are never inherited.
_NOT_INHERITED = frozenset((".tsv.gz",))


@dataclass(frozen=True, slots=True)
class BidsName:
    """The parts of a file's base name; ``extension`` begins with its first dot, and may be empty."""

    entities: Mapping[str, str]
    suffix: str
    extension: str

    @classmethod
    def parse(cls, name: str) -> BidsName | None:
        """The parts of a base name, ``None`` if it is not made like one of BIDS."""
        found = _NAME.fullmatch(name)
        if not found:
            return None
        pairs = [pair.partition("-")[::2] for pair in found["entities"].split("_") if pair]
        entities = dict(pairs)
        if len(entities) < len(pairs):
            return None
        return cls(entities, found["suffix"], found["extension"] or "")


def stem_of(name: str) -> tuple[str, str]:
    """A base name without its ending, and the ending: ``.gz`` goes with the one before it."""
    inner = name.removesuffix(".gz")
    dot = inner.rfind(".")
    if dot <= 0:
        dot = name.rfind(".")
    return (name[:dot], name[dot:]) if dot > 0 else (name, "")


def is_misfiled(path: str) -> bool:
    """Whether a name says another subject or session than the folders that the file lies in."""
    *folders, base = path.split("/")
    parsed = BidsName.parse(base)
    if parsed is None:
        return False
    for key in ("sub", "ses"):
        lies = [folder for folder in folders if folder.startswith(f"{key}-")]
        if lies and key in parsed.entities and f"{key}-{parsed.entities[key]}" not in lies:
            return True
    return False


def known_values(path: str) -> dict[str, str]:
    """What the relative path of a file says about it: each name that a template may use, with its value.

    ``path``, ``folder`` and ``file`` are parts of the path; ``stem`` is the name without its ending ``ext``. Of a name
    in the form of BIDS come its entities, each by its short key, its ``suffix``, and ``name``: the stem without subject
    and session.
    """
    folder, _, base = path.rpartition("/")
    stem, extension = stem_of(base)
    values = {"path": path, "folder": folder or ".", "file": base, "stem": stem, "ext": extension, "name": stem}
    parsed = BidsName.parse(stem)
    if parsed:
        values |= parsed.entities
        values["suffix"] = parsed.suffix
        values["name"] = "_".join(part for part in stem.split("_") if not part.startswith(("sub-", "ses-")))
    return values


def side_files(image: str, folders: Mapping[str, Iterable[str]]) -> list[str]:
    """The files that apply to an image, as relative paths: those of the highest folder first.

    ``folders`` has the file names in the image's folder and in each above, by the folder's path relative to the root,
    which is empty. Names at the root that say a subject are none of BIDS there.
    """
    home, _, base = image.rpartition("/")
    own = BidsName.parse(base)
    if own is None:
        return []
    # By suffix and extension: the best name of each level, lowest level last.
    found: dict[tuple[str, str], list[str]] = {}
    for folder in _downwards(home):
        best: dict[tuple[str, str], tuple[int, str]] = {}
        for name in folders.get(folder, ()):
            parsed = _parsed(name) if name != base else None
            misplaced = parsed is not None and not folder and folder != home and "sub" in parsed.entities
            if parsed is None or misplaced or not _applies(parsed, own, inherited=folder != home):
                continue
            key = (parsed.suffix, parsed.extension)
            extra = _ASSOCIATED.get(parsed.suffix, (None, frozenset[str]()))[1] & parsed.entities.keys()
            if extra:
                # Recordings and spaces stand side by side.
                key = (parsed.suffix, parsed.extension + "".join(sorted(parsed.entities[entity] for entity in extra)))
            best[key] = max(best.get(key, (-1, "")), (len(parsed.entities), name))
        for key, (_, name) in best.items():
            path = f"{folder}/{name}" if folder else name
            found[key] = [*found.get(key, []), path] if name.endswith(".json") else [path]
    paths = [path for several in found.values() for path in several]
    return sorted(paths, key=lambda path: (path.count("/"), path))


@functools.lru_cache(maxsize=10_000)
def _parsed(name: str) -> BidsName | None:
    return BidsName.parse(name)


def place_of(side: str, image: str) -> str:
    """Under which path a side file lies in its resource, so that it can find its way back into the tree.

    What lies beside the image or at the root goes by its name, as long as that tells the two apart; what lies between
    by its whole path.
    """
    folder, _, name = side.rpartition("/")
    home = image.rpartition("/")[0]
    if folder not in ("", home):
        return side
    found = path_in_tree(home.rpartition("/")[2] + "-", name)
    return name if found in (None, side) else side


def _downwards(folder: str) -> list[str]:
    """A folder and all above it, the root first."""
    parts = folder.split("/") if folder else []
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]


def _applies(side: BidsName, image: BidsName, *, inherited: bool) -> bool:
    if inherited and side.extension in _NOT_INHERITED:
        return False
    extra: frozenset[str] = frozenset()
    if side.suffix == image.suffix:
        if side.extension not in _SAME_SUFFIX:
            return False
    else:
        suffixes, extra = _ASSOCIATED.get(side.suffix, (frozenset[str](), extra))
        if image.suffix not in suffixes:
            return False
    return all(image.entities.get(key) == value or key in extra for key, value in side.entities.items())


def path_in_tree(owner: str, name: str, session: str = "") -> str | None:
    """Where a file of a resource lies in its BIDS tree: the inverse of `place_of` and of what ``init`` writes.

    ``owner`` is the ID of its scan, ``""`` for what belongs to a session or subject. ``session`` is the label of its
    session, which may tell a folder that the name does not. ``None`` where the names are not made like those of BIDS.
    """
    if "/" in name:
        return name
    parsed = BidsName.parse(name)
    if parsed is None or "sub" not in parsed.entities:
        # Only the root has files that name no subject; a scan that is none of BIDS may have any.
        return name if parsed is not None and owner.partition("-")[0] in DATATYPES else None
    labelled = BidsName.parse(f"{session}_x")
    told = labelled.entities if labelled and labelled.entities.get("sub") == parsed.entities["sub"] else {}
    entities = {**told, **parsed.entities}
    folders = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
    if owner:
        datatype = owner.partition("-")[0]
        if datatype not in DATATYPES:
            return None
        folders.append(datatype)
    return "/".join([*folders, name])
