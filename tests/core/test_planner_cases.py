"""The planner's cases, which are data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import (
    DesiredState,
    FileSpec,
    Found,
    ObjectSpec,
    Prune,
    RemoteFile,
    RemoteObject,
    RemoteState,
)
from xnat_sync.core.planning.planner import make_plan

if TYPE_CHECKING:
    from xnat_sync.core.model.changes import Change

CASES = [
    case
    for path in sorted((Path(__file__).parents[1] / "cases" / "planner").glob("*.yaml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]


def desired_from(data: dict[str, Any]) -> DesiredState:
    objects = [
        ObjectSpec(
            ref=Ref.parse(text),
            xsi_type=entry["type"],
            fields=entry.get("fields", {}),
            found={name: Found(*held) for name, held in entry.get("found", {}).items()},
            create=entry.get("create", True),
        )
        for text, entry in data.get("objects", {}).items()
    ]
    files = [FileSpec(ref=Ref.parse(text), path="/x", **entry) for text, entry in data.get("files", {}).items()]
    return DesiredState(
        objects={spec.ref: spec for spec in objects},
        files={spec.ref: spec for spec in files},
        absent={Ref.parse(text): None for text in data.get("absent", ())},
        prune={
            Ref.parse(text): Prune(
                levels=frozenset(Level[noun.upper()] for noun in rule["levels"]), keep=tuple(rule.get("keep", ()))
            )
            for text, rule in data.get("prune", {}).items()
        },
        vacant={Ref.parse(text): pattern for text, pattern in data.get("vacant", {}).items()},
    )


def remote_from(data: dict[str, Any]) -> RemoteState:
    objects = [
        RemoteObject(
            ref=Ref.parse(text),
            accession_id=entry.get("id", f"X_{number}"),
            xsi_type=entry["type"],
            fields=entry.get("fields", {}),
            project=entry.get("project", "P"),
        )
        for number, (text, entry) in enumerate(data.get("objects", {}).items())
    ]
    files = [RemoteFile(ref=Ref.parse(text), **entry) for text, entry in data.get("files", {}).items()]
    return RemoteState(
        objects={held.ref: held for held in objects},
        files={held.ref: held for held in files},
        resources=frozenset(map(Ref.parse, data.get("resources", ()))),
        lent=frozenset(map(Ref.parse, data.get("lent", ()))),
        unseen=frozenset(map(Ref.parse, data.get("unseen", ()))),
        tied=frozenset(map(Ref.parse, data.get("tied", ()))),
    )


def text_of(change: Change) -> str:
    diffs = ", ".join(
        f"{diff.name}: {diff.before or '-'} -> {diff.after or '-'}" + (f" ({diff.source})" if diff.source else "")
        for diff in change.diffs
    )
    return f"{change.action.value} {change.ref}" + (f" | {diffs}" if diffs else "")


@pytest.mark.parametrize("case", CASES, ids=[case["title"] for case in CASES])
def test_the_plan_is_as_the_case_says(case: dict[str, Any]) -> None:
    policy = SyncPolicy(compare=Compare(case.get("compare", "digest")), only=tuple(case.get("only", ())))
    plan = make_plan("P", desired_from(case["desired"]), remote_from(case["remote"]), policy)
    assert [text_of(change) for change in plan.changes] == case["expect"]
    for name in ("unchanged", "foreign"):
        if name in case:
            found = {level.noun: number for level, number in getattr(plan, name).items()}
            assert found == case[name], name
    if "warnings" in case:
        assert [f"{caution.ref} {caution.summary}" for caution in plan.cautions] == case["warnings"]
    if "pruned" in case:
        assert [str(change.ref) for change in plan.changes if change.pruned] == case["pruned"]
    assert plan.by_size_only == case.get("by_size_only", 0)
    assert all(isinstance(level, Level) for level in plan.unchanged)
