"""What the manifest and the server contradict each other in, so that no change can mend it. Pure.

XNAT takes a label in a path for an accession ID where an object of the project has that ID, and for a scan's type where
a scan has it; then a write goes to that other object, is answered with success, and nothing tells (recorded on 1.8.11).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level, Ref

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.state import DesiredState, ObjectSpec, RemoteObject, RemoteState

_NUMBERED = (Level.SUBJECT, Level.SESSION)
"""The levels whose objects are looked up by accession ID too."""


class Conflicts:
    """The conflict rules, with look-ups over the remote objects; of scans only those whose type is an ID too."""

    def __init__(self, desired: DesiredState, remote: RemoteState) -> None:
        self._sessions: Mapping[str, Ref] = {ref.label: ref for ref in remote.objects if ref.level is Level.SESSION}
        self._numbers: Mapping[tuple[Level, str], Ref] = {
            (ref.level, held.accession_id): ref for ref, held in remote.objects.items() if ref.level in _NUMBERED
        }
        self._objects = remote.objects
        wanted = {ref.label for ref in desired.objects if ref.level is Level.SCAN}
        self._scan_types: dict[tuple[Ref | None, str], Ref] = {
            (ref.parent, held.fields["type"]): ref
            for ref, held in remote.objects.items()
            if ref.level is Level.SCAN and held.fields.get("type") in wanted
        }

    def of(self, spec: ObjectSpec, held: RemoteObject | None) -> str | None:
        """Return why an object can be neither created nor updated, ``None`` if it can."""
        if held is None and not spec.create:
            return (
                "does not exist on the server, or this account may not see it; if it is to be made, say create: true in"
                " the manifest, else ask its owner to make the account a member"
            )
        match spec.ref.level:
            case Level.PROJECT:
                return _of_project(spec, held)
            case Level.SUBJECT:
                return self._of_label(spec)
            case Level.SESSION:
                return self._of_label(spec) or _of_type(spec, held) or self._of_place(spec, held)
            case _:
                return _of_type(spec, held) or self._of_scan(spec)

    def _of_label(self, spec: ObjectSpec) -> str | None:
        """A label that is the accession ID of another object: XNAT would write to that one, or below it."""
        noun, label = spec.ref.level.noun, spec.ref.label
        other = self._numbers.get((spec.ref.level, label))
        if other is None or other == spec.ref:
            return None
        return (
            f"has the label that is the accession ID of {noun} {other.short} on the server, and XNAT would write to"
            f" that one; if it is meant, write its label {other.label}, else give this {noun} another label"
        )

    def _of_place(self, spec: ObjectSpec, held: RemoteObject | None) -> str | None:
        elsewhere = self._sessions.get(spec.ref.label) if held is None else None
        if elsewhere and elsewhere.parent and elsewhere != spec.ref:
            # A PUT would re-parent it without a word (SubjAssessmentResource).
            return f"belongs to subject {elsewhere.parent.label} on the server"
        return None

    def _of_scan(self, spec: ObjectSpec) -> str | None:
        """Files routes find a scan by ID or by type (`XNATTemplate`), so every upload would answer 404."""
        twin = self._scan_types.get((spec.ref.parent, spec.ref.label))
        if twin and twin != spec.ref:
            return f"has the ID that is the type of scan {twin.label} on the server; XNAT could not tell them apart"
        wanted = spec.fields.get("type") or ""
        other = spec.ref.parent.child(Level.SCAN, wanted) if spec.ref.parent and wanted else None
        if other in self._objects and other != spec.ref:
            return f"has the type that is the ID of scan {wanted} on the server; XNAT could not tell them apart"
        return None


def _of_project(spec: ObjectSpec, held: RemoteObject | None) -> str | None:
    """XNAT takes a project's alias for the project."""
    if held is None or held.project in ("", spec.ref.label):
        return None
    return f"is an alias of project {held.project} on the server; write {held.project} in the manifest"


def _of_type(spec: ObjectSpec, held: RemoteObject | None) -> str | None:
    if held is None or held.xsi_type == spec.xsi_type:
        return None
    return f"is a {held.xsi_type} on the server and a {spec.xsi_type} in the manifest; XNAT cannot change a type"
