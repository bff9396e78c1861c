"""What the server holds where the manifest says ``prune``, and nobody names: it is to go. Pure."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.outcome import Outcome, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import Prune, is_imaging, is_own
from xnat_sync.core.model.url_labels import has_address

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping

    from xnat_sync.core.model.changes import Change
    from xnat_sync.core.model.state import DesiredState, RemoteObject, RemoteState

MARKER_RESOURCE = "xnat_sync"
"""A project's resource in which runs say that they work on it; no content of the project."""

SNAPSHOTS = "SNAPSHOTS"
"""A scan's resource of previews, which XNAT makes when somebody looks at a scan that has none (`SnapshotProvider`)."""

DICOM = "DICOM"
"""A resource that comes by another road and that a manifest may not even name: the images as the scanner made them."""

_NOTHING = Prune()


@dataclass(frozen=True, slots=True)
class _Described:
    """What a desired state names and describes: only what lies directly in something described is pruned."""

    rules: Mapping[Ref, Prune]
    named: Container[Ref]
    sessions: frozenset[str]
    bare: Container[Ref]
    """Resources of which nothing is here now: their disk may not be mounted."""

    def rule(self, place: Ref) -> Prune:
        """What holds at a place."""
        return rule_at(self.rules, place) or _NOTHING

    def spares(self, ref: Ref) -> bool:
        """Whether something stays: it is named, or no place that is described says that it must go."""
        parent = ref.parent
        if ref in self.named or parent is None or parent not in self.named:
            return True
        rule = self.rule(parent)
        return (
            ref.level not in rule.levels
            or (ref.level is Level.SESSION and (ref.label in self.sessions or ref.label in rule.elsewhere))
            or any(fnmatch.fnmatchcase(ref.label, pattern) for pattern in rule.keep)
            or (ref.level is Level.FILE and parent in self.bare)
            or _is_beyond(ref)
        )


def rule_at(rules: Mapping[Ref, Prune], place: Ref) -> Prune | None:
    """What the nearest place says that this one lies in, or is; ``None`` if none says anything."""
    return next((rules[above] for above in (place, *place.ancestors()) if above in rules), None)


def _is_beyond(ref: Ref) -> bool:
    """Whether no plan can have to do with something: no manifest may name it, or no request can."""
    if ref.level is Level.FILE:
        return is_of_nobody(ref)
    dicom = ref.level is Level.RESOURCE and ref.label.upper() == DICOM
    return dicom or is_of_nobody(ref) or not has_address(ref.level, ref.label)


def unnamed_objects(
    desired: DesiredState, objects: Mapping[Ref, RemoteObject], tied: Container[Ref] = ()
) -> frozenset[Ref]:
    """The subjects, sessions and scans that the manifest prunes.

    What no manifest can speak of stays, with the subject that it lies in: what is shared from another project,
    experiments that are no imaging sessions, and what is ``tied``. So does a subject with a session that the study
    names elsewhere: that is a contradiction to be shown, and no leftover.
    """
    if not desired.prune:
        return frozenset()
    return _unnamed_objects(_described(desired), objects, _foreign(objects), tied)


def _unnamed_objects(
    described: _Described, objects: Iterable[Ref], foreign: Container[Ref], tied: Container[Ref]
) -> frozenset[Ref]:
    kept = {
        above
        for ref in objects
        if ref in foreign
        or ref in tied
        or (ref.level is Level.SESSION and (ref.label in described.sessions or _is_beyond(ref)))
        for above in (ref, *ref.ancestors())
    }
    return frozenset(
        ref for ref in objects if not described.spares(ref) and ref not in kept and not _within(ref, foreign)
    )


def unnamed(desired: DesiredState, remote: RemoteState) -> frozenset[Ref]:
    """All that the manifest prunes: `unnamed_objects`, and resources and files beside those that it names."""
    if not desired.prune:
        return frozenset()
    described = _described(desired)
    foreign = _foreign(remote.objects)
    held = {*remote.resources, *remote.files, *(resource for ref in remote.files if (resource := ref.parent))}
    found = {ref for ref in held if not described.spares(ref) and not _within(ref, foreign)}
    return _unnamed_objects(described, remote.objects, foreign, remote.tied) | found


def _foreign(objects: Mapping[Ref, RemoteObject]) -> set[Ref]:
    """What is shared from another project, and experiments that are no imaging sessions."""
    scanned = {ref.parent for ref in objects if ref.level is Level.SCAN}
    return {ref for ref, held in objects.items() if not is_own(held) or not is_imaging(held, scanned)}


def owners_pruning_resources(desired: DesiredState) -> Iterator[Ref]:
    """The described objects of which it is said that resources that nobody names must not exist there."""
    if not desired.prune:
        return
    for place in desired.objects:
        rule = rule_at(desired.prune, place)
        if rule and Level.RESOURCE in rule.levels:
            yield place


def narrowed(desired: DesiredState, named: Callable[[Ref], bool]) -> Mapping[Ref, Prune]:
    """What is pruned where only some places are looked at: the rule of each of them, and nothing anywhere else."""
    if not desired.prune:
        return {}
    described = _described(desired)
    found: dict[Ref, Prune] = {}
    for place in places(desired):
        rule = described.rule(place)
        # What was narrowed before knows the sessions of the whole study.
        elsewhere = rule.elsewhere or described.sessions
        found[place] = replace(rule, elsewhere=elsewhere) if named(place) else _NOTHING
    return found


_WRONG = frozenset((Status.FAILED, Status.BLOCKED, Status.REFUSED))


def withheld(changes: Iterable[Change], outcomes: Iterable[Outcome]) -> Mapping[Ref, Outcome]:
    """The deletes by ``prune`` that must not be tried, with their outcomes, after what became of other changes.

    What was pruned may be the only copy of something that could not be sent. That another delete by ``prune`` could not
    be carried out forbids nothing.
    """
    if not any(outcome.status in _WRONG and not outcome.change.pruned for outcome in outcomes):
        return {}
    message = "left alone, since not all of the rest could be done"
    return {
        change.ref: Outcome(change=change, status=Status.BLOCKED, message=message)
        for change in changes
        if change.pruned
    }


def is_of_nobody(ref: Ref) -> bool:
    """Whether something on the server is neither the study's nor anybody's: a lock's marker, XNAT's own previews."""
    resource = ref.at(Level.RESOURCE)
    if resource is None or resource.parent is None:
        return False
    if resource.label == MARKER_RESOURCE:
        return resource.parent.level is Level.PROJECT
    return resource.label == SNAPSHOTS and resource.parent.level is Level.SCAN


def places(desired: DesiredState) -> set[Ref]:
    """Every object and resource that is described and is to exist."""
    names = (*desired.files, *(ref for ref in desired.absent if ref.level is Level.FILE))
    return {*desired.objects, *desired.vacant, *(resource for ref in names if (resource := ref.parent))}


def _described(desired: DesiredState) -> _Described:
    sessions = frozenset(ref.label for ref in desired.objects if ref.level is Level.SESSION)
    named = {*places(desired), *desired.files, *desired.absent}
    bare = desired.vacant.keys() - {ref.parent for ref in desired.files} if desired.vacant else ()
    return _Described(desired.prune, named, sessions, bare)


def _within(ref: Ref, others: Container[Ref]) -> bool:
    return any(above in others for above in (ref, *ref.ancestors()))
