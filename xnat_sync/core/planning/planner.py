"""The comparison: desired state and remote state in, plan out. Pure, and the only place that decides what differs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import Attribute, attribute_of
from xnat_sync.core.model.changes import Action, Change, FieldDiff, Plan
from xnat_sync.core.model.defects import damage_of
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, Found, ObjectSpec, RemoteFile, RemoteObject, RemoteState
from xnat_sync.core.model.values import agrees
from xnat_sync.core.planning.cautions import cautions_of
from xnat_sync.core.planning.conflicts import Conflicts
from xnat_sync.core.planning.prune import is_of_nobody, narrowed, unnamed

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

ON_DISK = "size on disk"
_UNSEEN = (
    "has experiments that no list of the project shows, as happens to a data type that the site has not set up: XNAT"
    " deletes neither them nor the subject; ask an administrator to set the type up (Administer, Data Types)"
)
_UNKNOWN = Attribute(name="", path="")
"""Stands for an attribute that the type does not have, as in a plan of another version: a text."""
_REASONS = {"size": "content differs", "md5": "content differs", ON_DISK: "damaged on the server's disk"}


def make_plan(project: str, desired: DesiredState, remote: RemoteState, policy: SyncPolicy | None = None) -> Plan:
    """What has to change so that the server says what the manifest says.

    Every file of ``desired`` that `files_to_hash` names must carry its digest; without one it is held to differ.
    """
    policy = policy or SyncPolicy()
    desired = select(desired, policy.only)
    desired = replace(desired, unnamed=desired.unnamed | unnamed(desired, remote))
    conflicts = Conflicts(desired, remote)
    changes: list[Change] = []
    unchanged: Counter[Level] = Counter()
    by_size_only = 0
    blocked: set[Ref] = set()
    keeps_digests = remote.keeps_digests
    if keeps_digests is None:
        keeps_digests = any(held.md5 for held in remote.files.values())
    for ref in sorted(desired.objects):
        stuck = bool(blocked) and ref.parent in blocked
        change = None if stuck else _plan_object(desired.objects[ref], remote, conflicts)
        if stuck or (change and change.action is Action.CONFLICT):
            blocked.add(ref)
        if change:
            changes.append(change)
        elif ref not in blocked:
            unchanged[ref.level] += 1
    for ref, wanted in desired.files.items():
        if blocked and _is_below(ref, blocked):
            continue
        held = remote.files.get(ref)
        file_change = _plan_file(wanted, held, policy, keeps_digests=keeps_digests)
        if file_change:
            changes.append(file_change)
        else:
            unchanged[Level.FILE] += 1
            by_size_only += not _proven(held, policy)
    changes.extend(_plan_absent(desired, remote, blocked))
    return Plan(
        project=project,
        changes=tuple(sorted((_kept_out(change, remote) for change in changes), key=lambda change: change.ref)),
        policy=policy,
        unchanged=dict(sorted(unchanged.items())),
        by_size_only=by_size_only,
        foreign=_foreign(desired, remote),
        context=_context(desired, changes),
        damage=damage_of(desired, remote),
        cautions=cautions_of(changes, remote),
    )


def _context(desired: DesiredState, changes: Iterable[Change]) -> tuple[ObjectSpec, ...]:
    """The unchanged parents of what changes, stripped to what must not have moved: that they exist."""
    changed = {change.ref for change in changes}
    parents = {above for ref in changed for above in ref.ancestors()} - changed
    specs = [desired.objects[ref] for ref in sorted(parents & desired.objects.keys())]
    return tuple(replace(spec, fields={}, found={}, create=False) for spec in specs)


def desired_of(plan: Plan) -> DesiredState:
    """The part of the desired state that a plan speaks of: planned again it gives the plan, unless the server moved."""
    wanted = [change.wanted for change in plan.changes]
    specs = [*plan.context, *(spec for spec in wanted if isinstance(spec, ObjectSpec))]
    return DesiredState(
        objects={spec.ref: spec for spec in specs},
        files={spec.ref: spec for spec in wanted if isinstance(spec, FileSpec)},
        absent={change.ref: None for change in plan.of(Action.DELETE) if not change.pruned},
        unnamed=frozenset(change.ref for change in plan.of(Action.DELETE) if change.pruned),
    )


def files_to_hash(desired: DesiredState, remote: RemoteState, policy: SyncPolicy) -> tuple[FileSpec, ...]:
    """The local files whose digest the comparison needs: those that the server has with the same size and a digest."""
    if policy.compare is Compare.SIZE:
        return ()
    unstated = frozenset(files_to_read(desired, remote, policy))
    return tuple(
        spec
        for ref, spec in select(desired, policy.only).files.items()
        if spec.md5 is None
        and (held := remote.files.get(ref))
        and (held.known_md5 or ref in unstated)
        and held.size == spec.size
    )


def files_to_read(desired: DesiredState, remote: RemoteState, policy: SyncPolicy) -> tuple[Ref, ...]:
    """The server's files that the comparison has to read: those of the right size for which it states no digest."""
    if policy.compare is not Compare.READ:
        return ()
    return tuple(
        ref
        for ref, spec in select(desired, policy.only).files.items()
        if (held := remote.files.get(ref)) and held.known_md5 is None and held.size == spec.size
    )


def select(desired: DesiredState, patterns: Iterable[str]) -> DesiredState:
    """The part of a desired state that some patterns name, with the parents of everything in it.

    A pattern is a shell pattern over `Ref.short` (``sub-0*/*_ses-01``); it takes in all that lies below its matches.
    """
    patterns = tuple(patterns)
    if not patterns:
        return desired

    def named(ref: Ref) -> bool:
        return any(ref.is_named(pattern) for pattern in patterns)

    files = {ref: spec for ref, spec in desired.files.items() if named(ref)}
    absent = {ref: origin for ref, origin in desired.absent.items() if named(ref)}
    objects = {ref for ref in desired.objects if named(ref)}
    parents = {above for ref in (*files, *objects, *absent) for above in ref.ancestors()}
    return DesiredState(
        objects={ref: spec for ref, spec in desired.objects.items() if ref in objects or ref in parents},
        files=files,
        absent=absent,
        prune=narrowed(desired, named),
        unnamed=frozenset(filter(named, desired.unnamed)),
        vacant={ref: pattern for ref, pattern in desired.vacant.items() if named(ref)},
    )


def idle_patterns(desired: DesiredState, patterns: Iterable[str]) -> tuple[str, ...]:
    """The patterns that name nothing: a slip of the pen must not look like a study that is in step."""
    refs = (*desired.objects, *desired.files, *desired.absent)
    return tuple(pattern for pattern in patterns if not any(ref.is_named(pattern) for ref in refs))


def compare_object(spec: ObjectSpec, held: RemoteObject) -> tuple[FieldDiff, ...]:
    """The declared attributes whose values differ, sorted by name; others are not looked at."""
    return tuple(
        FieldDiff(name=name, before=held.fields.get(name) or None, after=wanted)
        for name, wanted in sorted(spec.fields.items())
        if not agrees(attribute_of(spec.ref.level, spec.xsi_type, name) or _UNKNOWN, wanted, held.fields.get(name))
    )


def compare_file(spec: FileSpec, held: RemoteFile, policy: SyncPolicy) -> tuple[FieldDiff, ...]:
    """What differs between a local file and the server's: size, digest, and the labels that the manifest declares."""
    diffs: list[FieldDiff] = []
    if spec.size != held.size:
        diffs.append(FieldDiff(name="size", before=str(held.size), after=str(spec.size)))
    elif policy.compare is not Compare.SIZE and held.known_md5 is not None and spec.md5 != held.known_md5:
        diffs.append(FieldDiff(name="md5", before=held.known_md5, after=spec.md5))
    elif held.on_disk not in (None, spec.size):
        found = str(held.on_disk)
        diffs.append(FieldDiff(name=ON_DISK, before=None if found.startswith("-") else found, after=str(spec.size)))
    if spec.format is not None and spec.format != held.format:
        diffs.append(FieldDiff(name="format", before=held.format or None, after=spec.format))
    if spec.content is not None and spec.content != held.content:
        diffs.append(FieldDiff(name="content", before=held.content or None, after=spec.content))
    return tuple(diffs)


def _plan_object(spec: ObjectSpec, remote: RemoteState, conflicts: Conflicts) -> Change | None:
    held = remote.objects.get(spec.ref)
    found = spec.found
    spec = _settled(spec, held)
    conflict = conflicts.of(spec, held)
    if conflict:
        return Change(action=Action.CONFLICT, ref=spec.ref, reason=conflict, wanted=spec)
    if held is None:
        wanted = {name: value for name, value in spec.fields.items() if value is not None}
        diffs = _sourced((FieldDiff(name=name, before=None, after=value) for name, value in wanted.items()), found)
        return Change(action=Action.CREATE, ref=spec.ref, reason="not on the server", diffs=diffs, wanted=spec)
    diffs = compare_object(spec, held)
    if not diffs:
        return None
    diffs = _sourced(diffs, found)
    if held.project and held.project != spec.ref.project:
        reason = f"belongs to project {held.project} and is only shared here; change it there"
        return Change(action=Action.CONFLICT, ref=spec.ref, reason=reason, diffs=diffs, wanted=spec)
    reason = "attributes differ"
    return Change(action=Action.UPDATE, ref=spec.ref, reason=reason, diffs=diffs, wanted=spec, held=held.accession_id)


def _settled(spec: ObjectSpec, held: RemoteObject | None) -> ObjectSpec:
    """A spec in which each found value either counts like a written one, or is gone since the server has its own."""
    if not spec.found:
        return spec
    known = held.fields if held else {}
    filled = {name for name, value in known.items() if value.strip()}
    counting = {name: found.value for name, found in spec.found.items() if found.over or name not in filled}
    return replace(spec, fields={**counting, **spec.fields}, found={})


def _sourced(diffs: Iterable[FieldDiff], found: Mapping[str, Found]) -> tuple[FieldDiff, ...]:
    """Differences sorted by name, those of found values with their source."""
    told = (
        replace(diff, source=found[diff.name].source)
        if diff.name in found and found[diff.name].value == diff.after
        else diff
        for diff in diffs
    )
    return tuple(sorted(told, key=lambda diff: diff.name))


def _plan_file(spec: FileSpec, held: RemoteFile | None, policy: SyncPolicy, *, keeps_digests: bool) -> Change | None:
    if held is None:
        return Change(action=Action.UPLOAD, ref=spec.ref, reason="not on the server", wanted=spec)
    diffs = compare_file(spec, held, policy)
    state = f"{held.size} {held.md5 or '-'}"
    if not diffs:
        if held.md5 or policy.compare is Compare.SIZE or not keeps_digests:
            return None
        reason = "the server states no digest"
        return Change(action=Action.REFRESH, ref=spec.ref, reason=reason, wanted=spec, held=state)
    reason = _REASONS.get(diffs[0].name) or f"{diffs[0].name} differs"
    if diffs[0].name == ON_DISK and diffs[0].before is None:
        reason = "gone from the server's disk"
    return Change(action=Action.REPLACE, ref=spec.ref, reason=reason, diffs=diffs, wanted=spec, held=state)


def _proven(held: RemoteFile | None, policy: SyncPolicy) -> bool:
    return held is not None and held.known_md5 is not None and policy.compare is not Compare.SIZE


def _plan_absent(desired: DesiredState, remote: RemoteState, blocked: Container[Ref]) -> Iterator[Change]:
    unwanted = desired.unwanted
    filled = {ref.parent for ref in remote.files} if unwanted else set()
    along = _along(unwanted, remote)
    tied = {above for ref in remote.tied for above in (ref, *ref.ancestors())}
    for ref in unwanted:
        pruned = ref not in desired.absent
        if pruned and _is_below(ref, blocked):
            continue
        held = remote.objects.get(ref)
        file = remote.files.get(ref)
        if held or file or ref in filled or ref in remote.resources:
            state = held.accession_id if held else f"{file.size} {file.md5 or '-'}" if file else ""
            # Who allows a delete has to see how much it takes, and a stored one is stale when that grows.
            reason = "not in the manifest, which says prune" if pruned else "the manifest says state: absent"
            reason += f"; takes {along[ref]} along" if along[ref] else ""
            # Not in a new plan: what is tied is not pruned, but may be in one that was stored.
            reason += "; assessments or other projects hang on it" if pruned and ref in tied else ""
            action = Action.DELETE
            if ref in remote.lent:
                # XNAT deletes them too (`SubjectResource`), and no listing of this project shows them.
                action, reason = Action.CONFLICT, "has experiments of other projects; take those away there first"
            elif ref in remote.unseen:
                action, reason = Action.CONFLICT, _UNSEEN
            yield Change(action=action, ref=ref, reason=reason, held=state, pruned=pruned)


def _along(absent: Iterable[Ref], remote: RemoteState) -> Mapping[Ref, str]:
    """What a delete of each of some refs takes along, in words; empty for nothing."""
    counts: dict[Ref, Counter[Level]] = {ref: Counter() for ref in absent}
    for ref in (*remote.objects, *remote.files) if counts else ():
        for above in ref.ancestors():
            if above in counts:
                counts[above][ref.level] += 1
    return {
        ref: ", ".join(f"{number:,} {level.noun}{'s' * (number != 1)}" for level, number in sorted(found.items()))
        for ref, found in counts.items()
    }


def _is_below(ref: Ref, others: Container[Ref]) -> bool:
    return any(above in others for above in ref.ancestors())


def _kept_out(change: Change, remote: RemoteState) -> Change:
    """A change inside of what another project only shares, as the conflict that it is.

    XNAT would let who may edit there write through this project, and takes a delete here for the end of the sharing.
    """
    holder = change.ref.at(Level.SESSION) or change.ref.at(Level.SUBJECT)
    held = remote.objects.get(holder) if holder else None
    if change.action is Action.CONFLICT or not held or held.project in ("", change.ref.project):
        return change
    subject = "" if held.ref == change.ref else f"{held.ref.level.noun} {held.ref.label} "
    reason = f"{subject}belongs to project {held.project} and is only shared here; change it there"
    return replace(change, action=Action.CONFLICT, reason=reason)


def _foreign(desired: DesiredState, remote: RemoteState) -> dict[Level, int]:
    """How much the server holds that the manifest does not speak of, neither by name nor by what it deletes."""
    unknown = [
        *(ref for ref in remote.objects if ref not in desired.objects),
        *(ref for ref in remote.files if ref not in desired.files and not is_of_nobody(ref)),
    ]
    deleted = desired.unwanted
    found = Counter(ref.level for ref in unknown if ref not in deleted and not (deleted and _is_below(ref, deleted)))
    found.pop(Level.PROJECT, None)
    return dict(sorted(found.items()))
