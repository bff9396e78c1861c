"""What is not sound on the server, found by looking at its lists. What no change mends is told all the same."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.refs import Level, Ref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from xnat_sync.core.model.state import DesiredState, RemoteState

_PACKED = ".gz"


class Harm(enum.Enum):
    """What is wrong."""

    DOUBLED = "doubled"
    """Two rows of the server's table are one resource: two first uploads at once (`ResourceModifierA`)."""
    UNPACKED = "unpacked"
    """A ``.gz`` was unpacked by the server, which it does when told to extract a single file (`CatalogUtils`)."""
    UNLISTED = "unlisted"
    """Files on the server's disk that no catalog lists: an upload ended before its catalog was written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One thing that is wrong on the server, where, and in a sentence what that means."""

    harm: Harm
    ref: Ref
    summary: str

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"harm": self.harm.value, "ref": str(self.ref), "summary": self.summary}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Damage:
        """The inverse of `to_data`; malformed data is a ``ValueError``, ``KeyError`` or ``TypeError``."""
        return cls(harm=Harm(data["harm"]), ref=Ref.parse(data["ref"]), summary=str(data["summary"]))


def damage_of(desired: DesiredState, remote: RemoteState) -> tuple[Damage, ...]:
    """What is wrong in the resources that a study names, sorted by ref."""
    found = [*_doubled(desired, remote), *_unpacked(desired, remote), *_unlisted(desired, remote)]
    return tuple(sorted(found, key=lambda damage: (damage.ref, damage.harm.value)))


def _doubled(desired: DesiredState, remote: RemoteState) -> Iterator[Damage]:
    if not remote.doubled:
        return
    named = {ref.parent for ref in desired.files}
    for ref in remote.doubled & named:
        yield Damage(
            harm=Harm.DOUBLED,
            ref=ref,
            summary="is on the server twice under one label, so its files are listed twice. They are safe, and are kept"
            " in step; but deleting either of the two deletes the files of both. To have one again: say state: absent"
            " for the resource and apply with --allow-delete, then take that back and apply once more",
        )


def _unpacked(desired: DesiredState, remote: RemoteState) -> Iterator[Damage]:
    for ref in desired.files:
        if not ref.label.endswith(_PACKED) or ref in remote.files or ref.parent is None:
            continue
        unpacked = ref.parent.child(Level.FILE, ref.label.removesuffix(_PACKED))
        if unpacked in remote.files and unpacked not in desired.files:
            packed = ref.label.rpartition("/")[2]
            fate = "deleted" if unpacked in desired.unwanted else "left alone"
            summary = f"seems to be {packed}, unpacked by the server; {packed} is uploaded, and this one is {fate}"
            yield Damage(harm=Harm.UNPACKED, ref=unpacked, summary=summary)


def _unlisted(desired: DesiredState, remote: RemoteState) -> Iterator[Damage]:
    if not remote.unlisted:
        return
    named = {ref.parent for ref in desired.files}
    counts = Counter(ref.parent for ref in remote.unlisted if ref.parent in named)
    wanted = Counter(ref.parent for ref in remote.unlisted if ref in desired.files)
    for ref, number in counts.items():
        if ref is not None:
            files = f"{number:,} file{'s' * (number != 1)} on the server's disk that no catalog lists"
            left = number - wanted[ref]
            fate = f"{wanted[ref]:,} to be uploaded anew, {left:,} left alone" if wanted[ref] else "left alone"
            yield Damage(harm=Harm.UNLISTED, ref=ref, summary=f"has {files}: {fate}")
