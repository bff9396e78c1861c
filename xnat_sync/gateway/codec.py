"""Between the values of the core and the texts of the protocol, in both directions and without I/O."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xnat_sync.core.datatypes import (
    CUSTOM_PREFIX,
    IMAGE_SCAN,
    IMAGE_SESSION,
    PROJECT,
    SUBJECT,
    attribute_of,
    attributes_of,
    default_scan_type,
)
from xnat_sync.core.errors import UnexpectedReply
from xnat_sync.core.refs import Level, Ref
from xnat_sync.core.state import RemoteFile, RemoteObject
from xnat_sync.gateway import columns, paths
from xnat_sync.gateway.columns import Column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.state import FileSpec, ObjectSpec
    from xnat_sync.gateway.api import ImageTypes

Row = dict[str, Any]
Query = list[tuple[str, str]]

CLEAR = "NULL"
"""XNAT's word for emptying a value (`DBAction.ValueParser`)."""

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}
_LISTING: Query = [("format", "json"), ("limit", "*")]


def escape(text: str) -> str:
    """What the server makes of a value that came in a query, before it stores it (`TurbineUtils.escapeParam`)."""
    return re.sub(r"[&<>\"']", lambda found: _ESCAPES[found.group()], text)


def unescape(text: str) -> str:
    """The inverse of `escape`: entities of other kinds stay as they are."""
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
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedReply(f"an upload was answered with {text[:100]!r}") from error


# --- listings


def decode_rows(text: str) -> list[Row]:
    """The rows of a listing.

    Raises:
        UnexpectedReply: the text is no listing. XNAT answers 200 without a body when a column fails.

    """
    try:
        found = json.loads(text)["ResultSet"]["Result"]
    except (ValueError, KeyError, TypeError) as error:
        raise UnexpectedReply(f"a listing was answered with {text[:100]!r}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UnexpectedReply("a listing's rows are not objects")
    return found


def _value(row: Row, key: str | None) -> str:
    value = row.get(key) if key is not None else None
    return "" if value is None else unescape(str(value))


@dataclass(frozen=True, slots=True)
class _Reading:
    """How to get attributes out of rows: the key of each one, and the keys of names and values of custom variables."""

    plain: Mapping[str, str]
    custom: tuple[str, str] | None

    @classmethod
    def of(
        cls, keys: Mapping[str, str], wanted: Mapping[str, Column], custom: tuple[Column, Column] | None
    ) -> _Reading:
        plain = {name: key for name, column in wanted.items() if (key := column.find(keys)) is not None}
        found = tuple(key for column in custom or () if (key := column.find(keys)) is not None)
        return cls(plain, (found[0], found[1]) if len(found) == 2 else None)

    def fields(self, row: Row) -> dict[str, str]:
        values = {name: value for name, key in self.plain.items() if (value := _value(row, key))}
        if self.custom and (name := _value(row, self.custom[0])) and (value := _value(row, self.custom[1])):
            values[CUSTOM_PREFIX + name] = value
        return values


def _keys(rows: Sequence[Row]) -> dict[str, str]:
    return {key.lower(): key for key in rows[0]} if rows else {}


def _getter(keys: Mapping[str, str], column: Column) -> Callable[[Row], str]:
    key = column.find(keys)
    return lambda row: _value(row, key)


def _listing_query(asked: Iterable[Column], *more: tuple[str, str]) -> Query:
    return [*_LISTING, *more, ("columns", ",".join(dict.fromkeys(column.ask for column in asked)))]


def _all_columns(
    fixed: Iterable[Column], wanted: Mapping[str, Column], custom: tuple[Column, Column] | None
) -> Iterator[Column]:
    yield from fixed
    yield from wanted.values()
    yield from custom or ()


@dataclass(frozen=True, slots=True)
class SubjectListing:
    """The listing of a project's subjects with some attributes."""

    names: frozenset[str]

    @property
    def _custom(self) -> tuple[Column, Column] | None:
        return columns.custom_columns(SUBJECT) if columns.has_custom(self.names) else None

    @property
    def query(self) -> Query:
        """What to ask."""
        fixed = (columns.ACCESSION, columns.LABEL, columns.OWNER)
        return _listing_query(_all_columns(fixed, columns.subject_columns(self.names), self._custom))

    def decode(self, project: Ref, rows: Sequence[Row]) -> tuple[RemoteObject, ...]:
        """The subjects. One without a label is named by its accession ID."""
        keys = _keys(rows)
        label, owner = _getter(keys, columns.LABEL), _getter(keys, columns.OWNER)
        accession = _accession_getter(keys)
        reading = _Reading.of(keys, columns.subject_columns(self.names), self._custom)
        found: dict[str, RemoteObject] = {}
        for row in rows:
            number = accession(row)
            ref = project.child(Level.SUBJECT, label(row) or number)
            held = RemoteObject(
                ref=ref, accession_id=number, xsi_type=SUBJECT, fields=reading.fields(row), project=owner(row)
            )
            _add(found, number, held)
        return tuple(found.values())


def _accession_getter(keys: Mapping[str, str]) -> Callable[[Row], str]:
    """The accession ID: the URI's last segment, which every list has, whatever its ID column is called."""
    uri, direct = _getter(keys, columns.URI), _getter(keys, columns.ACCESSION)
    return lambda row: paths.last_segment(uri(row)) or direct(row)


def _add(found: dict[Any, RemoteObject], key: object, part: RemoteObject) -> None:
    """Add up the rows of one object."""
    known = found.get(key)
    if known is None:
        found[key] = part
    elif part.fields.keys() - known.fields.keys():
        assert isinstance(known.fields, dict)
        known.fields.update(part.fields)


@dataclass(frozen=True, slots=True)
class SessionListing:
    """The listing of all experiments of a project, with attributes that every experiment has."""

    names: frozenset[str]

    @property
    def _custom(self) -> tuple[Column, Column] | None:
        return columns.custom_columns(columns.ASSESSOR) if columns.has_custom(self.names) else None

    @property
    def query(self) -> Query:
        """What to ask. No column of an imaging type: it would hide every other experiment."""
        return _listing_query(
            _all_columns((columns.ACCESSION, *_SESSION_COLUMNS), columns.experiment_columns(self.names), self._custom)
        )

    def decode(self, project: Ref, rows: Sequence[Row]) -> tuple[RemoteObject, ...]:
        """The experiments."""
        keys = _keys(rows)
        session = _session_decoder(project, keys, "")
        reading = _Reading.of(keys, columns.experiment_columns(self.names), self._custom)
        found: dict[str, RemoteObject] = {}
        for row in rows:
            held = session(row, reading.fields(row))
            _add(found, held.accession_id, held)
        return tuple(found.values())


_SESSION_COLUMNS = (
    columns.LABEL,
    columns.XSI_TYPE,
    columns.OWNER,
    columns.SUBJECT_ID,
    columns.SUBJECT_LABEL,
)


def _session_decoder(
    project: Ref, keys: Mapping[str, str], default_type: str
) -> Callable[[Row, dict[str, str]], RemoteObject]:
    label, owner, xsi_type = (_getter(keys, column) for column in (columns.LABEL, columns.OWNER, columns.XSI_TYPE))
    subject_id, subject_label = _getter(keys, columns.SUBJECT_ID), _getter(keys, columns.SUBJECT_LABEL)
    accession = _accession_getter(keys)

    def decode(row: Row, fields: dict[str, str]) -> RemoteObject:
        number = accession(row)
        subject = project.child(Level.SUBJECT, subject_label(row) or subject_id(row) or "?")
        return RemoteObject(
            ref=subject.child(Level.SESSION, label(row) or number),
            accession_id=number,
            xsi_type=xsi_type(row) or default_type,
            fields=fields,
            project=owner(row),
        )

    return decode


@dataclass(frozen=True, slots=True)
class ImageListing:
    """The listing of imaging sessions joined with their scans: a row for each scan, one for a session without scans.

    ``with_scan_type`` asks for the scans' types too, by a column that a server may not have; then it answers 200 with
    nothing, and has to be asked without.
    """

    types: ImageTypes | None
    session_names: frozenset[str]
    scan_names: frozenset[str]
    with_scan_type: bool = True

    @property
    def _session_columns(self) -> dict[str, Column]:
        return columns.session_columns(self.types.session if self.types else None, self.session_names)

    @property
    def _scan_columns(self) -> dict[str, Column]:
        return columns.scan_columns(self.types.scan if self.types else None, self.scan_names)

    @property
    def _scan_type(self) -> str:
        return self.types.scan if self.types else IMAGE_SCAN

    @property
    def _custom(self) -> tuple[Column, Column] | None:
        wanted = self.types is not None and columns.has_custom(self.scan_names)
        return columns.scan_custom_columns(self._scan_type) if wanted else None

    @property
    def query(self) -> Query:
        """What to ask."""
        fixed = [columns.ACCESSION, *_SESSION_COLUMNS]
        if self._scan_type:
            fixed.append(columns.scan_column(self._scan_type, "ID"))
        if self.types is None and self.with_scan_type:
            fixed.append(_ELEMENT_NAME)
        wanted = {**{f"session {name}": column for name, column in self._session_columns.items()}, **self._scan_columns}
        root = self.types.session if self.types else IMAGE_SESSION
        return _listing_query(_all_columns(fixed, wanted, self._custom), ("xsiType", root))

    def decode(self, project: Ref, rows: Sequence[Row], known: Mapping[str, Ref]) -> tuple[RemoteObject, ...]:
        """The sessions and scans. ``known`` are refs by accession ID: this list has not the labels of a share."""
        keys = _keys(rows)
        session = _session_decoder(project, keys, self.types.session if self.types else "")
        session_reading = _Reading.of(keys, self._session_columns, None)
        scan_reading = _Reading.of(keys, self._scan_columns, self._custom)
        scan_id = _getter(keys, columns.scan_column(self._scan_type, "ID"))
        element = _getter(keys, _ELEMENT_NAME)
        sessions: dict[str, RemoteObject] = {}
        scans: dict[tuple[str, str], RemoteObject] = {}
        for row in rows:
            held = session(row, session_reading.fields(row))
            number = held.accession_id
            _add(sessions, number, held)
            label = scan_id(row)
            if label:
                ref = known.get(number, held.ref).child(Level.SCAN, label)
                xsi_type = self.types.scan if self.types else element(row) or _guess(held.xsi_type)
                scan = RemoteObject(
                    ref=ref,
                    accession_id=label,
                    xsi_type=xsi_type,
                    fields=scan_reading.fields(row),
                    project=held.project,
                )
                _add(scans, (number, label), scan)
        return (*(_at(held, known.get(held.accession_id)) for held in sessions.values()), *scans.values())


_ELEMENT_NAME = columns.scan_column(IMAGE_SCAN, "extension_item/element_name")


def _guess(session_type: str) -> str:
    """The type that a scan most likely has, where the server does not tell."""
    return default_scan_type(session_type) or IMAGE_SCAN


def _at(held: RemoteObject, ref: Ref | None) -> RemoteObject:
    if ref is None or ref == held.ref:
        return held
    return RemoteObject(
        ref=ref, accession_id=held.accession_id, xsi_type=held.xsi_type, fields=held.fields, project=held.project
    )


# --- one object


def decode_project(label: str, text: str, accessibility: str) -> RemoteObject:
    """A project from its item, with all attributes."""
    values = _flat_item(text)
    fields = {}
    for name, attribute in attributes_of(Level.PROJECT, PROJECT).items():
        value = values.get(attribute.path.lower(), "")
        if value:
            fields[name] = value
    if accessibility:
        fields["accessibility"] = accessibility
    number = values.get("id", label)
    return RemoteObject(ref=Ref.project_of(label), accession_id=number, xsi_type=PROJECT, fields=fields, project=number)


def _flat_item(text: str) -> dict[str, str]:
    """The values of an item and of its single children, by lower-cased path (`ItemJSONBuilder`)."""
    try:
        item = json.loads(text)["items"][0]
        values = dict(_flat_fields("", item["data_fields"]))
        for child in item.get("children", ()):
            values.update(_flat_fields(child["field"] + "/", child["items"][0]["data_fields"]))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise UnexpectedReply(f"an object was answered with {text[:100]!r}") from error
    return values


def _flat_fields(prefix: str, fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    return ((f"{prefix}{key}".lower(), unescape(str(value))) for key, value in fields.items() if value is not None)


# --- files and resources


def decode_session_files(rows: Sequence[Row], sessions: Mapping[str, Ref]) -> tuple[RemoteFile, ...]:
    """The files of some sessions, given by accession ID. Rows of assessors and reconstructions are left out."""
    resources: dict[tuple[str, str, str], Ref] = {}
    found = []
    for row in rows:
        address = paths.parse_file_uri(str(row.get("URI", "")))
        if address is None or address.experiment not in sessions or address.kind not in ("", "scans"):
            continue
        label = _value(row, "collection") or address.resource
        key = (address.experiment, address.part, label)
        resource = resources.get(key)
        if resource is None:
            owner = sessions[address.experiment]
            owner = owner.child(Level.SCAN, address.part) if address.part else owner
            resource = resources[key] = owner.child(Level.RESOURCE, label)
        found.append(_decode_file(row, resource, address.path))
    return tuple(found)


def decode_own_files(rows: Sequence[Row], owner: Ref) -> tuple[RemoteFile, ...]:
    """The files in an object's own resources; rows that speak of another object are left out.

    XNAT answers for what it does not find with the files of the object above it (`FileList`).
    """
    found = []
    for row in rows:
        address = paths.parse_file_uri(str(row.get("URI", "")))
        if address is not None and _speaks_of(address, owner):
            label = _value(row, "collection") or address.resource
            found.append(_decode_file(row, owner.child(Level.RESOURCE, label), address.path))
    return tuple(found)


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
        size=int(size) if size.isdigit() else -1,
        md5=str(row.get("digest") or "").lower() or None,
        format=_value(row, "file_format"),
        content=_value(row, "file_content"),
    )


def decode_resources(rows: Sequence[Row], owner: Ref) -> frozenset[Ref]:
    """The resources of an object and, for a session, of its scans."""
    found = set()
    for row in rows:
        label = _value(row, "label") or _value(row, "xnat_abstractresource_id")
        category, part = _value(row, "category"), _value(row, "cat_id")
        if owner.level is Level.SESSION and category == "scans":
            found.add(owner.child(Level.SCAN, part).child(Level.RESOURCE, label))
        elif category == "resources" or (owner.level is Level.SCAN and category == "scans"):
            found.add(owner.child(Level.RESOURCE, label))
    return frozenset(found)
