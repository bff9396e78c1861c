"""The order in which a plan is carried out: objects in waves, files in lanes, deletes last and from the leaves up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.refs import Level, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCANS_A_REQUEST = 100
"""With so many scans at most a new session is made in one request."""
LARGE = 64 << 20
"""Bytes. A lane of this size begins before all smaller ones, whatever session it belongs to."""

Group = tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """All uploads into one resource; only one request of a lane may run at a time.

    XNAT rewrites a resource's catalog at each upload and fails the one that finds it changed (`CatalogUtils`).
    """

    resource: Ref
    changes: Group

    @property
    def session(self) -> Ref | None:
        """The session that the resource belongs to, itself or through a scan; ``None`` above the sessions."""
        return self.resource.at(Level.SESSION)

    @property
    def size(self) -> int:
        """The bytes that the lane sends."""
        return sum(change.bytes_to_send for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A plan in order: waves one after another, all of a wave at once; then the lanes; then the delete waves.

    A wave is made of groups: one object, or a new session with its new scans, which one request can make.
    """

    waves: tuple[tuple[Group, ...], ...]
    lanes: tuple[Lane, ...]
    deletes: tuple[Group, ...]


def schedule(plan: Plan) -> Schedule:
    """Order a plan: parents before children, the largest lanes first, deletes last with children before parents."""
    return Schedule(
        waves=_waves(plan.of(Action.CREATE, Action.UPDATE)),
        lanes=_lanes(plan.of(Action.UPLOAD, Action.REPLACE, Action.REFRESH)),
        deletes=tuple(reversed(_by_level(plan.of(Action.DELETE)))),
    )


def _waves(changes: Sequence[Change]) -> tuple[tuple[Group, ...], ...]:
    """Changes of objects by level, new scans with their new session."""
    waves: dict[Level, list[list[Change]]] = {level: [] for level in Level}
    new: dict[Ref, list[Change]] = {}
    for change in changes:
        ref = change.ref
        group = new.get(ref.parent) if ref.level is Level.SCAN and ref.parent else None
        if group is not None and len(group) <= SCANS_A_REQUEST:
            group.append(change)
            continue
        waves[ref.level].append([change])
        if ref.level is Level.SESSION and change.action is Action.CREATE:
            new[ref] = waves[ref.level][-1]
    return tuple(tuple(map(tuple, wave)) for wave in waves.values() if wave)


def _by_level(changes: Sequence[Change]) -> tuple[Group, ...]:
    waves = (tuple(change for change in changes if change.ref.level is level) for level in Level)
    return tuple(wave for wave in waves if wave)


def _lanes(changes: Sequence[Change]) -> tuple[Lane, ...]:
    grouped = groupby(changes, key=lambda change: change.ref.parent)
    lanes = [Lane(resource=resource, changes=tuple(group)) for resource, group in grouped if resource]
    return tuple(_in_order(lanes))


def _in_order(lanes: Sequence[Lane]) -> Iterable[Lane]:
    """The largest first; the rest session by session, so that a session is soon done and can be looked at."""
    sizes: dict[Ref, int] = {}
    for lane in lanes:
        owner = lane.session or lane.resource
        sizes[owner] = sizes.get(owner, 0) + lane.size

    def key(lane: Lane) -> tuple[int, int, Ref, int]:
        owner = lane.session or lane.resource
        return (-lane.size if lane.size >= LARGE else 0, -sizes[owner], owner, -lane.size)

    return sorted(lanes, key=key)
