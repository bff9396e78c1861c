"""How many requests a plan takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import Prune
from xnat_sync.engine.observe import SESSIONS_A_REQUEST

if TYPE_CHECKING:
    from xnat_sync.testing.fake_xnat import MemoryServer

    Study = Any


def test_sessions_share_requests(study: Study, server: MemoryServer) -> None:
    for number in range(SESSIONS_A_REQUEST + 1):
        study.want(f"P/S1/X{number}", "xnat:mrSessionData")
        study.file(f"P/S1/X{number}/resource:R/a", b"x")
    study.run()
    server.calls.clear()
    assert study.plan().is_empty
    assert server.calls == {"subjects": 1, "sessions": 1, "images": 2, "session_files": 2}


def test_what_the_manifest_does_not_touch_is_not_read(study: Study, server: MemoryServer) -> None:
    study.run()
    study.files = {}
    server.calls.clear()
    study.plan()
    assert server.calls["session_files"] == 0


def test_an_empty_resource_that_must_not_exist_is_found(study: Study, server: MemoryServer) -> None:
    study.run()
    server.add_resource(Ref.parse("P/S1/E1/scan:1/resource:OLD"))
    study.absent = {Ref.parse("P/S1/E1/scan:1/resource:OLD"): None}
    plan = study.plan()
    assert [(change.action.value, change.ref.level) for change in plan.changes] == [("delete", Level.RESOURCE)]
    assert study.run(plan).ok
    assert study.plan().is_empty


def test_whatever_a_place_prunes_is_read(study: Study, server: MemoryServer) -> None:
    """Resources without files, and files of resources and sessions that the study does not name."""
    study.run()
    server.add_resource(Ref.parse("P/S1/E1/scan:1/resource:OLD"))
    server.add_resource(Ref.parse("P/S1/resource:OLD"))
    study.want("P/S2", "xnat:subjectData")
    study.want("P/S2/E2", "xnat:mrSessionData")
    extra = study.file("P/S2/E2/resource:NOTES/x.txt", b"x")
    assert study.run().ok
    for ref in (extra, *extra.ancestors()):
        study.files.pop(ref, None)
        if ref.level is not Level.PROJECT:
            study.objects.pop(ref, None)
    assert study.plan().is_empty
    study.prune = {Ref.parse("P"): Prune(levels=frozenset((Level.SUBJECT, Level.RESOURCE)))}
    plan = study.plan()
    assert [(str(change.ref), change.reason.partition("; ")[2]) for change in plan.changes] == [
        ("P/S1/E1/scan:1/resource:OLD", ""),
        ("P/S1/resource:OLD", ""),
        ("P/S2", "takes 1 session, 1 file along"),
    ]
    assert study.run(plan).ok
    assert study.plan().is_empty


def test_pruning_files_costs_no_request(study: Study, server: MemoryServer) -> None:
    """They are pruned beside those that are named, and those are listed anyway."""
    study.run()
    server.calls.clear()
    study.plan()
    before = dict(server.calls)
    study.prune = {Ref.parse("P"): Prune(levels=frozenset((Level.FILE,)))}
    server.calls.clear()
    study.plan()
    assert server.calls == before


def test_a_subjects_own_files_are_read(study: Study, server: MemoryServer) -> None:
    study.file("P/S1/resource:FORMS/consent.txt", b"yes")
    study.file("P/resource:BIDS/participants.tsv", b"id")
    assert study.run().ok
    server.calls.clear()
    assert study.plan().is_empty
    assert server.calls["own_files"] == 2


def test_the_project_is_asked_for_where_something_of_it_is_declared(study: Study, server: MemoryServer) -> None:
    study.want("P", "xnat:projectData", description="a study")
    assert study.run().ok
    server.calls.clear()
    assert study.plan().is_empty
    assert server.calls["project"] == 1


def test_an_empty_project_is_told_from_a_missing_one(study: Study, server: MemoryServer) -> None:
    study.objects = {Ref.parse("P"): study.objects[Ref.parse("P")]}
    study.files = {}
    assert [change.action.value for change in study.plan().changes] == ["create"]
    assert study.run().ok
    assert study.plan().is_empty


def test_who_owns_a_session_is_asked_of_the_list_that_says_it(study: Study, server: MemoryServer) -> None:
    """The list of experiments says the project that was asked."""
    assert study.run().ok
    server.lend(Ref.parse("P/S1/E1"), "OWNER")
    assert study.plan().is_empty
    study.file("P/S1/E1/scan:1/resource:NIFTI/more.nii", b"more")
    assert [change.action.value for change in study.plan().changes] == ["conflict"]
