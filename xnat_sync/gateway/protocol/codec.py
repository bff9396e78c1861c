"""Between the values of the core and the texts of the protocol, in both directions and without I/O."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.attributes import (
    CUSTOM_PREFIX,
    PROJECT,
    SUBJECT,
    attribute_of,
    attributes_of,
)
from xnat_sync.core.model.errors import UnexpectedReply
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteFile, RemoteObject
from xnat_sync.gateway.port import Repair
from xnat_sync.gateway.protocol import paths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.state import FileSpec, ObjectSpec

Row = dict[str, Any]
Query = list[tuple[str, str]]

CLEAR = "NULL"
"""XNAT's word for emptying a value (`DBAction.ValueParser`)."""

_LONGEST_NUMBER = 20
"""Digits. No file is larger, and Python refuses to read numbers of thousands."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}


def escape(text: str) -> str:
    """What the server makes of a value that came in a query, before it stores it (`TurbineUtils.escapeParam`)."""
    return re.sub(r"[&<>\"']", lambda found: _ESCAPES[found.group()], text)


def unescape(text: str) -> str:
    """The inverse of `escape`: entities of other kinds stay as they are."""
    if "&" not in text:
        return text
    return re.sub(r"&(?:amp|lt|gt|quot|apos);", lambda found: _UNESCAPES[found.group()], text)


# --- writing


def object_query(spec: ObjectSpec, fields: Mapping[str, str | None], *, exists: bool) -> Query:
    """The attributes of an object as parameters: full paths, which every route understands, and never the label.

    A label on an existing object makes the server rename it, or drop everything else (`SubjAssessmentResource`).
    """
    level, xsi_type = spec.ref.level, spec.xsi_type
    query: Query = [("xsiType", xsi_type)] if level in (Level.SESSION, Level.SCAN) else []
    prefix = {Level.PROJECT: PROJECT, Level.SUBJECT: SUBJECT}.get(level, xsi_type)
    if level is Level.PROJECT:
        # Without it XNAT makes a new project visible to every user (`BaseXnatProjectdata.createProject`).
        visible = fields.get("accessibility") or (None if exists else "private")
        query += [("accessibility", visible)] if visible else []
    for name, value in sorted(fields.items()):
        attribute = attribute_of(level, xsi_type, name)
        # XNAT stops at the first attribute that a type does not have, and drops the rest of the request.
        if attribute is None or (level is Level.PROJECT and name == "accessibility"):
            continue
        if value is not None or exists:
            query.append((f"{prefix}/{attribute.path}", CLEAR if value is None else value))
    return query


def session_query(session: ObjectSpec, scans: Sequence[ObjectSpec]) -> Query:
    """The attributes of a new session and of its scans as parameters: a scan is addressed by its place in a list.

    ``populateFromDB`` keeps the places from meaning the scans of a session that appeared meanwhile: scans are then
    matched by their ID alone (`SecureResource.loadItem`), and none is taken away.
    """
    query = [*object_query(session, session.fields, exists=False), ("populateFromDB", "false")]
    for place, scan in enumerate(scans):
        prefix = f"{session.xsi_type}/scans/scan[{place}][@xsi:type={scan.xsi_type}]"
        query.append((f"{prefix}/ID", scan.ref.label))
        query += [
            (prefix + key.removeprefix(scan.xsi_type), value)
            for key, value in object_query(scan, scan.fields, exists=False)
            if "/" in key
        ]
    return query


def upload_query(files: Sequence[FileSpec], *, overwrite: bool, extract: bool) -> Query:
    """The parameters of an upload. ``inbody`` spares the server from guessing by the content's type."""
    first = files[0]
    query: Query = [("inbody", "true")]
    query += [("overwrite", "true")] if overwrite else []
    query += [("extract", "true")] if extract else []
    query += [("format", first.format)] if first.format else []
    query += [("content", first.content)] if first.content else []
    return query


def decode_duplicates(text: str) -> frozenset[str]:
    """The paths that an upload's answer says were there already; an empty answer means none."""
    if not text.strip():
        return frozenset()
    try:
        found = json.loads(text)["duplicates"]
        return frozenset(str(path) for path in found)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnexpectedReply(f"an upload was answered with {text[:100]!r}") from error


_OPTIONS = {Repair.DIGESTS: "checksum", Repair.ENTRIES: "append", Repair.GHOSTS: "delete"}


def refresh_query(resource: Ref, repairs: Iterable[Repair]) -> Query:
    """The parameters of a refresh. The counts are always brought in line; without any option it would do everything."""
    options = sorted(_OPTIONS[repair] for repair in repairs)
    return [("resource", paths.archive_uri(resource)), ("options", ",".join([*options, "populateStats"]))]


# --- listings


def decode_rows(text: str) -> list[Row]:
    """The rows of a listing.

    Raises:
        UnexpectedReply: the text is no listing. XNAT answers 200 without a body when a column fails.

    """
    try:
        # A text with a line break in it need not come escaped.
        found = json.loads(text, strict=False)["ResultSet"]["Result"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UnexpectedReply(f"a listing was answered with {text[:100]!r}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UnexpectedReply("a listing's rows are not objects")
    return found


def value_of(row: Row, key: str | None) -> str:
    """The text of a cell as it was before the server escaped it; empty where there is none."""
    value = row.get(key) if key is not None else None
    return "" if value is None else unescape(str(value))


# --- one object


def decode_project(label: str, text: str, accessibility: str) -> RemoteObject:
    """A project from its item, with all attributes and custom variables."""
    values, fields = _read_item(text)
    for name, attribute in attributes_of(Level.PROJECT, PROJECT).items():
        value = values.get(attribute.path.lower(), "")
        if value:
            fields[name] = value
    if accessibility:
        fields["accessibility"] = accessibility
    number = values.get("id", label)
    return RemoteObject(ref=Ref.project_of(label), accession_id=number, xsi_type=PROJECT, fields=fields, project=number)


def _read_item(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """The values of an item and of its single children by lower-cased path, and its custom variables by name."""
    values: dict[str, str] = {}
    custom: dict[str, str] = {}
    try:
        item = json.loads(text, strict=False)["items"][0]
        values.update(_flat_fields("", item["data_fields"]))
        for child in item.get("children", ()):
            parts = [dict(_flat_fields("", part["data_fields"])) for part in child["items"]]
            if child["field"] == "fields/field":
                custom.update({CUSTOM_PREFIX + part["name"]: part["field"] for part in parts if part.get("field")})
            elif parts:
                values.update({f"{child['field']}/{key}".lower(): value for key, value in parts[0].items()})
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise UnexpectedReply(f"an object was answered with {text[:100]!r}") from error
    return values, custom


def _flat_fields(prefix: str, fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((f"{prefix}{key}".lower(), unescape(str(value))) for key, value in fields.items() if value is not None)


# --- files and resources


def decode_session_files(rows: Sequence[Row], sessions: Mapping[str, Ref]) -> tuple[RemoteFile, ...]:
    """The files of some sessions, given by accession ID. Rows of assessors and reconstructions are left out.

    Raises:
        UnexpectedReply: a row is no file of theirs, so that nothing in the answer can be believed.

    """

    def owner_of(address: paths.FileAddress) -> Ref | None:
        owner = sessions.get(address.experiment)
        if owner is None:
            raise UnexpectedReply(f"a listing of files speaks of {address.experiment or 'others'} too, not asked for")
        if address.kind not in ("", "scans"):
            return None
        return owner.child(Level.SCAN, address.part) if address.part else owner

    return _decode_files(rows, owner_of, strict=True)


def decode_own_files(rows: Sequence[Row], owner: Ref) -> tuple[RemoteFile, ...]:
    """The files in an object's own resources; rows that speak of another object are left out.

    XNAT answers for what it does not find with the files of the object above it (`FileList`).
    """
    return _decode_files(rows, lambda address: owner if _speaks_of(address, owner) else None)


_FOLDER = re.compile(r"/resources/[^/]+/files/")


def _decode_files(
    rows: Sequence[Row], owner_of: Callable[[paths.FileAddress], Ref | None], *, strict: bool = False
) -> tuple[RemoteFile, ...]:
    """The files of the rows whose owner is known. What the rows of one resource share is worked out once.

    With ``strict`` a row that is no file's is an `UnexpectedReply`, otherwise it is passed over.
    """
    resources: dict[tuple[str, str], Ref | None] = {}
    found = []
    for row in rows:
        uri = str(row.get("URI") or "")
        folder = _FOLDER.search(uri)
        if folder is None:
            if strict:
                raise UnexpectedReply(f"a listing of files has the row {str(row)[:100]}")
            continue
        key = (uri[: folder.end()], str(row.get("collection") or ""))
        if key not in resources:
            resources[key] = _resource_of(uri, unescape(key[1]), owner_of)
        resource = resources[key]
        if resource is not None:
            found.append(_decode_file(row, resource, uri[folder.end() :]))
    return tuple(found)


def _resource_of(uri: str, label: str, owner_of: Callable[[paths.FileAddress], Ref | None]) -> Ref | None:
    address = paths.parse_file_uri(uri)
    owner = owner_of(address) if address else None
    return owner.child(Level.RESOURCE, label or address.resource) if owner and address else None


def _speaks_of(address: paths.FileAddress, owner: Ref) -> bool:
    match owner.level:
        case Level.PROJECT:
            return not (address.subject or address.experiment or address.kind)
        case Level.SUBJECT:
            return bool(address.subject) and not (address.experiment or address.kind)
        case Level.SESSION:
            return bool(address.experiment) and not address.kind
        case Level.SCAN:
            return address.kind == "scans" and address.part == owner.label
        case _:
            return False


def _decode_file(row: Row, resource: Ref, path: str) -> RemoteFile:
    size = str(row.get("Size", ""))
    return RemoteFile(
        ref=resource.child(Level.FILE, path),
        size=int(size) if _is_number(size) else -1,
        md5=str(row.get("digest") or "").lower() or None,
        # A few words that a million files share.
        format=sys.intern(value_of(row, "file_format")),
        content=sys.intern(value_of(row, "file_content")),
    )


def decode_disk(rows: Sequence[Row], session: Ref) -> dict[Ref, int]:
    """The files in a session's folder with their sizes; folders, catalogs and what is no resource's are left out."""
    found = {}
    for row in rows:
        name, size = str(row.get("Name") or ""), str(row.get("Size") or "")
        ref = paths.parse_disk_name(name, session) if row.get("DIR") != "true" else None
        if ref is not None and _is_number(size):
            found[ref] = int(size)
    return found


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < _LONGEST_NUMBER


def decode_resources(rows: Sequence[Row], owner: Ref) -> frozenset[Ref]:
    """The resources of an object and, for a session, of its scans."""
    found = set()
    for row in rows:
        label = value_of(row, "label") or value_of(row, "xnat_abstractresource_id")
        category, part = value_of(row, "category"), value_of(row, "cat_id")
        if owner.level is Level.SESSION and category == "scans":
            found.add(owner.child(Level.SCAN, part).child(Level.RESOURCE, label))
        elif category == "resources" or (owner.level is Level.SCAN and category == "scans"):
            found.add(owner.child(Level.RESOURCE, label))
    return frozenset(found)
