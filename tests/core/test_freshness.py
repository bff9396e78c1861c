"""A plan that was approved, held against a server that moved: object by object."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xnat_sync.core.model.changes import Plan
from xnat_sync.core.model.outcome import Failure, Outcome, Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, Prune, RemoteFile, RemoteObject, RemoteState
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.core.planning.stale_plan import joined, reduced, settled

P, S, T, E = (Ref.parse(text) for text in ("P", "P/S", "P/T", "P/T/E"))
FILE, GONE, NEW = (Ref.parse(f"P/S/resource:R/{name}") for name in ("a.nii", "b.nii", "new.nii"))
SUBJECT, SESSION = "xnat:subjectData", "xnat:mrSessionData"


def held(ref: Ref, xsi_type: str, **fields: str) -> RemoteObject:
    return RemoteObject(ref=ref, accession_id=str(ref), xsi_type=xsi_type, fields=fields, project="P")


def remote(*objects: RemoteObject, files: tuple[RemoteFile, ...] = ()) -> RemoteState:
    return RemoteState(objects={found.ref: found for found in objects}, files={file.ref: file for file in files})


WANTED = DesiredState(
    objects={
        P: ObjectSpec(ref=P, xsi_type="xnat:projectData"),
        S: ObjectSpec(ref=S, xsi_type=SUBJECT, fields={"gender": "female"}),
        T: ObjectSpec(ref=T, xsi_type=SUBJECT),
        E: ObjectSpec(ref=E, xsi_type=SESSION),
    },
    files={
        FILE: FileSpec(ref=FILE, path="/a", size=3, md5="11"),
        NEW: FileSpec(ref=NEW, path="/n", size=4, md5="44"),
    },
    absent={GONE: None},
)
PROJECT, OLD = held(P, "xnat:projectData", accessibility="private"), held(S, SUBJECT)
FILES = (RemoteFile(ref=FILE, size=3, md5="00"), RemoteFile(ref=GONE, size=1, md5="99"))
THEN = remote(PROJECT, OLD, files=FILES)


def plan() -> Plan:
    return make_plan("P", WANTED, THEN)


def test_nothing_moved_on_the_same_server() -> None:
    assert {change.ref for change in plan().changes} == {S, FILE, GONE, NEW, T, E}
    assert settled(plan(), THEN) == {}


def test_what_the_plan_does_not_touch_may_move() -> None:
    other = replace(PROJECT, fields={"name": "another"})
    assert settled(plan(), remote(other, OLD, files=FILES)) == {}


@pytest.mark.parametrize(
    ("now", "refused", "done"),
    [
        (remote(PROJECT, OLD, files=(RemoteFile(ref=FILE, size=3, md5="22"), FILES[1])), {FILE}, set()),
        (remote(PROJECT, OLD, files=FILES[1:]), {FILE}, set()),
        (remote(PROJECT, OLD, files=FILES[:1]), set(), {GONE}),
        (remote(PROJECT, OLD, files=(*FILES, RemoteFile(ref=NEW, size=4, md5="44"))), set(), {NEW}),
        (remote(PROJECT, OLD, files=(*FILES, RemoteFile(ref=NEW, size=4, md5="45"))), {NEW}, set()),
        (remote(PROJECT, OLD, held(T, SUBJECT), files=FILES), set(), {T}),
        (remote(PROJECT, OLD, held(T, SUBJECT), held(E, SESSION), files=FILES), set(), {T, E}),
        (remote(PROJECT, OLD, held(T, SUBJECT), held(E, "xnat:petSessionData"), files=FILES), {E}, {T}),
        (remote(PROJECT, held(S, SUBJECT, gender="male"), files=FILES), {S, FILE, GONE, NEW}, set()),
        (remote(PROJECT, held(S, SUBJECT, gender="female"), files=FILES), set(), {S}),
        (remote(PROJECT), {S, FILE, GONE, NEW}, set()),
        (remote(), {S, FILE, GONE, NEW, T, E}, set()),
    ],
    ids=[
        "file changed", "file gone", "delete done", "file sent by another", "other file by another",
        "subject by another", "tree by another", "other type by another", "attribute changed", "attribute done",
        "subject gone", "project gone",
    ],
)  # fmt: skip
def test_each_change_stands_is_done_or_is_refused(now: RemoteState, refused: set[Ref], done: set[Ref]) -> None:
    found = dict(settled(plan(), now))
    assert {ref for ref in found if found[ref].status is Status.REFUSED} == refused
    assert {ref for ref in found if found[ref].status is Status.UNCHANGED} == done
    assert all(found[ref].failure is Failure.GUARD for ref in refused)
    assert {change.ref for change in reduced(plan(), found).changes} == {S, FILE, GONE, NEW, T, E} - refused - done


def test_what_was_pruned_stands_until_it_moves() -> None:
    named = Prune(levels=frozenset((Level.FILE,)))
    pruning = replace(WANTED, absent={}, prune={P: named})
    whole = Plan.from_data(make_plan("P", pruning, THEN).to_data())
    assert [change.ref for change in whole.changes if change.pruned] == [GONE]
    assert settled(whole, THEN) == {}
    # What has come since, nobody approved to delete; the plan is as good as it was.
    other = RemoteFile(ref=Ref.parse("P/S/resource:R/late"), size=1, md5="77")
    assert settled(whole, remote(PROJECT, OLD, files=(*FILES, other))) == {}
    moved = settled(whole, remote(PROJECT, OLD, files=(FILES[0], replace(FILES[1], md5="98"))))
    assert {ref: outcome.status for ref, outcome in moved.items()} == {GONE: Status.REFUSED}


def test_what_was_to_be_pruned_stays_when_more_hangs_on_it_now() -> None:
    pruning = DesiredState(
        objects={P: WANTED.objects[P]}, files={}, prune={P: Prune(levels=frozenset((Level.SUBJECT,)))}
    )
    session = held(OLD.ref.child(Level.SESSION, "E"), "xnat:mrSessionData")
    then = remote(PROJECT, OLD, session)
    whole = Plan.from_data(make_plan("P", pruning, then).to_data())
    assert [change.ref for change in whole.changes] == [OLD.ref]
    assert settled(whole, then) == {}
    for tied in (OLD.ref, session.ref):
        found = settled(whole, replace(then, tied=frozenset((tied,))))
        assert {ref: outcome.status for ref, outcome in found.items()} == {OLD.ref: Status.REFUSED}


def test_a_project_that_somebody_else_opened_is_not_filled() -> None:
    made = make_plan("P", WANTED, remote())
    assert settled(made, remote(PROJECT))[P].status is Status.UNCHANGED
    opened = settled(made, remote(held(P, "xnat:projectData", accessibility="public")))
    assert {outcome.status for outcome in opened.values()} == {Status.REFUSED}
    assert len(opened) == len(made.changes)


def test_the_report_speaks_of_the_whole_plan() -> None:
    whole = plan()
    known = settled(whole, remote(PROJECT, OLD, files=FILES[:1]))
    left = reduced(whole, known)
    carried = tuple(Outcome(change=change, status=Status.APPLIED) for change in left.changes)
    report = joined(whole, Report(project="P", plan_fingerprint=left.fingerprint, outcomes=carried), known)
    assert [outcome.change for outcome in report.outcomes] == list(whole.changes)
    assert report.plan_fingerprint == whole.fingerprint
    assert report.ok
