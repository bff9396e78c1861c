"""A manifest that is written out wants what it wanted before, whatever it was written with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.planning.prune import places
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.desired.provenance import Trace, layer_of
from xnat_sync.manifest.explicit import explicit_manifest
from xnat_sync.manifest.formatting.formatter import normal_form
from xnat_sync.manifest.formatting.manifest_text import manifest_text
from xnat_sync.manifest.load import Loaded, load_study
from xnat_sync.manifest.surroundings import Surroundings

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = st.sampled_from(["001", "no", "a: b", "{x}", "# y", "1.50", "ü & <z>", '"q"'])
FILES = st.sampled_from(
    [
        "sub-01/anat/*.nii.gz",
        ["sub-01/anat/*.json", {"from": "sub-01/func/*.json", "to": "down/"}],
        {"named.json": "sub-01/anat/sub-01_T1w.json", "gone.json": {"state": "absent"}},
        [{"from": "derivatives/**", "relative_to": "derivatives"}],
        [{"side_files_of": "sub-01/func/sub-01_bold.nii"}],
        [{"from": "sub-01/none*", "optional": True}, "sub-02/anat/*T1w.json"],
        [{"from": "sub-01/none*", "optional": True}],
        [{"side_files_of": "sub-02/anat/sub-02_T2w.nii.gz"}],
    ]
)
PRUNES = st.sampled_from([[], ["files"], {"delete": ["resources", "files"], "keep": ["QC*", "010"]}])
RESOURCES = st.dictionaries(
    st.sampled_from(["NIFTI", "BIDS", "NOTES"]),
    st.one_of(
        st.fixed_dictionaries({"files": FILES}, optional={"format": TEXTS, "content": TEXTS}),
        st.just({"state": "absent"}),
    ),
    max_size=2,
)
SCANS = st.dictionaries(
    st.sampled_from(["1", "02", "x-1", "anat_2"]),
    st.one_of(
        st.fixed_dictionaries(
            {},
            optional={
                "type": TEXTS,
                "tr": st.sampled_from(["2000", "2.5"]),
                "note": st.none() | TEXTS,
                "fields": st.just({"key": "0"}),
                "resources": RESOURCES,
                "from_image": st.sampled_from([True, False, "overwrite"]),
            },
        ),
        st.just({"state": "absent"}),
    ),
    max_size=2,
)


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    subjects = {}
    for label in draw(st.sets(st.sampled_from(["s1", "010", "null-1"]))):
        sessions = {
            f"{label}_{number}": {
                "xsi_type": "xnat:mrSessionData",
                "scans": draw(SCANS),
                "resources": draw(RESOURCES),
            }
            for number in draw(st.sets(st.integers(1, 2)))
        }
        for session in sessions.values():
            session.update(draw(st.fixed_dictionaries({}, optional={"prune": PRUNES})))
        subjects[label] = {"group": draw(TEXTS), "resources": draw(RESOURCES), "sessions": sessions}
    create = draw(st.booleans())
    return {
        "version": 1,
        "server": "https://xnat.example.org",
        "project": {"id": "MOOD", "create": create, "resources": draw(RESOURCES), "prune": draw(PRUNES)},
        "root": "data",
        "defaults": {"scan": {"quality": "usable"}, "resource": {"content": "RAW"}},
        "ignore": [{"rule": "XS324", "files": "sub-01/**/*.bvec", "reason": "it is known"}],
        "subjects": subjects,
    }


def load(path: Path, trace: Trace | None = None) -> Loaded:
    # What is written elsewhere has its files where they were.
    around = Surroundings(allow_roots=(path.parent, path.parent.parent))
    return load_study([path], local=Disk(), around=around, trace=trace)


def rendered(loaded: Loaded, folder: Path) -> Loaded:
    folder.mkdir(exist_ok=True)
    path = folder / "explicit.yaml"
    text = manifest_text(explicit_manifest(loaded, folder))
    assert normal_form(text, path.name) == (text, ())
    path.write_text(text, encoding="utf-8")
    return load(path)


@given(tree=studies())
def test_what_is_written_out_wants_the_same(study: Path, tree: dict[str, Any]) -> None:
    path = study / "study.yaml"
    path.write_text(json.dumps(tree), encoding="utf-8")
    before = load(path)
    after = rendered(before, study / "elsewhere")
    assert after.desired.objects == before.desired.objects
    assert after.desired.files == before.desired.files
    assert after.desired.absent.keys() == before.desired.absent.keys()
    assert after.desired.prune == before.desired.prune
    assert places(after.desired) == places(before.desired)
    assert (after.project, after.server, after.ignores) == (before.project, before.server, before.ignores)
    assert after.from_image == before.from_image


RULES = """
version: 1
project: MOOD
root: data
defaults:
  session: {xsi_type: "xnat:mrSessionData"}
  scan: {quality: usable}
discover:
  - {path: "{subject:sub-*}/{datatype}/{stem}.nii*", scan: {id: "{datatype}-{name}", extends: "{suffix}"}}
  - {path: "**", skip: true}
scan_templates:
  T1w: {type: T1w}
  "*": {type: other, resources: {NIFTI: {files: "{path}"}, BIDS: {files: [{side_files_of: "{path}"}], format: BIDS}}}
session_templates:
  "*": {note: "from {subject}"}
tables:
  - {file: people.tsv, key: who, set: {group: arm}}
subjects:
  sub-02: {sessions: {sub-02: {scans: {anat-T2w: {quality: unusable}}}}}
"""


@pytest.fixture
def rules(study: Path) -> Path:
    (study / "data/people.tsv").write_text("who\tarm\nsub-01\tcontrol\n", encoding="utf-8")
    (study / "rules.yaml").write_text(RULES, encoding="utf-8")
    return study / "rules.yaml"


def test_rules_are_written_out_once_and_for_all(rules: Path) -> None:
    before = load(rules)
    after = rendered(before, rules.parent / "elsewhere")
    assert after.desired == before.desired
    text = (rules.parent / "elsewhere/explicit.yaml").read_text(encoding="utf-8")
    assert "discover" not in text
    again = rendered(after, rules.parent / "elsewhere")
    assert (rules.parent / "elsewhere/explicit.yaml").read_text(encoding="utf-8") == text
    assert again.desired == before.desired


def test_names_that_look_like_patterns_are_written_out_as_they_are(study: Path) -> None:
    (study / "data/notes").mkdir()
    for name in ("a[1].txt", "{x}.txt", "b*?.txt", "}{.txt"):
        (study / "data/notes" / name).write_text(name, encoding="utf-8")
    path = study / "study.yaml"
    path.write_text(
        "{version: 1, project: P, root: data, subjects: {S: {resources: {R: "
        "{files: [{from: 'notes/*.txt', to: sub/}, {from: 'notes/[{]x[}].txt', to: x}]}}}}}",
        encoding="utf-8",
    )
    before = load(path)
    assert len(before.desired.files) == 5
    after = rendered(before, study / "elsewhere")
    assert after.desired.files == before.desired.files


@pytest.mark.parametrize(
    ("ref", "name", "layer", "word"),
    [
        ("sub-01", "group", "a table", "group: arm"),
        ("sub-01/sub-01", "note", "a template", "from {subject}"),
        ("sub-01/sub-01/anat-T1w", "type", "a template", "T1w: {type"),
        ("sub-02/sub-02/anat-T2w", "type", "a template", '"*": {type'),
        ("sub-01/sub-01/anat-T1w", "quality", "defaults", "quality: usable"),
        ("sub-02/sub-02/anat-T2w", "quality", "the tree", "quality: unusable"),
    ],
)
def test_every_value_has_its_place(rules: Path, ref: str, name: str, layer: str, word: str) -> None:
    trace = Trace(ref)
    load(rules, trace)
    (values,) = trace.values.values()
    _, origin = values[name]
    assert layer_of(origin) == layer
    assert word in origin.excerpt
