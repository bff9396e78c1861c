"""What becomes of a BIDS tree's names."""

from __future__ import annotations

import time

import pytest

from xnat_sync.core.datatypes import attribute_of
from xnat_sync.core.refs import Level
from xnat_sync.core.spellings import understood
from xnat_sync.drafts.bids import survey
from xnat_sync.drafts.rules import manifest_of


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


def test_thousands_of_sessions_take_as_many_steps() -> None:
    """A minute and more where each session asks all others; a moment where it does not."""
    paths = ["participants.tsv"]
    for number in range(8000):
        stem = f"sub-{number:04}/ses-1/{{}}sub-{number:04}_ses-1_"
        paths += [stem.format("") + "scans.tsv", *(stem.format("anat/") + f"run-{run}_T1w.nii" for run in range(4))]
    begun = time.monotonic()
    made = manifest_of(survey(paths), {}, project="P", root=".")
    assert time.monotonic() - begun < 20
    assert "subjects" not in made
