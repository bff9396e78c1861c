"""For any study and any server: after an apply, the plan is empty, and nothing that was not named has changed."""

from __future__ import annotations

import hashlib
import random
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.changes import Action, Plan
from xnat_sync.core.model.errors import Unreachable
from xnat_sync.core.model.outcome import Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, Found, ObjectSpec, Prune
from xnat_sync.core.planning.planner import make_plan
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.testing.fake_xnat import Call, MemoryServer, Moment

FOLDER = Path(tempfile.mkdtemp(prefix="xnat-sync-property-"))
CONTENTS = [b"", b"a", b"b", b"long" * 50]
PROJECT = Ref.project_of("P")
Choices = dict[str, list[str | None]]
SUBJECT_FIELDS: Choices = {"gender": ["female", "M", "unknown"], "group": ["a", None], "weight": ["70.5", "80", None]}
SESSION_FIELDS: Choices = {"date": ["2024-03-01", None], "note": ["x & y", "<z>"], "field_strength": ["3.0", "1.5"]}
FOUND_FIELDS: Choices = {"tr": ["2000", "3000"], "te": ["30"], "frames": ["7", "8"]}
SCAN_FIELDS: Choices = {"type": ["T1w", "bold"], "tr": ["2000", "2", None], "fields.key": ["value", None]}


def _content(index: int) -> Path:
    path = FOLDER / str(index)
    if not path.exists():
        path.write_bytes(CONTENTS[index])
    return path


def fields(choices: Choices) -> st.SearchStrategy[dict[str, str | None]]:
    optional = {name: st.sampled_from(values) for name, values in choices.items()}
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def file_sets(draw: st.DrawFn, owner: Ref) -> dict[Ref, FileSpec]:
    found = {}
    for label in draw(st.sets(st.sampled_from(["NIFTI", "BIDS"]))):
        resource = owner.child(Level.RESOURCE, label)
        names = draw(st.sets(st.sampled_from(["a.nii", "a.nii.gz", "sub/b.json"]), min_size=1))
        labels = draw(st.sampled_from([None, "NIFTI"]))
        for name in names:
            index = draw(st.integers(0, len(CONTENTS) - 1))
            ref = resource.child(Level.FILE, name)
            content = CONTENTS[index]
            found[ref] = FileSpec(
                ref=ref,
                path=str(_content(index)),
                size=len(content),
                md5=hashlib.md5(content).hexdigest(),
                format=labels,
                mtime_ns=_content(index).stat().st_mtime_ns,
            )
    return found


@st.composite
def studies(draw: st.DrawFn) -> DesiredState:
    objects = {PROJECT: ObjectSpec(ref=PROJECT, xsi_type="xnat:projectData")}
    files = dict(draw(file_sets(PROJECT)))
    for subject_label in draw(st.sets(st.sampled_from(["S1", "S2"]))):
        subject = PROJECT.child(Level.SUBJECT, subject_label)
        objects[subject] = ObjectSpec(ref=subject, xsi_type="xnat:subjectData", fields=draw(fields(SUBJECT_FIELDS)))
        files |= draw(file_sets(subject))
        for number in draw(st.sets(st.integers(1, 2))):
            session = subject.child(Level.SESSION, f"{subject_label}_{number}")
            spec = ObjectSpec(ref=session, xsi_type="xnat:mrSessionData", fields=draw(fields(SESSION_FIELDS)))
            objects[session] = spec
            for scan_label in draw(st.sets(st.sampled_from(["1", "2"]))):
                scan = session.child(Level.SCAN, scan_label)
                objects[scan] = ObjectSpec(
                    ref=scan,
                    xsi_type="xnat:mrScanData",
                    fields=draw(fields(SCAN_FIELDS)),
                    found={
                        name: Found(value, "the image", draw(st.booleans()))
                        for name, value in draw(fields(FOUND_FIELDS)).items()
                        if value
                    },
                )
                files |= draw(file_sets(scan))
    return DesiredState(objects=objects, files=files)


@st.composite
def studies_with_absences(draw: st.DrawFn) -> DesiredState:
    """A study of which some parts must not exist."""
    study = draw(studies())
    candidates = sorted({*study.objects, *study.files} - {PROJECT})
    gone = draw(st.sets(st.sampled_from(candidates), max_size=3)) if candidates else set()
    gone = {ref for ref in gone if gone.isdisjoint(ref.ancestors())}

    def stays(ref: Ref) -> bool:
        return gone.isdisjoint((ref, *ref.ancestors()))

    return DesiredState(
        objects={ref: spec for ref, spec in study.objects.items() if stays(ref)},
        files={ref: spec for ref, spec in study.files.items() if stays(ref)},
        absent=dict.fromkeys(gone),
    )


def plan(desired: DesiredState, server: MemoryServer) -> Plan:
    with open_pool(server, 1) as pool:
        return make_plan("P", desired, observe("P", desired, pool))


def apply(desired: DesiredState, server: MemoryServer, jobs: int = 1) -> Report:
    found = plan(desired, server)
    with open_pool(server, jobs) as pool:
        return Execution(plan=found, pool=pool, width=jobs, reason="test").run()


@given(before=studies(), wanted=studies_with_absences())
def test_after_apply_the_plan_is_empty(before: DesiredState, wanted: DesiredState) -> None:
    server = MemoryServer()
    assert apply(before, server).ok
    held_objects, held_files = server.objects(), server.files()
    report = apply(wanted, server)
    assert report.ok, [outcome for outcome in report.outcomes if outcome.status is not Status.APPLIED]
    assert plan(wanted, server).is_empty
    named = {*wanted.objects, *wanted.files, *wanted.absent}
    for ref, held in held_objects.items():
        if named.isdisjoint((ref, *ref.ancestors())) or (ref not in named and named.isdisjoint(ref.ancestors())):
            assert server.objects()[ref] == held
    for ref in held_files:
        if ref not in named and wanted.absent.keys().isdisjoint(ref.ancestors()):
            assert server.files()[ref] == held_files[ref]


@given(before=studies(), wanted=studies_with_absences(), levels=st.sets(st.sampled_from(list(Level)[1:])))
def test_after_an_apply_that_prunes_just_what_is_named_is_left(
    before: DesiredState, wanted: DesiredState, levels: set[Level]
) -> None:
    wanted = replace(wanted, prune={PROJECT: Prune(levels=frozenset(levels))})
    server = MemoryServer()
    assert apply(before, server).ok
    held = {*server.objects(), *server.files()}
    report = apply(wanted, server)
    assert report.ok, [outcome for outcome in report.outcomes if outcome.status is not Status.APPLIED]
    assert plan(wanted, server).is_empty
    left = {*server.objects(), *server.files()}
    named = {*wanted.objects, *wanted.files}
    assert named <= left
    if len(levels) == len(Level) - 1:
        assert left == named
    gone = held - left
    resources = {ref.parent for ref in wanted.files}
    for ref in gone - wanted.absent.keys():
        # Whatever goes was pruned by itself, or lay in something that went.
        above = (ref.at(Level.RESOURCE), *ref.ancestors())
        own = ref.level in levels and (ref.parent in named or ref.parent in resources)
        in_resource = ref.level is Level.FILE and Level.RESOURCE in levels and ref.parent not in resources
        assert own or in_resource or not {*wanted.absent, *gone}.isdisjoint(above)
    for ref in held:
        if ref not in named and ref.level in levels and ref.parent in named:
            assert ref not in left


@given(wanted=studies(), seed=st.integers(0, 2**32))
def test_the_order_of_the_manifest_never_matters(wanted: DesiredState, seed: int) -> None:
    shuffled = random.Random(seed)
    objects, files = list(wanted.objects.items()), list(wanted.files.items())
    shuffled.shuffle(objects)
    shuffled.shuffle(files)
    other = replace(wanted, objects=dict(objects), files=dict(files))
    server = MemoryServer()
    assert plan(other, server) == plan(wanted, server)


@given(before=studies(), wanted=studies_with_absences(), dice=st.lists(st.integers(0, 9), max_size=60))
@settings(max_examples=150)
def test_with_faults_it_converges_and_never_claims_what_is_not_so(
    before: DesiredState, wanted: DesiredState, dice: list[int]
) -> None:
    server = MemoryServer()
    apply(before, server)
    rolls = iter(dice)

    def fault(call: Call) -> None:
        roll = next(rolls, 9)
        if roll == 0 and call.moment is Moment.BEFORE:
            raise Unreachable("refused")
        if roll == 1 and call.moment is Moment.AFTER:
            raise Unreachable("reset")

    found = plan(wanted, server)
    server.fault = fault
    with open_pool(server, 1) as pool:
        report = Execution(plan=found, pool=pool, width=1, reason="test").run()
    server.fault = None
    left = {change.ref for change in plan(wanted, server).changes}
    claimed = {outcome.change.ref for outcome in report.outcomes if outcome.status is Status.APPLIED}
    assert not left & claimed
    assert apply(wanted, server).ok
    assert plan(wanted, server).is_empty
    assert {change.action for change in found.changes} <= set(Action)
