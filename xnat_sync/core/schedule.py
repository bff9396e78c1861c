"""The order in which a plan is carried out: objects in waves, files in lanes, deletes last and from the leaves up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from xnat_sync.core.changes import Action, Change, Plan
from xnat_sync.core.refs import Level, Ref

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """All uploads into one resource; only one request of a lane may run at a time.

    XNAT rewrites a resource's catalog at each upload and fails the one that finds it changed (`CatalogUtils`).
    """

    resource: Ref
    changes: tuple[Change, ...]

    @property
    def size(self) -> int:
        """The bytes that the lane sends."""
        return sum(change.bytes_to_send for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A plan in order: waves one after another, all of a wave at once; then the lanes; then the delete waves."""

    waves: tuple[tuple[Change, ...], ...]
    lanes: tuple[Lane, ...]
    deletes: tuple[tuple[Change, ...], ...]


def schedule(plan: Plan) -> Schedule:
    """Order a plan: parents before children, the largest lanes first, deletes last with children before parents."""
    return Schedule(
        waves=_by_level(plan.of(Action.CREATE, Action.UPDATE)),
        lanes=_lanes(plan.of(Action.UPLOAD, Action.REPLACE)),
        deletes=tuple(reversed(_by_level(plan.of(Action.DELETE)))),
    )


def _by_level(changes: Sequence[Change]) -> tuple[tuple[Change, ...], ...]:
    waves = (tuple(change for change in changes if change.ref.level is level) for level in Level)
    return tuple(wave for wave in waves if wave)


def _lanes(changes: Sequence[Change]) -> tuple[Lane, ...]:
    grouped = groupby(changes, key=lambda change: change.ref.parent)
    lanes = [Lane(resource=resource, changes=tuple(group)) for resource, group in grouped if resource]
    return tuple(sorted(lanes, key=lambda lane: -lane.size))
