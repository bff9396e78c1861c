"""What the gateways of one login remember of a server between their calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import is_own
from xnat_sync.gateway.port import LONGEST_LIST

if TYPE_CHECKING:
    from xnat_sync.core.model.state import RemoteObject


@dataclass(slots=True)
class Memory:
    """What all gateways of one login know about the server. Each entry is written whole, so it needs no lock."""

    accession_ids: dict[Ref, str] = field(default_factory=dict)
    sessions: dict[tuple[str, str], str] = field(default_factory=dict)
    """The accession IDs of sessions by that of their subject and by their label.

    The list of experiments names the subject of a session by the label that it has at home, whatever it is called in a
    project that it is shared with (`ProjSubExptList`).
    """
    tells_scan_types: bool = True
    longest_list: int = LONGEST_LIST

    def note(self, held: RemoteObject) -> None:
        """Remember under which accession ID a subject or session is kept; of two of one label the project's own."""
        if is_own(held) or held.ref not in self.accession_ids:
            self.note_id(held.ref, held.accession_id)
        if held.ref.level is Level.SESSION:
            self.sessions[held.parent_id, held.ref.label] = held.accession_id

    def note_id(self, ref: Ref, accession_id: str) -> None:
        """The same for a ref alone."""
        self.accession_ids[ref] = accession_id

    def number_of(self, ref: Ref) -> str | None:
        """Return the accession ID of a subject or session, ``None`` where no listing told it."""
        parent = self.accession_ids.get(ref.parent) if ref.level is Level.SESSION and ref.parent else None
        found = self.sessions.get((parent, ref.label)) if parent else None
        return found or self.accession_ids.get(ref)

    def forget(self, ref: Ref) -> None:
        """Look an object up again: it may have been deleted and made anew since it was listed."""
        parent = self.accession_ids.get(ref.parent, "") if ref.parent else ""
        self.sessions.pop((parent, ref.label), None)
        self.accession_ids.pop(ref, None)
