"""What the catalogs say about files: rows of a listing, its filters, the entries that a path means (``FileList``).

Listings never look at the files themselves; size and digest are those of the catalog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from xnat_sync.server.storage.archive import Folder
from xnat_sync.server.storage.catalog import CatalogUnreadableError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Context, Query
    from xnat_sync.server.objects.resolve import Target
    from xnat_sync.server.storage.catalog import Catalog, Entry

HEADERS: Final = (
    "Name",
    "Size",
    "URI",
    "collection",
    "file_tags",
    "file_format",
    "file_content",
    "cat_ID",
    "digest",
)
_LOCATORS: Final = {"absolutepath": "absolutePath", "projectpath": "projectPath"}


@dataclass(frozen=True, slots=True)
class Filter:
    """``file_content=`` and ``file_format=``, each repeatable; ``NULL`` is an entry that has none."""

    contents: frozenset[str]
    formats: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether everything passes."""
        return not self.contents and not self.formats

    def accepts(self, entry: Entry) -> bool:
        """Whether the entry is wanted."""
        return (not self.formats or (entry.format or "NULL") in self.formats) and (
            not self.contents or (entry.content or "NULL") in self.contents
        )


def filter_of(query: Query) -> Filter:
    """The filter that the query asks for."""
    return Filter(frozenset(query.all("file_content")), frozenset(query.all("file_format")))


@dataclass(frozen=True, slots=True)
class Found:
    """An entry with the resource that catalogues it."""

    resource: Resource
    entry: Entry

    def file(self, archive: Path) -> Path | None:
        """The file on disk, if there is one."""
        return Folder(archive / self.resource.catalog).existing(self.entry.path)


def file_path(tail: str) -> str:
    """The file path of a URL: raw, unless ``%20`` or ``%2B`` is in it; then all is decoded and ``+`` is a space."""
    path = tail.removeprefix("/")
    return unquote_plus(path) if "%20" in path or "%2B" in path else path


def catalog_of(context: Context, resource: Resource) -> Catalog | None:
    """The catalog of a resource; ``None`` when it cannot be read, which a listing passes over."""
    try:
        return context.catalogs.read(context.archive / resource.catalog).catalog
    except (CatalogUnreadableError, OSError):
        return None


def all_entries(context: Context, resources: Iterable[Resource], accepts: Callable[[Entry], bool]) -> list[Found]:
    """Every catalogued file of these resources that ``accepts`` wants."""
    found: list[Found] = []
    for resource in resources:
        catalog = catalog_of(context, resource)
        if catalog is not None:
            found += [Found(resource, entry) for entry in catalog.entries.values() if accepts(entry)]
    return found


def entry_at(context: Context, resources: Iterable[Resource], path: str) -> Found | None:
    """The first entry of that path, exact or URL-decoded."""
    for resource in resources:
        catalog = catalog_of(context, resource)
        entry = None if catalog is None else catalog.find(path)
        if entry is not None:
            return Found(resource, entry)
    return None


def below(path: str, *, recursive: bool) -> Callable[[Entry], bool]:
    """What a folder listing takes; ``recursive=false`` keeps only what lies deeper, an inverted test of XNAT's."""

    def accepts(entry: Entry) -> bool:
        if not entry.path.startswith(path):
            return False
        return recursive or "/" in entry.path[len(path) + 1 :]

    return accepts


def matching(path: str) -> Callable[[Entry], bool]:
    """What ``prefix*`` takes: the last star becomes ``.*`` of a regular expression."""
    pattern = re.compile(".*".join(path.rsplit("*", 1)))
    return lambda entry: pattern.fullmatch(entry.path) is not None


def locator_of(query: Query) -> str:
    """The column that says where a file is: ``URI``, or a server path if the query asks for one."""
    return _LOCATORS.get((query.get("locator") or "").lower(), "URI")


def columns_with(locator: str) -> tuple[str, ...]:
    """The columns with that locator in the place of URI."""
    return tuple(locator if name == "URI" else name for name in HEADERS)


def rows_of(archive: Path, found: Iterable[Found], locator: str, base: str | None) -> list[dict[str, str]]:
    """The rows; ``base`` is the URI of the one object of a single-resource listing, else each resource has its own."""
    rows = []
    for item in found:
        resource, entry = item.resource, item.entry
        home = resource.uri if base is None else f"{base}/resources/{resource.id}"
        if locator == "URI":
            place = f"{home}/files/{entry.path}"
        else:
            place = _server_path(archive, resource, entry, locator)
        rows.append(
            {
                "Name": entry.name,
                "Size": entry.size,
                locator: place,
                "collection": resource.label,
                "file_tags": entry.tag_text,
                "file_format": entry.format,
                "file_content": entry.content,
                "cat_ID": str(resource.id),
                "digest": entry.digest,
            }
        )
    return rows


def _server_path(archive: Path, resource: Resource, entry: Entry, locator: str) -> str:
    relative = str(Path(resource.catalog).parent / entry.path)
    return str(archive / relative) if locator == "absolutePath" else f"/{relative}"


def sorted_rows(rows: list[dict[str, str]], query: Query) -> list[dict[str, str]]:
    """``sortBy=Name,Size`` and ``sortOrder=DESC``; numbers compare as numbers."""
    keys = [name for name in (query.get("sortBy") or "").split(",") if rows and name in rows[0]]
    if not keys:
        return rows
    descending = (query.get("sortOrder") or "").upper() == "DESC"
    return sorted(rows, key=lambda row: [_sortable(row[key]) for key in keys], reverse=descending)


def _sortable(value: str) -> tuple[int, int, str]:
    return (0, int(value), "") if value.isascii() and value.isdigit() else (1, 0, value)


def context_uri(target: Target) -> str:
    """The URI of what the request named, by accession IDs (``XNATCatalogTemplate.getBaseURI``)."""
    uri = "/data"
    if target.subject is not None:
        project = target.project["id"] if target.project is not None else target.subject["project"]
        uri += f"/projects/{project}/subjects/{target.subject['id']}"
    sessions = _ids("experiments", target.sessions)
    if target.reconstructions:
        return f"{uri}{sessions}{_ids('reconstructions', target.reconstructions)}/{target.scope}"
    if target.scans:
        return f"{uri}{sessions}{_ids('scans', target.scans)}"
    if target.experiments and target.sessions:
        return f"{uri}{sessions}{_ids('assessors', target.experiments)}/{target.scope}"
    if target.experiments:
        return f"{uri}{_ids('experiments', target.experiments)}"
    if target.project is not None and target.subject is None:
        return f"{uri}/projects/{target.project['id']}"
    return uri


def _ids(word: str, items: Sequence[sqlite3.Row]) -> str:
    return f"/{word}/{','.join(item['id'] for item in items)}"
