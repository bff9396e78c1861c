from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.core.planning.schedule import LARGE, SCANS_A_REQUEST, Schedule, schedule

REFS = [
    Ref.parse(text)
    for text in (
        "P",
        "P/S",
        "P/S/E",
        "P/S/E/scan:1",
        "P/S/E/scan:1/resource:R/a",
        "P/S/E/scan:1/resource:R/b",
        "P/resource:X/a",
        "P/T",
        "P/T/F",
        "P/T/F/resource:R",
        "P/T/resource:Q/c",
    )
]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    refs = draw(st.lists(st.sampled_from(REFS), unique=True).map(sorted))
    changes = []
    for ref in refs:
        kinds = (Action.UPLOAD, Action.DELETE) if ref.level is Level.FILE else (Action.CREATE, Action.DELETE)
        action = draw(st.sampled_from(kinds))
        size = draw(st.integers(0, 50))
        wanted = FileSpec(ref=ref, path="", size=size) if action is Action.UPLOAD else None
        changes.append(Change(action=action, ref=ref, reason="", wanted=wanted))
    return Plan(project="P", changes=tuple(changes))


@given(plans())
def test_the_order_respects_parents_and_loses_nothing(plan: Plan) -> None:
    order = schedule(plan)
    created = [change.ref for wave in order.waves for group in wave for change in group]
    deleted = [change.ref for wave in order.deletes for change in wave]
    uploaded = [change.ref for lane in order.lanes for change in lane.changes]
    assert sorted([*created, *deleted, *uploaded]) == [change.ref for change in plan.changes]
    for place, ref in enumerate(created):
        assert not set(ref.ancestors()) & set(created[place:])
    for place, ref in enumerate(deleted):
        assert not set(ref.ancestors()) & set(deleted[:place])
    assert len({lane.resource for lane in order.lanes}) == len(order.lanes)


def created(*refs: str, action: Action = Action.CREATE) -> list[Change]:
    return [Change(action=action, ref=Ref.parse(ref), reason="") for ref in refs]


def uploaded(ref: str, size: int) -> Change:
    file = Ref.parse(f"P/{ref}/resource:R/f")
    return Change(action=Action.UPLOAD, ref=file, reason="", wanted=FileSpec(ref=file, path="", size=size))


def ordered(changes: list[Change]) -> Schedule:
    return schedule(Plan(project="P", changes=tuple(sorted(changes, key=lambda change: change.ref))))


def test_a_new_session_and_its_new_scans_are_one_group() -> None:
    new = created("P/S", "P/S/E", "P/S/E/scan:1", "P/S/E/scan:2", "P/S/OLD/scan:1", "P/S/OLD/scan:2")
    order = ordered([*new, *created("P/S/OLD", action=Action.UPDATE)])
    assert [[[change.ref.short for change in group] for group in wave] for wave in order.waves] == [
        [["S"]],
        [["S/E", "S/E/1", "S/E/2"], ["S/OLD"]],
        [["S/OLD/1"], ["S/OLD/2"]],
    ]


def test_a_session_of_very_many_scans_takes_only_some_along() -> None:
    sessions, scans = ordered(created("P/S/E", *(f"P/S/E/scan:{n}" for n in range(SCANS_A_REQUEST + 2)))).waves
    assert [len(group) for group in sessions] == [SCANS_A_REQUEST + 1]
    assert [len(group) for group in scans] == [1, 1]


def test_the_largest_lanes_go_first_and_the_rest_session_by_session() -> None:
    sizes = {"S/A/scan:1": 5, "S/A/scan:2": LARGE, "S/B/scan:1": 9, "S/B/scan:2": 1, "S/C/scan:1": LARGE + 1, "S": 8}
    order = ordered([uploaded(ref, size) for ref, size in sizes.items()])
    assert [lane.resource.short.removesuffix("/R") for lane in order.lanes] == [
        "S/C/1",
        "S/A/2",
        "S/A/1",
        "S/B/1",
        "S/B/2",
        "S",
    ]
