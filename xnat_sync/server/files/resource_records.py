"""Creating and deleting resources (``CatalogResource``, ``DefaultCatalogService``, ``ResourceModifierA``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.files.events import record
from xnat_sync.server.files.history import FileHistory
from xnat_sync.server.objects.archive_layout import catalog_path
from xnat_sync.server.storage.archive import Folder
from xnat_sync.server.storage.catalog import Catalog, CatalogUnreadableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from xnat_sync.server.files.description import Description
    from xnat_sync.server.files.events import Event
    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Context
    from xnat_sync.server.objects.resolve import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The resource that is written to; ``resource`` is ``None`` while it does not exist."""

    target: Target
    resource: Resource | None
    catalog: str

    @property
    def project(self) -> str:
        """The project in whose archive it lies."""
        return self.catalog.partition("/")[0]


def find_place(db: sqlite3.Connection, target: Target, resource: Resource | None, label: str, timestamp: str) -> Place:
    """The existing resource, or where a new one will lie; without a label its folder is named by the time."""
    catalog = resource.catalog if resource is not None else ""
    if not catalog:
        catalog = catalog_path(db, target.item, target.scope, label or timestamp, by_upload=True)
    return Place(target=target, resource=resource, catalog=catalog)


def count_files(context: Context, catalog: Path) -> tuple[int, int] | None:
    """Number and bytes of the catalogued files; ``None`` if the catalog cannot be read."""
    try:
        entries = context.catalogs.read(catalog).catalog.entries
    except (OSError, CatalogUnreadableError):
        return None
    return len(entries), sum(int(entry.size or 0) for entry in entries.values())


def save_counts(db: sqlite3.Connection, number: int, counted: tuple[int, int] | None) -> None:
    """Stores what was counted, if anything was."""
    if counted is not None:
        db.execute("UPDATE resource SET file_count = ?, file_size = ? WHERE id = ?", (*counted, number))


def insert_resource(
    db: sqlite3.Connection, place: Place, label: str, about: Description, counted: tuple[int, int] | None
) -> int:
    """Adds the row; the first resource of a typed scan holds RAW content unless told otherwise (``DirectScan``)."""
    target = place.target
    content = about.content
    if content is None and target.item["kind"] == "scan" and target.item["type"]:
        others = db.execute("SELECT 1 FROM resource WHERE parent = ?", (target.item["pk"],)).fetchone()
        content = "RAW" if others is None else None
    count, size = counted or (None, None)
    values = {
        "parent": target.item["pk"],
        "scope": target.scope,
        "label": label or None,
        "format": about.format,
        "content": content,
        "description": about.description,
        "tags": json.dumps(about.all_tags),
        "catalog": place.catalog,
        "file_count": count,
        "file_size": size,
    }
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    cursor = db.execute(f"INSERT INTO resource({columns}) VALUES ({marks})", values)  # noqa: S608 - only names from here
    return int(cursor.lastrowid or 0)


def describe_resource(db: sqlite3.Connection, resource: Resource, about: Description) -> None:
    """Sets what was said anew and *appends* the tags, as every upload that says something does (``CatalogUtils``)."""
    if about.is_empty:
        return
    tags = json.dumps([*resource.tags, *about.all_tags])
    db.execute(
        "UPDATE resource SET format = coalesce(?, format), content = coalesce(?, content), "
        "description = coalesce(?, description), tags = ? WHERE id = ?",
        (about.format, about.content, about.description, tags, resource.id),
    )


def create_resource(context: Context, target: Target, label: str, about: Description, event: Event) -> int:
    """A new resource with an empty catalog; whatever catalog lay there is lost. Returns its number."""
    with context.store.write() as db:
        catalog = catalog_path(db, target.item, target.scope, label or event.time, by_upload=False)
        place = Place(target=target, resource=None, catalog=catalog)
        path = context.archive / catalog
        context.catalogs.create(path, Catalog(id=path.name.removesuffix("_catalog.xml"), project=place.project))
        number = insert_resource(db, place, label, about, None)
        if target.security is not None:
            record(db, event, target.security)
    return number


def delete_resources(
    context: Context, target: Target, resources: Sequence[Resource], event: Event
) -> tuple[Resource, ...]:
    """Removes the files that the catalogs name, the catalogs and the rows; returns those that would not go.

    Files unknown to a catalog stay on disk.
    """
    failed = []
    for resource in resources:
        try:
            _delete_resource(context, target, resource, event)
        except (OSError, CatalogUnreadableError):
            failed.append(resource)
    return tuple(failed)


def _delete_resource(context: Context, target: Target, resource: Resource, event: Event) -> None:
    folder = Folder(context.archive / resource.catalog)
    history = FileHistory(context, folder)
    for path, entry in context.catalogs.read(folder.catalog).catalog.entries.items():
        history.remove(path, entry)
    folder.discard()
    with context.store.write() as db:
        db.execute("DELETE FROM resource WHERE id = ?", (resource.id,))
        if target.security is not None:
            record(db, event, target.security)
