"""What another project shares into this one is read and compared here, and never written, at whatever level."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

Cli = Any
Write = Callable[..., "Path"]
OWNERS = """\
version: 1
project: {id: OWNER, create: true}
root: data
subjects:
  s1:
    group: control
    resources: {FORMS: {files: form.txt}}
    sessions:
      s1_1:
        xsi_type: "xnat:mrSessionData"
        date: 2024-03-01
        resources: {NOTES: {files: note.txt}}
        scans: {"1": {type: T1w, files: a.dat}, "2": {type: T2w, files: a.dat}}
"""
SCAN = '"1": {type: T1w, files: a.dat}, "2": {type: T2w, files: a.dat}'
GUESTS = """\
version: 1
project: GUEST
root: data
subjects:
  g1:
    %(subject)s
    sessions:
      g1_1:
        xsi_type: "xnat:mrSessionData"
        %(session)s
        scans: {%(scans)s}
"""
IN_STEP = {"subject": "group: control", "session": "date: 2024-03-01", "scans": SCAN}


@pytest.fixture
def shared(
    cli: Cli, manifest: Write, tmp_path: Path, server: RunningServer, http: requests.Session
) -> Callable[..., Path]:
    """Subject and session of project OWNER, shared into GUEST under other labels; returns a writer of GUEST's study."""
    (tmp_path / "data").mkdir()
    for name in ("form.txt", "note.txt", "a.dat", "b.dat"):
        (tmp_path / "data" / name).write_text(name, encoding="utf-8")
    assert cli("apply", "--yes", manifest(OWNERS, "owner.yaml")).status == 0
    base = f"{server.url}/data/projects"
    for path in ("GUEST", "OWNER/subjects/s1/projects/GUEST?label=g1&format=json"):
        assert http.put(f"{base}/{path}").status_code in (200, 201)
    share = "OWNER/subjects/s1/experiments/s1_1/projects/GUEST?label=g1_1"
    assert http.put(f"{base}/{share}").status_code in (200, 201)
    server.log.clear()

    def write(**parts: str) -> Path:
        return manifest(GUESTS % {**IN_STEP, **parts}, "guest.yaml")

    return write


def test_what_is_shared_and_as_the_manifest_says_is_nothing_to_do(cli: Cli, shared: Write) -> None:
    done = cli("plan", "--detailed-exitcode", shared())
    assert done.status == 0, done.out
    assert cli("verify", shared()).status == 0


@pytest.mark.parametrize(
    ("parts", "conflict"),
    [
        ({"subject": "group: patient"}, "subject g1"),
        ({"subject": "resources: {FORMS: {files: a.dat}}"}, "file g1/FORMS/a.dat"),
        ({"subject": "resources: {FORMS: {state: absent}}"}, "resource g1/FORMS"),
        ({"session": "date: 2024-03-02"}, "session g1/g1_1"),
        ({"session": "fields: {k: v}"}, "session g1/g1_1"),
        ({"session": "resources: {NOTES: {files: a.dat}}"}, "file g1/g1_1/NOTES/a.dat"),
        ({"session": "resources: {NOTES: {state: absent}}"}, "resource g1/g1_1/NOTES"),
        ({"session": "resources: {NOTES: {files: {note.txt: {state: absent}}}}"}, "file g1/g1_1/NOTES/note.txt"),
        ({"scans": '"1": {type: T1w, quality: usable}'}, "scan g1/g1_1/1"),
        ({"scans": '"1": {type: T1w, tr: 2000}'}, "scan g1/g1_1/1"),
        ({"scans": '"1": {state: absent}'}, "scan g1/g1_1/1"),
        ({"scans": '"3": {type: PD}'}, "scan g1/g1_1/3"),
        ({"scans": '"1": {files: {a.dat: b.dat}}'}, "file g1/g1_1/1/NIFTI/a.dat"),
        ({"scans": '"1": {files: b.dat}'}, "file g1/g1_1/1/NIFTI/b.dat"),
        ({"scans": '"1": {resources: {NIFTI: {state: absent}}}'}, "resource g1/g1_1/1/NIFTI"),
    ],
)
def test_nothing_is_written_through_the_project_that_it_is_shared_with(
    cli: Cli, shared: Callable[..., Path], server: RunningServer, parts: dict[str, str], conflict: str
) -> None:
    study = shared(**parts)
    done = cli("apply", "--yes", "--allow-delete", study)
    assert done.status == 7, done.out
    assert f"! {conflict}" in done.out
    assert "belongs to project OWNER and is only shared here" in done.out
    assert server.log.writes == []


@pytest.mark.parametrize("what", ["session", "subject"])
def test_what_must_not_exist_is_not_taken_out_of_the_sharing(
    cli: Cli, shared: Write, manifest: Write, server: RunningServer, what: str
) -> None:
    """XNAT takes a delete through the other project for the end of the sharing."""
    said = "{state: absent}" if what == "subject" else "{sessions: {g1_1: {state: absent}}}"
    study = manifest(f"version: 1\nproject: GUEST\nsubjects:\n  g1: {said}\n", "absent.yaml")
    assert cli("apply", "--yes", "--allow-delete", study).status == 7
    assert server.log.writes == []


@pytest.mark.parametrize("rule", ["[subjects]", "[sessions]", "[scans, resources, files]"])
def test_what_nobody_names_is_left_alone_where_it_is_shared(
    cli: Cli, shared: Write, manifest: Write, server: RunningServer, rule: str
) -> None:
    named = {"[subjects]": "", "[sessions]": "  g1: {group: control}\n"}.get(rule)
    named = GUESTS.partition("subjects:\n")[2] % {**IN_STEP, "scans": '"1": {}'} if named is None else named
    subjects = f"subjects:\n{named}" if named else "subjects: {}\n"
    study = manifest(f"version: 1\nproject: {{id: GUEST, prune: {rule}}}\nroot: data\n{subjects}", "prune.yaml")
    done = cli("apply", "--yes", "--allow-delete", study)
    assert (done.status, server.log.writes) == (0, []), done.out


def test_a_session_of_ones_own_below_a_shared_subject_can_be_made(
    cli: Cli, shared: Write, manifest: Write, server: RunningServer, http: requests.Session
) -> None:
    text = GUESTS.replace("g1_1", "g1_own") % {**IN_STEP, "subject": "group: control"}
    study = manifest(text, "own.yaml")
    done = cli("apply", "--yes", study)
    assert done.status == 0, done.out
    assert cli("plan", "--detailed-exitcode", study).status == 0
    listed = http.get(f"{server.url}/data/projects/GUEST/subjects?format=json&columns=label").json()
    assert [row["label"] for row in listed["ResultSet"]["Result"]] == ["g1"]


def test_a_plan_that_was_stored_before_the_sharing_is_refused(
    cli: Cli, manifest: Write, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    """A session that was made here and that another project owns meanwhile."""
    base = f"{server.url}/data/projects"
    for path in ("OWNER", "GUEST", "GUEST/subjects/s1", "GUEST/subjects/s1/experiments/e1?xsiType=xnat:mrSessionData"):
        assert http.put(f"{base}/{path}").status_code in (200, 201)
    text = 'version: 1\nproject: GUEST\nsubjects: {s1: {sessions: {e1: {xsi_type: "xnat:mrSessionData", note: x}}}}\n'
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, manifest(text)).status == 0
    moved = "GUEST/subjects/s1/experiments/e1/projects/OWNER?primary=true"
    assert http.put(f"{base}/{moved}").status_code in (200, 201)
    server.log.clear()
    assert cli("apply", "--yes", stored).status == 7
    assert server.log.writes == []


def test_a_session_that_is_no_imaging_session_is_not_taken_out_of_the_sharing_either(
    cli: Cli, manifest: Write, server: RunningServer, http: requests.Session
) -> None:
    """The list of images, which says the owner, does not have it."""
    base = f"{server.url}/data/projects"
    visit = "OWNER/subjects/s1/experiments/v1"
    for path in ("OWNER", "GUEST", "OWNER/subjects/s1", f"{visit}?xsiType=xnat:subjectVariablesData"):
        assert http.put(f"{base}/{path}").status_code in (200, 201), path
    for path in ("OWNER/subjects/s1/projects/GUEST?label=s1&format=json", f"{visit}/projects/GUEST?label=v1"):
        assert http.put(f"{base}/{path}").status_code in (200, 201), path
    server.log.clear()
    study = manifest("version: 1\nproject: GUEST\nsubjects: {s1: {sessions: {v1: {state: absent}}}}\n")
    done = cli("apply", "--yes", "--allow-delete", "--format", "json", study)
    assert done.status == 7, done.out
    assert server.log.writes == []
    rows = json.loads(http.get(f"{base}/GUEST/experiments?format=json").text)["ResultSet"]["Result"]
    assert [row["label"] for row in rows] == ["v1"]
