"""What becomes of a BIDS tree's names."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.formats.cell_values import understood
from xnat_sync.core.model.attributes import attribute_of
from xnat_sync.core.model.refs import Level
from xnat_sync.importers.bids_manifest import manifest_of
from xnat_sync.importers.bids_survey import survey

if TYPE_CHECKING:
    from types import FrameType


def test_every_file_is_an_image_or_beside_one_or_left() -> None:
    func = "sub-1/ses-1/func/sub-1_ses-1_task-x"
    found = survey(
        [
            "README", "participants.tsv", "phenotype/x.tsv", "task-x_bold.json", ".bidsignore",
            "derivatives/p/sub-1/anat/sub-1_T1w.nii", "code/run.sh", "sub-1/sub-1_sessions.tsv",
            "sub-1/ses-1/sub-1_ses-1_scans.tsv", "sub-1/ses-1/beh/sub-1_ses-1_task-x_beh.tsv",
            f"{func}_bold.nii.gz", f"{func}_bold.json", f"{func}_events.tsv", f"{func}_sbref.nii.gz",
            "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.vhdr", "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.vmrk",
            "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.eeg", "sub-1/ses-1/eeg/sub-1_ses-1_task-x_channels.tsv",
            "sub-9/notes.txt", "sub-9/anat/odd.nii",
        ]
    )  # fmt: skip
    assert [image.path for image in found.images] == [
        "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.vhdr", f"{func}_bold.nii.gz", f"{func}_sbref.nii.gz",
    ]  # fmt: skip
    assert [image.kind for image in found.images] == ["eeg", "mr", "mr"]
    assert found.project == [".bidsignore", "README", "participants.tsv", "phenotype/x.tsv", "task-x_bold.json"]
    assert found.skipped == {"code": 1, "derivatives/p": 1}
    assert dict(found.left) == {
        ("sub-1", ""): ["sub-1/sub-1_sessions.tsv"],
        ("sub-1", "ses-1"): ["sub-1/ses-1/beh/sub-1_ses-1_task-x_beh.tsv", "sub-1/ses-1/sub-1_ses-1_scans.tsv"],
        ("sub-9", ""): ["sub-9/anat/odd.nii", "sub-9/notes.txt"],
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("gender", "F", "female"), ("gender", "Male", "male"), ("gender", "D", "other"), ("gender", "?", None),
        ("age", "30", "30"), ("age", "30.0", "30"), ("age", "30.9", "30"), ("age", "89+", "89"), ("age", "old", None),
        ("handedness", "R", "right"), ("handedness", "100", None), ("group", "control", "control"),
        ("weight", "70.5", "70.5"), ("weight", "heavy", None),
    ],
)  # fmt: skip
def test_demographics_in_xnats_words(name: str, text: str, value: str | None) -> None:
    attribute = attribute_of(Level.SUBJECT, "", name)
    assert attribute is not None
    assert understood(attribute, text) == value


def steps(sessions: int) -> int:
    """How many calls it takes to write the manifest of so many sessions."""
    paths = ["participants.tsv"]
    for number in range(sessions):
        stem = f"sub-{number:04}/ses-1/{{}}sub-{number:04}_ses-1_"
        paths += [stem.format("") + "scans.tsv", *(stem.format("anat/") + f"run-{run}_T1w.nii" for run in range(4))]
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    found = survey(paths)
    sys.setprofile(count)
    try:
        made = manifest_of(found, {}, project="P", root=".")
    finally:
        sys.setprofile(None)
    assert "subjects" not in made.data
    return calls


def test_twice_as_many_sessions_take_twice_as_many_steps() -> None:
    """And not four times as many, as where each session asks all others."""
    assert steps(400) < 3 * steps(200)
