"""The same as for the in-memory XNAT, on the embedded server: damaged on its disk, and failing at random meanwhile."""

from __future__ import annotations

import hashlib
import itertools
import random
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.outcome import Status
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.resilience.retry import RetryingFactory
from xnat_sync.server.faults import Fault, FaultKind, Faults
from xnat_sync.server.running import RunningServer, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Report

JOBS = 4
NUMBERS = itertools.count(1)
AT_REQUEST = (FaultKind.STATUS, FaultKind.DROP_BEFORE)
OTHERS = {
    "response": (FaultKind.DROP_AFTER, FaultKind.CUT_BODY),
    "catalog": (FaultKind.CATALOG_CONFLICT,),
    "disk": (FaultKind.DISK_FULL,),
    "lock": (FaultKind.LOCK_TIMEOUT,),
    "digest": (FaultKind.WRONG_DIGEST, FaultKind.BLANK_DIGEST),
}


class Rolled(Faults):
    """Any fault that ends a call, with a chance at each point."""

    def __init__(self) -> None:
        super().__init__()
        self.dice = random.Random(0)
        self.chance = 0.0
        self.lock = threading.Lock()

    def take(self, point: str, path: str, method: str = "") -> Fault | None:
        kinds = AT_REQUEST if point == "request" else OTHERS.get(point, ())
        with self.lock:
            if not kinds or self.dice.random() >= self.chance:
                return None
            return Fault(kind=self.dice.choice(kinds))


class Stage:
    """A running server and what can be done to a project on it."""

    def __init__(self, server: RunningServer, faults: Rolled, folder: Path) -> None:
        self.server = server
        self.faults = faults
        self.folder = folder
        self.connection = XnatConnection(server.url, "admin", "admin", read_seconds=20)
        self.connect = RetryingFactory(self.connection, sleep=lambda _: None)

    def plan(self, desired: DesiredState) -> Plan:
        project = next(iter(desired.objects)).project
        with open_pool(self.connect, JOBS) as pool:
            remote = observe(project, desired, pool, disk=True)
        return make_plan(project, desired, remote, SyncPolicy(disk=True))

    def apply(self, desired: DesiredState, chance: float = 0.0) -> Report:
        found = self.plan(desired)
        self.faults.chance = chance
        try:
            with open_pool(self.connect, JOBS) as pool:
                return Execution(plan=found, pool=pool, width=JOBS, reason="test").run()
        finally:
            self.faults.chance = 0.0

    def path(self, file: Ref) -> Path:
        session, scan, resource = (file.at(level) for level in (Level.SESSION, Level.SCAN, Level.RESOURCE))
        assert session
        assert resource
        home = self.server.context.archive / file.project / "arc001" / session.label
        return home / (f"SCANS/{scan.label}" if scan else "RESOURCES") / resource.label / file.label

    def harm(self, kind: str, file: Ref) -> None:
        """What an accident does to the server's disk."""
        path = self.path(file)
        path.parent.mkdir(parents=True, exist_ok=True)
        match kind:
            case "orphan" if not path.exists():
                path.write_bytes(b"rest")
            case "cut" if path.exists():
                path.write_bytes(path.read_bytes()[:-1])
            case "lost" if path.exists():
                path.unlink()
            case "emptied":
                for catalog in path.parent.glob("*_catalog.xml"):
                    catalog.write_bytes(b"")
            case _:
                pass


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    faults = Rolled()
    folder = tmp_path_factory.mktemp("data")
    with running(tmp_path_factory.mktemp("xnat"), faults=faults) as server:
        stage = Stage(server, faults, folder)
        yield stage
        stage.connection.close()


CONTENTS = [b"", b"a", b"bb", b"cc", bytes(5000)]
Choice = tuple[str, str, str, int]
CHOICES = st.tuples(
    st.sampled_from(["", "1", "2"]),
    st.sampled_from(["A", "B"]),
    st.sampled_from(["a.nii", "a.nii.gz", "b+c d.json"]),
    st.integers(0, 4),
)


def study(stage: Stage, project: str, choices: list[Choice]) -> DesiredState:
    root = Ref.project_of(project)
    session = root.child(Level.SUBJECT, "S").child(Level.SESSION, "E")
    scans = [session.child(Level.SCAN, number) for number in ("1", "2")]
    types = ["xnat:projectData", "xnat:subjectData", "xnat:mrSessionData", "xnat:mrScanData", "xnat:mrScanData"]
    refs = [root, root.child(Level.SUBJECT, "S"), session, *scans]
    objects = {ref: ObjectSpec(ref=ref, xsi_type=kind) for ref, kind in zip(refs, types, strict=True)}
    files = {}
    for scan, label, name, index in choices:
        content = CONTENTS[index]
        owner = session.child(Level.SCAN, scan) if scan else session
        ref = owner.child(Level.RESOURCE, label).child(Level.FILE, name)
        digest = hashlib.md5(content).hexdigest()
        path = stage.folder / digest
        path.write_bytes(content)
        labels = "NIFTI" if label == "A" else None
        files[ref] = FileSpec(ref=ref, path=str(path), size=len(content), md5=digest, format=labels)
    return DesiredState(objects=objects, files=files)


@given(
    before=st.lists(CHOICES, max_size=6),
    wanted=st.lists(CHOICES, max_size=6),
    accidents=st.lists(st.tuples(st.sampled_from(["orphan", "cut", "lost", "emptied"]), CHOICES), max_size=4),
    seed=st.integers(0, 2**32),
    chance=st.sampled_from([0.0, 0.1, 0.3]),
)
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_a_damaged_server_that_fails_is_healed(
    stage: Stage,
    before: list[Choice],
    wanted: list[Choice],
    accidents: list[tuple[str, Choice]],
    seed: int,
    chance: float,
) -> None:
    project = f"H{next(NUMBERS)}"
    assert stage.apply(study(stage, project, before)).ok
    for kind, choice in accidents:
        (file,) = study(stage, project, [choice]).files
        stage.harm(kind, file)
    desired = study(stage, project, wanted)
    stage.faults.dice = random.Random(seed)
    report = stage.apply(desired, chance)
    left = {change.ref: (change.action, change.reason, change.diffs) for change in stage.plan(desired).changes}
    done = {o.change.ref: o.message for o in report.outcomes if o.status in (Status.APPLIED, Status.UNCHANGED)}
    claimed = {ref: (left[ref], done[ref]) for ref in left.keys() & done.keys()}
    assert not claimed
    if not chance:
        assert report.ok, [outcome for outcome in report.outcomes if outcome.status is not Status.APPLIED]
    ends = [stage.apply(desired).ok for _ in range(2)]
    assert ends[-1], "the second of two more runs at the latest"
    assert stage.plan(desired).is_empty
    for ref, spec in desired.files.items():
        assert hashlib.md5(stage.path(ref).read_bytes()).hexdigest() == spec.md5
