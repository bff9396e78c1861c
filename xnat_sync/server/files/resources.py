"""Resources as rows: what they are, finding and listing them (``CatalogResourceList``, ``XNATCatalogTemplate``).

A label is not unique in XNAT's tables; nothing here makes it so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.resolve import children, escaped, parent_of

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.objects.resolve import Target

MAX_ID: Final = 2**31 - 1
ELEMENT: Final = "xnat:resourceCatalog"
COLUMNS: Final = (
    "xnat_abstractresource_id",
    "label",
    "element_name",
    "category",
    "cat_id",
    "cat_desc",
    "file_count",
    "file_size",
    "tags",
    "content",
    "format",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """An object with resources, and what listings say of it. ``uri`` is by accession IDs, without ``/data``."""

    item: sqlite3.Row
    scopes: tuple[str, ...]
    category: str
    cat_id: str
    cat_desc: str
    uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One row of the resource table with its owner."""

    id: int
    owner: Owner
    scope: str
    label: str
    format: str
    content: str
    description: str
    tags: tuple[str, ...]
    catalog: str
    file_count: str
    file_size: str

    @property
    def uri(self) -> str:
        """Where the resource is found in listings that span several: always by its own session."""
        return f"/data{self.owner.uri}/resources/{self.id}"

    def columns(self) -> dict[str, str]:
        """The row of a resource listing; everything is text (``CatalogUtils.populateTable``)."""
        owner = self.owner
        values = (
            str(self.id),
            self.label,
            ELEMENT,
            owner.category,
            owner.cat_id,
            owner.cat_desc,
            self.file_count,
            self.file_size,
            ",".join(self.tags),
            self.content,
            self.format,
        )
        return dict(zip(COLUMNS, values, strict=True))


def requested_ids(segment: str | None) -> tuple[str, ...]:
    """The resource tokens of a URL: labels and numbers, separated by commas; ``XnatError`` for an absurd number."""
    tokens = tuple(escaped(token) for token in (segment or "").split(",") if token)
    if any(token.isascii() and token.isdigit() and int(token) > MAX_ID for token in tokens):
        raise XnatError(500)  # NumberFormatException
    return tokens


def find_resources(
    db: sqlite3.Connection, user: User, target: Target, ids: Sequence[str] = (), *, everything: bool = False
) -> list[Resource]:
    """The resources of the target's objects, all or those of ``ids``.

    ``everything`` is ``all=true``: at an experiment also its scans, reconstructions and readable assessors.
    """
    spread = everything and bool(target.experiments) and not target.sessions
    owners = _with_parts(db, user, target) if spread else [_owner(db, item, target) for item in target.items]
    found = _resources_of(db, owners)
    if ids:
        found = [resource for resource in found if _is_meant(resource, ids)]
    return found


def find_by_number(db: sqlite3.Connection, user: User, ids: Sequence[str]) -> list[Resource]:
    """Resources by number alone, wherever they are: reading accepts a number below the wrong parent (``FileList``)."""
    found: list[Resource] = []
    for token in ids:
        if not (token.isascii() and token.isdigit()):
            continue
        row = db.execute("SELECT parent FROM resource WHERE id = ?", (int(token),)).fetchone()
        if row is not None:
            owner = _owner(db, parent_of(db, row), None)
            if can(db, user, owner.item, Right.READ):
                found += [resource for resource in _resources_of(db, [owner]) if resource.id == int(token)]
    return found


def _is_meant(resource: Resource, ids: Iterable[str]) -> bool:
    """All-digit tokens are numbers only; ``NULL`` is a resource without label (``getResourceIdsWhereClause``)."""
    for wanted in ids:
        if wanted.isascii() and wanted.isdigit():
            if resource.id == int(wanted):
                return True
        elif (wanted == "NULL" and not resource.label) or (resource.label and resource.label == wanted):
            return True
    return False


def _resources_of(db: sqlite3.Connection, owners: Sequence[Owner]) -> list[Resource]:
    """In the order of the owners, then of creation; one query."""
    by_parent = {owner.item["pk"]: (place, owner) for place, owner in enumerate(owners)}
    rows = db.execute(
        "SELECT * FROM resource WHERE parent IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(by_parent)),),
    ).fetchall()
    chosen = [row for row in rows if row["scope"] in by_parent[row["parent"]][1].scopes]
    chosen.sort(key=lambda row: by_parent[row["parent"]][0])
    return [_resource(row, by_parent[row["parent"]][1]) for row in chosen]


def _resource(row: sqlite3.Row, owner: Owner) -> Resource:
    return Resource(
        id=row["id"],
        owner=owner,
        scope=row["scope"],
        label=row["label"] or "",
        format=row["format"] or "",
        content=row["content"] or "",
        description=row["description"] or "",
        tags=tuple(json.loads(row["tags"] or "[]")),
        catalog=row["catalog"] or "",
        file_count="" if row["file_count"] is None else str(row["file_count"]),
        file_size="" if row["file_size"] is None else str(row["file_size"]),
    )


def _with_parts(db: sqlite3.Connection, user: User, target: Target) -> list[Owner]:
    """The experiments themselves (without their ID in ``cat_id``), then all parts of them."""
    experiments = target.experiments
    owners = [_experiment_owner(item, cat_id="") for item in experiments]
    ids = {item["pk"]: item["id"] for item in experiments}
    owners += [_scan_owner(scan, ids[scan["parent"]]) for scan in children(db, experiments, "scan")]
    owners += [
        _reconstruction_owner(part, ids[part["parent"]], ("out",))
        for part in children(db, experiments, "reconstruction")
    ]
    owners += [
        _assessor_owner(part, ids[part["parent"]], ("out", ""))
        for part in children(db, experiments, "assessor")
        if can(db, user, part, Right.READ)
    ]
    return owners


def _owner(db: sqlite3.Connection, item: sqlite3.Row, target: Target | None) -> Owner:
    kind = item["kind"]
    if kind == "project":
        return Owner(
            item=item, scopes=("",), category="resources", cat_id="", cat_desc="", uri=f"/projects/{item['id']}"
        )
    if kind == "subject":
        uri = f"/projects/{item['project']}/subjects/{item['id']}"
        return Owner(item=item, scopes=("",), category="resources", cat_id="", cat_desc="", uri=uri)
    if kind == "experiment":
        return _experiment_owner(item, cat_id=item["id"])
    session = (target.session_of(item) if target is not None else None) or parent_of(db, item)
    if kind == "scan":
        return _scan_owner(item, session["id"])
    scopes = ("in",) if target is not None and target.scope == "in" else ("out", "")
    if kind == "reconstruction":
        return _reconstruction_owner(item, session["id"], scopes)
    return _assessor_owner(item, session["id"], scopes if target is not None else ("in", "out", ""))


def _experiment_owner(item: sqlite3.Row, *, cat_id: str) -> Owner:
    uri = f"/experiments/{item['id']}"
    return Owner(item=item, scopes=("",), category="resources", cat_id=cat_id, cat_desc="", uri=uri)


def _scan_owner(item: sqlite3.Row, session: str) -> Owner:
    uri = f"/experiments/{session}/scans/{item['id']}"
    description = item["type"] or ""
    return Owner(item=item, scopes=("",), category="scans", cat_id=item["id"], cat_desc=description, uri=uri)


def _assessor_owner(item: sqlite3.Row, session: str, scopes: tuple[str, ...]) -> Owner:
    uri = f"/experiments/{session}/assessors/{item['id']}/{scopes[0]}"
    return Owner(item=item, scopes=scopes, category="assessors", cat_id=item["id"], cat_desc=item["xsi_type"], uri=uri)


def _reconstruction_owner(item: sqlite3.Row, session: str, scopes: tuple[str, ...]) -> Owner:
    uri = f"/experiments/{session}/reconstructions/{item['id']}/{scopes[0]}"
    description = item["type"] or ""
    return Owner(item=item, scopes=scopes, category="reconstructions", cat_id=item["id"], cat_desc=description, uri=uri)
