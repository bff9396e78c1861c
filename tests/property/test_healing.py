"""For any study and any server, damaged ones included: after an apply the plan is empty and the bytes are right.

Without faults one apply does it, or names what only a second one may do (another file may lie where the catalog states
no digest: nobody has agreed to its replacement). With faults some runs do it, and none claims what is not so.
"""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.changes import Action, Plan
from xnat_sync.core.model.errors import ServerFault, Throttled, Unreachable
from xnat_sync.core.model.outcome import Report, Status
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, RemoteFile
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.gateway.port import GatewayFactory

FOLDER = Path(tempfile.mkdtemp(prefix="xnat-sync-healing-"))
CONTENTS = [b"", b"a", b"b", b"cc", b"dd", b"long" * 50]
P = Ref.project_of("P")
S = P.child(Level.SUBJECT, "S")
E = S.child(Level.SESSION, "E")
OWNERS = [P, S, E, E.child(Level.SCAN, "1"), E.child(Level.SCAN, "2")]
NAMES = ["a.nii", "a.nii.gz", "sub/b.json", *(f"m{number}" for number in range(12))]
OBJECTS = {
    P: ObjectSpec(ref=P, xsi_type="xnat:projectData"),
    S: ObjectSpec(ref=S, xsi_type="xnat:subjectData"),
    E: ObjectSpec(ref=E, xsi_type="xnat:mrSessionData"),
    **{ref: ObjectSpec(ref=ref, xsi_type="xnat:mrScanData", fields={"type": "bold"}) for ref in OWNERS[3:]},
}
RESOURCES = [owner.child(Level.RESOURCE, label) for owner in OWNERS for label in ("A", "B")]
ANY_FILE = st.builds(
    lambda resource, name: resource.child(Level.FILE, name), st.sampled_from(RESOURCES), st.sampled_from(NAMES)
)


def spec(ref: Ref, index: int, labels: str | None) -> FileSpec:
    path = FOLDER / str(index)
    if not path.exists():
        path.write_bytes(CONTENTS[index])
    digest = hashlib.md5(CONTENTS[index]).hexdigest()
    return FileSpec(ref=ref, path=str(path), size=len(CONTENTS[index]), md5=digest, format=labels)


@st.composite
def studies(draw: st.DrawFn) -> DesiredState:
    files = {}
    for resource in draw(st.sets(st.sampled_from(RESOURCES), max_size=4)):
        labels = draw(st.sampled_from([None, "NIFTI"]))
        for name in draw(st.sets(st.sampled_from(NAMES), min_size=1)):
            ref = resource.child(Level.FILE, name)
            files[ref] = spec(ref, draw(st.integers(0, len(CONTENTS) - 1)), labels)
    return DesiredState(objects=OBJECTS, files=files)


Harm = tuple[str, Ref, bytes]


def harms() -> st.SearchStrategy[list[Harm]]:
    kinds = st.sampled_from(["orphan", "stale", "blank", "other", "lost", "cut", "doubled", "emptied", "hollow"])
    return st.lists(st.tuples(kinds, ANY_FILE, st.sampled_from(CONTENTS)), max_size=12)


def harm(server: MemoryServer, kind: str, ref: Ref, content: bytes) -> None:
    """One accident."""
    resource = ref.parent
    assert resource
    held = server.files().get(ref)
    resources = {found.parent for found in server.files()}
    match kind:
        case "orphan" if resource.parent in server.objects():
            server.add_orphan(ref, content)
        case "stale" if held:
            server.store(ref, content, catalogued=RemoteFile(ref=ref, size=len(content), md5="0" * 32))
        case "blank" if held:
            server.store(ref, server.content(ref), catalogued=RemoteFile(ref=ref, size=held.size, format=held.format))
        case "other" if held:
            other = bytes(held.size)
            server.store(ref, other, catalogued=RemoteFile(ref=ref, size=held.size, format=held.format))
        case "lost" if held:
            server.lose(ref)
        case "cut" if held:
            server.store(ref, server.content(ref)[:-1], catalogued=held)
        case "doubled" if resource in resources:
            server.double(resource)
        case "emptied" if resource in resources:
            server.empty_catalog(resource)
        case "hollow" if resource.parent in server.objects():
            server.add_resource(resource)
        case _:
            pass


def plan(desired: DesiredState, connect: GatewayFactory, *, disk: bool) -> Plan:
    with open_pool(connect, 1) as pool:
        return make_plan("P", desired, observe("P", desired, pool, disk=disk), SyncPolicy(disk=disk))


def apply(desired: DesiredState, connect: GatewayFactory, *, disk: bool, jobs: int = 1) -> Report:
    found = plan(desired, connect, disk=disk)
    with open_pool(connect, jobs) as pool:
        return Execution(plan=found, pool=pool, width=jobs, reason="test").run()


def assert_healed(desired: DesiredState, server: MemoryServer, *, disk: bool) -> None:
    left = plan(desired, server, disk=disk)
    assert left.is_empty, [(change.action, change.ref, change.reason) for change in left.changes]
    for ref, wanted in desired.files.items():
        if disk:
            assert hashlib.md5(server.content(ref)).hexdigest() == wanted.md5
    assert server.orphans().isdisjoint(desired.files)


@given(before=studies(), wanted=studies(), accidents=harms(), checksums=st.booleans(), disk=st.booleans())
@settings(max_examples=300)
def test_any_damage_is_mended(
    before: DesiredState, wanted: DesiredState, accidents: list[Harm], checksums: bool, disk: bool
) -> None:
    server = MemoryServer()
    assert apply(before, server, disk=False).ok
    for accident in accidents:
        harm(server, *accident)
    server.checksums = checksums
    report = apply(wanted, server, disk=disk)
    if not report.ok:
        failed = [outcome for outcome in report.outcomes if outcome.status is not Status.APPLIED]
        assert all("run again" in outcome.message for outcome in failed if outcome.status is Status.FAILED)
        assert {o.change.action for o in failed if o.status is Status.FAILED} == {Action.REFRESH}
        assert apply(wanted, server, disk=disk).ok
    if checksums:
        assert_healed(wanted, server, disk=disk)
        return
    # Where a stale digest had to be computed anew, one that nobody knew may have come to light beside it.
    left = plan(wanted, server, disk=disk)
    assert all(change.action is Action.REPLACE for change in left.changes)
    assert left.is_empty or apply(wanted, server, disk=disk).ok
    assert plan(wanted, server, disk=disk).is_empty


def rolled(dice: random.Random, chance: float) -> Callable[[Call], None]:
    """Faults of every kind, before and after the effect."""

    def fault(call: Call) -> None:
        if dice.random() < chance / 2:
            before = call.moment is Moment.BEFORE
            raise dice.choice(
                [
                    Unreachable("refused" if before else "reset"),
                    ServerFault("Another thread or process modified the catalog", status=500),
                    Throttled("slow down", status=429) if before else ServerFault("time-out", status=504),
                ]
            )

    return fault


@given(
    before=studies(),
    wanted=studies(),
    accidents=harms(),
    seed=st.integers(0, 2**32),
    chance=st.sampled_from([0.1, 0.6]),
)
@settings(max_examples=200)
def test_with_faults_no_run_claims_what_is_not_so_and_some_runs_heal(
    before: DesiredState, wanted: DesiredState, accidents: list[Harm], seed: int, chance: float
) -> None:
    server = MemoryServer()
    assert apply(before, server, disk=False).ok
    for accident in accidents:
        harm(server, *accident)
    found = plan(wanted, server, disk=True)
    server.fault = rolled(random.Random(seed), chance)
    connect = RetryingFactory(server, sleep=lambda _: None)
    with open_pool(connect, 1) as pool:
        report = Execution(plan=found, pool=pool, width=1, reason="test").run()
    server.fault = None
    left = {change.ref for change in plan(wanted, server, disk=True).changes}
    done = {o.change.ref for o in report.outcomes if o.status in (Status.APPLIED, Status.UNCHANGED)}
    assert not left & done
    ends = Counter(report.ok for report in (apply(wanted, server, disk=True) for _ in range(2)))
    assert ends[True], "the first or the second run"
    assert_healed(wanted, server, disk=True)
