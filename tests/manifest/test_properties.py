"""What holds for every manifest."""

from __future__ import annotations

import copy
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.errors import ManifestError
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import load_study

if TYPE_CHECKING:
    import random
    from collections.abc import KeysView
    from pathlib import Path

    from xnat_sync.core.model.errors import Problem
    from xnat_sync.core.model.refs import Ref

STUDY: dict[str, Any] = {
    "version": "1",
    "project": {"id": "MOOD", "create": "true", "description": "d", "fields": {"a": "1"}},
    "root": "data",
    "defaults": {
        "session": {"xsi_type": "xnat:mrSessionData"},
        "scan": {"quality": "usable", "resources": {"NIFTI": {"format": "NIFTI"}}},
        "resource": {"content": "RAW"},
    },
    "subjects": {
        "s1": {
            "gender": "female",
            "fields": {"a": "x", "b": None},
            "defaults": {"scan": {"note": "quiet"}},
            "sessions": {
                "e1": {
                    "date": "2024-03-01",
                    "scans": {
                        "1": {
                            "type": "T1w",
                            "files": "sub-01/anat/*.nii.gz",
                            "resources": {"BIDS": "sub-01/anat/*.json"},
                        },
                        "2": {"type": "bold", "files": [{"from": "sub-01/func/*.nii", "to": "raw/"}, "odd/readme"]},
                        "3": {"state": "absent"},
                    },
                },
                "e2": {"resources": {"NOTES": {"files": {"n.txt": {"from": "odd/readme", "size": "1"}}}}},
            },
        },
        "s2": {"group": None, "sessions": {"e3": {"xsi_type": "xnat:petSessionData", "scans": {"1": {}}}}},
        "s3": {"state": "absent"},
    },
}


def shuffled(tree: Any, chance: random.Random) -> Any:
    if isinstance(tree, dict):
        keys = list(tree)
        chance.shuffle(keys)
        return {key: shuffled(tree[key], chance) for key in keys}
    return tree


Wanted = tuple[object, object, object]


def load(study: Path, names: list[str]) -> Wanted:
    """What is wanted, without the places where it was written."""
    desired = load_study([study / name for name in names], local=Disk()).desired
    return desired.objects, desired.files, desired.absent.keys()


def write(path: Path, tree: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(tree, indent=1), encoding="utf-8")


@pytest.fixture
def expected(study: Path) -> Wanted:
    write(study / "expected.yaml", STUDY)
    return load(study, ["expected.yaml"])


@given(chance=st.randoms(use_true_random=False))
def test_the_order_of_keys_never_matters(study: Path, expected: Wanted, chance: random.Random) -> None:
    write(study / "shuffled.yaml", shuffled(STUDY, chance))
    assert load(study, ["shuffled.yaml"]) == expected


@given(chance=st.randoms(use_true_random=False))
def test_the_division_into_files_never_matters(study: Path, expected: Wanted, chance: random.Random) -> None:
    main = shuffled(STUDY, chance)
    shutil.rmtree(study / "parts", ignore_errors=True)
    for label, subject in list(main["subjects"].items()):
        for session, body in list(subject.get("sessions", {}).items()):
            if chance.random() < 0.5:
                del subject["sessions"][session]
                # The subject's own defaults hold where they are written only.
                part = {
                    "sessions": {session: body},
                    **({"defaults": subject["defaults"]} if "defaults" in subject else {}),
                }
                write(study / "parts" / f"{chance.randrange(9)}-{session}.yaml", {"subjects": {label: part}})
    if (study / "parts").exists():
        main["include"] = "parts/*.yaml"
    write(study / "main.yaml", main)
    assert load(study, ["main.yaml", *(["parts"] if (study / "parts").exists() else [])]) == expected


JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        "",
        "x",
        "absent",
        [],
        {},
        ["x"],
        {"from": "x"},
        {"x": None},
        [[]],
        "${env:X}",
        "**",
        "../x",
        "1/0",
        {"": "x"},
    ]
)


@given(chance=st.randoms(use_true_random=False), junk=JUNK, count=st.integers(1, 3))
def test_no_manifest_breaks_the_loader(study: Path, chance: random.Random, junk: Any, count: int) -> None:
    tree = copy.deepcopy(STUDY)
    for _ in range(count):
        spoil(tree, copy.deepcopy(junk), chance)
    write(study / "junk.yaml", tree)
    problems: tuple[Problem, ...] = ()
    known: KeysView[Ref] = {}.keys()
    try:
        known = load_study([study / "junk.yaml"], local=Disk()).desired.objects.keys()
    except ManifestError as error:
        problems = error.problems
    assert problems or known
    assert all(problem.origin for problem in problems)
    assert all(ref.parent in known for ref in known if ref.parent)


def spoil(tree: Any, junk: Any, chance: random.Random) -> None:
    """Put something unfit into a random place."""
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = chance.choice(keys)
        if not isinstance(node[key], dict | list) or not node[key] or chance.random() < 0.3:
            node[key] = junk
            return
        if isinstance(node, dict) and chance.random() < 0.1:
            node[chance.choice(["files", "x-y", "scans", "a b", "tr", "state"])] = junk
            return
        node = node[key]
