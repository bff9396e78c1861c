"""What the manifest's words mean: each feature as YAML and the desired state that comes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xnat_sync.core.model.errors import ManifestError
from xnat_sync.core.model.refs import Level
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study
from xnat_sync.manifest.surroundings import Surroundings

HEAD = "version: 1\nproject: MOOD\nroot: data\n"
AROUND = Surroundings(
    environ={"SITE": "rotterdam", "EMPTY": "", "XNAT_SYNC_VAR_WAVE": "2", "PGPASSWORD": "hunter2", "HOME": "/home/me"},
    variables=frozenset({"SITE", "EMPTY", "UNSET", "HOST", "ROOT"}),
)

Load = Callable[..., Loaded]


@pytest.fixture
def load(study: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write manifests into the study and load them; by default only the one named ``manifest.yaml``."""

    def run(text: str, *paths: str, **others: str) -> Loaded:
        monkeypatch.chdir(study)
        for name, content in {"manifest": text, **others}.items():
            path = study / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return load_study(
            [Path(path) for path in paths or ("manifest.yaml",)],
            around=AROUND,
            local=Disk(),
        )

    return run


def fields(loaded: Loaded, short: str) -> dict[str, str | None]:
    return next(dict(spec.fields) for ref, spec in loaded.desired.objects.items() if ref.short == short)


def files(loaded: Loaded, short: str) -> list[str]:
    """The paths inside a resource."""
    return sorted(ref.label for ref in loaded.desired.files if ref.parent and ref.parent.short == short)


def shorts(loaded: Loaded, level: Level) -> list[str]:
    return sorted(ref.short for ref in loaded.desired.objects if ref.level is level)


def one_scan(scan: str) -> str:
    return f"""{HEAD}
defaults: {{session: {{xsi_type: xnat:mrSessionData}}}}
subjects: {{s1: {{sessions: {{e1: {{scans: {{1: {scan}}}}}}}}}}}
"""


def test_the_example_of_the_product(load: Load) -> None:
    loaded = load(
        """
version: 1
server: https://xnat.example.org
project: MOOD
root: data
defaults:
  session: {xsi_type: "xnat:mrSessionData"}
  scan:    {quality: usable}
subjects:
  sub-01:
    gender: female
    sessions:
      sub-01_ses-01:
        date: 2024-03-01
        scans:
          "2":
            type: T1w
            resources:
              NIFTI: {files: "sub-01/anat/*_T1w.nii.gz", format: NIFTI, content: RAW}
              BIDS:  {files: "sub-01/anat/*_T1w.json",   format: JSON}
          "4":
            type: bold
            files: "sub-01/func/*_bold.nii"
"""
    )
    assert loaded.project == "MOOD"
    assert loaded.server == "https://xnat.example.org"
    assert loaded.problems == ()
    objects = {str(ref): (spec.xsi_type, dict(spec.fields)) for ref, spec in loaded.desired.objects.items()}
    assert objects == {
        "MOOD": ("xnat:projectData", {}),
        "MOOD/sub-01": ("xnat:subjectData", {"gender": "female"}),
        "MOOD/sub-01/sub-01_ses-01": ("xnat:mrSessionData", {"date": "2024-03-01"}),
        "MOOD/sub-01/sub-01_ses-01/scan:2": ("xnat:mrScanData", {"quality": "usable", "type": "T1w"}),
        "MOOD/sub-01/sub-01_ses-01/scan:4": ("xnat:mrScanData", {"quality": "usable", "type": "bold"}),
    }
    held = {ref.short: (spec.format, spec.content, spec.md5) for ref, spec in loaded.desired.files.items()}
    assert held == {
        "sub-01/sub-01_ses-01/2/NIFTI/sub-01_T1w.nii.gz": ("NIFTI", "RAW", None),
        "sub-01/sub-01_ses-01/2/BIDS/sub-01_T1w.json": ("JSON", None, None),
        "sub-01/sub-01_ses-01/4/NIFTI/sub-01_bold.nii": (None, None, None),
    }


def test_a_file_knows_its_place_on_the_disk_and_in_the_manifest(load: Load, study: Path) -> None:
    loaded = load(one_scan("{files: sub-01/anat/*.json}"))
    (spec,) = loaded.desired.files.values()
    status = (study / "data/sub-01/anat/sub-01_T1w.json").stat()
    assert (Path(spec.path), spec.size, spec.mtime_ns) == (
        study.resolve() / "data/sub-01/anat/sub-01_T1w.json",
        status.st_size,
        status.st_mtime_ns,
    )
    assert spec.origin
    assert (spec.origin.file, spec.origin.line) == ("manifest.yaml", 6)
    assert spec.origin.excerpt[spec.origin.column - 1 :].startswith("sub-01/anat/*.json")
    assert spec.origin.pointer == "/subjects/s1/sessions/e1/scans/1/files"
    assert spec.origin.excerpt.startswith("subjects: {s1: ")


def test_labels_that_yaml_would_turn_into_other_things_are_text(load: Load) -> None:
    loaded = load(
        HEAD
        + """
subjects:
  001:
    group: 12:30
    src: 1_000
    fields: {a: NO, b: 0x1F, c: 1.10, d: 2024-01-05, f: 'true', g: "~"}
    sessions:
      010: {xsi_type: xnat:mrSessionData, scans: {007: {type: on}, NO: {type: y}, 1_000: {note: 1e3}}}
  008: {}
  2024-01-05: {}
"""
    )
    assert shorts(loaded, Level.SUBJECT) == ["001", "008", "2024-01-05"]
    assert shorts(loaded, Level.SCAN) == ["001/010/007", "001/010/1_000", "001/010/NO"]
    assert fields(loaded, "001") == {
        "group": "12:30",
        "src": "1_000",
        "fields.a": "NO",
        "fields.b": "0x1F",
        "fields.c": "1.10",
        "fields.d": "2024-01-05",
        "fields.f": "true",
        "fields.g": "~",
    }


def test_null_clears(load: Load) -> None:
    loaded = load(HEAD + "subjects: {s1: {group: null, yob: ~, src: , fields: {a: null}}}\n")
    assert fields(loaded, "s1") == {"group": None, "yob": None, "src": None, "fields.a": None}


def test_project_with_everything(load: Load) -> None:
    loaded = load(
        """
version: 1
root: data
project:
  id: MOOD
  create: true
  accessibility: protected
  name: Mood
  secondary_id: M
  description: |
    Two
    lines
  keywords: mood
  pi_firstname: Ada
  pi_lastname: Lovelace
  fields: {grant: "1"}
  resources: {DOCS: odd/readme}
"""
    )
    (spec,) = loaded.desired.objects.values()
    assert spec.create
    assert spec.fields["accessibility"] == "protected"
    assert spec.fields["description"] == "Two\nlines\n"
    assert spec.fields["fields.grant"] == "1"
    assert files(loaded, "DOCS") == ["readme"]


def test_a_project_is_not_created_unless_it_says_so(load: Load) -> None:
    assert not next(iter(load(HEAD).desired.objects.values())).create


def test_resources_at_every_level(load: Load) -> None:
    loaded = load(
        """
version: 1
root: data
project: {id: MOOD, resources: {P: odd/readme}}
subjects:
  s1:
    resources: {S: odd/readme}
    sessions:
      e1:
        xsi_type: xnat:petSessionData
        resources: {E: odd/readme}
        scans: {1: {resources: {C: odd/readme}}}
"""
    )
    assert sorted(ref.short for ref in loaded.desired.files) == [
        "P/readme",
        "s1/S/readme",
        "s1/e1/1/C/readme",
        "s1/e1/E/readme",
    ]


@pytest.mark.parametrize(
    ("files_value", "inside"),
    [
        ("sub-01/anat/sub-01_T1w.json", ["sub-01_T1w.json"]),
        ("sub-01/func/*", ["sub-01_bold.json", "sub-01_bold.nii", "sub-01_events.tsv"]),
        ("sub-01/func/.h*", [".hidden.json"]),
        ("'*/anat/*_T1w.json'", ["sub-01_T1w.json", "sub-02_T1w.json"]),
        ("'sub-0[2-9]/**/*_T?w.nii.gz'", ["sub-02_T1w.nii.gz", "sub-02_T2w.nii.gz"]),
        ("derivatives/**", ["T1.txt", "aseg.txt"]),
        ("['sub-01/**/*.json', sub-01/func/sub-01_bold.json]", ["sub-01_T1w.json", "sub-01_bold.json"]),
        ("[{from: derivatives/**, relative_to: derivatives}]", ["fs/mri/T1.txt", "fs/stats/aseg.txt"]),
        (
            "[{from: derivatives/**, relative_to: ./derivatives/fs/, to: fs7/}]",
            ["fs7/mri/T1.txt", "fs7/stats/aseg.txt"],
        ),
        ("[{from: derivatives/**, relative_to: .}]", ["derivatives/fs/mri/T1.txt", "derivatives/fs/stats/aseg.txt"]),
        ("[{from: odd/readme, to: docs/}]", ["docs/readme"]),
        ("[{from: odd/readme, to: docs/read.me}]", ["docs/read.me"]),
        ("[{from: 'odd/read*', expect: 1}]", ["readme"]),
        ("[{from: 'odd/read*', expect: 5}]", ["readme"]),
        ("[{from: 'sub-01/func/*.json', optional: true, expect: 3}, odd/readme]", ["readme", "sub-01_bold.json"]),
        ("[{from: gone.txt, optional: true}, {from: 'gone*', optional: true}, odd/readme]", ["readme"]),
        ("{a/b.txt: odd/readme, c.txt: {from: 'odd/read*', size: 1}}", ["a/b.txt", "c.txt"]),
        ("odd/inside.txt", ["inside.txt"]),
        ("./odd/readme", ["readme"]),
    ],
)
def test_forms_of_files(load: Load, files_value: str, inside: list[str]) -> None:
    assert files(load(one_scan(f"{{files: {files_value}}}")), "s1/e1/1/NIFTI") == inside


def test_a_resource_of_which_nothing_is_there_is_not_wanted(load: Load) -> None:
    loaded = load(one_scan("{files: [{from: 'gone*', optional: true}]}"))
    assert not loaded.desired.files
    assert not loaded.desired.absent


def test_stated_digests_are_kept(load: Load) -> None:
    loaded = load(one_scan("{files: {a: {from: odd/readme, md5: 9DD4E461268C8034F5C8564E155C67A6}}}"))
    (spec,) = loaded.desired.files.values()
    assert spec.md5 == "9dd4e461268c8034f5c8564e155c67a6"


def test_defaults_flow_down_and_the_nearest_wins(load: Load) -> None:
    loaded = load(
        HEAD
        + """
defaults:
  subject: {group: control, fields: {wave: "1"}}
  session: {xsi_type: xnat:mrSessionData, operator: A}
  scan:
    quality: usable
    type: T1w
    fields: {a: "1", b: "1"}
    resources: {NIFTI: {format: NIFTI, content: RAW}, BIDS: {format: JSON}}
  resource: {content: DERIVED}
subjects:
  s1:
    fields: {arm: x}
    defaults: {session: {xsi_type: xnat:petSessionData}, scan: {note: quiet, fields: {b: "2"}}}
    sessions:
      e1:
        defaults: {scan: {type: pet, files: sub-01/anat/*.nii.gz}, resource: {format: ANY}}
        scans:
          1: {fields: {c: "3"}}
          2: {quality: null, files: odd/readme, resources: {BIDS: odd/readme}}
  s2: {group: patient, sessions: {e2: {operator: B}}}
"""
    )
    assert fields(loaded, "s1") == {"group": "control", "fields.wave": "1", "fields.arm": "x"}
    assert fields(loaded, "s2") == {"group": "patient", "fields.wave": "1"}
    types = {ref.short: spec.xsi_type for ref, spec in loaded.desired.objects.items()}
    assert types["s1/e1"] == "xnat:petSessionData"
    assert types["s1/e1/1"] == "xnat:petScanData"
    assert types["s2/e2"] == "xnat:mrSessionData"
    assert fields(loaded, "s1/e1") == {"operator": "A"}
    assert fields(loaded, "s2/e2") == {"operator": "B"}
    assert fields(loaded, "s1/e1/1") == {
        "quality": "usable",
        "type": "pet",
        "note": "quiet",
        "fields.a": "1",
        "fields.b": "2",
        "fields.c": "3",
    }
    assert fields(loaded, "s1/e1/2")["quality"] is None
    labels = {ref.short: (spec.format, spec.content) for ref, spec in loaded.desired.files.items()}
    assert labels == {
        "s1/e1/1/NIFTI/sub-01_T1w.nii.gz": ("NIFTI", "RAW"),
        "s1/e1/2/NIFTI/readme": ("NIFTI", "RAW"),
        "s1/e1/2/BIDS/readme": ("JSON", "DERIVED"),
    }


def test_anchors_aliases_and_merge_keys(load: Load) -> None:
    loaded = load(
        HEAD
        + """
x-scan: &scan {type: T1w, files: sub-01/anat/*.json}
x-more: &more {quality: usable, type: never}
subjects:
  s1:
    sessions:
      e1:
        xsi_type: xnat:mrSessionData
        scans:
          1: *scan
          2:
            <<: [*scan, *more]
            note: mine
"""
    )
    assert fields(loaded, "s1/e1/1") == {"type": "T1w"}
    assert fields(loaded, "s1/e1/2") == {"note": "mine", "type": "T1w", "quality": "usable"}
    assert files(loaded, "s1/e1/2/NIFTI") == ["sub-01_T1w.json"]
    assert {spec.origin.line for spec in loaded.desired.files.values() if spec.origin} == {5}


def test_absent(load: Load) -> None:
    loaded = load(
        HEAD
        + """
subjects:
  gone: {state: absent, x-why: withdrawn}
  s1:
    state: present
    resources: {OLD: {state: absent}}
    sessions:
      e0: {state: absent}
      e1:
        xsi_type: xnat:mrSessionData
        scans:
          1: {state: absent}
          2: {files: {stale.nii: {state: absent}, new.txt: odd/readme}}
"""
    )
    assert sorted(ref.short for ref in loaded.desired.absent) == [
        "gone",
        "s1/OLD",
        "s1/e0",
        "s1/e1/1",
        "s1/e1/2/NIFTI/stale.nii",
    ]
    assert all(loaded.desired.absent.values())
    assert shorts(loaded, Level.SUBJECT) == ["s1"]
    parents = {ref.parent for ref in loaded.desired.absent if ref.parent}
    known = loaded.desired.objects.keys()
    assert all(parent in known or parent.parent in known for parent in parents)


def test_the_nearest_alone_says_whether_a_resource_is_there(load: Load) -> None:
    loaded = load(
        HEAD
        + """
defaults:
  session: {xsi_type: xnat:mrSessionData}
  scan: {files: odd/readme, resources: {OLD: {state: absent}}}
subjects:
  s1:
    sessions:
      e1:
        scans:
          1: {}
          2: {resources: {NIFTI: {state: absent}, OLD: odd/readme}}
"""
    )
    assert sorted(ref.short for ref in loaded.desired.absent) == ["s1/e1/1/OLD", "s1/e1/2/NIFTI"]
    assert sorted(ref.short for ref in loaded.desired.files) == ["s1/e1/1/NIFTI/readme", "s1/e1/2/OLD/readme"]


def test_a_name_on_the_disk_that_is_not_utf8(load: Load, study: Path) -> None:
    (study / "data" / os.fsdecode(b"caf\xe9.txt")).write_bytes(b"x")
    with pytest.raises(ManifestError) as caught:
        load(one_scan("{files: 'caf*'}"))
    assert [problem.rule for problem in caught.value.problems] == ["XS210"]


@pytest.mark.parametrize("files", ["{from: ''}", "{from: [a]}", "{from: a.nii}"])
def test_files_that_are_a_mapping_with_from(load: Load, files: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load(one_scan(f"{{resources: {{NIFTI: {{files: {files}}}}}}}"))
    assert {problem.rule for problem in caught.value.problems} <= {"XS020", "XS021"}


def test_includes_reach_upwards(load: Load) -> None:
    loaded = load(
        "version: 1\n",
        "deep/main.yaml",
        deep__main="version: 1\nproject: MOOD\ninclude: ['../parts/*.yaml', ../one.yaml]\n",
        parts__a="subjects: {s1: {}}\n",
        one="subjects: {s2: {}}\n",
    )
    assert shorts(loaded, Level.SUBJECT) == ["s1", "s2"]


def test_what_the_environment_lacks_is_told_once(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(HEAD + "server: '${env:UNSET}'\nsubjects: {s1: {yob: '${env:UNSET}', resources: {R: '${env:UNSET}'}}}\n")
    assert [problem.rule for problem in caught.value.problems] == ["XS030"] * 3


def test_environment(load: Load) -> None:
    loaded = load(
        """
version: 1
server: ${env:HOST:-https://x.example.org}
project: MOOD
root: ${env:ROOT:-data}
subjects:
  s1: {group: "site ${env:SITE}", src: "${env:EMPTY:-none}", fields: {a: "$HOME ${x} {env:SITE}"}}
"""
    )
    assert loaded.server == "https://x.example.org"
    assert fields(loaded, "s1") == {"group": "site rotterdam", "src": "none", "fields.a": "$HOME ${x} {env:SITE}"}
    assert type(fields(loaded, "s1")["group"]) is str


SECRETS = [
    *("PGPASSWORD", "MYSQL_PWD", "SSHPASS", "DATABASE_URL", "REDIS_URL", "GPG_PASSPHRASE", "GITHUB_PAT", "CI_JOB_JWT"),
    *("STRIPE_KEY", "MASTERKEY", "HTTP_PROXY", "SLACK_WEBHOOK", "DOCKER_AUTH_CONFIG", "SESSION_COOKIE", "JSESSIONID"),
    *("LDAP_BIND_PW", "ID_RSA", "userpassword", "ROOTPW", "XNAT_SYNC_PASSWORD", "XNAT_PASS", "GITHUB_TOKEN"),
    *("AWS_SECRET_ACCESS_KEY", "HOME", "PATH", "XNAT_SYNC_VAR", "xnat_sync_var_a", "site"),
]


@pytest.mark.parametrize("name", SECRETS)
def test_a_variable_that_nobody_named_is_no_value_whatever_its_name(load: Load, name: str) -> None:
    text = HEAD + f"subjects: {{s1: {{group: '${{env:{name}}}', src: 'x ${{env:{name}:-x}}'}}}}\n"
    with pytest.raises(ManifestError) as caught:
        load(text)
    assert [problem.rule for problem in caught.value.problems] == ["XS037", "XS037"]
    for problem in caught.value.problems:
        assert f"--env {name}" in problem.hint
        assert f"XNAT_SYNC_VAR_{name}" in problem.hint
        assert "hunter2" not in f"{problem.summary} {problem.hint}"


def test_a_root_that_makes_no_sense_is_told_once(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load("version: 1\nproject: MOOD\nroot: '${env:HOME}'\nsubjects: {s1: {resources: {R: '**/*.nii.gz'}}}\n")
    assert [problem.rule for problem in caught.value.problems] == ["XS037"]


def test_a_variable_may_be_open_by_its_name(load: Load) -> None:
    loaded = load(HEAD + "subjects: {s1: {group: 'w${env:XNAT_SYNC_VAR_WAVE}', src: '${env:XNAT_SYNC_VAR_NO:-y}'}}\n")
    assert fields(loaded, "s1") == {"group": "w2", "src": "y"}


def test_included_manifests_inherit_and_spread_a_subject(load: Load) -> None:
    loaded = load(
        HEAD
        + "include: [parts/*.yaml]\ndefaults: {session: {xsi_type: xnat:mrSessionData}, scan: {quality: usable}}\n",
        parts__a="subjects: {s1: {gender: female, sessions: {e1: {scans: {1: {files: sub-01/anat/*.json}}}}}}\n",
        parts__b="defaults: {scan: {note: b}}\nsubjects: "
        "{s1: {gender: female, group: g, sessions: {e2: {scans: {1: {}}}}}}\n",
        parts__c="root: ../data/odd\nproject: MOOD\nsubjects: {s2: {resources: {R: readme}}}\n",
    )
    assert shorts(loaded, Level.SESSION) == ["s1/e1", "s1/e2"]
    assert fields(loaded, "s1") == {"gender": "female", "group": "g"}
    assert fields(loaded, "s1/e1/1") == {"quality": "usable"}
    assert fields(loaded, "s1/e2/1") == {"quality": "usable", "note": "b"}
    assert files(loaded, "s1/e1/1/NIFTI") == ["sub-01_T1w.json"]
    assert files(loaded, "s2/R") == ["readme"]
    assert [source.name for source in loaded.sources] == ["manifest.yaml", "a.yaml", "b.yaml", "c.yaml"]
    assert [root.name for root in loaded.roots] == ["data", "odd"]


def test_a_folder_and_what_it_includes_is_one_study(load: Load) -> None:
    main = "version: 1\nproject: MOOD\ninclude: part.yml\ndefaults: {subject: {group: g}}\n"
    loaded = load(
        "version: 1\n", "folder", folder__main=main.replace("part.yml", "part.yaml"), folder__part="subjects: {s1: {}}"
    )
    assert fields(loaded, "s1") == {"group": "g"}
    assert len(loaded.sources) == 2


def test_several_manifests_are_one_study_in_any_order(load: Load) -> None:
    one = HEAD + "subjects: {s1: {gender: male}}\n"
    two = "version: 1\nsubjects: {s1: {group: g}, s2: {}}\n"
    forwards = load(one, "manifest.yaml", "two.yaml", two=two)
    backwards = load(one, "two.yaml", "manifest.yaml", two=two)
    assert forwards.desired == backwards.desired
    assert fields(forwards, "s1") == {"gender": "male", "group": "g"}


def test_types_of_other_namespaces_have_the_common_attributes(load: Load) -> None:
    loaded = load(
        HEAD
        + "subjects: {s1: {sessions: {e1: {xsi_type: lab:motorSessionData, date: 2024-03-01, "
        + "scans: {1: {xsi_type: lab:motorScanData, type: x}}}}}}\n"
    )
    types = {ref.short: spec.xsi_type for ref, spec in loaded.desired.objects.items()}
    assert types["s1/e1"] == "lab:motorSessionData"
    assert types["s1/e1/1"] == "lab:motorScanData"


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(load: Load) -> None:
    text = "\ufeff" + HEAD.replace("\n", "\r\n") + "subjects:\r\n  s1: {gnder: x}\r\n"
    with pytest.raises(ManifestError) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert problem.origin
    assert (problem.origin.line, problem.origin.column) == (5, 8)


def test_x_keys_are_passed_over_but_x_labels_are_not(load: Load) -> None:
    loaded = load(HEAD + "x-a: [1]\nsubjects:\n  x-ray: {x-note: {deep: 1}, gender: male}\n")
    assert fields(loaded, "x-ray") == {"gender": "male"}
    loaded = load(HEAD + 'subjects:\n  s1: {"\\x78-note": {deep: 1}, gender: male}\n')
    assert fields(loaded, "s1") == {"gender": "male"}


def test_every_error_of_all_manifests_comes_at_once(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(
            HEAD + "include: b.yaml\nsubjects: {s1: {gnder: x, sessions: {e1: {scans: {1: {files: gone.nii}}}}}}\n",
            b="subjects: {s 2: {}, s3: {sessions: {e3: {xsi_type: xnat:mrSessionData, scans: {1: {frames: x}}}}}}\n",
        )
    assert [problem.rule for problem in caught.value.problems] == ["XS101", "XS113", "XS020", "XS110", "XS201"]


def test_problems_tell_which_object_they_are_about(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(one_scan("{files: gone.nii}"))
    (problem,) = caught.value.problems
    assert str(problem.ref) == "MOOD/s1/e1/scan:1/resource:NIFTI"
    data: dict[str, Any] = problem.to_data()
    assert data["origin"]["pointer"] == "/subjects/s1/sessions/e1/scans/1/files"


def test_a_missing_manifest(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(HEAD, "nowhere.yaml", "data")
    assert [(problem.rule, problem.origin and problem.origin.file) for problem in caught.value.problems] == [
        ("XS006", "data"),
        ("XS006", "nowhere.yaml"),
    ]


def test_digests_are_not_read_when_nobody_asks(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    text = one_scan("{files: {a: {from: odd/readme, md5: 00000000000000000000000000000000}}}")
    (study / "manifest.yaml").write_text(text)
    loaded = load_study([Path("manifest.yaml")], local=Disk(), check_md5=False)
    assert len(loaded.desired.files) == 1


def test_null_is_called_null(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load("version: 1\nproject: P\nsubjects:\n  S: {state: null}\n")
    assert [found.summary for found in caught.value.problems] == ["state is null; it takes present or absent"]


PRUNED = f"""{HEAD.replace("project: MOOD", "project: {id: MOOD, prune: [files, subjects]}")}
subjects:
  s1:
    prune: []
    sessions:
      e1:
        xsi_type: xnat:mrSessionData
        prune: {{delete: [scans, resources], keep: [QC*, A]}}
        scans:
          1: {{prune: [resources], resources: {{NIFTI: {{files: odd/readme, prune: [files]}}}}}}
"""


def test_prune_is_said_of_a_place(load: Load) -> None:
    found = {
        ref.short: (sorted(level.noun for level in rule.levels), rule.keep)
        for ref, rule in load(PRUNED).desired.prune.items()
    }
    assert found == {
        "MOOD": (["file", "subject"], ()),
        "s1": ([], ()),
        "s1/e1": (["resource", "scan"], ("A", "QC*")),
        "s1/e1/1": (["resource"], ()),
        "s1/e1/1/NIFTI": (["file"], ()),
    }


def test_a_resource_without_local_files_is_known_where_something_is_pruned(load: Load) -> None:
    scan = "{resources: {LOGS: {files: [{from: 'none/*.log', optional: true}]}}}"
    assert load(one_scan(scan)).desired.vacant == {}
    pruned = one_scan(scan).replace("project: MOOD", "project: {id: MOOD, prune: [files]}")
    assert [ref.short for ref in load(pruned).desired.vacant] == ["s1/e1/1/LOGS"]


def test_manifests_may_say_the_same_of_pruning_and_nothing_else(load: Load) -> None:
    project = "version: 1\nproject: {id: MOOD, prune: [files]}\n"
    assert load(project, "manifest.yaml", "other.yaml", other=project).desired.prune
    with pytest.raises(ManifestError) as caught:
        load(project, "manifest.yaml", "other.yaml", other=project.replace("files", "scans"))
    assert [problem.rule for problem in caught.value.problems] == ["XS107"]


def test_an_unknown_key_is_said_of_what_it_stands_in(load: Load) -> None:
    text = """
    version: 1
    project: MOOD
    subjects:
      s1:
        gnder: female
        sessions: {e1: {xsi_type: "xnat:mrSessionData", scans: {1: {qality: usable}}}}
    """
    with pytest.raises(ManifestError) as caught:
        load(text)
    found = [problem.summary for problem in caught.value.problems]
    assert found == ["gnder is not a key of subject s1", "qality is not a key of scan 1"]
