"""Rules that discover, templates and tables: the same study in three densities."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import ManifestError, Problem, Severity
from xnat_sync.core.model.refs import Level
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.core.model.state import DesiredState


def tree(root: Path, *names: str, **texts: str) -> None:
    """Files that hold their own names, so that no two are alike."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}" if name.endswith(".json") else name, encoding="utf-8")
    for name, text in texts.items():
        (root / name.replace("__", ".")).write_text(textwrap.dedent(text), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two subjects with two sessions of two scans; endings that are no image's, so that only names matter."""
    root = tmp_path / "data"
    for subject in ("sub-01", "sub-02"):
        for session in ("ses-1", "ses-2"):
            head = f"{subject}/{session}"
            stem = f"{subject}_{session}"
            tree(
                root,
                f"{head}/anat/{stem}_T1w.dat",
                f"{head}/anat/{stem}_T1w.json",
                f"{head}/func/{stem}_task-rest_run-1_bold.dat",
                f"{head}/func/{stem}_task-rest_run-1_bold.json",
            )
    tree(root, "task-rest_bold.json", participants__tsv="participant_id\tsex\tage\nsub-01\tF\t30\nsub-02\tn/a\t89+\n")
    return root


def load(folder: Path, text: str) -> Loaded:
    path = folder / "study.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_study([path], local=Disk())


def broken(folder: Path, text: str) -> tuple[Problem, ...]:
    with pytest.raises(ManifestError) as caught:
        load(folder, text)
    return tuple(found for found in caught.value.problems if found.severity is Severity.ERROR)


def labels(state: DesiredState, level: Level) -> list[str]:
    return sorted(ref.short for ref in state.objects if ref.level is level)


RULES = """
    version: 1
    project: MOOD
    root: data
    defaults:
      session: {xsi_type: "xnat:mrSessionData"}
      scan: {quality: usable}
    discover:
      - path: "{subject:sub-*}/{session:ses-*}/{datatype}/{stem}.dat"
        where: {datatype: [anat, func]}
        scan: {id: "{datatype}-{name}", extends: "{suffix}"}
        expect: {sessions: 2, scans: 2}
      - {path: "**", skip: true}
    scan_templates:
      T1w: {type: T1w}
      bold: {type: "bold {task}"}
      "*":
        resources:
          NIFTI: {files: "{path}", format: NIFTI, content: RAW}
          BIDS: {files: [{side_files_of: "{path}"}], format: BIDS}
    tables:
      - {file: participants.tsv, key: participant_id, set: {gender: sex, age: age}}
"""

TEMPLATES = """
    version: 1
    project: MOOD
    root: data
    defaults:
      session: {xsi_type: "xnat:mrSessionData"}
      scan: {quality: usable}
    scan_templates:
      base: {resources: {NIFTI: {files: "{folder}/*_{suffix}.dat", format: NIFTI, content: RAW}}}
      anat:
        resources:
          NIFTI: {files: "sub-{sub}/ses-{ses}/anat/*_{type}.dat", format: NIFTI, content: RAW}
          BIDS: {files: "sub-{sub}/ses-{ses}/anat/*_{type}.json", format: BIDS}
      func:
        extends: anat
        resources:
          NIFTI: {files: "sub-{sub}/ses-{ses}/func/*_bold.dat"}
          BIDS: {files: ["sub-{sub}/ses-{ses}/func/*_bold.json", task-rest_bold.json]}
    session_templates:
      standard:
        scans:
          anat-T1w: {type: T1w, extends: anat}
          func-task-rest_run-1_bold: {type: bold rest, extends: func}
    subjects:
      sub-01:
        gender: female
        age: 30
        sessions: {sub-01_ses-1: {extends: standard}, sub-01_ses-2: {extends: standard}}
      sub-02: {age: 89, sessions: {sub-02_ses-1: {extends: standard}, sub-02_ses-2: {extends: standard}}}
"""


def explicit() -> str:
    lines = ["version: 1", "project: MOOD", "root: data", "subjects:"]
    for subject, person in (("sub-01", "gender: female, age: 30, "), ("sub-02", "age: 89, ")):
        sessions = []
        for session in ("ses-1", "ses-2"):
            stem = f"{subject}/{session}/%s/{subject}_{session}_%s"
            anat, bold = stem % ("anat", "T1w"), stem % ("func", "task-rest_run-1_bold")
            scans = [
                f"{name}: {{type: {kind}, quality: usable, resources: {{"
                f"NIFTI: {{files: {path}.dat, format: NIFTI, content: RAW}}, "
                f"BIDS: {{files: [{path}.json{more}], format: BIDS}}}}}}"
                for name, kind, path, more in (
                    ("anat-T1w", "T1w", anat, ""),
                    ("func-task-rest_run-1_bold", "bold rest", bold, ", task-rest_bold.json"),
                )
            ]
            sessions.append(f'{subject}_{session}: {{xsi_type: "xnat:mrSessionData", scans: {{{", ".join(scans)}}}}}')
        lines.append(f"  {subject}: {{{person}sessions: {{{', '.join(sessions)}}}}}")
    return "\n".join(lines)


def test_three_densities_say_the_same(data: Path) -> None:
    rules = load(data.parent, RULES)
    assert [found.summary for found in rules.problems] == []
    templates, written = load(data.parent, TEMPLATES), load(data.parent, explicit())
    assert rules.desired == templates.desired
    assert rules.desired == written.desired
    assert len(labels(rules.desired, Level.SCAN)) == 8
    assert len(rules.desired.files) == 4 * 5


def test_what_stands_in_subjects_wins_and_null_leaves_out(data: Path) -> None:
    more = """
    subjects:
      sub-01:
        gender: male
        sessions:
          sub-01_ses-1:
            date: 2024-01-02
            scans:
              anat-T1w: {quality: unusable, note: moved}
              func-task-rest_run-1_bold: null
          sub-01_ses-2: null
      sub-02: null
      sub-09: {group: lost}
    """
    found = load(data.parent, RULES + more).desired
    assert labels(found, Level.SUBJECT) == ["sub-01", "sub-09"]
    assert labels(found, Level.SCAN) == ["sub-01/sub-01_ses-1/anat-T1w"]
    (scan,) = [spec for ref, spec in found.objects.items() if ref.level is Level.SCAN]
    assert scan.fields == {"type": "T1w", "quality": "unusable", "note": "moved"}
    assert next(spec for ref, spec in found.objects.items() if ref.short == "sub-01").fields == {
        "gender": "male",
        "age": "30",
    }


def test_a_resource_of_a_template_can_be_left_out(data: Path) -> None:
    text = RULES.replace("T1w: {type: T1w}", "T1w: {type: T1w, resources: {BIDS: null}}")
    found = load(data.parent, text).desired
    assert {ref.parent.label for ref in found.files if ref.parent and "anat-T1w" in ref} == {"NIFTI"}


def test_the_first_rule_takes_a_file_and_conditions_hold(data: Path) -> None:
    text = """
    version: 1
    project: MOOD
    root: data
    defaults: {session: {xsi_type: "xnat:mrSessionData"}}
    discover:
      - {path: "sub-02/**", skip: true}
      - path: "{subject}/{visit}/func/{stem}.dat"
        where: {run: 1, task: "re*", visit: "!ses-2", echo: ""}
        subject: {label: "S{sub}", group: "{visit}"}
        session: {label: "S{sub}_{visit}", note: "visit {ses}"}
        scan: {id: "run-{run}", type: "{suffix}", files: "{path}"}
      - {path: ["{any:**}", "*"], skip: true}
    """
    loaded = load(data.parent, text)
    assert labels(loaded.desired, Level.SCAN) == ["S01/S01_ses-1/run-1"]
    by_label = {ref.label: spec.fields for ref, spec in loaded.desired.objects.items()}
    assert by_label["S01"] == {"group": "ses-1"}
    assert by_label["S01_ses-1"] == {"note": "visit 1"}
    assert loaded.problems == ()


def test_what_another_root_takes_is_not_taken_here(data: Path) -> None:
    """Roots whose names begin alike: what lies below one is no path of the other."""
    tree(data.parent, "data22/x.dat")
    tree(data, "2/x.dat")
    other = """
    version: 1
    root: data22
    subjects: {other: {resources: {R: {files: [x.dat]}}}}
    """
    (data.parent / "other.yaml").write_text(textwrap.dedent(other), encoding="utf-8")
    text = RULES.replace('      - {path: "**", skip: true}\n', "") + "    include: other.yaml\n"
    (found,) = load(data.parent, text).problems
    assert (found.rule, "'2/x.dat'" in found.summary) == ("XS411", True)


def test_files_that_nothing_takes_are_told_once(data: Path) -> None:
    tree(data, "notes.txt", "sub-01/odd.txt")
    (found,) = load(data.parent, RULES.replace('      - {path: "**", skip: true}\n', "")).problems
    assert found.rule == "XS411"
    assert "2 files: 'notes.txt', 'sub-01/odd.txt'" in found.summary
    assert found.severity is Severity.WARNING


def test_missing_scans_and_sessions_are_told(data: Path) -> None:
    (data / "sub-01/ses-2/anat/sub-01_ses-2_T1w.dat").unlink()
    (data / "sub-02/ses-1/anat/sub-02_ses-1_T1w.dat").unlink()
    (data / "sub-02/ses-1/func/sub-02_ses-1_task-rest_run-1_bold.dat").unlink()
    found = [problem.summary for problem in load(data.parent, RULES).problems if problem.rule == "XS410"]
    assert found == [
        "1 of 2 subjects have not 2 sessions: 'sub-02 (1)'",
        "1 of 3 sessions have not 2 scans: 'sub-01_ses-2 (1)'",
    ]


@pytest.mark.parametrize(
    ("prune", "rule"),
    [("[subjects]", "XS407"), ("[scans, files]", "XS407"), ("[resources, files]", "XS412"), ("[]", "XS412")],
)
def test_a_rule_that_catches_nothing_is_an_error_where_objects_are_pruned(data: Path, prune: str, rule: str) -> None:
    """A disk that is not mounted must not empty a project."""
    (data.parent / "unmounted").mkdir()
    text = f"""
    version: 1
    project: {{id: MOOD, prune: {prune}}}
    root: unmounted
    defaults: {{session: {{xsi_type: "xnat:mrSessionData"}}}}
    discover: [{{path: "{{subject:sub-*}}/anat/{{stem}}.dat", scan: {{files: "{{path}}"}}}}]
    subjects: {{sub-01: {{gender: female}}}}
    """
    found = broken(data.parent, text) if rule == "XS407" else load(data.parent, text).problems
    assert [(problem.rule, problem.origin.line) for problem in found if problem.origin] == [(rule, 6)]


def test_plus_becomes_minus_and_collisions_are_errors(tmp_path: Path) -> None:
    tree(tmp_path / "data", "sub-a+b/anat/sub-a+b_acq-x+y_T1w.dat")
    text = """
    version: 1
    project: MOOD
    root: data
    defaults: {session: {xsi_type: "xnat:mrSessionData"}}
    discover: [{path: "{subject:sub-*}/anat/*_{suffix}.dat", scan: {files: "{path}"}}]
    """
    assert labels(load(tmp_path, text).desired, Level.SCAN) == ["sub-a-b/sub-a-b/acq-x-y_T1w"]
    tree(tmp_path / "data", "sub-a-b/anat/sub-a-b_T1w.dat")
    found = broken(tmp_path, text)
    assert {problem.rule for problem in found} == {"XS403"}
    assert any("would both belong to subject sub-a-b" in problem.summary for problem in found)
    (tmp_path / "data/sub-a-b/anat/sub-a-b_T1w.dat").unlink()
    tree(tmp_path / "data", "sub-a+b/anat/other_acq-x+y_T1w.dat")
    text = text.replace("scan: {", 'scan: {id: "{suffix}-1", ')
    (problem,) = broken(tmp_path, text)
    assert "would both belong to scan T1w-1" in problem.summary
    assert problem.origin is not None
    assert problem.origin.line == 6


@pytest.mark.parametrize(
    ("old", "new", "rule", "place"),
    [
        ("{task}", "{taks}", "XS402", "bold:"),
        ('extends: "{suffix}"', "extends: nothing", "XS401", "scan: {id"),
        ("T1w: {type: T1w}", "T1w: {type: T1w, extends: T1w}", "XS401", "T1w: {"),
        ("{subject:sub-*}/", "*/", "XS405", "- path"),
        ("{subject:sub-*}/", "{subject/", "XS405", "- path"),
        ("key: participant_id", "key: id", "XS404", "- {file"),
        ("gender: sex", "gender: gender", "XS404", "- {file"),
        ("file: participants.tsv", "file: none.tsv", "XS404", "- {file"),
        ("scan_templates:", "scan_templatse:", "XS020", "scan_templatse"),
        ("expect: {sessions: 2", "expect: {sessions: two", "XS021", "expect"),
    ],
)
def test_mistakes_are_told_at_their_place(data: Path, old: str, new: str, rule: str, place: str) -> None:
    assert old in RULES
    found = [problem for problem in broken(data.parent, RULES.replace(old, new)) if problem.rule == rule]
    assert found
    for problem in found:
        assert problem.origin is not None
        assert place in problem.origin.excerpt


def test_a_template_that_is_used_without_being_there_is_an_error(data: Path) -> None:
    text = explicit().replace("sub-01_ses-1: {", "sub-01_ses-1: {extends: standard, ", 1)
    (problem,) = broken(data.parent, text)
    assert problem.rule == "XS401"


def test_tables_of_sessions_and_scans_and_cells_that_do_not_fit(data: Path) -> None:
    tree(data, sessions__tsv="session\tdate\tsite\nsub-01_ses-1\t1901-02-03T04:05:06\tA\n")
    (data / "sub-01/ses-1/scans.csv").write_text("filename,q,odd\nsub-01_ses-1_T1w.dat,1,x\n", encoding="utf-8")
    more = """
      - file: sessions.tsv
        level: session
        key: session
        set: {date: date, time: date, fields: {site: site}}
      - file: "{subject}/ses-{ses}/scans.csv"
        level: scan
        key: filename
        match: "{file}"
        set: {quality: {column: q, values: {1: questionable}}, frames: odd}
    """
    loaded = load(data.parent, RULES + more)
    fields = {ref.short: spec.fields for ref, spec in loaded.desired.objects.items()}
    assert fields["sub-01/sub-01_ses-1"] == {"date": "1901-02-03", "time": "04:05:06", "fields.site": "A"}
    assert fields["sub-01/sub-01_ses-1/anat-T1w"] == {"type": "T1w", "quality": "questionable"}
    assert fields["sub-02/sub-02_ses-1/anat-T1w"] == {"type": "T1w", "quality": "usable"}
    assert [(found.rule, found.summary) for found in loaded.problems] == [
        ("XS413", "1 cell cannot be the frames of a scan")
    ]


def test_templates_come_with_an_include(data: Path) -> None:
    top, _, templates = RULES.partition("    discover:")
    discover, _, rest = templates.partition("    scan_templates:")
    tables = rest.partition("    tables:")
    (data.parent / "rules.yaml").write_text(
        textwrap.dedent("    discover:" + discover + "    tables:" + tables[2]), encoding="utf-8"
    )
    text = top + "    include: rules.yaml\n    scan_templates:" + tables[0]
    assert load(data.parent, text).desired == load(data.parent, RULES).desired
