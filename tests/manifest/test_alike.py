"""That scans which are written alike are understood once shows nowhere but in the time it takes."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.errors import ManifestError
from xnat_sync.core.model.local_port import FoundFile, Inspection, LocalSide, Matches
from xnat_sync.manifest.desired.scan_memo import ScansAlike, Understood, Wording
from xnat_sync.manifest.load import Loaded, load_study
from xnat_sync.manifest.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xnat_sync.core.model.local_port import LocalFile


class Disk:
    """Has one file for each pattern, but for some that say otherwise."""

    def find(self, root: str, pattern: str) -> Matches:
        names = {"gone": [], "both": [f"{pattern}-1", f"{pattern}-2"]}.get(pattern[:4], [pattern])
        return Matches(files=tuple(FoundFile(name, f"{root}/{name}", 1, 1) for name in names))

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        return Inspection()

    def recall(self, key: bytes) -> bytes | None:
        return None

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        pass


AROUND = Surroundings(environ={"WHO": "me"}, variables=frozenset({"WHO"}))
AROUND = Surroundings(environ={"WHO": "me"}, variables=frozenset({"WHO"}))
DISK = cast("LocalSide", Disk())
"""Nothing here asks it anything else."""


def loaded(manifest: dict[str, Any]) -> tuple[object, ...]:
    """All that is known of a manifest, origins too, which equality leaves out."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "study.yaml")
        path.write_text(yaml.safe_dump(manifest, sort_keys=False), encoding="utf-8")
        try:
            read: Loaded | ManifestError = load_study([path], around=AROUND, local=DISK)
        except ManifestError as error:
            read = error
    places = [text.replace(folder, "") for text in map(repr, read.problems)]
    if isinstance(read, ManifestError):
        return ("wrong", places)
    desired = read.desired
    things = [*desired.objects.items(), *desired.files.items(), *desired.prune.items(), *desired.absent.items()]
    rest = [*desired.vacant.items(), *read.from_image.items(), *read.ignores]
    return ("right", places, [repr(thing).replace(folder, "") for thing in (*things, *rest)])


FILE = "FILE"
"""Stands for a pattern, so that scans are alike but for their files."""
GOOD = ["a.nii.gz", "b/a.json", "c.nii", "d.txt"]
PATTERNS = st.sampled_from([*GOOD * 20, "a.hdr", "gone.nii", "both.txt", "${env:WHO}.nii", "x_catalog.xml"])
PLAIN = st.sampled_from([FILE, {"files": FILE}, {"files": FILE, "format": "NIFTI"}, {"format": "J", "files": FILE}])
ODD = st.sampled_from(
    [
        {},
        {"state": "absent"},
        {"format": "BVAL"},
        {"files": None},
        {"files": [FILE, {"from": "b.bval", "to": "c.bval"}]},
        {"files": {"name.txt": FILE}},
        {"files": FILE, "prune": ["files"]},
        {"files": FILE, "x-why": "because"},
        {"files": FILE, "format": None},
    ]
)
LABELS = st.sampled_from(["NIFTI", "BIDS", "SPM"])
PLAIN_SCANS = st.fixed_dictionaries(
    {"type": st.sampled_from(["bold", "T1w", None])},
    optional={
        "quality": st.just("usable"),
        "xsi_type": st.sampled_from(["xnat:mrScanData", "xnat:petScanData"]),
        "from_image": st.sampled_from(["true", "false", "overwrite"]),
        "x-note": st.just("text"),
        "resources": st.dictionaries(LABELS, PLAIN, max_size=3),
    },
)
ODD_SCANS = st.fixed_dictionaries(
    {},
    optional={
        "quality": st.sampled_from(["usable", "fine", None]),
        "frames": st.sampled_from(["7", "many"]),
        "xsi_type": st.sampled_from(["xnat:mrScanData", "xnat:mrSessionData"]),
        "files": st.just(FILE),
        "fields": st.sampled_from([{"a": "1"}, {"b": None}]),
        "x-note": st.just({"any": "thing"}),
        "resources": st.dictionaries(LABELS | st.sampled_from(["nifti", "1"]), PLAIN | ODD, max_size=3),
    },
)
ABSENT = st.sampled_from([{"state": "absent"}, {"state": "present"}, {"prune": ["resources"]}, {"extends": "t"}, {}])
NUMBERS = st.sampled_from([*map(str, range(9))] * 10 + ["bold", "a b", "ALL"])


def filled(said: Any, pattern: str) -> Any:
    """What a scan says, with a pattern in place of its files."""
    match said:
        case dict():
            return {key: filled(below, pattern) for key, below in said.items()}
        case list():
            return [filled(below, pattern) for below in said]
        case _:
            return pattern if said == FILE else said


@st.composite
def scans(draw: st.DrawFn) -> dict[str, Any]:
    """The scans of a session: some of a few wordings."""
    few = draw(st.lists(PLAIN_SCANS | PLAIN_SCANS | PLAIN_SCANS | ODD_SCANS | ABSENT, min_size=1, max_size=2))
    numbers = draw(st.lists(NUMBERS, min_size=1, max_size=5, unique=True))
    return {number: filled(draw(st.sampled_from(few)), draw(PATTERNS)) for number in numbers}


TYPES = st.sampled_from(["xnat:mrSessionData", "xnat:mrSessionData", "xnat:petSessionData"])
OWN_DEFAULTS = st.sampled_from([{"scan": {"quality": "usable"}}, {"scan": {"files": "d.nii"}}])
SESSIONS = (
    st.fixed_dictionaries({"xsi_type": TYPES, "scans": scans()})
    | st.fixed_dictionaries({"xsi_type": TYPES, "scans": scans()})
    | st.fixed_dictionaries({"xsi_type": TYPES, "scans": scans(), "defaults": OWN_DEFAULTS})
)
DEFAULTS = st.sampled_from(
    [
        *[{}] * 8,
        {"scan": {"xsi_type": "xnat:mrScanData", "quality": "usable"}},
        {"scan": {"note": None}},
        {"resource": {"content": "RAW"}},
        {"scan": {"resources": {"BIDS": {"format": "JSON"}}}},
        {"scan": {"resources": {"BIDS": "d.json"}}},
        {"scan": {"prune": ["resources"]}},
        {"resource": {"files": "d.txt"}},
        {"resource": {"prune": ["files"]}},
    ]
)


BOLD = {"1": {"type": "bold"}, "2": {"type": "bold"}}
IN_TWO_FORMATS = {
    "1": {"type": "bold", "resources": {"IMAGE": {"files": "a.nii", "format": "NIFTI"}}},
    "2": {"type": "bold", "resources": {"IMAGE": {"files": "a.nii", "format": "SPM"}}},
}


@settings(max_examples=300)
@example({}, {"e1": {"xsi_type": "xnat:mrSessionData", "scans": IN_TWO_FORMATS}})
@example(
    {},
    {
        "e1": {"xsi_type": "xnat:mrSessionData", "scans": BOLD, "defaults": {"scan": {"quality": "usable"}}},
        "e2": {"xsi_type": "xnat:mrSessionData", "scans": BOLD},
    },
)
@given(DEFAULTS, st.dictionaries(st.sampled_from(["e1", "e2", "e3"]), SESSIONS, min_size=1))
def test_nothing_changes_where_scans_are_written_alike(defaults: dict[str, Any], sessions: dict[str, Any]) -> None:
    manifest = {"version": 1, "project": "P", "defaults": defaults, "subjects": {"s1": {"sessions": sessions}}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScansAlike, "find", lambda *_: None)
        one_by_one = loaded(manifest)
    found: list[object] = []

    def find(scans: ScansAlike, wording: Wording | None) -> Understood | None:
        known = original(scans, wording)
        found.append(known)
        return known

    original = ScansAlike.find
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScansAlike, "find", find)
        assert loaded(manifest) == one_by_one
    event(f"{one_by_one[0]}, {'some' if any(found) else 'none'} known")


def test_a_large_study_is_understood_by_its_first_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Wording] = []

    def keep(scans: ScansAlike, wording: Wording, *rest: Any) -> None:
        kept.append(wording)
        original(scans, wording, *rest)

    original = ScansAlike.keep
    monkeypatch.setattr(ScansAlike, "keep", keep)
    scans = {
        str(n): {"type": "bold", "resources": {"NIFTI": {"files": f"{n}.nii", "format": "NIFTI"}, "BIDS": f"{n}.json"}}
        for n in range(1, 6)
    }
    sessions = {f"e{n}": {"xsi_type": "xnat:mrSessionData", "scans": scans} for n in range(4)}
    manifest = {"version": 1, "project": "P", "subjects": {"s1": {"sessions": sessions}}}
    state, problems, things = loaded(manifest)
    assert (state, problems) == ("right", [])
    assert sum("FileSpec" in thing for thing in cast("list[str]", things)) == 40
    assert len(kept) == 1
