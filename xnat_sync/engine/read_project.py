"""Everything that a project on a server holds, as far as a manifest can say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import EVERY_CUSTOM, SCAN_TYPES, SESSION_TYPES, attributes_of
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, RemoteObject, RemoteState, is_imaging, is_own
from xnat_sync.engine.observe import observe, read_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Reader


def harvest(project: str, pool: Pool[Reader]) -> RemoteState:
    """All objects of a project with all attributes of their types, and all files; nothing if there is no such project.

    What is only shared into the project, and experiments that are no imaging sessions, are left out. Costs what a plan
    costs that declares every attribute and a custom variable of each object.
    """
    objects = _own(project, read_back(project, DesiredState(objects={}, files={}), pool))
    everything = DesiredState(
        objects={
            ref: ObjectSpec(
                ref=ref,
                xsi_type=held.xsi_type,
                fields=dict.fromkeys((*attributes_of(ref.level, held.xsi_type), *_custom(held, objects))),
            )
            for ref, held in objects.items()
        },
        # A file that nobody has in each place whose files are to be listed.
        files={
            file: FileSpec(ref=file, path="", size=0)
            for ref in objects
            if ref.level < Level.SCAN
            for file in [ref.child(Level.RESOURCE, "x").child(Level.FILE, "x")]
        },
    )
    found = observe(project, everything, pool)
    kept = _own(project, found.objects)
    files = {ref: file for ref, file in found.files.items() if _owner(ref) in kept}
    return RemoteState(objects=kept, files=files, doubled=found.doubled)


def _own(project: str, objects: Mapping[Ref, RemoteObject]) -> dict[Ref, RemoteObject]:
    """The project's own subjects, imaging sessions and scans."""
    kept: dict[Ref, RemoteObject] = {}
    scanned = {ref.parent for ref in objects if ref.level is Level.SCAN}
    for ref in sorted(objects):
        held = objects[ref]
        parent = ref.parent
        if is_own(held) and is_imaging(held, scanned) and (parent is None or parent in kept):
            kept[ref] = held
    return kept


def _custom(held: RemoteObject, objects: Mapping[Ref, RemoteObject]) -> tuple[str, ...]:
    """The name that asks for all custom variables; a scan of a type unknown to xnat.xsd may have no such list."""
    session = objects.get(held.ref.parent) if held.ref.level is Level.SCAN and held.ref.parent else None
    known = session is None or (session.xsi_type in SESSION_TYPES and held.xsi_type in SCAN_TYPES)
    return (EVERY_CUSTOM,) if known else ()


def _owner(file: Ref) -> Ref | None:
    resource = file.parent
    return resource.parent if resource else None
