"""Carrying plans out, on an in-memory XNAT that fails where it is told to."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.errors import Forbidden, NotAuthenticated, Rejected, Unreachable
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, Prune, RemoteFile
from xnat_sync.engine.verification_batch import MOST_FILES, MOST_SESSIONS
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    Study = Any

T1 = "P/S1/E1/scan:1/resource:NIFTI/sub/1.nii"


def statuses(report: Report) -> dict[str, str]:
    return {str(outcome.change.ref): outcome.status.value for outcome in report.outcomes}


def raising(error: Exception, method: str, *, moment: Moment = Moment.BEFORE) -> Callable[[Call], None]:
    def fault(call: Call) -> None:
        if call.method == method and call.moment is moment:
            raise error

    return fault


def test_a_study_is_carried_out_and_then_there_is_nothing_to_do(study: Study, server: MemoryServer) -> None:
    report = study.run()
    assert report.ok, statuses(report)
    assert report.bytes_sent == 6
    assert server.content(Ref.parse(T1)) == b"\x01\x01"
    assert study.plan().is_empty
    before = server.writes
    assert study.run().outcomes == ()
    assert server.writes == before


def test_one_resource_takes_one_request(study: Study, server: MemoryServer) -> None:
    study.run()
    uploads = [call for call in server.log if call.method == "upload" and call.moment is Moment.BEFORE]
    assert sorted(len(call.paths) for call in uploads) == [1, 3]


def test_only_what_differs_is_replaced(study: Study, server: MemoryServer) -> None:
    study.run()
    study.file(T1, b"changed", format="NIFTI")
    report = study.run()
    assert statuses(report) == {T1: "applied"}
    assert server.content(Ref.parse(T1)) == b"changed"


def test_attributes_are_put_back_and_cleared(study: Study, server: MemoryServer) -> None:
    study.run()
    server.set_fields(Ref.parse("P/S1"), {"gender": "male"})
    study.want("P/S1/E1", "xnat:mrSessionData", date="2024-03-01", field_strength=None)
    assert statuses(study.run()) == {"P/S1": "applied", "P/S1/E1": "applied"}
    assert server.objects()[Ref.parse("P/S1")].fields["gender"] == "female"
    assert study.plan().is_empty


def test_children_of_what_could_not_be_created_are_blocked(study: Study, server: MemoryServer) -> None:
    def fault(call: Call) -> None:
        if call.method in ("put_object", "put_session") and call.ref and call.ref.level is Level.SESSION:
            raise Forbidden("no right to create", ref=call.ref)

    server.fault = fault
    report = study.run()
    found = statuses(report)
    assert found["P/S1"] == "applied"
    assert found["P/S1/E1"] == "failed"
    assert {status for text, status in found.items() if text.startswith("P/S1/E1/")} == {"blocked"}
    assert [outcome.failure for outcome in report.failures] == [Failure.RIGHT]


def test_a_success_that_stored_nothing_is_a_failure(study: Study, server: MemoryServer) -> None:
    study.run()
    study.file("P/S1/E1/scan:1/resource:NIFTI/new.nii", b"new")
    server.fault = lambda call: call.method == "upload"
    report = study.run()
    (outcome,) = report.outcomes
    assert outcome.status is Status.FAILED
    assert outcome.failure is Failure.RIGHT
    assert "did not store" in outcome.message


def test_an_attribute_that_was_dropped_in_silence_is_a_failure(study: Study, server: MemoryServer) -> None:
    server.fault = lambda call: call.method == "put_object" and call.ref is not None and call.ref.level is Level.SUBJECT
    report = study.run()
    assert statuses(report)["P/S1"] == "failed"


def test_a_lost_reply_is_settled_by_looking(study: Study, server: MemoryServer) -> None:
    server.fault = raising(Unreachable("connection reset"), "upload", moment=Moment.AFTER)
    report = study.run()
    assert set(statuses(report).values()) <= {"applied", "failed"}
    server.fault = None
    assert study.run().ok
    assert study.plan().is_empty


@pytest.mark.parametrize(("left", "status"), [(b"hal", "failed"), (b"halves", "applied")])
def test_a_listing_does_not_prove_what_a_failed_overwrite_may_have_damaged(
    study: Study, server: MemoryServer, left: bytes, status: str
) -> None:
    """A first try is listed and its answer lost; a second finds the disk full half-way, and the entry stays."""
    assert study.run().ok
    file = study.file(T1, b"halves", format="NIFTI")

    def fault(call: Call) -> None:
        if call.method == "upload" and call.moment is Moment.AFTER:
            server.store(file, left, catalogued=server.files()[file])
            raise Unreachable("connection reset")

    server.fault = fault
    assert statuses(study.run()) == {T1: status}


def test_a_file_that_the_server_clearly_does_not_hold_is_not_read_again(
    study: Study, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an upload failed, a digest is worth a read only if the size on the server fits."""
    assert study.run().ok
    study.file(T1, b"longer than before")
    server.fault = raising(Unreachable("connection reset"), "upload")
    read: list[FileSpec] = []

    def hashed(spec: FileSpec) -> FileSpec:
        read.append(spec)
        return spec

    monkeypatch.setattr("xnat_sync.engine.resource_upload.hashed", hashed)
    assert statuses(study.run()) == {T1: "failed"}
    assert not read


def test_an_orphan_on_the_server_is_overwritten(study: Study, server: MemoryServer) -> None:
    report = study.run()
    assert report.ok
    server.remove(Ref.parse(T1))
    server.add_orphan(Ref.parse(T1))
    report = study.run()
    assert statuses(report) == {T1: "applied"}
    assert server.content(Ref.parse(T1)) == b"\x01\x01"


def test_another_file_that_appeared_meanwhile_is_not_overwritten(study: Study, server: MemoryServer) -> None:
    study.run()
    server.remove(Ref.parse(T1))
    plan = study.plan()
    server.store(Ref.parse(T1), b"somebody else's")
    (outcome,) = study.run(plan).outcomes
    assert outcome.status is Status.FAILED
    assert "another file of that name appeared" in outcome.message
    assert server.content(Ref.parse(T1)) == b"somebody else's"


def test_the_same_file_that_appeared_meanwhile_is_fine(study: Study, server: MemoryServer) -> None:
    study.run()
    server.remove(Ref.parse(T1))
    plan = study.plan()
    same = study.files[Ref.parse(T1)]
    server.store(same.ref, b"\x01\x01", catalogued=RemoteFile(ref=same.ref, size=2, md5=same.md5, format="NIFTI"))
    assert [outcome.status for outcome in study.run(plan).outcomes] == [Status.UNCHANGED]


def test_a_lost_login_ends_the_run(study: Study, server: MemoryServer) -> None:
    server.fault = raising(NotAuthenticated("401"), "put_object")
    report = study.run()
    assert [outcome.failure for outcome in report.failures] == [Failure.LOGIN]
    assert report.counts[Status.CANCELLED] == len(report.outcomes) - 1


def test_deletes_go_from_the_leaves_up_and_are_looked_at(study: Study, server: MemoryServer) -> None:
    study.run()
    del study.objects[Ref.parse("P/S1/E1/scan:1")]
    study.files = {ref: spec for ref, spec in study.files.items() if "scan:1" not in str(ref)}
    study.absent = {Ref.parse("P/S1/E1/scan:1"): None, Ref.parse("P/S1/E1/resource:NOTES/read me.txt"): None}
    study.files = {}
    report = study.run()
    assert report.ok, statuses(report)
    deletes = [str(call.ref) for call in server.log if call.method == "delete" and call.moment is Moment.BEFORE]
    assert deletes == ["P/S1/E1/resource:NOTES/read me.txt", "P/S1/E1/scan:1"]
    assert study.plan().is_empty


NIFTI = [Ref.parse(f"P/S1/E1/scan:1/resource:NIFTI/sub/{number}.nii") for number in range(3)]


def test_a_file_that_went_along_with_another_is_deleted(study: Study, server: MemoryServer) -> None:
    study.run()
    study.absent = dict.fromkeys(NIFTI)
    study.files = {}

    def fault(call: Call) -> None:
        if call.method == "delete" and call.moment is Moment.AFTER:
            server.remove(NIFTI[2])
            study.stop.request()

    server.fault = fault
    report = study.run()
    assert statuses(report) == {str(NIFTI[0]): "applied", str(NIFTI[1]): "cancelled", str(NIFTI[2]): "applied"}
    assert server.calls["delete"] == 1


def test_a_delete_that_did_nothing_is_a_failure(study: Study, server: MemoryServer) -> None:
    study.run()
    del study.objects[Ref.parse("P/S1/E1/scan:1")]
    study.files = {}
    study.absent = {Ref.parse("P/S1/E1/scan:1"): None}
    server.fault = lambda call: call.method == "delete"
    (outcome,) = study.run().outcomes
    assert outcome.status is Status.FAILED
    assert "still there" in outcome.message


def test_nothing_is_pruned_where_something_else_failed(study: Study, server: MemoryServer) -> None:
    """The file that goes may be the only copy of the one that could not be sent."""
    old = study.file("P/S1/E1/scan:1/resource:NIFTI/old.nii", b"the only copy")
    gone = study.file("P/S1/E1/scan:1/resource:NIFTI/gone.nii", b"said to be absent")
    assert study.run().ok
    del study.files[old], study.files[gone]
    study.prune = {Ref.parse("P"): Prune(levels=frozenset((Level.FILE,)))}
    study.absent = {gone: None}
    new = study.file("P/S1/E1/scan:1/resource:NIFTI/new.nii", b"the only copy, renamed")
    server.fault = raising(Forbidden("no"), "upload")
    found = statuses(study.run())
    assert found == {str(old): "blocked", str(gone): "applied", str(new): "failed"}
    assert old in server.files()
    server.fault = None
    assert statuses(study.run()) == {str(old): "applied", str(new): "applied"}
    assert study.plan().is_empty


def test_what_cannot_be_pruned_holds_nothing_else_up(study: Study, server: MemoryServer) -> None:
    stuck, old = (study.file(f"P/S1/E1/resource:{label}/a.txt", b"old") for label in ("NOTES", "OLD"))
    assert study.run().ok
    del study.files[stuck], study.files[old]
    study.prune = {Ref.parse("P"): Prune(levels=frozenset((Level.RESOURCE, Level.FILE)))}

    def fault(call: Call) -> None:
        if call.method == "delete" and call.ref == stuck:
            raise Rejected("other files would go along")

    server.fault = fault
    assert statuses(study.run()) == {str(stuck): "failed", str(old.parent): "applied"}


def test_a_file_that_changed_since_the_plan_fails_alone(study: Study) -> None:
    plan = study.plan()
    spec = study.files[Ref.parse("P/S1/E1/resource:NOTES/read me.txt")]
    Path(spec.path).write_bytes(b"grown")
    found = statuses(study.run(plan))
    assert found.pop("P/S1/E1/resource:NOTES/read me.txt") == "failed"
    assert set(found.values()) == {"applied"}


class StopAfter(Listener):
    """Asks to stop as soon as a number of outcomes are in."""

    def __init__(self, study: Study, outcomes: int) -> None:
        self.study = study
        self.left = outcomes

    def finished(self, outcome: Outcome) -> None:
        self.left -= 1
        if self.left == 0:
            self.study.stop.request()


@pytest.mark.parametrize("after", [1, 2, 4])
def test_an_interrupted_run_reports_everything_and_continues(study: Study, server: MemoryServer, after: int) -> None:
    study.listener = StopAfter(study, after)
    report = study.run()
    assert report.interrupted
    assert len(report.outcomes) == len(study.objects) + len(study.files)
    assert report.counts[Status.CANCELLED] > 0
    study.listener = Listener()
    study.stop = type(study.stop)()
    assert study.run().ok
    assert study.plan().is_empty


def sessions(study: Study, server: MemoryServer, count: int) -> None:
    """A study of sessions with three scans of two files each."""
    for number in range(count):
        session = f"P/S1/N{number}"
        study.want(session, "xnat:mrSessionData", date="2024-03-01")
        for scan in range(3):
            study.want(f"{session}/scan:{scan}", "xnat:mrScanData", type="bold", tr=str(scan + 1))
            for name in "ab":
                study.file(f"{session}/scan:{scan}/resource:NIFTI/{name}", f"{session}{scan}{name}".encode())


def test_a_new_session_takes_one_request_and_one_listing_whatever_it_holds(study: Study, server: MemoryServer) -> None:
    sessions(study, server, 2)
    assert study.run().ok
    assert server.calls["put_session"] == 3
    assert server.calls["put_object"] == 2  # project and subject
    assert server.calls["upload"] == 2 * 3 + 2
    assert server.calls["session_files"] == 1
    assert server.calls["own_files"] == 0
    assert server.calls["resource_files"] == 2  # of the session with two resources
    assert study.plan().is_empty


def test_some_sessions_are_judged_by_one_listing(study: Study, server: MemoryServer) -> None:
    sessions(study, server, MOST_SESSIONS * 2 + 1)
    assert study.run().ok
    assert server.calls["session_files"] == 2
    assert server.calls["own_files"] == 1
    assert study.plan().is_empty


def test_sessions_of_many_files_are_judged_one_by_one(study: Study, server: MemoryServer) -> None:
    sessions(study, server, 3)
    for number in range(2):
        for name in range(MOST_FILES):
            study.file(f"P/S1/N{number}/scan:0/resource:NIFTI/more/{name}", b"")
    assert study.run().ok
    assert server.calls["own_files"] == 3


def test_a_session_that_was_deleted_meanwhile_fails_alone(study: Study, server: MemoryServer) -> None:
    sessions(study, server, 3)
    gone = Ref.parse("P/S1/N1")

    def fault(call: Call) -> None:
        if call.method == "session_files" and call.moment is Moment.BEFORE and gone in server.objects():
            server.remove(gone)

    server.fault = fault
    found = statuses(study.run())
    assert {status for text, status in found.items() if text.startswith("P/S1/N1/") and "resource" in text} == {
        "failed"
    }
    assert {status for text, status in found.items() if not text.startswith("P/S1/N1/")} == {"applied"}
    server.fault = None
    assert study.run().ok
    assert study.plan().is_empty


def test_a_server_that_takes_no_session_whole_gets_it_in_parts(study: Study, server: MemoryServer) -> None:
    server.fault = raising(Rejected("what is scan[1]?"), "put_session")
    sessions(study, server, 8)
    assert study.run().ok
    assert 1 <= server.calls["put_session"] <= study.jobs  # not tried again once it is known
    assert study.plan().is_empty


def test_what_is_wrong_with_one_scan_fails_that_scan_alone(study: Study, server: MemoryServer) -> None:
    study.want("P/S1/E1/scan:2", "xnat:mrScanData", frames="many")
    study.file("P/S1/E1/scan:2/resource:NIFTI/x.nii", b"x")
    found = statuses(study.run())
    assert found.pop("P/S1/E1/scan:2") == "failed"
    assert found.pop("P/S1/E1/scan:2/resource:NIFTI/x.nii") == "blocked"
    assert set(found.values()) == {"applied"}


def test_what_a_session_put_whole_turns_out_to_lack_is_put_again(study: Study, server: MemoryServer) -> None:
    server.fault = lambda call: call.method == "put_session"
    sessions(study, server, 2)
    assert study.run().ok
    assert study.plan().is_empty


def test_an_attribute_that_a_session_put_whole_lacks_is_put_again(study: Study, server: MemoryServer) -> None:
    def fault(call: Call) -> None:
        if call.method == "put_session" and call.moment is Moment.AFTER:
            server.set_fields(Ref.parse("P/S1/E1/scan:1"), {"tr": None})
            server.set_fields(Ref.parse("P/S1/E1"), {"date": "1999-01-01"})

    server.fault = fault
    assert study.run().ok
    assert study.plan().is_empty


def test_what_is_never_understood_is_a_failure_in_the_end(study: Study, server: MemoryServer) -> None:
    server.fault = lambda call: call.ref is not None and call.ref.level is Level.SCAN and call.method == "put_object"
    study.run()
    study.want("P/S1/E1/scan:3", "xnat:mrScanData", type="bold")
    assert statuses(study.run()) == {"P/S1/E1/scan:3": "failed"}


@pytest.mark.parametrize(("count", "method"), [(1, "own_files"), (2, "session_files")])
def test_a_session_that_nobody_can_list_is_no_success(
    study: Study, server: MemoryServer, count: int, method: str
) -> None:
    sessions(study, server, count)
    server.fault = raising(Unreachable("timed out"), method)
    found = {text: status for text, status in statuses(study.run()).items() if "/N" in text and "scan:0/" in text}
    assert set(found.values()) == {"failed"}
    server.fault = None
    assert study.run().ok


@pytest.mark.parametrize("after", range(1, 6))
def test_what_was_sent_before_a_stop_is_judged_all_the_same(study: Study, server: MemoryServer, after: int) -> None:
    sessions(study, server, 4)
    uploads = itertools.count(1)

    def fault(call: Call) -> None:
        if call.method == "upload" and call.moment is Moment.AFTER and next(uploads) == after:
            study.stop.request()

    server.fault = fault
    report = study.run()
    there = {str(ref) for ref in server.files()}
    assert {text for text, status in statuses(report).items() if status == "applied" and "resource:" in text} == there
    assert len(there) < len(study.files)
