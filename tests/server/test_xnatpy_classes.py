"""Unmodified xnatpy creates an object of every class that it makes of the schemas, and reads back all its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest
import xnat
from xnat.core import XNATBaseListing
from xnat.exceptions import XNATResponseError

from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.running import RunningServer

pytestmark = pytest.mark.filterwarnings("ignore")  # third-party code: only its answers are judged here

VALUES: Final = {
    Kind.INTEGER: ("2", 2),
    Kind.LONG: ("3000000000", 3000000000),
    Kind.FLOAT: ("1.5", 1.5),
    Kind.BOOLEAN: ("true", "true"),
    Kind.DATE: ("2024-02-29", "2024-02-29"),
    Kind.TIME: ("23:59:58", "23:59:58"),
    Kind.DATETIME: ("2024-02-29T23:59:58", "2024-02-29 23:59:58.0"),
}
"""What is sent for a value of a kind, and what an item tells of it."""
KEYS: Final = frozenset({"ID", "label", "project", "subject_ID", "image_session_ID", "imageSession_ID"})
"""What an object is known by; no value of its own."""


@pytest.fixture
def session(server: RunningServer) -> Iterator[Any]:
    # xnatpy asks the listings of every session of the process on a delete, also of sessions that are closed.
    XNATBaseListing.__ALL_LISTINGS__ = []
    with xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR") as connection:
        connection.put("/data/projects/P")
        yield connection


def sent_and_told(field: Field) -> tuple[str, Any]:
    if field.kind is Kind.TEXT:
        text = field.choices[0] if field.choices else "some text"[: field.max_length]
        return text, text
    return VALUES[field.kind]


def fields_of(xsi_type: str) -> dict[str, tuple[str, Any]]:
    """By path, what is sent for a value and what is told of it; parts that have a type of their own are left out."""
    kind = data_types.data_type(xsi_type)
    inner = tuple(f"{reference.path}/" for reference in kind.references.values())
    own = [field for field in kind.fields.values() if field.path not in KEYS and not field.path.startswith(inner)]
    return {field.path: sent_and_told(field) for field in own}


def class_of(session: Any, xsi_type: str) -> Any:
    stem = xsi_type.removeprefix("xnat:")
    return getattr(session.classes, stem[0].upper() + stem[1:])


def judge(session: Any, made: Any, xsi_type: str) -> None:
    """Sets all values, forgets them, reads them, and deletes the object."""
    values = fields_of(xsi_type)
    made.mset({path: sent for path, (sent, _) in values.items()})
    session.clearcache()
    again = session.create_object(made.uri)
    assert type(again) is class_of(session, xsi_type)
    told = {path: again.data.get(path) for path in values}
    assert (xsi_type, told) == (xsi_type, {path: value for path, (_, value) in values.items()})
    session.delete(made.uri)
    with pytest.raises(XNATResponseError, match="status 404"):
        session.get(made.uri)


def test_sessions(session: Any) -> None:
    subject = session.classes.SubjectData(parent=session.projects["P"], label="S")
    for xsi_type in data_types.concrete_types("xnat:imageSessionData"):
        judge(session, class_of(session, xsi_type)(parent=subject, label="E"), xsi_type)


def test_scans(session: Any) -> None:
    subject = session.classes.SubjectData(parent=session.projects["P"], label="S")
    experiment = session.classes.MrSessionData(parent=subject, label="E")
    for xsi_type in data_types.concrete_types("xnat:imageScanData"):
        judge(session, class_of(session, xsi_type)(parent=experiment, id="1", type="T1"), xsi_type)


def test_assessors(session: Any) -> None:
    subject = session.classes.SubjectData(parent=session.projects["P"], label="S")
    experiment = session.classes.MrSessionData(parent=subject, label="E")
    for xsi_type in data_types.concrete_types("xnat:imageAssessorData"):
        judge(session, class_of(session, xsi_type)(parent=experiment, label="A"), xsi_type)
