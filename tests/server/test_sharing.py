"""Sharing, unsharing, renaming and moving (SubjectResource, ExperimentResource, Rename; TestSharing, TestRename)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/P/subjects/S1"
SESSION = f"{SUBJECT}/experiments/E1"
FILE = f"{SESSION}/scans/1/resources/NIFTI/files/a.nii"


@pytest.fixture
def study(http: Any) -> Any:
    """Projects P and Q; in P subject S1 with session E1, scan 1, one file on the scan and one on the subject."""
    http.put("/data/projects/P")
    http.put("/data/projects/Q")
    http.put(f"{SESSION}?xsiType=xnat:mrSessionData")
    http.put(f"{SESSION}/scans/1?xsiType=xnat:mrScanData&type=T1")
    binary = {"Content-Type": "application/octet-stream"}
    http.put(FILE, data=b"abc", headers=binary)
    http.put(f"{SUBJECT}/resources/NOTES/files/n.txt", data=b"def", headers=binary)
    return http


def message(reply: requests.Response) -> str:
    return reply.text.partition("<h3>")[2].partition("</h3>")[0]


def labels(http: Any, uri: str) -> list[str]:
    return [row["label"] for row in http.rows(uri)]


def test_sharing_a_subject_does_not_share_its_experiments(study: Any) -> None:
    """200 with the object itself (a page unless a format is asked); TestSharing.testUnShared."""
    reply = study.put(f"{SUBJECT}/projects/Q?label=OTHER&format=json")
    assert reply.status_code == 200
    assert reply.json()["items"][0]["data_fields"]["label"] == "S1"
    row = study.rows("/data/projects/Q/subjects")[0]
    assert (row["label"], row["project"]) == ("OTHER", "P")
    assert study.rows("/data/projects/Q/experiments") == []
    assert study.get("/data/projects/Q/subjects/OTHER?format=json").status_code == 200


def test_share_statuses_of_experiments(study: Any) -> None:
    """200 below the subject, 201 by accession ID (TestCustomDataTypeLifecycle), the ID as text."""
    reply = study.put(f"{SESSION}/projects/Q")
    assert (reply.status_code, reply.text) == (200, "XNAT_E00001")
    assert study.delete("/data/projects/Q/experiments/E1").status_code == 200
    reply = study.put("/data/experiments/XNAT_E00001/projects/Q")
    assert (reply.status_code, reply.text) == (201, "XNAT_E00001")


def test_words_of_the_share_in_experiment_lists(study: Any) -> None:
    """ProjSubExptList: only if label is a column and the ID key is <root>/id."""
    study.put(f"{SUBJECT}/projects/Q?label=S9")
    study.put(f"{SESSION}/projects/Q?label=E9")
    row = study.rows("/data/projects/Q/experiments?columns=label,project,subject_label")[0]
    assert (row["label"], row["project"], row["subject_label"]) == ("E9", "Q", "S9")
    row = study.rows("/data/projects/Q/experiments?columns=label,project&xsiType=xnat:imageSessionData")[0]
    assert (row["label"], row["project"]) == ("E1", "P")
    assert labels(study, "/data/projects/P/experiments") == ["E1"]


def test_share_conflicts(study: Any) -> None:
    study.put(f"{SESSION}/projects/Q")
    for project in "PQ":
        reply = study.put(f"{SESSION}/projects/{project}")
        assert (reply.status_code, message(reply)) == (409, f"Already assigned to project:{project}")
    reply = study.put(f"{SESSION}/projects/NONE")
    assert (reply.status_code, message(reply)) == (404, "Unable to identify project: NONE")
    study.put("/data/projects/Q/subjects/T")
    reply = study.put(f"{SUBJECT}/projects/Q?label=T")
    assert (reply.status_code, message(reply)) == (409, "Label already in use:T")


def test_sharing_again_renames_the_share(study: Any) -> None:
    study.put(f"{SUBJECT}/projects/Q?label=A")
    assert study.put(f"{SUBJECT}/projects/Q?label=B&format=json").status_code == 200
    assert labels(study, "/data/projects/Q/subjects") == ["B"]


def test_list_of_projects_of_an_object(study: Any) -> None:
    study.put(f"{SUBJECT}/projects/Q?label=A")
    rows = study.rows(f"{SUBJECT}/projects")
    assert [(row["ID"], row["label"]) for row in rows] == [("P", "S1"), ("Q", "A")]
    assert list(rows[0]) == ["label", "ID", "Secondary_ID", "Name"]


def test_deleting_in_a_sharing_project_only_unshares(study: Any) -> None:
    study.put(f"{SUBJECT}/projects/Q")
    study.put(f"{SESSION}/projects/Q")
    assert study.delete("/data/projects/Q/subjects/S1").status_code == 200
    assert study.rows("/data/projects/Q/experiments") == []
    assert study.get(SESSION).status_code == 200


def test_unsharing_by_tail(study: Any) -> None:
    study.put(f"{SESSION}/projects/Q")
    assert study.delete(f"{SESSION}/projects/Q").status_code == 200
    assert study.rows("/data/projects/Q/experiments") == []
    reply = study.delete(f"{SESSION}/other/Q")
    assert reply.status_code == 400
    assert message(reply) == "Illegal file path 'other/Q' does not start with 'projects/'."


def content(http: Any, uri: str) -> bytes:
    reply = http.get(uri)
    assert reply.status_code == 200, reply.text
    body: bytes = reply.content
    return body


def test_renaming_a_session_moves_its_folder(server: RunningServer, study: Any) -> None:
    """200 and empty; the files are found under the new label, the old folder is gone."""
    reply = study.put(f"{SESSION}?label=E2")
    assert (reply.status_code, reply.text) == (200, "")
    assert content(study, FILE.replace("/E1/", "/E2/")) == b"abc"
    sessions: Path = server.context.archive / "P" / "arc001"
    assert [path.name for path in sessions.iterdir()] == ["E2"]
    assert study.get(SESSION).status_code == 404


def test_renaming_a_subject_moves_its_folder(server: RunningServer, study: Any) -> None:
    assert study.put(f"{SUBJECT}?label=S2").status_code == 200
    assert content(study, "/data/projects/P/subjects/S2/resources/NOTES/files/n.txt") == b"def"
    assert content(study, FILE.replace("/S1/", "/S2/")) == b"abc"  # a session's folder does not depend on the subject
    subjects: Path = server.context.archive / "P" / "subjects"
    assert [path.name for path in subjects.iterdir()] == ["S2"]


def test_rename_conflicts(server: RunningServer, study: Any) -> None:
    study.put(f"{SUBJECT}/experiments/E2?xsiType=xnat:mrSessionData")
    reply = study.put(f"{SESSION}?label=E2")
    assert (reply.status_code, message(reply)) == (409, "Specified label E2 is already in use.")
    leftover = server.context.archive / "P" / "arc001" / "E3" / "SCANS"
    leftover.mkdir(parents=True)
    reply = study.put(f"{SESSION}?label=E3")
    assert (reply.status_code, message(reply)) == (409, "File system destination contains pre-existing files")
    assert content(study, FILE) == b"abc"


def test_rename_does_not_check_the_alphabet(study: Any) -> None:
    """Rename writes past preSave."""
    assert study.put(SESSION, params={"label": "a.b"}).status_code == 200
    assert labels(study, "/data/projects/P/experiments") == ["a.b"]


@pytest.mark.parametrize("label", ["a/b", "../../x", ".."])
def test_no_label_leads_out_of_the_archive(study: Any, label: str) -> None:
    """Stricter than XNAT; the session keeps its label and its files."""
    for uri in (SESSION, f"{SESSION}/projects/Q?primary=true"):
        reply = study.put(uri, params={"label": label})
        assert reply.status_code == 400
        assert message(reply).startswith("Illegal")
    assert labels(study, "/data/projects/P/experiments") == ["E1"]
    assert content(study, FILE) == b"abc"


def test_renaming_in_a_sharing_project_changes_the_share(study: Any) -> None:
    study.put(f"{SUBJECT}/projects/Q")
    assert study.put("/data/projects/Q/subjects/S1?label=S9").status_code == 200
    assert labels(study, "/data/projects/Q/subjects") == ["S9"]
    assert labels(study, "/data/projects/P/subjects") == ["S1"]


def test_moving_an_experiment_to_another_project(study: Any) -> None:
    """``primary=true``: 200 and empty; files go along."""
    reply = study.put(f"{SESSION}/projects/Q?primary=true")
    assert (reply.status_code, reply.text) == (200, "")
    assert labels(study, "/data/projects/P/experiments") == []
    assert labels(study, "/data/projects/Q/experiments") == ["E1"]
    assert content(study, "/data/experiments/XNAT_E00001/scans/1/resources/NIFTI/files/a.nii") == b"abc"


def test_project_with_foreign_experiments_survives_its_deletion(study: Any) -> None:
    """BaseXnatProjectdata.delete, preventProjectDelete: the answer is 200 all the same."""
    study.put(f"{SESSION}/projects/Q?primary=true")
    assert study.delete("/data/projects/P").status_code == 200
    assert study.get("/data/projects/P").status_code == 200
    assert labels(study, "/data/projects/P/subjects") == ["S1"]
    assert study.delete("/data/projects/Q").status_code == 200
    assert study.delete("/data/projects/P").status_code == 200
    assert study.get("/data/projects/P").status_code == 404
