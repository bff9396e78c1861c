"""Which file beside an image belongs to it."""

from __future__ import annotations

import pytest

from xnat_sync.core.formats.bids import BidsName, known_values, place_of, side_files, stem_of

FOLDERS = {
    "": [
        "participants.tsv",
        "task-rest_bold.json",
        "task-nback_bold.json",
        "dwi.bval",
        "T1w.json",
        "task-rest_events.json",
    ],
    "sub-01": ["sub-01_task-rest_bold.json", "sub-01_sessions.tsv"],
    "sub-01/ses-1": ["sub-01_ses-1_scans.tsv", "sub-01_ses-1_dwi.bval", "sub-01_ses-1_task-rest_bold.json"],
    "sub-01/ses-1/func": [
        "sub-01_ses-1_task-rest_run-1_bold.nii.gz",
        "sub-01_ses-1_task-rest_run-2_bold.nii.gz",
        "sub-01_ses-1_task-rest_run-1_bold.json",
        "sub-01_ses-1_task-rest_run-1_events.tsv",
        "sub-01_ses-1_task-rest_run-1_recording-cardiac_physio.tsv.gz",
        "sub-01_ses-1_task-rest_run-1_recording-breath_physio.tsv.gz",
        "sub-01_ses-1_task-rest_run-1_sbref.nii.gz",
    ],
    "sub-01/ses-1/dwi": ["sub-01_ses-1_dwi.nii.gz", "sub-01_ses-1_dwi.bvec"],
}
FUNC = "sub-01/ses-1/func/"
RUN = FUNC + "sub-01_ses-1_task-rest_run-1"


def test_sidecars_of_every_level_apply_and_lie_highest_first() -> None:
    assert side_files(RUN + "_bold.nii.gz", FOLDERS) == [
        "task-rest_bold.json",
        "task-rest_events.json",
        "sub-01/sub-01_task-rest_bold.json",
        "sub-01/ses-1/sub-01_ses-1_task-rest_bold.json",
        RUN + "_bold.json",
        RUN + "_events.tsv",
        RUN + "_recording-breath_physio.tsv.gz",
        RUN + "_recording-cardiac_physio.tsv.gz",
    ]


def test_a_sidecar_with_an_entity_that_the_image_lacks_does_not_apply() -> None:
    found = side_files(FUNC + "sub-01_ses-1_task-rest_run-2_bold.nii.gz", FOLDERS)
    assert [path for path in found if "run-1" in path] == []
    assert "task-rest_bold.json" in found
    assert side_files(RUN + "_sbref.nii.gz", FOLDERS) == []


def test_of_gradient_tables_the_lowest_counts() -> None:
    found = side_files("sub-01/ses-1/dwi/sub-01_ses-1_dwi.nii.gz", FOLDERS)
    assert found == ["sub-01/ses-1/sub-01_ses-1_dwi.bval", "sub-01/ses-1/dwi/sub-01_ses-1_dwi.bvec"]


def test_places_in_a_resource_differ_even_where_names_do_not() -> None:
    image = "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.nii"
    sides = [
        "task-rest_bold.json",
        "sub-01/ses-1/sub-01_ses-1_task-rest_bold.json",
        "sub-01/ses-1/func/sub-01_ses-1_task-rest_bold.json",
    ]
    assert [place_of(side, image) for side in sides] == [sides[0], sides[1], "sub-01_ses-1_task-rest_bold.json"]


def test_what_lies_where_bids_has_it_not_keeps_its_place() -> None:
    image = "sub-01/func/sub-01_task-rest_bold.nii"
    folders = {"": ["sub-01_task-rest_bold.json"], "sub-01/func": ["task-rest_bold.json"]}
    assert side_files(image, folders) == ["sub-01/func/task-rest_bold.json"]
    assert place_of("sub-01/func/task-rest_bold.json", image) == "sub-01/func/task-rest_bold.json"
    assert place_of("images/sub-01_T1w.json", "images/sub-01_T1w.nii") == "sub-01_T1w.json"


@pytest.mark.parametrize(
    ("name", "stem", "ending"),
    [("a.nii.gz", "a", ".nii.gz"), ("a.b.nii", "a.b", ".nii"), ("a", "a", ""), (".x", ".x", ""), ("a.gz", "a", ".gz")],
)
def test_endings(name: str, stem: str, ending: str) -> None:
    assert stem_of(name) == (stem, ending)


def test_what_a_path_says() -> None:
    values = known_values("sub-01/ses-1/anat/sub-01_ses-1_acq-a+b_T1w.nii.gz")
    assert values["name"] == "acq-a+b_T1w"
    assert (values["suffix"], values["acq"], values["sub"], values["ext"]) == ("T1w", "a+b", "01", ".nii.gz")
    assert "suffix" not in known_values("scan one.nii")


@pytest.mark.parametrize("name", ["sub-01_sub-02_T1w.nii", "a_b-c.nii", "sub-01_.nii", "", "sub-0 1_T1w.nii"])
def test_other_names_are_none_of_bids(name: str) -> None:
    assert BidsName.parse(name) is None
