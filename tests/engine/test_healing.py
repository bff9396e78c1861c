"""What accidents leave on a server is recognised, told, and mended on the cheapest road."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.changes import Action, Plan
from xnat_sync.core.model.defects import Harm
from xnat_sync.core.model.errors import Forbidden, Unreachable
from xnat_sync.core.model.outcome import Failure, Report, Status
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteFile
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.core.planning.stale_plan import settled
from xnat_sync.engine import resource_upload
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment
from xnat_sync.views.plan import plan_text
from xnat_sync.views.run import report_text

if TYPE_CHECKING:
    Study = Any

NIFTI = Ref.parse("P/S1/E1/scan:1/resource:NIFTI")
T1 = NIFTI.child(Level.FILE, "sub/1.nii")
OTHER = Ref.parse("P/S1/E1/scan:1/resource:OTHER")


def many(study: Study, number: int = 20, *, labels: str | None = None) -> list[Ref]:
    return [
        study.file(f"{OTHER}/{place:02}.nii", f"{place} of many".encode(), format=labels) for place in range(number)
    ]


def checked(study: Study, *, compare: Compare = Compare.DIGEST) -> Plan:
    """A plan that looks at the disk."""
    policy = SyncPolicy(disk=True, compare=compare)
    with open_pool(study.server, study.jobs) as pool:
        return make_plan("P", study.desired, observe("P", study.desired, pool, disk=True), policy)


def messages(report: Report) -> set[str]:
    return {outcome.message for outcome in report.outcomes}


def forget_digest(server: MemoryServer, file: Ref, content: bytes) -> None:
    held = server.files()[file]
    server.store(file, content, catalogued=RemoteFile(ref=file, size=held.size, format=held.format))


# --- files on disk that no catalog lists


def test_a_few_orphans_are_overwritten_one_by_one(study: Study, server: MemoryServer) -> None:
    study.run()
    for ref in list(server.files()):
        if ref.parent == NIFTI:
            server.add_orphan(ref, b"half")
    server.log.clear()
    report = study.run()
    assert report.ok
    assert [call.paths for call in server.log if call.method == "upload"][1:] == [
        (f"sub/{number}.nii",) for number in range(3)
    ]
    assert messages(report) == {"the rest of an interrupted upload was on the server's disk; it was overwritten"}
    assert "3 changes: the rest of an interrupted upload" in report_text(report)
    assert study.plan().is_empty
    assert not server.orphans()


def test_many_orphans_with_labels_travel_in_one_archive(study: Study, server: MemoryServer) -> None:
    files = many(study, labels="NIFTI")
    study.run()
    for ref in files:
        server.add_orphan(ref, b"half")
    before = server.calls["upload"]
    assert study.run().ok
    assert server.calls["upload"] - before == 2
    assert server.calls["refresh"] == 0, "what the server catalogues by itself gets no labels"
    assert study.plan().is_empty


def test_many_orphans_without_labels_are_catalogued_and_only_the_damaged_are_sent(
    study: Study, server: MemoryServer
) -> None:
    files = many(study)
    study.run()
    server.empty_catalog(OTHER)
    server.add_orphan(files[3], b"half")
    before = server.calls["upload"]
    report = study.run()
    assert report.ok
    assert server.calls["refresh"] == 1
    assert [call.paths for call in server.log if call.method == "upload"][before + 1 :] == [("03.nii",)]
    assert server.content(files[3]) == b"3 of many"
    assert report.counts[Status.UNCHANGED] == 19
    assert study.plan().is_empty


def test_what_a_crash_took_out_of_a_catalog_is_not_sent_again(
    study: Study, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_upload, "WORTH_A_LOOK", 100)
    files = many(study)
    study.run()
    server.empty_catalog(OTHER)
    server.add_orphan(files[0], b"half")
    before = server.calls["upload"]
    report = study.run()
    assert report.ok
    assert sum(outcome.bytes_sent for outcome in report.outcomes) == len(b"0 of many")
    assert server.calls["upload"] - before == 1
    assert "was on the server's disk and in no catalog; it was catalogued, not sent" in messages(report)
    assert study.plan().is_empty


def test_nothing_is_lost_where_nobody_may_look(
    study: Study, server: MemoryServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_upload, "WORTH_A_LOOK", 100)
    many(study)
    study.run()
    server.empty_catalog(OTHER)

    def fault(call: Call) -> None:
        if call.method in ("refresh", "resources") and call.moment is Moment.BEFORE:
            raise Forbidden("no")

    server.fault = fault
    report = study.run()
    assert not report.ok, "the orphans were kept, and could not be catalogued"
    server.fault = None
    assert study.run().ok
    assert study.plan().is_empty


# --- digests


def test_a_digest_that_an_overwritten_file_kept_is_computed_anew(study: Study, server: MemoryServer) -> None:
    study.run()
    server.checksums = False
    study.file(str(T1), b"\x09\x09", format="NIFTI")
    report = study.run()
    assert report.ok
    assert messages(report) == {"the server's digest was not that of the file; it was computed anew"}
    assert server.calls["refresh"] == 1
    assert study.plan().is_empty


def test_a_stale_digest_over_the_right_bytes_is_mended(study: Study, server: MemoryServer) -> None:
    study.run()
    server.checksums = False
    held = server.files()[T1]
    stale = RemoteFile(ref=T1, size=held.size, md5="0" * 32, format="NIFTI")
    server.store(T1, b"\x01\x01", catalogued=stale)
    plan = study.plan()
    assert [change.action for change in plan.changes] == [Action.REPLACE]
    assert study.run(plan).ok
    assert study.plan().is_empty


def test_a_digest_is_computed_where_the_server_states_none(study: Study, server: MemoryServer) -> None:
    study.run()
    forget_digest(server, T1, b"\x01\x01")
    plan = study.plan()
    assert [(change.action, change.ref) for change in plan.changes] == [(Action.REFRESH, T1)]
    assert plan.bytes_to_send == 0
    assert "the server states no digest of 1 file and is to compute it" in plan_text(plan)
    assert Plan.from_data(plan.to_data()) == plan
    before = server.calls["upload"]
    report = study.run(plan)
    assert [outcome.status for outcome in report.outcomes] == [Status.APPLIED]
    assert server.calls["upload"] == before
    assert study.plan().is_empty


def test_a_server_without_digests_is_left_in_peace(study: Study, server: MemoryServer) -> None:
    server.checksums = False
    assert study.run().ok
    plan = study.plan()
    assert plan.is_empty
    assert plan.by_size_only == len(study.files)
    assert server.calls["refresh"] == 0


def test_what_the_digest_shows_to_be_another_file_is_replaced_by_the_next_run(
    study: Study, server: MemoryServer
) -> None:
    study.run()
    forget_digest(server, T1, b"xx")
    (outcome,) = study.run().outcomes
    assert (outcome.status, outcome.failure) == (Status.FAILED, Failure.OTHER)
    assert "run again to replace it" in outcome.message
    assert server.content(T1) == b"xx", "nobody agreed to a replacement"
    plan = study.plan()
    assert [change.action for change in plan.changes] == [Action.REPLACE]
    assert study.run(plan).ok
    assert study.plan().is_empty


def test_who_may_not_refresh_is_told_so(study: Study, server: MemoryServer) -> None:
    study.run()
    forget_digest(server, T1, b"\x01\x01")

    def fault(call: Call) -> None:
        if call.method == "refresh":
            raise Forbidden("no permission")

    server.fault = fault
    (outcome,) = study.run().outcomes
    assert (outcome.status, outcome.failure) == (Status.FAILED, Failure.RIGHT)


def test_a_stored_refresh_is_still_due_until_somebody_did_it(study: Study, server: MemoryServer) -> None:
    study.run()
    for ref in list(server.files()):
        if ref.parent == NIFTI:
            forget_digest(server, ref, server.content(ref))
    plan = study.plan()
    assert {change.action for change in plan.changes} == {Action.REFRESH}

    def now() -> dict[Ref, Status]:
        with open_pool(server, 1) as pool:
            remote = observe("P", study.desired, pool)
        # Nothing else that has a digest is looked at when a stored plan is held against the server.
        files = {ref: held for ref, held in remote.files.items() if ref.parent == NIFTI}
        fewer = type(remote)(objects=remote.objects, files=files)
        return {ref: outcome.status for ref, outcome in settled(plan, fewer).items()}

    assert now() == {}
    assert study.run(plan).ok
    assert set(now().values()) == {Status.UNCHANGED}


# --- the disk


def test_what_the_catalog_says_and_the_disk_does_not_have_is_found_when_asked_for(
    study: Study, server: MemoryServer
) -> None:
    study.file("P/S1/resource:FORMS/consent.txt", b"yes")
    study.run()
    server.lose(T1)
    consent = Ref.parse("P/S1/resource:FORMS/consent.txt")
    cut = NIFTI.child(Level.FILE, "sub/2.nii")
    for ref in (consent, cut):
        server.store(ref, b"x", catalogued=server.files()[ref])
    assert study.plan().is_empty
    plan = checked(study)
    assert {str(change.ref): (change.action, change.reason) for change in plan.changes} == {
        str(T1): (Action.REPLACE, "gone from the server's disk"),
        str(cut): (Action.REPLACE, "damaged on the server's disk"),
        str(consent): (Action.REPLACE, "damaged on the server's disk"),
    }
    assert "size on disk: 1 → 3" in plan_text(plan)
    assert study.run(plan).ok
    assert checked(study).is_empty
    assert server.content(T1) == b"\x01\x01"
    assert server.content(consent) == b"yes"


def test_looking_at_the_disk_takes_a_request_for_each_session(study: Study, server: MemoryServer) -> None:
    study.file("P/S1/resource:FORMS/consent.txt", b"yes")
    study.run()
    server.calls.clear()
    assert checked(study, compare=Compare.SIZE).is_empty
    assert (server.calls["disk_files"], server.calls["disk_size"]) == (1, 1)


def test_files_that_no_catalog_lists_are_told_when_asked_for(study: Study, server: MemoryServer) -> None:
    study.run()
    server.add_orphan(T1, b"half")
    server.add_orphan(NIFTI.child(Level.FILE, "foreign.nii"), b"?")
    server.add_orphan(Ref.parse("P/S1/E1/resource:ELSEWHERE/x"), b"?")
    assert not study.plan().damage
    plan = checked(study)
    (damage,) = plan.damage
    assert (damage.harm, damage.ref) == (Harm.UNLISTED, NIFTI)
    assert "has 2 files on the server's disk that no catalog lists: 1 to be uploaded anew, 1 left alone" in plan_text(
        plan
    )
    report = study.run(plan)
    assert report.ok
    assert len(report.warnings) == 1


# --- resources


def test_a_resource_that_exists_twice_is_told_and_kept_in_step(study: Study, server: MemoryServer) -> None:
    study.run()
    server.double(NIFTI)
    plan = study.plan()
    assert plan.is_empty
    assert [(damage.harm, damage.ref) for damage in plan.damage] == [(Harm.DOUBLED, NIFTI)]
    assert "is on the server twice under one label" in plan_text(plan)
    assert Plan.from_data(plan.to_data()).damage == plan.damage
    study.file(str(T1), b"changed", format="NIFTI")
    report = study.run()
    assert report.ok
    assert "is on the server twice" in report_text(report)
    assert study.plan().is_empty


def test_an_empty_resource_is_filled(study: Study, server: MemoryServer) -> None:
    study.want("P/S1", "xnat:subjectData")
    study.run()
    server.remove(NIFTI)
    server.add_resource(NIFTI)
    assert study.run().ok
    assert study.plan().is_empty


def test_a_packed_file_that_the_server_unpacked_is_sent_and_the_other_one_named(
    study: Study, server: MemoryServer
) -> None:
    packed = study.file(f"{NIFTI}/x.nii.gz", b"packed", format="NIFTI")
    study.file(f"{NIFTI}/both.nii.gz", b"packed", format="NIFTI")
    study.file(f"{NIFTI}/both.nii", b"unpacked", format="NIFTI")
    study.run()
    server.remove(packed)
    unpacked = NIFTI.child(Level.FILE, "x.nii")
    server.store(unpacked, b"unpacked")
    plan = study.plan()
    assert [change.ref for change in plan.changes] == [packed]
    assert [(damage.harm, damage.ref) for damage in plan.damage] == [(Harm.UNPACKED, unpacked)]
    report = study.run(plan)
    assert report.ok
    assert any("x.nii seems to be x.nii.gz, unpacked by the server" in warning for warning in report.warnings)
    assert server.content(packed) == b"packed"
    assert server.content(unpacked) == b"unpacked"
    assert hashlib.md5(server.content(packed)).hexdigest() == server.files()[packed].md5
    assert not study.plan().damage


@pytest.mark.parametrize("checksums", [True, False])
def test_whether_a_blank_digest_is_a_fault_is_asked_once(study: Study, server: MemoryServer, checksums: bool) -> None:
    for session in "abc":
        study.want(f"P/S1/{session}", "xnat:mrSessionData")
        study.file(f"P/S1/{session}/resource:R/x", session.encode())
    study.files = {ref: spec for ref, spec in study.files.items() if ref.label == "x"}
    server.checksums = False

    def fault(call: Call) -> None:
        if call.method == "server":
            server.checksums = checksums
        elif call.method == "upload":
            server.checksums = False

    server.fault = fault
    if checksums:
        study.jobs = 1  # What one worker asks would change what another one stores.
    report = study.run()
    assert report.ok
    if checksums:
        assert server.calls["refresh"] == 3
        assert {file.md5 is None for file in server.files().values()} == {False}
    else:
        assert server.calls["refresh"] == 0
        assert 1 <= server.calls["server"] <= study.jobs


def test_a_server_whose_digests_were_switched_off_is_left_in_peace(study: Study, server: MemoryServer) -> None:
    study.run()
    server.checksums = False
    study.file("P/S1/E1/resource:NEW/x", b"new")
    assert study.run().ok
    plan = study.plan()
    assert plan.is_empty
    assert plan.by_size_only == 1
    server.checksums = True
    assert [change.action for change in study.plan().changes] == [Action.REFRESH]


def test_a_right_looking_listing_proves_no_upload_that_failed(study: Study, server: MemoryServer) -> None:
    study.run()
    server.lose(T1)
    plan = checked(study)

    def fault(call: Call) -> None:
        if call.method == "upload" and call.moment is Moment.BEFORE:
            raise Unreachable("reset")

    server.fault = fault
    (outcome,) = study.run(plan).outcomes
    assert (outcome.status, outcome.failure) == (Status.FAILED, Failure.SERVER)
    server.fault = None
    assert study.run(checked(study)).ok
    assert checked(study).is_empty


def test_a_refresh_whose_answer_got_lost_is_settled_by_looking(study: Study, server: MemoryServer) -> None:
    study.run()
    forget_digest(server, T1, b"\x01\x01")

    def fault(call: Call) -> None:
        if call.method == "refresh" and call.moment is Moment.AFTER:
            raise Unreachable("reset")

    server.fault = fault
    (outcome,) = study.run().outcomes
    assert outcome.status is Status.APPLIED


@pytest.mark.parametrize("unasked", ["server", "refresh"])
def test_a_digest_that_could_not_be_mended_is_no_success(study: Study, server: MemoryServer, unasked: str) -> None:
    study.run()
    new = study.file("P/S1/E1/resource:NEW/x", b"new")

    def fault(call: Call) -> None:
        server.checksums = call.method != "upload"
        if call.method == unasked and call.moment is Moment.BEFORE:
            raise Unreachable("reset")

    plan = study.plan()
    server.fault = fault
    (outcome,) = study.run(plan).outcomes
    assert (outcome.change.ref, outcome.status, outcome.failure) == (new, Status.FAILED, Failure.SERVER)
    assert "its digest could not be mended" in outcome.message
    server.fault = None
    assert study.run().ok
    assert study.plan().is_empty


def test_a_file_of_a_lost_answer_gets_its_digest_too(study: Study, server: MemoryServer) -> None:
    """Stored without a digest, not seen to have arrived, and then kept as a duplicate."""
    study.run()
    study.file("P/S1/E1/resource:NEW/x", b"new")
    plan = study.plan()

    def fault(call: Call) -> None:
        first = server.calls["upload"] <= uploads + 1
        server.checksums = not (call.method == "upload" and first)
        if call.method == "upload" and call.moment is Moment.AFTER and first:
            raise Unreachable("reset")
        if call.method == "resource_files" and call.moment is Moment.BEFORE and server.calls["upload"] == uploads + 1:
            raise Unreachable("reset")

    uploads = server.calls["upload"]
    server.fault = fault
    with open_pool(RetryingFactory(server, sleep=lambda _: None), 1) as pool:
        report = Execution(plan=plan, pool=pool, width=1, reason="test").run()
    server.fault = None
    assert server.calls["upload"] == uploads + 2
    assert report.ok
    assert study.plan().is_empty
