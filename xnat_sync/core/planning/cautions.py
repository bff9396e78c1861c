"""What is no contradiction, and yet most likely not what was meant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Caution, Change
from xnat_sync.core.model.refs import Level, Ref

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.state import RemoteState


def cautions_of(changes: Iterable[Change], remote: RemoteState) -> tuple[Caution, ...]:
    """Return the objects to create whose labels differ in case only from one that the server has.

    XNAT keeps both (recorded on 1.8.11), and people and file systems take them for one.
    """
    new = {_spelled(change.ref): change.ref for change in changes if _is_new(change)}
    if not new:
        return ()
    found = {new[key]: ref for ref in remote.objects if ref.level < Level.RESOURCE and (key := _spelled(ref)) in new}
    return tuple(
        Caution(ref=ref, summary=f"differs from {other.label} on the server in case only; it will be another one")
        for ref, other in sorted(found.items())
    )


def _is_new(change: Change) -> bool:
    return change.action is Action.CREATE and change.ref.level is not Level.PROJECT


def _spelled(ref: Ref) -> tuple[Level, Ref | None, str]:
    """A label beside which another one would be mistaken for it: among subjects, sessions, or scans of one session."""
    return (ref.level, ref.parent if ref.level is Level.SCAN else None, ref.label.casefold())
