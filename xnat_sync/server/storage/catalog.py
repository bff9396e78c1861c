"""The catalog file of a resource: what XNAT believes about the files in one folder (``CatalogUtils``).

The catalog is the truth for listings; the files beside it are the truth for downloads. XNAT rewrites it in place; here
a new file is renamed over the old one, so that a killed process leaves either the old or the new catalog, never half.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from xnat_sync.server.storage.archive import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

NAMESPACE: Final = "http://nrg.wustl.edu/catalog"
_TAG: Final = f"{{{NAMESPACE}}}"
_SIZE_FIELDS: Final = ("SIZE", "size_in_bytes")
_CACHE_ENTRIES: Final = 100_000
_LOCK_STRIPES: Final = 64
# Characters that XML 1.0 cannot carry; texts lose them, names with them are refused before they come here.
_UNWRITABLE: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))
_SCHEMA_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_SPECIAL: Final = re.compile('[&<>"\x00-\x1f\ufffe\uffff]')
_LINE_BREAKS: Final = {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


class CatalogUnreadableError(Exception):
    """The catalog file is not a catalog; XNAT then says that no catalog bean is stored in it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"No catalog bean stored in {path}")


class CatalogChangedError(Exception):
    """The catalog is no longer the one that was read (``CatalogUtils.writeCatalogToFile``)."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"Another thread or process modified {path} since I last read it. To avoid overwriting changes, "
            "I'm throwing an exception."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Who did something, when, and in which event."""

    user: str = ""
    time: str = ""
    event: str = ""


NO_STAMP: Final = Stamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One catalogued file. ``path`` is relative to the catalog's folder and is the entry's URI, cache path and ID."""

    path: str
    size: str = ""
    digest: str = ""
    format: str = ""
    content: str = ""
    description: str = ""
    tags: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    created: Stamp = NO_STAMP
    modified: Stamp = NO_STAMP

    @property
    def name(self) -> str:
        """The base name."""
        return self.path.rpartition("/")[2]

    @property
    def tag_text(self) -> str:
        """The ``file_tags`` column: fields other than SIZE as ``name=value``, then the tags."""
        return ",".join((*(f"{name}={value}" for name, value in self.fields), *self.tags))


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """A parsed catalog; a value: changes make a new one."""

    id: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    project: str = ""
    audit: str = ""

    def with_entries(self, entries: Iterable[Entry]) -> Catalog:
        """The same catalog with these entries added, or put in the place of those with the same path."""
        return replace(self, entries={**self.entries, **{entry.path: entry for entry in entries}})

    def without(self, paths: Iterable[str]) -> Catalog:
        """The same catalog without the entries of these paths."""
        gone = set(paths)
        return replace(self, entries={path: entry for path, entry in self.entries.items() if path not in gone})

    def audited(self, stamp: Stamp, action: str, count: int) -> Catalog:
        """The same catalog with one more note in its AUDIT field: event, date and what was done to how many entries."""
        note = f"{stamp.event}:{stamp.time}={action}:{count}"
        return replace(self, audit=f"{self.audit}|{note}" if self.audit else note)

    def find(self, path: str) -> Entry | None:
        """The entry of a path as a client wrote it: exact, else URL-decoded (``CatalogUtils.getEntryByURI``)."""
        return self.entries.get(path) or self.entries.get(unquote_plus(path))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A catalog and the MD5 of the file it was read from, which a later write compares."""

    catalog: Catalog
    md5: str


def parse(data: bytes) -> Catalog:
    """Reads a catalog document; raises ``ParseError`` if it is not XML and ``ValueError`` if it is no catalog."""
    # Only this server writes catalogs, and expat bounds the growth of entities.
    root = ElementTree.fromstring(data)  # noqa: S314
    if root.tag not in {f"{_TAG}Catalog", f"{_TAG}DCMCatalog"}:
        raise ValueError(root.tag)
    fields = {meta.get("name", ""): meta.text or "" for meta in root.iterfind(f"{_TAG}metaFields/{_TAG}metaField")}
    entries = [_entry(element) for element in root.iterfind(f"{_TAG}entries/{_TAG}entry")]
    return Catalog(
        id=root.get("ID", ""),
        entries={entry.path: entry for entry in entries},
        project=fields.get("PROJECT", ""),
        audit=fields.get("AUDIT", ""),
    )


def render(catalog: Catalog, *, location: str | None = None) -> bytes:
    """The document as XNAT writes it; ``location`` adds the CATALOG_LOCATION field of ``includeRootPath=true``."""
    fields = [("AUDIT", catalog.audit), ("PROJECT", catalog.project), ("CATALOG_LOCATION", location or "")]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<cat:Catalog ID={_attribute(catalog.id)} xmlns:cat="{NAMESPACE}" xmlns:xsi="{_SCHEMA_INSTANCE}">',
        *_meta_fields([pair for pair in fields if pair[1]], indent="\t"),
    ]
    if catalog.entries:
        lines.append("\t<cat:entries>")
        for entry in catalog.entries.values():
            lines.extend(_entry_lines(entry))
        lines.append("\t</cat:entries>")
    lines.append("</cat:Catalog>\n")
    return "\n".join(lines).encode()


class Catalogs:
    """Reads and writes catalog files, remembering those it has parsed.

    A lock per catalog covers one read or one write, never a transfer (``ThreadAndProcessFileLock``).
    """

    def __init__(self) -> None:
        self._locks = [threading.Lock() for _ in range(_LOCK_STRIPES)]
        self._cache: OrderedDict[Path, tuple[tuple[int, int, int], Snapshot]] = OrderedDict()
        self._cached_entries = 0
        self._cache_lock = threading.Lock()

    def read(self, path: Path) -> Snapshot:
        """The catalog as it is now. A missing or empty file is an empty catalog, as after a crash of XNAT."""
        with self._lock(path):
            return self._read(path)

    def write(self, path: Path, catalog: Catalog, *, expected: str) -> Snapshot:
        """Replaces the catalog that had the MD5 ``expected``; raises ``CatalogChangedError`` if it changed since."""
        with self._lock(path):
            if self._read(path).md5 != expected:
                raise CatalogChangedError(path)
            return self._write(path, catalog)

    def append(self, path: Path, entry: Entry) -> None:
        """Adds one entry to a catalog that many may write to, made if it is not there."""
        with self._lock(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._write(path, self._read(path).catalog.with_entries([entry]))

    def create(self, path: Path, catalog: Catalog) -> Snapshot:
        """Writes a catalog whatever is there: creating a resource wipes the entries of a racing upload, as in XNAT."""
        with self._lock(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            return self._write(path, catalog)

    def _lock(self, path: Path) -> threading.Lock:
        return self._locks[hash(path) % _LOCK_STRIPES]

    def _read(self, path: Path) -> Snapshot:
        try:
            key = _identity(path.stat())
        except FileNotFoundError:
            return _empty(path, b"")
        cached = self._cache.get(path)
        if cached is not None and cached[0] == key:
            return cached[1]
        with path.open("rb") as file:
            key = _identity(os.fstat(file.fileno()))
            data = file.read()
        snapshot = _parsed(path, data)
        self._remember(path, key, snapshot)
        return snapshot

    def _write(self, path: Path, catalog: Catalog) -> Snapshot:
        data = render(catalog)
        temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
        temporary.write_bytes(data)
        temporary.replace(path)
        snapshot = Snapshot(catalog, _md5(data))
        self._remember(path, _identity(path.stat()), snapshot)
        return snapshot

    def _remember(self, path: Path, key: tuple[int, int, int], snapshot: Snapshot) -> None:
        with self._cache_lock:
            old = self._cache.pop(path, None)
            self._cached_entries += _weight(snapshot) - (_weight(old[1]) if old else 0)
            self._cache[path] = (key, snapshot)
            while self._cached_entries > _CACHE_ENTRIES and len(self._cache) > 1:
                _, (_, dropped) = self._cache.popitem(last=False)
                self._cached_entries -= _weight(dropped)


def _weight(snapshot: Snapshot) -> int:
    return len(snapshot.catalog.entries) + 1


def _identity(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def _parsed(path: Path, data: bytes) -> Snapshot:
    if not data:
        return _empty(path, data)
    try:
        return Snapshot(parse(data), _md5(data))
    except (ElementTree.ParseError, ValueError) as error:
        raise CatalogUnreadableError(path) from error


def _empty(path: Path, data: bytes) -> Snapshot:
    return Snapshot(Catalog(id=path.name.removesuffix("_catalog.xml")), _md5(data))


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _entry(element: ElementTree.Element) -> Entry:
    get = element.get
    fields = [(meta.get("name", ""), meta.text or "") for meta in element.iterfind(f"{_TAG}metaFields/{_TAG}metaField")]
    return Entry(
        path=get("URI", ""),
        size=next((value for name, value in fields if name in _SIZE_FIELDS), ""),
        digest=get("digest", ""),
        format=get("format", ""),
        content=get("content", ""),
        description=get("description", ""),
        tags=tuple(tag.text or "" for tag in element.iterfind(f"{_TAG}tags/{_TAG}tag")),
        fields=tuple(pair for pair in fields if pair[0] not in _SIZE_FIELDS),
        created=Stamp(user=get("createdBy", ""), time=get("createdTime", ""), event=get("createdEventId", "")),
        modified=Stamp(user=get("modifiedBy", ""), time=get("modifiedTime", ""), event=get("modifiedEventId", "")),
    )


def _entry_lines(entry: Entry) -> list[str]:
    created, modified, path = entry.created, entry.modified, _attribute(entry.path)
    attributes = (
        ("digest", entry.digest),
        ("format", entry.format),
        ("content", entry.content),
        ("description", entry.description),
        ("createdBy", created.user),
        ("createdTime", created.time),
        ("createdEventId", created.event),
        ("modifiedBy", modified.user),
        ("modifiedTime", modified.time),
        ("modifiedEventId", modified.event),
    )
    identity = f"ID={path} URI={path} name={_attribute(entry.name)} cachePath={path}"
    opening = " ".join((identity, *(f"{name}={_attribute(value)}" for name, value in attributes if value)))
    fields = [*entry.fields, *([("SIZE", entry.size)] if entry.size else [])]
    children = [*_meta_fields(fields, indent="\t\t\t"), *_tag_lines(entry.tags)]
    if not children:
        return [f"\t\t<cat:entry {opening}/>"]
    return [f"\t\t<cat:entry {opening}>", *children, "\t\t</cat:entry>"]


def _meta_fields(fields: list[tuple[str, str]], *, indent: str) -> list[str]:
    if not fields:
        return []
    lines = [
        f"{indent}\t<cat:metaField name={_attribute(name)}>{_text(value)}</cat:metaField>" for name, value in fields
    ]
    return [f"{indent}<cat:metaFields>", *lines, f"{indent}</cat:metaFields>"]


def _tag_lines(tags: tuple[str, ...]) -> list[str]:
    if not tags:
        return []
    return ["\t\t\t<cat:tags>", *(f"\t\t\t\t<cat:tag>{_text(tag)}</cat:tag>" for tag in tags), "\t\t\t</cat:tags>"]


def _attribute(value: str) -> str:
    if _SPECIAL.search(value) is None:  # nearly always, and catalogs have thousands of these
        return f'"{value}"'
    return quoteattr(value.translate(_UNWRITABLE), _LINE_BREAKS)


def _text(value: str) -> str:
    if _SPECIAL.search(value) is None:
        return value
    return escape(value.translate(_UNWRITABLE), {"\r": "&#13;"})
