"""Bringing catalogs and statistics in line with the disk (``RefreshCatalog``, ``DefaultCatalogService``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.events import record
from xnat_sync.server.files.resource_records import save_counts
from xnat_sync.server.files.resources import find_resources, requested_ids
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.resolve import resolve
from xnat_sync.server.storage.archive import CATALOG_SUFFIX, Folder, md5_of
from xnat_sync.server.storage.catalog import Catalog, Entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xnat_sync.server.files.events import Event
    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.objects.resolve import Target

_SESSIONS: Final = (
    "experiments/{session}",
    "projects/{project}/subjects/{subject}/experiments/{session}",
    "projects/{project}/experiments/{session}",
)
_OWNERS: Final = (
    "projects/{project}",
    "subjects/{subject}",
    "projects/{project}/subjects/{subject}",
    *(session.replace("{session}", "{experiment}") for session in _SESSIONS),
    *(f"{session}/scans/{{scan}}" for session in _SESSIONS),
    *(f"{session}/assessors/{{assessor}}" for session in _SESSIONS),
    *(f"{session}/assessors/{{assessor}}/{{type}}" for session in _SESSIONS),
    *(f"{session}/reconstructions/{{reconstruction}}" for session in _SESSIONS),
    *(f"{session}/reconstructions/{{reconstruction}}/{{type}}" for session in _SESSIONS),
)
_TEMPLATES: Final = (*(f"{owner}/resources/{{resource}}" for owner in _OWNERS), *_OWNERS)


class Operation(Enum):
    """The four things that a refresh can do, by the names of their options."""

    CHECKSUM = "checksum"
    DELETE = "delete"
    APPEND = "append"
    POPULATE_STATS = "populateStats"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a URI named: the object with its rights, and the resources."""

    target: Target
    resources: tuple[Resource, ...]


def operations_of(names: Iterable[str], *, checksums: bool) -> frozenset[Operation]:
    """The operations asked for; none asked is *all*, checksums only if the site keeps them (``getOperations``)."""
    wanted = {name.strip().lower() for name in names}
    chosen = frozenset(operation for operation in Operation if operation.value.lower() in wanted)
    if chosen:
        return chosen
    return frozenset(Operation) if checksums else frozenset(Operation) - {Operation.CHECKSUM}


def params_of(uri: str) -> Mapping[str, str]:
    """The names in an archive URI; raises ``XnatError`` 400 for any other and for the URI of a file."""
    path = uri
    for prefix in ("/data/", "/REST/"):
        path = path.removeprefix(prefix) if path.startswith(prefix) else path
    segments = path.strip("/").split("/")
    if segments[0] != "archive" or not path.lstrip("/").startswith("archive/"):
        raise XnatError(400, f"Invalid URI: {uri}")
    for template in _TEMPLATES:
        found = _matched(template.split("/"), segments[1:])
        if found is not None:
            return found
    raise XnatError(400, f"Malformed URI: {uri}")


def _matched(template: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    params = {}
    for name, segment in zip(template, segments, strict=True):
        if name.startswith("{"):
            params[name.strip("{}")] = segment
        elif name != segment:
            return None
    return params if params.get("type", "out") in {"in", "out"} else None


def find_refreshed(context: Context, user: User, uri: str) -> Refreshed:
    """What the URI names. A session brings its scans, reconstructions and assessors; subject and project do not."""
    params = params_of(uri)
    with context.store.read() as db:
        target = resolve(db, user, params, reading=False)
        security = target.security
        if security is None or not can(db, user, security, Right.EDIT):
            name = target.item["id"]
            message = f"The user {user.login} does not have permission to edit the resource URI for item {name}"
            raise XnatError(403, message)
        ids = requested_ids(params.get("resource"))
        return Refreshed(target, tuple(find_resources(db, user, target, ids, everything=not ids)))


def refresh(context: Context, found: Refreshed, operations: frozenset[Operation], event: Event) -> None:
    """Refreshes each resource, and notes one event."""
    for resource in found.resources:
        _refresh_one(context, resource, operations, event)
    with context.store.write() as db:
        if found.target.security is not None:
            record(db, event, found.target.security)


def _refresh_one(context: Context, resource: Resource, operations: frozenset[Operation], event: Event) -> None:
    folder = Folder(context.archive / resource.catalog)
    if len(list(folder.path.glob(f"*{CATALOG_SUFFIX}"))) > 1:
        return  # "Multiple catalog files - not refreshing", with status 200
    folder.path.mkdir(parents=True, exist_ok=True)
    snapshot = context.catalogs.read(folder.catalog)
    catalog = snapshot.catalog
    if Operation.APPEND in operations:
        catalog = _appended(catalog, folder, event, checksums=context.preferences.is_on("checksums"))
    if Operation.DELETE in operations:
        catalog = catalog.without([path for path in catalog.entries if folder.existing(path) is None])
    if Operation.CHECKSUM in operations:
        catalog = _rehashed(catalog, folder)
    if catalog is not snapshot.catalog:
        context.catalogs.write(folder.catalog, catalog, expected=snapshot.md5)
    if Operation.POPULATE_STATS in operations:
        files = [file for path in catalog.entries if (file := folder.existing(path)) is not None]
        with context.store.write() as db:
            save_counts(db, resource.id, (len(files), sum(file.stat().st_size for file in files)))


def _appended(catalog: Catalog, folder: Folder, event: Event, *, checksums: bool) -> Catalog:
    """Adds the files on disk that no entry names."""
    new = [
        Entry(
            path=path,
            size=str(file.stat().st_size),
            digest=md5_of(file) if checksums else "",
            created=event.stamp,
        )
        for path, file in folder.walk()
        if path not in catalog.entries
    ]
    return catalog.with_entries(new).audited(event.stamp, "Added", len(new)) if new else catalog


def _rehashed(catalog: Catalog, folder: Folder) -> Catalog:
    """Recomputes the digest and size of every file that is there."""
    changed = []
    for entry in catalog.entries.values():
        file = folder.existing(entry.path)
        if file is not None:
            fresh = replace(entry, digest=md5_of(file), size=str(file.stat().st_size))
            if fresh != entry:
                changed.append(fresh)
    return catalog.with_entries(changed) if changed else catalog
