"""Any BIDS tree: ``init`` gives every image one scan with just the files that apply to it, and every file its way back.

Which sidecars apply is computed here from the other end: each sidecar is asked which images it reaches.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.state import RemoteFile, RemoteObject, RemoteState
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.from_remote import choose
from xnat_sync.manifest.load import load_study

if TYPE_CHECKING:
    from xnat_sync.core.model.state import DesiredState

SERIES = {
    "anat": ["T1w", "acq-a+b_T1w", "run-1_T1w", "run-2_T1w", "inv-1_part-mag_MP2RAGE", "inv-1_part-phase_MP2RAGE"],
    "func": [
        *("task-x_bold", "task-x_sbref", "task-y_run-1_bold", "task-y_run-2_bold"),
        *("task-x_echo-1_bold", "task-x_echo-2_part-mag_bold", "task-x_echo-2_part-phase_bold"),
    ],
    "dwi": ["dwi", "acq-b_dir-AP_dwi"],
    "fmap": ["phasediff", "magnitude1", "magnitude2", "dir-AP_epi", "dir-PA_epi"],
    "perf": ["asl", "m0scan"],
    "pet": ["trc-FDG_pet"],
}
SIDES = [
    *("T1w.json", "run-1_T1w.json", "MP2RAGE.json", "part-phase_MP2RAGE.json", "bold.json", "task-x_bold.json"),
    *("task-y_bold.json", "task-x_echo-2_bold.json", "run-2_bold.json", "task-x_sbref.json", "dwi.json", "dwi.bval"),
    *("dwi.bvec", "acq-b_dwi.bval", "phasediff.json", "epi.json", "dir-PA_epi.json", "asl.json", "m0scan.json"),
    *("aslcontext.tsv", "pet.json", "trc-FDG_pet.json", "task-x_events.tsv", "task-x_events.json", "events.json"),
    *("task-y_run-1_events.tsv", "trc-FDG_recording-manual_blood.tsv", "trc-FDG_recording-auto_blood.json"),
    *("task-x_recording-ecg_physio.tsv.gz", "task-x_recording-ecg_physio.json", "task-x_stim.tsv.gz"),
]
# Which recordings a file with a suffix of its own goes with.
OF_RECORDINGS = {
    **{suffix: {"bold", "dwi", "asl", "pet"} for suffix in ("events", "physio", "stim")},
    "aslcontext": {"asl"},
    "blood": {"pet"},
}
ODD = ["notes.txt", "a b.txt", "[1]*.txt", "{x}.txt", "ü #1%.txt", "deep/er/x.txt", "T1w.nii.txt", "T1w.nii.gz"]
ODD += ["sub-x_T1w_new.nii", "T1w.nii"]


def image(volumes: int) -> bytes:
    """A sound NIfTI-1 image."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 2, 2, 2, volumes, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, 352)
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(8 * volumes)


def content(path: str, number: int) -> bytes:
    """A sound file of a kind; each JSON file is another one."""
    if path.endswith(".nii"):
        return image(2)
    if path.endswith(".nii.gz"):
        return gzip.compress(image(2), mtime=0)
    if path.endswith(".bval"):
        return f"0 {1000 + number}".encode()
    if path.endswith(".bvec"):
        return b"0 1\n0 0\n0 0\n"
    return json.dumps({"Number": number}).encode() if path.endswith(".json") else f"a\tb\n{number}\tx\n".encode()


@st.composite
def trees(draw: st.DrawFn) -> list[str]:
    """The paths of a tree: images, sidecars at any level above or beside them, tables, and what is none of BIDS."""
    paths = ["README", "dataset_description.json", *draw(st.sets(st.sampled_from(["CHANGES", "phenotype/x.tsv"])))]
    homes: list[tuple[str, str]] = [("", draw(st.sampled_from(["", "", "sub-01_"])))]
    for subject in sorted(draw(st.sets(st.sampled_from(["sub-01", "sub-a+b", "sub-C"]), min_size=1))):
        homes.append((subject, f"{subject}_"))
        visits = sorted(draw(st.sets(st.sampled_from(["ses-1", "ses-post+2"]))))
        for home, prefix in [(f"{subject}/{visit}", f"{subject}_{visit}_") for visit in visits] or homes[-1:]:
            homes += [(home, prefix)] if visits else []
            for datatype in sorted(draw(st.sets(st.sampled_from(sorted(SERIES)), min_size=1))):
                ending = draw(st.sampled_from([".nii", ".nii.gz"]))
                names = draw(st.sets(st.sampled_from(SERIES[datatype]), min_size=1))
                # A session's label tells the folder where the name of an image does not.
                plain = "+" not in home and draw(st.booleans())
                start = f"{subject}_" if plain else prefix
                paths += [f"{home}/{datatype}/{start}{name}{ending}" for name in names]
                homes.append((f"{home}/{datatype}", prefix))
            tables = [f"{prefix}scans.tsv", "odd_scans.tsv", "anat/x_scans.tsv"]
            paths += [f"{home}/{name}" for name in draw(st.sets(st.sampled_from(tables)))]
        paths += draw(st.sets(st.sampled_from([f"{subject}/{subject}_sessions.tsv", f"{subject}/odd_sessions.tsv"])))
    for home, prefix in homes:
        at_most = st.sets(st.sampled_from(SIDES), max_size=6)
        paths += [f"{home}/{prefix}{name}".lstrip("/") for name in draw(at_most)]
        # Not as BIDS has it, and so in the world.
        paths += [f"{home}/{name}".lstrip("/") for name in draw(st.sets(st.sampled_from(SIDES), max_size=1))]
        paths += [f"{home}/{name}".lstrip("/") for name in draw(st.sets(st.sampled_from(ODD), max_size=1))]
    return sorted(set(paths))


def taken_apart(path: str) -> tuple[str, frozenset[str], str, str]:
    folder, _, name = path.rpartition("/")
    stem, _, ending = name.partition(".")
    *entities, suffix = stem.split("_")
    return folder, frozenset(entities), suffix, ending


def is_image(path: str) -> bool:
    folder, entities, _, ending = taken_apart(path)
    in_place = folder.rpartition("/")[2] in SERIES and ending in ("nii", "nii.gz")
    return in_place and any("sub-" in one for one in entities) and all("-" in one for one in entities)


def reaches(side: str, image: str) -> bool:
    """Whether a file applies to an image, no other file at hand."""
    folder, entities, suffix, ending = taken_apart(side)
    home, own, kind, _ = taken_apart(image)
    if not folder and any(entity.startswith("sub-") for entity in entities):
        return False
    if not f"{home}/".startswith(f"{folder}/" if folder else "") or is_image(side):
        return False
    if suffix == kind:
        return entities <= own and ending in ("json", "bval", "bvec", "tsv")
    if kind not in OF_RECORDINGS.get(suffix, ()) or (ending == "tsv.gz" and folder != home):
        return False
    return {entity for entity in entities if not entity.startswith("recording-")} <= own


def rank(side: str, image: str) -> tuple[str, str, frozenset[str]]:
    """Of files with one rank one at most counts at each level."""
    _, entities, suffix, ending = taken_apart(side)
    return suffix, ending, entities - taken_apart(image)[1]


def says_most(side: str) -> tuple[int, str]:
    return len(taken_apart(side)[1]), side


def wanted(paths: list[str]) -> dict[str, set[str]]:
    """The sidecars of each image."""
    found: dict[str, set[str]] = {}
    for path in filter(is_image, paths):
        levels: dict[object, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
        for side in paths:
            if reaches(side, path):
                levels[rank(side, path)][side.count("/")].append(side)
        found[path] = set()
        for by_depth in levels.values():
            # BIDS forbids several at one level; the one that says most of the image is meant.
            best = {depth: max(sides, key=says_most) for depth, sides in by_depth.items()}
            nearest = best[max(best)]
            found[path] |= set(best.values()) if nearest.endswith(".json") else {nearest}
    return found


def as_held(desired: DesiredState) -> RemoteState:
    """What a server has after all was sent."""
    objects = {
        ref: RemoteObject(ref=ref, accession_id=str(number), xsi_type=spec.xsi_type)
        for number, (ref, spec) in enumerate(desired.objects.items())
    }
    files = {ref: RemoteFile(ref=ref, size=file.size, md5=file.path) for ref, file in desired.files.items()}
    return RemoteState(objects=objects, files=files)


@settings(max_examples=60)
@given(paths=trees())
def test_a_tree_goes_up_as_it_is_and_comes_back(paths: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(os.path.realpath(folder)) / "bids"
        for number, path in enumerate(paths):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content(path, number))
        manifest = Path(folder) / "xnat.yaml"
        said = io.StringIO()
        console = Console(out=said, err=said, stdin=io.StringIO(), environ={})
        assert run(["init", "--from-bids", str(root), "--project", "P", "--out", str(manifest)], console) == 0
        loaded = load_study([manifest], local=Disk())
        files = {ref: Path(file.path).relative_to(root).as_posix() for ref, file in loaded.desired.files.items()}
        assert [problem for problem in loaded.problems if problem.rule.startswith("XS4")] == []
        assert set(files.values()) == set(paths)
        sides: dict[str, set[str]] = {}
        for scan in (ref for ref in loaded.desired.objects if ref.level is Level.SCAN):
            held = [path for ref, path in files.items() if ref.at(Level.SCAN) == scan]
            (own,) = filter(is_image, held)
            assert own not in sides
            sides[own] = set(held) - {own}
        assert sides == wanted(paths)
        back = choose(as_held(loaded.desired), bids=True)
        assert back.places == files
        assert back.left == []
