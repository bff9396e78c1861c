"""The listings of objects: what to ask of XNAT, and what its rows say.

One value for each kind of listing holds both halves, so that a column is read as it was asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.attributes import CUSTOM_PREFIX, IMAGE_SCAN, IMAGE_SESSION, SUBJECT, default_scan_type
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteObject
from xnat_sync.gateway.protocol import columns, paths
from xnat_sync.gateway.protocol.codec import Query, Row, value_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.gateway.port import ImageTypes
    from xnat_sync.gateway.protocol.columns import Column

_LISTING: Query = [("format", "json"), ("limit", "*")]


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
        values = {name: value for name, key in self.plain.items() if (value := value_of(row, key))}
        if self.custom and (name := value_of(row, self.custom[0])) and (value := value_of(row, self.custom[1])):
            values[CUSTOM_PREFIX + name] = value
        return values


def _keys(rows: Sequence[Row]) -> dict[str, str]:
    return {key.lower(): key for key in rows[0]} if rows else {}


def _getter(keys: Mapping[str, str], column: Column) -> Callable[[Row], str]:
    key = column.find(keys)
    return lambda row: value_of(row, key)


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
            parent_id=subject_id(row),
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

    def decode(self, project: Ref, rows: Sequence[Row]) -> tuple[RemoteObject, ...]:
        """The sessions and scans, by the labels that they have where they are at home."""
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
                ref = held.ref.child(Level.SCAN, label)
                xsi_type = self.types.scan if self.types else element(row) or _guess(held.xsi_type)
                scan = RemoteObject(
                    ref=ref,
                    accession_id=label,
                    xsi_type=xsi_type,
                    fields=scan_reading.fields(row),
                    project=held.project,
                    parent_id=number,
                )
                _add(scans, (number, label), scan)
        return (*sessions.values(), *scans.values())


_ELEMENT_NAME = columns.scan_column(IMAGE_SCAN, "extension_item/element_name")


def _guess(session_type: str) -> str:
    """The type that a scan most likely has, where the server does not tell."""
    return default_scan_type(session_type) or IMAGE_SCAN
