"""Trees in one manifest over what the rules of another found."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from xnat_sync.core.model.errors import ManifestError, Severity
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.desired.provenance import Trace, layer_of
from xnat_sync.manifest.load import Loaded, load_study

TOP = """
    version: 1
    project: MOOD
    root: data
    defaults: {session: {xsi_type: "xnat:mrSessionData"}, scan: {quality: usable}}
"""
RULES = """
    discover:
      - path: "{subject:sub-*}/{session:ses-*}/{stem}.dat"
        session: {label: "{subject}_{session}", note: found}
        scan: {id: "{suffix}", type: "{suffix}", resources: {NIFTI: {files: "{path}", format: NIFTI}}}
    tables: [{file: people.tsv, key: participant_id, set: {gender: sex, age: age}}]
"""
TREES = """
    subjects:
      sub-01:
        gender: other
        sessions:
          sub-01_ses-1: {note: moved, scans: {T2w: null, T1w: {quality: unusable, resources: {NIFTI: {content: RAW}}}}}
          sub-01_extra: {date: 2024-03-01}
      sub-02: {sessions: {sub-02_ses-2: null}}
      sub-03: {gender: male}
"""
EXPLICIT = """
    subjects:
      sub-01:
        gender: other
        age: 30
        sessions:
          sub-01_ses-1:
            note: moved
            scans:
              T1w:
                type: T1w
                quality: unusable
                resources: {NIFTI: {files: sub-01/ses-1/sub-01_ses-1_T1w.dat, format: NIFTI, content: RAW}}
          sub-01_ses-2:
            note: found
            scans:
              T1w: {type: T1w, resources: {NIFTI: {files: sub-01/ses-2/sub-01_ses-2_T1w.dat, format: NIFTI}}}
              T2w: {type: T2w, resources: {NIFTI: {files: sub-01/ses-2/sub-01_ses-2_T2w.dat, format: NIFTI}}}
          sub-01_extra: {date: 2024-03-01}
      sub-02:
        gender: female
        sessions:
          sub-02_ses-1:
            note: found
            scans:
              T1w: {type: T1w, resources: {NIFTI: {files: sub-02/ses-1/sub-02_ses-1_T1w.dat, format: NIFTI}}}
              T2w: {type: T2w, resources: {NIFTI: {files: sub-02/ses-1/sub-02_ses-1_T2w.dat, format: NIFTI}}}
      sub-03: {gender: male}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two subjects with two sessions of two scans, and a table of people."""
    for subject in ("sub-01", "sub-02"):
        for session in ("ses-1", "ses-2"):
            for suffix in ("T1w", "T2w"):
                path = tmp_path / "data" / subject / session / f"{subject}_{session}_{suffix}.dat"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(path.name, encoding="utf-8")
    people = "participant_id\tsex\tage\nsub-01\tF\t30\nsub-02\tF\tn/a\n"
    (tmp_path / "data" / "people.tsv").write_text(people, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(first: str, *, trace: Trace | None = None, **others: str) -> Loaded:
    """Write manifests beside each other and read the first."""
    for name, text in {"xnat": first, **others}.items():
        Path(f"{name}.yaml").write_text(textwrap.dedent(text), encoding="utf-8")
    return load_study([Path("xnat.yaml")], local=Disk(), trace=trace)


def broken(first: str, **others: str) -> list[tuple[str, str]]:
    """The places and sentences of contradictions."""
    with pytest.raises(ManifestError) as caught:
        load(first, trace=None, **others)
    errors = [found for found in caught.value.problems if found.severity is Severity.ERROR]
    assert {found.rule for found in errors} == {"XS107"}
    return [(f"{found.origin.file}:{found.origin.line}", found.summary) for found in errors if found.origin]


def fields(loaded: Loaded, name: str) -> dict[str, str | None]:
    """The attributes of an object by its name below the project."""
    (found,) = [spec.fields for ref, spec in loaded.desired.objects.items() if ref.short == name]
    return dict(found)


def test_where_a_tree_stands_makes_no_difference(folder: Path) -> None:
    together = load(TOP + RULES + TREES)
    assert load(TOP + "    include: trees.yaml\n" + RULES, trees=TREES).desired == together.desired
    assert load(TOP + "    include: rules.yaml\n" + TREES, rules=RULES).desired == together.desired
    beside = load(TOP + "    include: [rules.yaml, trees.yaml]\n", rules=RULES, trees=TREES)
    assert beside.desired == together.desired
    assert load(TOP + EXPLICIT).desired == together.desired
    assert not beside.problems


def test_subjects_in_files_of_their_own(folder: Path) -> None:
    one, _, rest = TREES.partition("      sub-02")
    two = "    subjects:\n      sub-02" + rest
    spread = load(TOP + "    include: [one.yaml, two.yaml]\n" + RULES, one=one, two=two)
    assert spread.desired == load(TOP + RULES + TREES).desired


def test_a_note_in_any_of_the_documents_is_passed_over(folder: Path) -> None:
    one = "    subjects: {sub-03: {gender: male}, sub-01: {gender: other}}\n"
    two = "    subjects: {sub-01: {x-note: why, x-more: {any: thing}}}\n"
    loaded = load(TOP + "    include: [one.yaml, two.yaml]\n" + RULES, one=one, two=two)
    assert fields(loaded, "sub-01") == {"gender": "other", "age": "30"}
    assert not loaded.problems


def test_a_value_says_where_it_was_written(folder: Path) -> None:
    trace = Trace("sub-01/sub-01_ses-1")
    loaded = load(TOP + "    include: trees.yaml\n" + RULES, trees=TREES, trace=trace)
    (values,) = trace.values.values()
    value, origin = values["note"]
    assert (value, origin.file, origin.line, layer_of(origin)) == ("moved", "trees.yaml", 6, "the tree")
    spec = loaded.desired.objects[next(iter(trace.values))]
    assert spec.origin
    assert (spec.origin.file, spec.origin.line) == ("trees.yaml", 6)
    trace = Trace("sub-01")
    load(TOP + "    include: trees.yaml\n" + RULES, trees=TREES, trace=trace)
    (values,) = trace.values.values()
    assert (values["gender"][1].file, layer_of(values["gender"][1])) == ("trees.yaml", "the tree")
    assert (values["age"][1].file, layer_of(values["age"][1])) == ("xnat.yaml", "a table")


def test_defaults_and_templates_come_with_a_tree(folder: Path) -> None:
    included = """
        defaults:
          session: {acquisition_site: B, operator: both}
          scan: {quality: questionable}
          resource: {content: RAW}
        scan_templates: {short: {series_description: "{suffix} of B"}, "*": {note: B}}
        subjects:
          sub-01:
            defaults: {session: {visit_id: V}}
            sessions:
              sub-01_ses-1: {scans: {T1w: {extends: short}}}
    """
    top = TOP + "    include: trees.yaml\n    scan_templates: {'*': {series_description: any}}\n" + RULES
    loaded = load(top, trees=included)
    said = {"note": "found", "acquisition_site": "B", "operator": "both", "visit_id": "V"}
    assert fields(loaded, "sub-01/sub-01_ses-1") == said
    assert fields(loaded, "sub-01/sub-01_ses-2") == {"note": "found", "visit_id": "V"}
    assert fields(loaded, "sub-01/sub-01_ses-1/T1w")["series_description"] == "T1w of B"
    assert fields(loaded, "sub-01/sub-01_ses-1/T1w")["quality"] == "questionable"
    assert fields(loaded, "sub-01/sub-01_ses-1/T2w")["note"] == "B"
    assert fields(loaded, "sub-01/sub-01_ses-2/T1w") == {
        "type": "T1w",
        "quality": "usable",
        "series_description": "any",
    }
    contents = {str(ref.parent): spec.content for ref, spec in loaded.desired.files.items()}
    assert {name for name, content in contents.items() if content == "RAW"} == {
        f"MOOD/sub-01/sub-01_ses-1/scan:{scan}/resource:NIFTI" for scan in ("T1w", "T2w")
    }


def test_defaults_of_the_nearer_manifest_win(folder: Path) -> None:
    """The rules stand in the included one: what the upper one says goes for it already, below its own."""
    rules = "    defaults: {scan: {quality: questionable}}\n" + RULES
    loaded = load(TOP + "    include: rules.yaml\n" + TREES, rules=rules)
    assert fields(loaded, "sub-01/sub-01_ses-2/T1w")["quality"] == "questionable"
    loaded = load(
        TOP + "    include: rules.yaml\n    subjects: {sub-01: {sessions: {sub-01_ses-2: {note: a}}}}", rules=rules
    )
    assert fields(loaded, "sub-01/sub-01_ses-2/T1w")["quality"] == "questionable"


def test_tables_come_with_a_tree(folder: Path) -> None:
    (folder / "data" / "notes.tsv").write_text(
        "session\tnote\nsub-01_ses-1\tfrom B\nsub-01_ses-2\tno\n", encoding="utf-8"
    )
    included = """
        tables: [{file: notes.tsv, key: session, level: session, set: {note: note}}]
        subjects: {sub-01: {sessions: {sub-01_ses-1: {}}}}
    """
    loaded = load(TOP + "    include: trees.yaml\n" + RULES, trees=included)
    assert fields(loaded, "sub-01/sub-01_ses-1")["note"] == "from B"
    assert fields(loaded, "sub-01/sub-01_ses-2")["note"] == "found"


def test_each_session_goes_where_it_was_found(folder: Path) -> None:
    (folder / "data" / "sub-01" / "pet").mkdir()
    (folder / "data" / "sub-01" / "pet" / "sub-01_pet.dat").write_text("pet", encoding="utf-8")
    more = """
        defaults: {session: {xsi_type: "xnat:petSessionData"}}
        discover: [{path: "{subject}/pet/{stem}.dat", session: "{subject}_PET", scan: {id: "1", type: pet}}]
    """
    trees = """
        subjects:
          sub-01:
            gender: male
            sessions: {sub-01_PET: {note: a}, sub-01_ses-1: {note: b}, sub-01_new: {note: c}}
    """
    loaded = load(TOP + "    include: [pet.yaml, rules.yaml, trees.yaml]\n", pet=more, rules=RULES, trees=trees)
    notes = [fields(loaded, f"sub-01/sub-01_{name}")["note"] for name in ("PET", "ses-1", "new", "ses-2")]
    assert notes == ["a", "b", "c", "found"]
    assert fields(loaded, "sub-01")["gender"] == "male"
    assert not loaded.problems
    types = {ref.label: spec.xsi_type for ref, spec in loaded.desired.objects.items() if ref.level is Level.SESSION}
    assert types["sub-01_PET"] == "xnat:petSessionData"
    assert types["sub-01_ses-1"] == "xnat:mrSessionData"


def test_two_trees_of_one_session_are_a_contradiction(folder: Path) -> None:
    tree = "    subjects: {sub-01: {sessions: {sub-01_ses-1: {note: a}}}}\n"
    told = [("trees.yaml:1", "the session sub-01/sub-01_ses-1 is described in xnat.yaml:13 already")]
    assert broken(TOP + "    include: trees.yaml\n" + RULES + tree, trees=tree) == told
    told = [("two.yaml:1", "the session sub-01/sub-01_ses-1 is described in one.yaml:1 already")]
    assert broken(TOP + "    include: [one.yaml, two.yaml]\n" + RULES, one=tree, two=tree) == told


def test_trees_may_say_the_same_of_a_subject_and_nothing_else(folder: Path) -> None:
    top = TOP + "    include: [one.yaml, two.yaml]\n" + RULES
    one = "    subjects: {sub-01: {gender: male, fields: {a: 1}}}\n"
    two = "    subjects: {sub-01: {gender: male, group: control, fields: {b: 2}}}\n"
    said = fields(load(top, one=one, two=two), "sub-01")
    assert said == {"gender": "male", "group": "control", "age": "30", "fields.a": "1", "fields.b": "2"}
    two = "    subjects: {sub-01: {gender: female, fields: {a: 1}}}\n"
    assert broken(top, one=one, two=two) == [
        ("two.yaml:1", "gender of subject sub-01 is described in one.yaml:1 already"),
        ("two.yaml:1", "a in fields of sub-01 is described in one.yaml:1 already"),
    ]
    assert broken(top, one=one, two="    subjects: {sub-01: null}\n") == [
        ("two.yaml:1", "the subject sub-01 is described in one.yaml:1 already")
    ]


def test_rules_of_two_manifests_do_not_share_a_session(folder: Path) -> None:
    assert {place for place, _ in broken(TOP + "    include: b.yaml\n" + RULES, b=RULES)} == {"xnat.yaml:9"}


def test_trees_with_another_root_stay_what_they_are(folder: Path) -> None:
    tree = "    root: .\n    subjects: {sub-01: {sessions: {sub-01_ses-1: {note: a}}}}\n"
    assert [place for place, _ in broken(TOP + "    include: trees.yaml\n" + RULES, trees=tree)] == ["xnat.yaml:9"]


def test_a_subject_can_be_left_out_or_forbidden_from_elsewhere(folder: Path) -> None:
    top = TOP + "    include: trees.yaml\n" + RULES
    subjects = load(top, trees="    subjects: {sub-01: null, sub-02: {state: absent}}\n").desired
    assert not [ref for ref in subjects.objects if ref.level is not Level.PROJECT]
    assert set(subjects.absent) == {Ref.project_of("MOOD").child(Level.SUBJECT, "sub-02")}
