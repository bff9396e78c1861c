"""A create that the server answered with success and carried out on another object: nothing follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.exits import Exit, exit_of_report
from xnat_sync.core.model.errors import Rejected, Unreachable
from xnat_sync.core.model.outcome import Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.core.model.outcome import Report

    Study = Any

S1 = Ref.parse("P/S1")
E1 = Ref.parse("P/S1/E1")


def astray(server: MemoryServer, ref: Ref, *, whole: bool = True) -> Callable[[Call], bool | None]:
    """A fault by which what is said of one object is written to another one; ``whole`` sessions may be refused."""

    def fault(call: Call) -> bool | None:
        if call.method == "put_session" and not whole and call.moment is Moment.BEFORE:
            raise Rejected("whole sessions are not taken", status=400)
        is_meant = call.ref == ref and call.method in ("put_object", "put_session")
        if is_meant and call.moment is Moment.BEFORE:
            other = Ref.parse("P/OTHER/OTHER_1") if ref.level is Level.SESSION else Ref.parse("P/OTHER")
            server.set_fields(other, {"note" if ref.level is Level.SESSION else "group": "overwritten"})
        return is_meant

    return fault


@pytest.fixture
def beside(study: Study, server: MemoryServer) -> Study:
    """A study of a project that has another subject and session."""
    study.want("P/OTHER", "xnat:subjectData")
    study.want("P/OTHER/OTHER_1", "xnat:mrSessionData")
    files, study.files = study.files, {}
    objects = {ref: study.objects.pop(ref) for ref in [ref for ref in study.objects if ref.at(Level.SUBJECT) == S1]}
    assert study.run().ok
    study.objects.update(objects)
    study.files = files
    server.log.clear()
    return study


def statuses(report: Report) -> dict[str, Status]:
    return {str(outcome.change.ref): outcome.status for outcome in report.outcomes}


def test_nothing_goes_below_a_subject_that_is_not_there(beside: Study, server: MemoryServer) -> None:
    server.fault = astray(server, S1)
    report = beside.run()
    found = statuses(report)
    assert found.pop("P/S1") is Status.FAILED
    assert set(found.values()) == {Status.BLOCKED}
    assert exit_of_report(report) is Exit.PARTLY
    assert "whose accession ID the label is" in report.failures[0].message
    sent = [call.ref for call in server.log if call.method in ("put_object", "put_session", "upload", "delete")]
    assert set(sent) == {S1}


@pytest.mark.parametrize("whole", [True, False])
def test_no_scan_and_no_file_goes_below_a_session_that_is_not_there(
    beside: Study, server: MemoryServer, whole: bool
) -> None:
    server.fault = astray(server, E1, whole=whole)
    report = beside.run()
    found = statuses(report)
    assert found["P/S1/E1"] is Status.FAILED
    assert exit_of_report(report) is Exit.PARTLY
    below = {str(ref) for ref in (*beside.objects, *beside.files) if E1 in ref.ancestors()}
    assert below
    assert {found[ref] for ref in below} <= {Status.BLOCKED, Status.FAILED}
    assert not any(call.method == "upload" for call in server.log)
    assert not any(call.method == "put_object" and call.ref and call.ref.level is Level.SCAN for call in server.log)


def test_one_list_serves_all_subjects_of_a_wave(study: Study, server: MemoryServer) -> None:
    for number in range(10):
        study.want(f"P/X{number}", "xnat:subjectData")
        study.want(f"P/X{number}/Y{number}", "xnat:mrSessionData")
    plan = study.plan()
    server.calls.clear()
    assert study.run(plan).ok
    # Before the sessions, and when all objects are read back.
    assert (server.calls["subjects"], server.calls["sessions"]) == (2, 1)


def test_subjects_below_which_nothing_is_made_are_not_looked_at_twice(study: Study, server: MemoryServer) -> None:
    study.run()
    for number in range(3):
        study.want(f"P/X{number}", "xnat:subjectData")
    plan = study.plan()
    server.calls.clear()
    assert study.run(plan).ok
    assert server.calls["subjects"] == 1


def test_where_nobody_can_look_nothing_goes_below(beside: Study, server: MemoryServer) -> None:
    def fault(call: Call) -> None:
        if call.method == "subjects":
            raise Unreachable("reset")

    plan = beside.plan()
    server.fault = fault
    report = beside.run(plan)
    assert {call.ref for call in server.log if call.method.startswith("put_") and call.ref} == {S1}
    assert statuses(report)["P/S1"] is Status.FAILED
