"""How long a plan takes, and how much memory, where a study of many files is the same on both sides but for a few.

python -m benchmarks.planning [FILES …] [--repeat N] [--json FILE]
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Timer, apart, medians, options, peak_mb, report
from xnat_sync.cli.main import tune_collector
from xnat_sync.core.model.errors import Origin
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import (
    Alike,
    DesiredState,
    FileSpec,
    ObjectSpec,
    RemoteFile,
    RemoteObject,
    RemoteState,
    by_ref,
)
from xnat_sync.core.planning.planner import files_to_hash, make_plan
from xnat_sync.engine.observe import SESSIONS_A_REQUEST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SCANS = 10
NAMES = ("image.nii.gz", "image.json")
DIFFERENT = 1000
"""One file in so many is another on the server."""


def files(count: int) -> Iterator[tuple[Ref, int]]:
    """The refs of a study, sessions of ten scans with two resources of one file, with a number each."""
    project = Ref.project_of("LARGE")
    for session in range(count // (SCANS * len(NAMES))):
        subject = project.child(Level.SUBJECT, f"sub-{session:06}")
        here = subject.child(Level.SESSION, f"sub-{session:06}_ses-01")
        for scan in range(SCANS):
            above = here.child(Level.SCAN, str(scan + 1))
            for index, label in enumerate(("NIFTI", "BIDS")):
                name = f"sub-{session:06}_ses-01_run-{scan + 1:02}_{NAMES[index]}"
                yield above.child(Level.RESOURCE, label).child(Level.FILE, name), (session * SCANS + scan) * 2 + index


def desired(count: int) -> DesiredState:
    """What a manifest would want."""
    objects: dict[Ref, ObjectSpec] = {}
    wanted: dict[Ref, FileSpec] = {}
    alike = Alike()
    for ref, number in files(count):
        path = f"/data/study/{ref.short}"
        origin = Origin(file="study.yaml", line=number + 1, column=1, path=("subjects", *ref[1:]))
        wanted[ref] = FileSpec(ref=ref, path=path, size=number + 1, mtime_ns=number, format="NIFTI", origin=origin)
        for above in ref.ancestors():
            if above not in objects and above.level is not Level.RESOURCE:
                fields = alike.of(_fields(above))
                objects[above] = ObjectSpec(ref=above, xsi_type=_type(above), fields=fields, origin=origin)
    return DesiredState(objects=objects, files=wanted)


def remote(count: int, ours: DesiredState) -> RemoteState:
    """What the server would hold, listed and taken in by the hundred sessions as `observe` does it."""
    objects: dict[Ref, RemoteObject] = {}
    held: dict[Ref, RemoteFile] = {}
    alike = Alike()
    listing: list[RemoteFile] = []
    for ref, number in files(count):
        digest = f"{number + (number % DIFFERENT == 0):032x}"
        listing.append(RemoteFile(ref=ref, size=number + 1, md5=digest, format="NIFTI"))
        if len(listing) == SESSIONS_A_REQUEST * SCANS * len(NAMES):
            held |= by_ref(listing, ours.files)
            listing.clear()
        for above in ref.ancestors():
            if above not in objects and above.level is not Level.RESOURCE:
                fields = alike.of({name: value for name, value in _fields(above).items() if value})
                objects[above] = RemoteObject(ref=above, accession_id="X", xsi_type=_type(above), fields=fields)
    held |= by_ref(listing, ours.files)
    return RemoteState(objects=objects, files=held)


def _type(ref: Ref) -> str:
    types = {Level.SESSION: "xnat:mrSessionData", Level.SCAN: "xnat:mrScanData"}
    return types.get(ref.level, f"xnat:{ref.level.noun}Data")


def _fields(ref: Ref) -> Mapping[str, str]:
    return {Level.SESSION: {"date": "2024-03-01"}, Level.SCAN: {"type": "bold", "quality": "usable"}}.get(ref.level, {})


def measure(count: int) -> dict[str, Any]:
    """One study of ``count`` files."""
    tune_collector()
    with Timer() as making:
        ours = desired(count)
        theirs = remote(count, ours)
    before = peak_mb()
    policy = SyncPolicy()
    with Timer() as choosing:
        needed = files_to_hash(ours, theirs, policy)
    with Timer() as digesting:
        known = dict(ours.files)
        for spec in needed:
            known[spec.ref] = replace(spec, md5=f"{spec.size - 1:032x}")
        hashed = DesiredState(objects=ours.objects, files=known, absent=ours.absent)
    with Timer() as comparing:
        plan = make_plan("LARGE", hashed, theirs, policy)
    assert len(plan.changes) == count // DIFFERENT
    return {
        "files": count,
        "both sides made s": making.seconds,
        "files to hash s": choosing.seconds,
        "digests put in s": digesting.seconds,
        "compared s": comparing.seconds,
        "plan s": choosing.seconds + digesting.seconds + comparing.seconds,
        "plan CPU s": choosing.processor + digesting.processor + comparing.processor,
        "both sides MB": before,
        "peak MB": peak_mb(),
    }


if __name__ == "__main__":
    asked = options(__doc__ or "", sizes=(500_000, 1_000_000, 2_000_000), unit="FILES")
    rows = [medians([apart(measure, size) for _ in range(asked.repeat)]) for size in asked.sizes]
    report("planning", rows, asked.json)
