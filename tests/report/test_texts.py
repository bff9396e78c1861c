"""What people see, against golden texts."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.errors import Origin, Problem, Severity
from xnat_sync.core.model.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, RemoteFile, RemoteObject, RemoteState
from xnat_sync.core.model.verify_result import Fault, Finding, Verification
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.core.text import count, duration, size, visible
from xnat_sync.gateway.port import ServerInfo
from xnat_sync.views.plan import plan_text, server_text
from xnat_sync.views.problems import problems_text, study_text, summary_text
from xnat_sync.views.progress import Bars, Heartbeat
from xnat_sync.views.run import report_text, verification_text

Golden = Callable[[str, str], None]


def study() -> tuple[DesiredState, RemoteState]:
    """A study with one of everything that a plan can say."""
    objects: dict[Ref, ObjectSpec] = {}
    files: dict[Ref, FileSpec] = {}
    held: dict[Ref, RemoteObject] = {}
    kept: dict[Ref, RemoteFile] = {}

    def want(text: str, xsi_type: str, **fields: str | None) -> Ref:
        ref = Ref.parse(text)
        objects[ref] = ObjectSpec(ref=ref, xsi_type=xsi_type, fields=fields)
        return ref

    def has(text: str, xsi_type: str, **fields: str) -> None:
        ref = Ref.parse(text)
        held[ref] = RemoteObject(
            ref=ref, accession_id=f"X{len(held)}", xsi_type=xsi_type, fields=fields, project="MOOD"
        )

    def file(text: str, number: int, md5: str | None = None) -> Ref:
        ref = Ref.parse(text)
        files[ref] = FileSpec(ref=ref, path="/x", size=number, md5=md5)
        return ref

    want("MOOD", "xnat:projectData")
    has("MOOD", "xnat:projectData")
    for number in (118, 119):
        want(f"MOOD/sub-{number}", "xnat:subjectData", gender="female")
        want(f"MOOD/sub-{number}/sub-{number}_ses-01", "xnat:mrSessionData")
        want(f"MOOD/sub-{number}/sub-{number}_ses-01/scan:2", "xnat:mrScanData", type="T1w")
        file(f"MOOD/sub-{number}/sub-{number}_ses-01/scan:2/resource:NIFTI/t1.nii.gz", 60 << 20)
    want("MOOD/sub-042", "xnat:subjectData", group="patient")
    has("MOOD/sub-042", "xnat:subjectData", group="control")
    want("MOOD/sub-042/E", "xnat:mrSessionData", note="a\x1b[31mb")
    has("MOOD/sub-042/E", "xnat:mrSessionData")
    for number in range(5):
        want(f"MOOD/sub-042/E/scan:{number}", "xnat:mrScanData", tr="2000")
        has(f"MOOD/sub-042/E/scan:{number}", "xnat:mrScanData", tr="2")
    nifti = "MOOD/sub-042/E/scan:1/resource:NIFTI"
    same = file(f"{nifti}/same.nii", 10, "aa")
    kept[same] = RemoteFile(ref=same, size=10)
    other = file(f"{nifti}/bold.nii.gz", 412 << 20, "91fe")
    kept[other] = RemoteFile(ref=other, size=412 << 20, md5="5b2c")
    file(f"{nifti}/new.nii.gz", 2048)
    file("MOOD/sub-042/E/scan:1/resource:BIDS/a.json", 1)
    file("MOOD/sub-042/E/scan:1/resource:BIDS/b.json", 2)
    want("MOOD/sub-042/MOVED", "xnat:mrSessionData")
    has("MOOD/sub-007", "xnat:subjectData")
    has("MOOD/sub-007/MOVED", "xnat:mrSessionData")
    gone = Ref.parse("MOOD/sub-042/E/resource:OLD")
    kept[gone.child(Level.FILE, "x")] = RemoteFile(ref=gone.child(Level.FILE, "x"), size=1)
    return (
        DesiredState(objects=objects, files=files, absent={gone: None}),
        RemoteState(objects=held, files=kept),
    )


def plan() -> Plan:
    desired, remote = study()
    return make_plan("MOOD", desired, remote)


def test_a_plan_is_grouped_and_ends_with_its_counts(golden: Golden) -> None:
    golden("plan.txt", plan_text(plan()))


def test_an_empty_plan_says_so(golden: Golden) -> None:
    empty = Plan(
        project="P",
        changes=(),
        unchanged={Level.SUBJECT: 1, Level.FILE: 1200},
        by_size_only=3,
        policy=SyncPolicy(compare=Compare.SIZE),
    )
    golden("plan-empty.txt", plan_text(empty))


def test_many_changes_of_a_kind_are_cut_unless_asked_for() -> None:
    changes = tuple(
        Change(action=Action.DELETE, ref=Ref.parse(f"P/S{number:03}"), reason="the manifest says state: absent")
        for number in range(30)
    )
    text = plan_text(Plan(project="P", changes=changes))
    assert "S019" in text
    assert "S020" not in text
    assert "… and 10 more (--detail shows all)" in text
    assert "S029" in plan_text(Plan(project="P", changes=changes), detail=True)


@pytest.mark.parametrize(("checksums", "word"), [(True, "on"), (False, "off"), (None, "unknown")])
def test_the_server_line_says_how_far_digests_can_be_trusted(checksums: bool | None, word: str) -> None:
    info = ServerInfo(url="http://x", version="1.9.2", user="me", checksums=checksums)
    assert server_text(info, "P").endswith(f"project P · digests {word}\n")


def test_a_report_names_failures_and_what_to_do(golden: Golden) -> None:
    changes = plan().changes
    endings = [
        Outcome(change=changes[0], status=Status.FAILED, message="403: no right", failure=Failure.RIGHT),
        Outcome(change=changes[1], status=Status.BLOCKED, message="sub-118 could not be created"),
        Outcome(change=changes[2], status=Status.APPLIED, bytes_sent=60 << 20),
        Outcome(change=changes[3], status=Status.UNCHANGED, message="the server had it already"),
        Outcome(change=changes[4], status=Status.CANCELLED, message="the run was stopped"),
    ]
    report = Report(project="MOOD", plan_fingerprint="0" * 16, outcomes=tuple(endings), seconds=75.0)
    golden("report.txt", report_text(report))
    golden("report-interrupted.txt", report_text(replace(report, interrupted=True, warnings=("be\x07ware",))))


def test_a_verification_says_how_it_was_proven(golden: Golden) -> None:
    finding = Finding(ref=Ref.parse("P/S/resource:R/a"), fault=Fault.MISSING, message="not on the server")
    proof = Verification(project="P", files=5, by_download=0, by_digest=3, by_size=1, findings=(finding,))
    fine = Verification(project="P", files=2, by_download=2, by_digest=0, by_size=0, findings=())
    golden("verification.txt", verification_text(proof) + verification_text(fine))


def test_problems_point_at_the_place(golden: Golden) -> None:
    long = "x: [" + "a" * 200 + "]"
    problems = [
        Problem(
            rule="XS104",
            summary="scan id T1w equals the type of scan 4",
            hint="rename one of them",
            origin=Origin(file="study.yaml", line=12, column=9, excerpt="        T1w: {type: a}"),
        ),
        Problem(
            rule="XS001",
            summary="a long line\x1b[0m",
            severity=Severity.WARNING,
            origin=Origin(file="study.yaml", line=3, column=180, excerpt=long),
        ),
        Problem(rule="XS006", summary="no such file"),
    ]
    golden("problems.txt", problems_text(problems) + summary_text(problems) + "\n")


def test_a_valid_study_in_one_line() -> None:
    desired, _ = study()
    assert study_text(desired).startswith("Valid: 1 project, 3 subjects, 4 sessions, 7 scans, 7 files (")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (412 << 20, "412 MiB"), (1 << 60, "1024 PiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (12, "12 s"), (59.6, "1 min 00 s"), (278, "4 min 38 s"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_counts() -> None:
    assert [count(0, "file"), count(1, "file"), count(1200, "entry")] == ["0 files", "1 file", "1,200 entries"]


def test_terminals_are_told_nothing_by_strangers() -> None:
    assert visible("a\x1b]0;x\x07b\n\u202e\u00e9") == "a\\x1b]0;x\\x07b\\n\\u202e\u00e9"


def test_a_log_gets_a_line_every_half_minute() -> None:
    now = [0.0]
    stream = io.StringIO()
    heartbeat = Heartbeat(stream, clock=lambda: now[0])
    difference = plan()
    heartbeat.started(difference)
    for second in range(0, 100, 10):
        now[0] = float(second)
        heartbeat.sent(1024)
        heartbeat.tick()
    heartbeat.finished(Outcome(change=difference.changes[0], status=Status.FAILED, message="500"))
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines[:-1]] == ["apply", "progress", "progress", "progress"]
    assert lines[-1] == "failed update subject sub-042: 500"


@pytest.mark.parametrize("display", [Bars, Heartbeat])
def test_where_nothing_is_to_be_done_there_is_no_progress(display: type[Bars | Heartbeat]) -> None:
    stream = io.StringIO()
    listener = display(stream)
    listener.started(Plan(project="P", changes=()))
    listener.tick()
    listener.ended(Report(project="P", plan_fingerprint="", outcomes=()))
    assert stream.getvalue() == ""


def test_a_bar_moves_and_closes() -> None:
    stream = io.StringIO()
    bars = Bars(stream)
    difference = plan()
    bars.reading("reading the server")
    bars.started(difference)
    bars.sent(1 << 20)
    bars.sent(-(1 << 20))
    bars.finished(Outcome(change=difference.changes[0], status=Status.FAILED, message="500"))
    bars.ended(Report(project="P", plan_fingerprint="", outcomes=()))
    text = stream.getvalue()
    assert "reading the server …" in text
    assert "failed update subject sub-042: 500" in text
    assert f"1/{len(difference.changes)} changes" in text
