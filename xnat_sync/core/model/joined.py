"""Several listings of one project as one view of it. Pure.

XNAT's lists do not agree on a session that another project shares: the list of experiments has the share's label and
says the asking project, that of images has the owner's label and says the owner (`ProjSubExptList`). Only accession IDs
are the same in both, so everything is joined by them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import Alike, RemoteObject, is_own

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def joined(
    subjects: Sequence[RemoteObject],
    experiments: Sequence[RemoteObject],
    images: Sequence[RemoteObject],
    typed: Iterable[RemoteObject] = (),
) -> dict[Ref, RemoteObject]:
    """Return what four kinds of listings say of one project, by what it is called there.

    ``images`` are imaging sessions and scans of any type: they say who owns a session. ``typed`` are those of some type
    each: they say the type of a scan, which the listing of all scans may have to guess.
    """
    view = _View()
    view.take_subjects(subjects)
    owners = {held.accession_id: held.project for held in images if held.ref.level is Level.SESSION}
    view.take_sessions([replace(held, project=owners.get(held.accession_id, held.project)) for held in experiments])
    for held in (*images, *typed):
        view.add(held)
    return view.objects


class _View:
    """Objects by ref, which grow while listings are added up."""

    def __init__(self) -> None:
        self.objects: dict[Ref, RemoteObject] = {}
        self._subjects: dict[str, Ref] = {}
        self._sessions: dict[str, Ref] = {}
        self._alike = Alike()

    def take_subjects(self, subjects: Iterable[RemoteObject]) -> None:
        """Add the subjects, of two with one label this project's own first."""
        for held in sorted(subjects, key=is_own, reverse=True):
            ref = self._free(held.ref, held.accession_id)
            self._subjects[held.accession_id] = ref
            self.objects[ref] = replace(held, ref=ref, fields=self._alike.of(held.fields))

    def take_sessions(self, sessions: Iterable[RemoteObject]) -> None:
        """Add the experiments below the subjects that they name by accession ID."""
        for held in sorted(sessions, key=is_own, reverse=True):
            parent = self._subjects.get(held.parent_id)
            ref = self._free(parent.child(Level.SESSION, held.ref.label) if parent else held.ref, held.accession_id)
            self._sessions[held.accession_id] = ref
            self.objects[ref] = replace(held, ref=ref, fields=self._alike.of(held.fields))

    def add(self, part: RemoteObject) -> None:
        """Add what a listing of images says of a session or scan."""
        if part.ref.level is Level.SESSION:
            ref = self._sessions.setdefault(part.accession_id, part.ref)
        else:
            session = self._sessions.get(part.parent_id)
            ref = session.child(Level.SCAN, part.ref.label) if session else part.ref
        known = self.objects.get(ref, part)
        xsi_type = part.xsi_type if ref.level is Level.SCAN else known.xsi_type
        fields = self._alike.of({**known.fields, **part.fields})
        self.objects[ref] = replace(known, ref=ref, xsi_type=xsi_type, fields=fields)

    def _free(self, ref: Ref, accession_id: str) -> Ref:
        """Return the ref, or that of the accession ID where another object of the project has the label already.

        What is shared without a label keeps its own, which an object of this project may have too.
        """
        parent = ref.parent
        return parent.child(ref.level, accession_id) if parent and ref in self.objects else ref
