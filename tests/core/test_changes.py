"""A plan as a value: it survives being stored, and notices being changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.changes import Action, Change, FieldDiff, Plan
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, RemoteFile, RemoteObject, RemoteState
from xnat_sync.core.planning.planner import desired_of, make_plan

texts = st.text(max_size=8)
some = st.none() | texts
levels = st.dictionaries(st.sampled_from(Level), st.integers(0, 9))
project = Ref.project_of("P")


@st.composite
def changes(draw: st.DrawFn) -> Change:
    ref = project.child(Level.SUBJECT, draw(st.text(min_size=1, max_size=5)))
    wanted: ObjectSpec | FileSpec | None = draw(
        st.one_of(
            st.none(),
            st.builds(ObjectSpec, ref=st.just(ref), xsi_type=texts, fields=st.dictionaries(texts, some)),
            st.builds(
                FileSpec,
                ref=st.just(ref),
                path=texts,
                size=st.integers(0, 99),
                md5=some,
                format=some,
                content=some,
                mtime_ns=st.just(0),
                origin=st.none(),
            ),
        )
    )
    diffs = draw(st.lists(st.builds(FieldDiff, name=texts, before=some, after=some), max_size=2))
    return Change(
        action=draw(st.sampled_from(Action)),
        ref=ref,
        reason=draw(texts),
        diffs=tuple(diffs),
        wanted=wanted,
        held=draw(texts),
    )


plans = st.builds(
    Plan,
    project=texts,
    changes=st.lists(changes(), max_size=4).map(tuple),
    policy=st.builds(SyncPolicy, compare=st.sampled_from(Compare), only=st.lists(texts, max_size=2).map(tuple)),
    unchanged=levels,
    by_size_only=st.integers(0, 9),
    foreign=levels,
    context=st.just((ObjectSpec(ref=project, xsi_type="xnat:projectData", create=False),)),
    server=texts,
)


@given(plans)
def test_a_stored_plan_is_the_same_plan(plan: Plan) -> None:
    again = Plan.from_data(json.loads(json.dumps(plan.to_data())))
    assert again == plan
    assert again.fingerprint == plan.fingerprint


def small_plan() -> Plan:
    return make_plan("P", WANTED, HELD)


FILE = Ref.parse("P/S/resource:R/a")
GONE = Ref.parse("P/S/resource:R/gone")
WANTED = DesiredState(
    objects={
        project: ObjectSpec(ref=project, xsi_type="xnat:projectData", fields={"name": "n"}),
        Ref.parse("P/S"): ObjectSpec(ref=Ref.parse("P/S"), xsi_type="xnat:subjectData", fields={"group": "g"}),
        Ref.parse("P/T"): ObjectSpec(ref=Ref.parse("P/T"), xsi_type="xnat:subjectData"),
    },
    files={FILE: FileSpec(ref=FILE, path="/a", size=3, md5="33")},
    absent={GONE: None},
)
HELD = RemoteState(
    objects={
        project: RemoteObject(ref=project, accession_id="P", xsi_type="xnat:projectData", fields={"name": "n"}),
        Ref.parse("P/S"): RemoteObject(
            ref=Ref.parse("P/S"), accession_id="X_S1", xsi_type="xnat:subjectData", fields={"group": "old"}
        ),
    },
    files={FILE: RemoteFile(ref=FILE, size=3, md5="11"), GONE: RemoteFile(ref=GONE, size=1)},
)


def test_a_plan_that_was_edited_is_refused() -> None:
    data = small_plan().to_data()
    data["changes"][0]["reason"] = "because"
    with pytest.raises(ValueError, match="changed after it was made"):
        Plan.from_data(data)


@pytest.mark.parametrize(
    "data", [{}, {"format_version": 1}, {"format_version": 99}, [], {"format_version": 1, "changes": 3}]
)
def test_what_is_no_plan_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match="plan"):
        Plan.from_data(data)


def test_a_plan_speaks_of_what_it_touches_only() -> None:
    plan = small_plan()
    assert [str(change.ref) for change in plan.changes] == ["P/S", str(FILE), str(GONE), "P/T"]
    assert [str(spec.ref) for spec in plan.context] == ["P"]
    assert set(desired_of(plan).objects) == set(WANTED.objects)


def test_what_is_no_plan_is_told_by_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="not a plan: it lacks project"):
        Plan.from_data({"format_version": 1})
