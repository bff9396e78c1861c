"""A plan as a value: it survives being stored, and notices being changed."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.changes import Action, Change, FieldDiff, Plan
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, RemoteFile, RemoteObject, RemoteState
from xnat_sync.core.planning.planner import desired_of, make_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    project=st.just(project.label),
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
    "data", [{}, {"format_version": 2}, {"format_version": 99}, [], {"format_version": 2, "changes": 3}]
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
        Plan.from_data({"format_version": 2})


@pytest.mark.parametrize("version", [1, 0, "2", 2.5, None, True, 10**400, [], {}])
def test_a_plan_of_another_format_is_to_be_made_again(version: Any) -> None:
    with pytest.raises(ValueError, match="plan again"):
        Plan.from_data({**small_plan().to_data(), "format_version": version})


@pytest.mark.parametrize(
    "other",
    [
        {"server": "https://xnat.example.net"},
        {"policy": {"compare": "size", "only": [], "disk": False}},
        {"policy": {"compare": "digest", "only": ["S"], "disk": False}},
        {"policy": {"compare": "digest", "only": [], "disk": True}},
        {"project": "Q"},
    ],
)
def test_a_plan_is_for_its_server_and_its_way_to_compare(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="plan"):
        Plan.from_data({**small_plan().to_data(), **other})


def test_a_plan_is_about_one_project() -> None:
    """Under the name of another project it would be shown, agreed to and locked."""
    data = small_plan().to_data()
    with pytest.raises(ValueError, match="more than one project"):
        Plan.from_data(forged({**data, "project": "Q"}))


def forged(data: dict[str, Any]) -> dict[str, Any]:
    """A plan with the fingerprint that fits, as whoever reads this program can make it."""
    with suppress(TypeError, AttributeError, KeyError):
        changes = [
            {**change, "file": {**change["file"], "path": ""}} if change["file"] else change
            for change in data["changes"]
        ]
        content = {key: data[key] for key in ("project", "server", "policy", "context")}
        text = json.dumps({**content, "changes": changes}, sort_keys=True)
        return {**data, "fingerprint": hashlib.sha256(text.encode()).hexdigest()[:16]}
    return data


ODD: tuple[Any, ...] = (None, 3, -1, 1.5, True, [], {}, [3], {"a": 3}, "\ud800", 1 << 63, float("nan"))


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place inside of plain JSON values."""
    if path:
        yield path
    if isinstance(data, dict | list):
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from places(value, (*path, key))


def changed(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    copied = json.loads(json.dumps(data))
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


def test_no_value_of_another_kind_gets_into_a_plan() -> None:
    """A forged plan is refused, or is one that can be written and carried out: it never breaks what reads it."""
    data = small_plan().to_data()
    assert Plan.from_data(forged(data)) == Plan.from_data(data)
    for path in places(data):
        for value in ODD:
            try:
                plan = Plan.from_data(forged(changed(data, path, value)))
            except ValueError:
                continue
            assert json.dumps(plan.to_data())
            desired_of(plan)
            assert all(isinstance(change.bytes_to_send, int) for change in plan.changes)
