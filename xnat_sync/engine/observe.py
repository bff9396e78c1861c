"""Ask the server what it holds, in few requests.

For S sessions that the manifest touches: one request each for the subjects, experiments and scans of the project, one
for the project itself if anything of it is declared, one for each pair of session and scan type whose own attributes
are declared, and one for the files of as many sessions as have 1,000 characters of accession IDs. A subject's or
project's own resources cost one each.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import CUSTOM_PREFIX, PROJECT, default_scan_type, generic_attributes
from xnat_sync.core.model.errors import NotFound
from xnat_sync.core.model.joined import joined
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import (
    DesiredState,
    ObjectSpec,
    RemoteFile,
    RemoteObject,
    RemoteState,
    by_ref,
    is_own,
)
from xnat_sync.core.planning.prune import owners_pruning_resources, unnamed_objects
from xnat_sync.engine.disk_check import sizes_on_disk
from xnat_sync.engine.hanging import look_into_records
from xnat_sync.engine.pool import Pool, gather, in_turn, result_of
from xnat_sync.gateway.port import ImageTypes, Reader, fitting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SESSIONS_A_REQUEST = 100
"""Sessions whose files are listed by one request, if their IDs fit it: XNAT reads every catalog of them before it
answers, an answer must not take longer than a proxy waits, and several requests share the work.
"""

_Names = frozenset[str]


def observe(project: str, desired: DesiredState, pool: Pool[Reader], *, disk: bool = False) -> RemoteState:
    """What the server holds of a project, as far as a desired state needs to know.

    With ``disk`` the files on the server's disk are looked at too, by one request for each session, and one for each
    file outside of sessions.

    A `GatewayError` of any request is raised: a partial view would make a wrong plan.
    """
    objects = read_back(project, desired, pool)
    if not objects:
        return RemoteState(objects={}, files={})
    pruned = unnamed_objects(desired, objects)
    sessions, owners = _file_owners(desired, objects, pruned)
    batches = _batches(sessions, objects)
    listings = [pool.submit(lambda gateway, batch: gateway.session_files(batch), batch) for batch in batches]
    listings += [pool.submit(lambda gateway, owner: gateway.own_files(owner), owner) for owner in owners]
    files: dict[Ref, RemoteFile] = {}
    doubled: set[Ref] = set()
    for listing in in_turn(listings):
        known = len(files)
        files |= by_ref(listing, desired.files)
        if len(files) - known < len(listing):
            doubled |= _listed_twice(listing)
    unlisted: frozenset[Ref] = frozenset()
    if disk:
        sizes, unlisted = sizes_on_disk(desired.files.keys(), sessions, files, pool)
        files |= {ref: replace(files[ref], on_disk=size) for ref, size in sizes.items()}
    hanging = look_into_records(desired, objects, pruned | desired.unnamed, pool)
    return RemoteState(
        objects={**objects, **hanging.owned},
        files=files,
        resources=_empty_resources(desired, objects, files, pool),
        doubled=frozenset(doubled),
        unlisted=unlisted,
        tied=hanging.tied,
        lent=hanging.lent,
        unseen=hanging.unseen,
        keeps_digests=_keeps_digests(desired, files, pool),
    )


def _batches(sessions: Sequence[Ref], objects: Mapping[Ref, RemoteObject]) -> list[list[Ref]]:
    """Sessions in portions whose files one request lists."""
    return [
        part[start : start + SESSIONS_A_REQUEST]
        for part in fitting(sessions, key=lambda ref: objects[ref].accession_id)
        for start in range(0, len(part), SESSIONS_A_REQUEST)
    ]


def _keeps_digests(desired: DesiredState, files: Mapping[Ref, RemoteFile], pool: Pool[Reader]) -> bool | None:
    """Whether the server computes digests; asked for only where one is missing. Not every account is told."""
    if any((held := files.get(ref)) and held.md5 is None for ref in desired.files):
        return result_of(pool.submit(lambda gateway: gateway.server())).checksums
    return None


def _listed_twice(listing: Sequence[RemoteFile]) -> set[Ref]:
    """The resources whose files come twice in one listing."""
    counts = Counter(file.ref for file in listing)
    return {resource for ref, number in counts.items() if number > 1 and (resource := ref.parent)}


def read_back(project: str, desired: DesiredState, pool: Pool[Reader]) -> Mapping[Ref, RemoteObject]:
    """The objects of a project as the server holds them now, files left out."""
    names = _declared(desired.objects.values(), Level.PROJECT)
    if names:
        root = result_of(pool.submit(lambda gateway: gateway.project(project, names)))
        return {root.ref: root, **_read_objects(project, desired, pool)} if root else {}
    return _read_nameless(project, desired, pool)


def _read_nameless(project: str, desired: DesiredState, pool: Pool[Reader]) -> Mapping[Ref, RemoteObject]:
    """The same where nothing of the project itself is declared: a listing that is answered proves that it exists.

    That an unknown project's listing is refused is not certain; so an empty one proves nothing.
    """
    try:
        objects = _read_objects(project, desired, pool)
    except NotFound:
        return {}
    if not any(is_own(held) for held in objects.values() if held.ref.level is Level.SUBJECT):
        # A subject of its own proves that this is no alias of another project.
        root = result_of(pool.submit(lambda gateway: gateway.project(project, frozenset())))
    else:
        ref = Ref.project_of(project)
        root = RemoteObject(ref=ref, accession_id=project, xsi_type=PROJECT, project=project)
    return {root.ref: root, **objects} if root else {}


def _read_objects(project: str, desired: DesiredState, pool: Pool[Reader]) -> dict[Ref, RemoteObject]:
    """Every subject, session and scan of the project, with the attributes that the manifest declares anywhere."""
    names = {level: _declared(desired.objects.values(), level) for level in (Level.SUBJECT, Level.SESSION, Level.SCAN)}
    scans = names[Level.SCAN] | {"type"}
    reads = [
        pool.submit(lambda gateway: gateway.subjects(project, names[Level.SUBJECT])),
        pool.submit(lambda gateway: gateway.sessions(project, names[Level.SESSION])),
        pool.submit(lambda gateway: gateway.images(project, None, names[Level.SESSION], scans)),
    ]
    reads += [
        pool.submit(lambda gateway, types, own: gateway.images(project, types, own[0], own[1]), types, own)
        for types, own in _typed_reads(desired).items()
    ]
    subjects, experiments, images, *typed = gather(reads)
    return joined(subjects, experiments, images, (held for answer in typed for held in answer))


def _declared(specs: Iterable[ObjectSpec], level: Level) -> _Names:
    return frozenset(name for spec in specs if spec.ref.level is level for name in spec.names)


def _typed_reads(desired: DesiredState) -> dict[ImageTypes, tuple[_Names, _Names]]:
    """Which pairs of session and scan type have attributes of their own declared, and which."""
    found: dict[ImageTypes, tuple[set[str], set[str]]] = {}
    for ref, spec in desired.objects.items():
        own = {name for name in spec.names if _is_of_type(ref.level, name)}
        if not own:
            continue
        session = spec if ref.level is Level.SESSION else desired.objects.get(ref.parent) if ref.parent else None
        session_type = session.xsi_type if session else ""
        scan_type = spec.xsi_type if ref.level is Level.SCAN else default_scan_type(session_type) or ""
        entry = found.setdefault(ImageTypes(session=session_type, scan=scan_type), (set(), set()))
        entry[ref.level is Level.SCAN].update(own)
    return {types: (frozenset(own[0]), frozenset(own[1])) for types, own in found.items()}


def _is_of_type(level: Level, name: str) -> bool:
    """Whether only some session or scan types have the attribute; a scan's custom variables are such (`addParam`)."""
    if level not in (Level.SESSION, Level.SCAN):
        return False
    if name.startswith(CUSTOM_PREFIX):
        return level is Level.SCAN
    return name not in generic_attributes(level)


def _file_owners(
    desired: DesiredState, objects: Mapping[Ref, RemoteObject], pruned: frozenset[Ref]
) -> tuple[list[Ref], list[Ref]]:
    """The sessions, and the subjects and project, whose files matter and which exist.

    Those of what is to be deleted matter too: the plan says how much goes with it.
    """
    unwanted = desired.unwanted | pruned
    touched = (ref for ref in (*desired.files, *unwanted) if ref.at(Level.RESOURCE))
    owners = {resource.parent for ref in touched if (resource := ref.at(Level.RESOURCE))}
    # Files by themselves are pruned only beside those that are named.
    owners.update(owners_pruning_resources(desired))
    if unwanted:
        owners |= {ref for ref in objects if any(above in unwanted for above in (ref, *ref.ancestors()))}
    sessions = {session for owner in owners if owner and (session := owner.at(Level.SESSION))}
    others = {owner for owner in owners if owner and not owner.at(Level.SESSION)}
    return sorted(sessions & objects.keys()), sorted(others & objects.keys())


def _empty_resources(
    desired: DesiredState, objects: Mapping[Ref, RemoteObject], files: Iterable[Ref], pool: Pool[Reader]
) -> frozenset[Ref]:
    """The resources that must not exist, have no file to show for themselves, and exist all the same.

    Where a place prunes resources, one request for each session, or subject or project, asks for all of them.
    """
    shown = {resource for ref in files if (resource := ref.parent)}
    hidden = {ref for ref in desired.unwanted if ref.level is Level.RESOURCE} - shown
    pruned = set(owners_pruning_resources(desired))
    holders = {ref.parent for ref in hidden} | pruned
    owners = {holder.at(Level.SESSION) or holder for holder in holders if holder} & objects.keys()
    listings = [pool.submit(lambda gateway, owner: gateway.resources(owner), owner) for owner in sorted(owners)]
    return (
        frozenset(ref for listing in gather(listings) for ref in listing if ref in hidden or ref.parent in pruned)
        - shown
    )
