"""A label that means another object to XNAT: nothing is sent, in whatever way it is written."""

from __future__ import annotations

from collections.abc import Callable
from string import Template
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from pathlib import Path

    import requests

    from xnat_sync.server.running import RunningServer

Cli = Any
Manifest = Callable[..., "Path"]
HEAD = 'version: 1\nproject: {id: LAB, create: true}\ndefaults: {session: {xsi_type: "xnat:mrSessionData"}}\n'


@pytest.fixture
def numbers(
    cli: Cli, manifest: Manifest, tmp_path: Path, server: RunningServer, http: requests.Session
) -> dict[str, str]:
    """Subjects s1 and s2 with sessions e1 and e2, and the IDs that the server gave them by their labels."""
    (tmp_path / "a.dat").write_bytes(b"a")
    text = HEAD + "subjects:\n"
    for number in "12":
        text += f'  s{number}: {{sessions: {{e{number}: {{date: 2020-01-01, scans: {{"1": {{type: T1w}}}}}}}}}}\n'
    assert cli("apply", "--yes", manifest(text, "first.yaml")).status == 0
    found = {}
    for kind in ("subjects", "experiments"):
        rows = http.get(f"{server.url}/data/projects/LAB/{kind}?format=json&columns=ID,label").json()
        found.update({row["label"]: row["URI"].rpartition("/")[2] for row in rows["ResultSet"]["Result"]})
    server.log.clear()
    return found


SESSION = 'subjects: {s2: {sessions: {$e1: {date: 2024-05-05, scans: {"1": {type: T2w, files: a.dat}}}}}}\n'


@pytest.mark.parametrize(
    ("study", "conflict"),
    [
        (SESSION, "session s2/$e1  has the label that is the accession ID of session s1/e1"),
        ("subjects: {s1: {sessions: {$e2: {}}}}\n", "session s1/$e2  has the label that is the accession ID"),
        ("subjects: {$s1: {}}\n", "subject $s1  has the label that is the accession ID of subject s1"),
        ("subjects: {$s1: {sessions: {NEW: {}}}}\n", "subject $s1  has the label that is the accession ID"),
        ("subjects: {$s2: {resources: {R: {files: a.dat}}}}\n", "subject $s2  has the label that"),
        (
            "subjects: {s1: {sessions: {e1: {scans: {T1w: {type: x}}}}}}\n",
            "scan s1/e1/T1w  has the ID that is",
        ),
        (
            'subjects: {s1: {sessions: {e1: {scans: {"2": {type: "1"}}}}}}\n',
            "scan s1/e1/2  has the type that",
        ),
    ],
)
def test_the_plan_has_a_conflict_and_nothing_is_sent(
    cli: Cli, manifest: Manifest, server: RunningServer, numbers: dict[str, str], study: str, conflict: str
) -> None:
    done = cli("apply", "--yes", manifest(HEAD + Template(study).substitute(numbers)))
    assert done.status == 7, done.out
    assert f"! {Template(conflict).substitute(numbers)}" in done.out
    assert server.log.writes == []


@pytest.mark.parametrize(
    "study",
    [
        "subjects: {s2: {sessions: {'$e1%': {}}}}\n",
        "subjects: {s2: {sessions: {'%58$e1': {}}}}\n",
        "subjects: {s2: {sessions: {'$e1,$e2': {}}}}\n",
        "subjects: {'$s1/experiments/e1': {}}\n",
        "subjects: {s1: {sessions: {e1: {resources: {'12': {files: a.dat}}}}}}\n",
        "subjects: {s1: {sessions: {e1: {resources: {'NIFTI,12': {files: a.dat}}}}}}\n",
        "subjects: {s1: {sessions: {e1: {scans: {ALL: {type: x}}}}}}\n",
        "subjects: {s1: {sessions: {e1: {scans: {'*': {type: x}}}}}}\n",
        "subjects: {s1: {sessions: {e1: {scans: {'1,2': {type: x}}}}}}\n",
    ],
)
def test_other_spellings_are_no_labels(
    cli: Cli, manifest: Manifest, server: RunningServer, numbers: dict[str, str], study: str
) -> None:
    done = cli("apply", "--yes", manifest(HEAD + Template(study).substitute(numbers)))
    assert done.status == 3, done.out
    assert len(server.log) == 0


def test_a_stored_plan_is_refused_where_the_label_became_an_id_meanwhile(
    cli: Cli, manifest: Manifest, tmp_path: Path, server: RunningServer, numbers: dict[str, str], http: requests.Session
) -> None:
    """The server gives the next ID to another session before the plan is carried out."""
    given = max(numbers["e1"], numbers["e2"])
    coming = f"{given[:-5]}{int(given[-5:]) + 1:05}"
    study = manifest(f"{HEAD}subjects: {{s2: {{sessions: {{{coming}: {{}}}}}}}}\n")
    stored = tmp_path / "plan.json"
    assert cli("plan", "--out", stored, study).status == 0
    third = f"{server.url}/data/projects/LAB/subjects/s1/experiments/e3?xsiType=xnat:mrSessionData"
    assert http.put(third).text == coming
    server.log.clear()
    done = cli("apply", "--yes", stored)
    assert done.status == 7
    assert server.log.writes == []


def test_the_warning_without_a_server_names_the_rule_and_can_be_ignored(cli: Cli, manifest: Manifest) -> None:
    text = HEAD + "subjects: {s2: {sessions: {XNAT_E02234: {}}}}\n"
    done = cli("validate", manifest(text))
    assert done.status == 0
    assert "XS108" in done.out
    assert "looks like an accession ID of XNAT" in done.out
    ignored = text + "ignore: [{rule: XS108, reason: it is the label}]\n"
    assert "XS108" not in cli("validate", manifest(ignored)).out


def test_what_is_labelled_by_its_own_id_is_pulled_and_in_step(
    cli: Cli, tmp_path: Path, server: RunningServer, http: requests.Session
) -> None:
    base = f"{server.url}/data/projects/OWN"
    for path in (
        "",
        "/subjects/OWN_S00001?ID=OWN_S00001",
        "/subjects/OWN_S00001/experiments/OWN_E00001?xsiType=xnat:mrSessionData&ID=OWN_E00001",
        "/subjects/OWN_S00001/experiments/OWN_E00001/scans/1?xsiType=xnat:mrScanData&type=T1w",
        "/subjects/OWN_S00001/experiments/OWN_E00001/scans/1/resources/R/files/a.dat?inbody=true",
    ):
        assert http.put(base + path, data=b"a" if path.endswith("true") else None).status_code in (200, 201), path
    pulled = tmp_path / "own.yaml"
    assert cli("pull", "--project", "OWN", "--out", pulled, "--files", tmp_path / "files").status == 0
    assert "OWN_E00001" in pulled.read_text(encoding="utf-8")
    assert cli("plan", "--detailed-exitcode", pulled).status == 0
    text = pulled.read_text(encoding="utf-8").replace("type: T1w", "type: T1w\n            quality: usable")
    pulled.write_text(text, encoding="utf-8")
    done = cli("apply", "--yes", pulled)
    assert done.status == 0, done.out + done.err
    assert cli("plan", "--detailed-exitcode", pulled).status == 0


def test_an_alias_of_another_project_is_not_taken_for_it(
    cli: Cli, manifest: Manifest, server: RunningServer, http: requests.Session
) -> None:
    base = f"{server.url}/data/projects"
    assert http.put(f"{base}/OTHER?alias=LAB").status_code == 200
    for setup in ("", "OTHER/subjects/theirs"):
        if setup:
            assert http.put(f"{base}/{setup}").status_code == 201
        server.log.clear()
        done = cli("apply", "--yes", manifest(HEAD + "subjects: {s1: {}}\n"))
        assert done.status == 7
        assert "! project LAB  is an alias of project OTHER on the server; write OTHER in the manifest" in done.out
        assert server.log.writes == []


def test_what_differs_from_the_server_in_case_only_is_pointed_out(
    cli: Cli, manifest: Manifest, numbers: dict[str, str]
) -> None:
    assert numbers
    done = cli("plan", manifest(HEAD + "subjects: {S1: {sessions: {E1: {}}}}\n"))
    assert done.status == 0
    assert "Warning: subject S1 differs from s1 on the server in case only; it will be another one" in done.out
    assert "Warning: session S1/E1 differs from e1 on the server in case only; it will be another one" in done.out


ASTRAY = {
    "subject NEW": ("subjects: {NEW: {sessions: {NEW_1: {}}}}\n", "/subjects/NEW", "/subjects/$s1"),
    "subject NEW ": ("subjects: {NEW: {resources: {R: {files: a.dat}}}}\n", "/subjects/NEW", "/subjects/$s1"),
    "session s2/NEW": (
        'subjects: {s2: {sessions: {NEW: {scans: {"1": {type: T2w, files: a.dat}}}}}}\n',
        "/experiments/NEW",
        "/experiments/$e1",
    ),
    "scan s1/e1/7": (
        'subjects: {s1: {sessions: {e1: {scans: {"7": {type: T2w, files: a.dat}}}}}}\n',
        "/scans/7",
        "/scans/1",
    ),
}


@pytest.mark.parametrize("failed", ASTRAY)
def test_a_server_that_writes_to_another_object_all_the_same_is_noticed_before_data_follow(
    cli: Cli, manifest: Manifest, server: RunningServer, numbers: dict[str, str], http: requests.Session, failed: str
) -> None:
    """As a running XNAT does where an ID comes up that no list had: the harm is done, and nothing goes on top of it."""
    study, path, to = ASTRAY[failed]
    target = Template(to).substitute(numbers)
    server.faults.add(Fault(kind=FaultKind.ASTRAY, method="PUT", path=f"{path}(?=$|/)", to=target, times=0))
    done = cli("apply", "--yes", manifest(HEAD + study))
    assert done.status == 6, done.out
    assert failed.strip() in done.out
    assert "Nothing was sent below it" in done.out or "the object is not there" in done.out
    written = [entry.path for entry in server.log.writes if "/xnat_sync" not in entry.path]
    assert written
    assert [entry for entry in written if "/files/" in entry or not entry.endswith(target)] == []
    server.faults.clear()
    rows = http.get(f"{server.url}/data/experiments/{numbers['e1']}/files?all=true&format=json").json()
    assert rows["ResultSet"]["Result"] == []
