from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.changes import Action, Change, Plan
from xnat_sync.core.refs import Level, Ref
from xnat_sync.core.schedule import schedule
from xnat_sync.core.state import FileSpec

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
    created = [change.ref for wave in order.waves for change in wave]
    deleted = [change.ref for wave in order.deletes for change in wave]
    uploaded = [change.ref for lane in order.lanes for change in lane.changes]
    assert sorted([*created, *deleted, *uploaded]) == [change.ref for change in plan.changes]
    for place, ref in enumerate(created):
        assert not set(ref.ancestors()) & set(created[place:])
    for place, ref in enumerate(deleted):
        assert not set(ref.ancestors()) & set(deleted[:place])
    assert len({lane.resource for lane in order.lanes}) == len(order.lanes)
    assert [lane.size for lane in order.lanes] == sorted((lane.size for lane in order.lanes), reverse=True)
