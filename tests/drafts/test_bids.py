"""What becomes of a BIDS tree's names."""

from __future__ import annotations

import pytest

from xnat_sync.core.errors import UsageError
from xnat_sync.drafts.bids import demographics, draft, label_of


def scans(paths: list[str]) -> dict[str, list[str]]:
    study = draft(paths)
    return {
        f"{session_label}/{scan.label}": [scan.image, *scan.sides]
        for subject in study.subjects.values()
        for session_label, session in subject.sessions.items()
        for scan in session.scans.values()
    }


def test_an_image_takes_its_own_side_files() -> None:
    func = "sub-01/ses-a/func/sub-01_ses-a_task-rest_run-1"
    found = scans([f"{func}_bold.nii.gz", f"{func}_bold.json", f"{func}_events.tsv", "sub-01/ses-a/func/other.txt"])
    assert found == {
        "sub-01_ses-a/func-task-rest_run-1_bold": [f"{func}_bold.nii.gz", f"{func}_bold.json", f"{func}_events.tsv"]
    }


def test_side_files_are_inherited_from_above_but_not_from_strangers() -> None:
    image = "sub-01/func/sub-01_task-rest_bold.nii"
    found = scans(
        [image, "task-rest_bold.json", "task-nback_bold.json", "sub-01/sub-01_bold.json", "task-rest_sbref.json"]
    )
    assert found["sub-01/func-task-rest_bold"] == [image, "sub-01/sub-01_bold.json", "task-rest_bold.json"]


def test_only_the_nearest_gradient_table_applies() -> None:
    found = scans(
        ["sub-1/dwi/sub-1_dwi.nii.gz", "sub-1/dwi/sub-1_dwi.bval", "dwi.bval", "dwi.bvec", "sub-2/dwi/sub-2_dwi.nii.gz"]
    )
    assert found["sub-1/dwi-dwi"] == ["sub-1/dwi/sub-1_dwi.nii.gz", "dwi.bvec", "sub-1/dwi/sub-1_dwi.bval"]
    assert found["sub-2/dwi-dwi"] == ["sub-2/dwi/sub-2_dwi.nii.gz", "dwi.bval", "dwi.bvec"]


def test_runs_echoes_and_parts_are_scans_of_their_own() -> None:
    names = [f"sub-1/func/sub-1_task-x_{rest}_bold.nii" for rest in ("echo-1", "echo-2", "echo-2_part-phase")]
    assert len(scans(names)) == 3


def test_derivatives_and_hidden_files_stay_out() -> None:
    study = draft(["derivatives/p/sub-1/anat/sub-1_T1w.nii", ".git/x", "sub-1/anat/sub-1_T1w.nii", "README"])
    assert study.loose == ["README"]
    assert list(study.subjects["sub-1"].sessions) == ["sub-1"]


def test_the_session_type_fits_the_images() -> None:
    pet, anat = "sub-1/ses-1/pet/sub-1_ses-1_pet.nii", "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii"
    types = [draft(paths).subjects["sub-1"].sessions["sub-1_ses-1"].xsi_type for paths in ([pet], [anat], [pet, anat])]
    assert types == ["xnat:petSessionData", "xnat:mrSessionData", "xnat:petmrSessionData"]


def test_labels_that_become_one_are_refused() -> None:
    assert label_of("sub-a+b") == "sub-a-b"
    with pytest.raises(UsageError, match="would both be subject sub-a-b"):
        draft(["sub-a+b/anat/sub-a+b_T1w.nii", "sub-a-b/anat/sub-a-b_T1w.nii"])


def test_every_file_is_placed_once() -> None:
    paths = [
        "README", "participants.tsv", "phenotype/x.tsv", "sub-1/sub-1_sessions.tsv",
        "sub-1/ses-1/sub-1_ses-1_scans.tsv",
        "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.edf", "sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz", "sub-9/notes.txt",
    ]  # fmt: skip
    study = draft(paths)
    subject = study.subjects["sub-1"]
    assert study.loose == ["README", "participants.tsv", "phenotype/x.tsv", "sub-9/notes.txt"]
    assert subject.loose == ["sub-1/sub-1_sessions.tsv"]
    assert subject.sessions["sub-1_ses-1"].loose == [
        "sub-1/ses-1/eeg/sub-1_ses-1_task-x_eeg.edf", "sub-1/ses-1/sub-1_ses-1_scans.tsv"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ({"sex": "F", "age": "30", "handedness": "R"}, {"gender": "female", "handedness": "right", "age": "30"}),
        ({"Sex": "n/a", "age": "89+", "handedness": "100", "group": "control"}, {"group": "control"}),
        ({"gender": "D", "age": "30.0"}, {"gender": "other", "age": "30"}),
        ({}, {}),
    ],
)
def test_demographics_in_xnats_words(row: dict[str, str], found: dict[str, str]) -> None:
    assert demographics(row) == found
