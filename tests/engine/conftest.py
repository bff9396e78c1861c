"""A small study on disk, and ways to plan and apply it on an in-memory server."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.changes import Action, Change
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.refs import Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, Prune
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.engine.stop import Stop
from xnat_sync.testing.fake_xnat import MemoryServer

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Report


class Study:
    """Builds a desired state file by file; ``run`` plans and applies it."""

    def __init__(self, folder: Path, server: MemoryServer, jobs: int, *, read_before: bool) -> None:
        self.folder = folder
        self.server = server
        self.jobs = jobs
        self.read_before = read_before
        self.objects: dict[Ref, ObjectSpec] = {}
        self.files: dict[Ref, FileSpec] = {}
        self.absent: dict[Ref, None] = {}
        self.prune: dict[Ref, Prune] = {}
        self.stop = Stop()
        self.listener = Listener()
        self.want("P", "xnat:projectData")

    def want(self, text: str, xsi_type: str, **fields: str | None) -> Ref:
        ref = Ref.parse(text)
        self.objects[ref] = ObjectSpec(ref=ref, xsi_type=xsi_type, fields=fields)
        return ref

    def file(self, text: str, content: bytes, *, format: str | None = None) -> Ref:  # noqa: A002 - XNAT's word
        ref = Ref.parse(text)
        path = self.folder / str(len(self.files))
        path.write_bytes(content)
        self.files[ref] = FileSpec(
            ref=ref,
            path=str(path),
            size=len(content),
            md5=hashlib.md5(content).hexdigest(),
            format=format,
            mtime_ns=path.stat().st_mtime_ns,
        )
        return ref

    @property
    def desired(self) -> DesiredState:
        return DesiredState(objects=self.objects, files=self.files, absent=self.absent, prune=self.prune)

    def plan(self) -> Plan:
        with open_pool(self.server, self.jobs) as pool:
            return make_plan("P", self.desired, observe("P", self.desired, pool))

    def run(self, plan: Plan | None = None) -> Report:
        plan = plan or self.plan()
        if not self.read_before:
            plan = replace(plan, changes=tuple(map(unread, plan.changes)))
        with open_pool(self.server, self.jobs) as pool:
            return Execution(
                plan=plan, pool=pool, width=self.jobs, reason="test", listener=self.listener, stop=self.stop
            ).run()


def unread(change: Change) -> Change:
    """A change whose file, if it sends one, was not read before: its digest is taken while it is sent."""
    if change.action not in (Action.UPLOAD, Action.REPLACE) or not isinstance(change.wanted, FileSpec):
        return change
    return replace(change, wanted=replace(change.wanted, md5=None))


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture(params=[(1, True), (4, True), (4, False)], ids=["serial", "threads", "read once"])
def study(request: pytest.FixtureRequest, tmp_path: Path, server: MemoryServer) -> Study:
    jobs, read_before = request.param
    study = Study(tmp_path, server, jobs, read_before=read_before)
    study.want("P/S1", "xnat:subjectData", gender="female")
    study.want("P/S1/E1", "xnat:mrSessionData", date="2024-03-01", field_strength="3.0")
    study.want("P/S1/E1/scan:1", "xnat:mrScanData", type="T1w", tr="2000")
    for number in range(3):
        study.file(f"P/S1/E1/scan:1/resource:NIFTI/sub/{number}.nii", bytes([number]) * (number + 1), format="NIFTI")
    study.file("P/S1/E1/resource:NOTES/read me.txt", b"")
    return study
