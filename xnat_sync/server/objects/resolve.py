"""Which objects a resource or file route speaks of (``XNATTemplate``, ``XNATCatalogTemplate``).

Reading is generous: lists, wildcards, scan types, and a missing session or scan below a project falls back to what
stands before it in the URL. Writing wants exactly one object of everything that the URL names.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from xnat_sync.server.identity.permissions import User

Row = "sqlite3.Row"
_COLUMNS: Final = (
    "pk, kind, id, label, project, parent, xsi_type, status, arc, json_extract(fields, '$.type') AS type, fields"
)
_EVERYTHING: Final = frozenset({"*", "ALL"})
_QUOTES: Final = {'"': "&quot;", "'": "&apos;"}


def escaped(text: str) -> str:
    """A query value or path segment as XNAT stores it: XML-escaped (``TurbineUtils.escapeParam``)."""
    return escape(text, _QUOTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the segments of a URL were found to be; empty where the URL names nothing or nothing was found."""

    params: Mapping[str, str]
    project: sqlite3.Row | None = None
    subject: sqlite3.Row | None = None
    sessions: tuple[sqlite3.Row, ...] = ()
    experiments: tuple[sqlite3.Row, ...] = ()
    scans: tuple[sqlite3.Row, ...] = ()
    reconstructions: tuple[sqlite3.Row, ...] = ()

    @property
    def scope(self) -> str:
        """``in`` or ``out`` for what a reconstruction or assessor took and made, by default ``out``; else nothing."""
        if self.reconstructions or any(item["kind"] == "assessor" for item in self.experiments):
            return "in" if self.params.get("type") == "in" else "out"
        return ""

    @property
    def items(self) -> tuple[sqlite3.Row, ...]:
        """The objects whose resources are meant: the deepest kind that was found (``XNATTemplate.loadCatalogs``)."""
        found = self.reconstructions or self.scans or self.experiments
        if found:
            return found
        return tuple(item for item in (self.subject or self.project,) if item is not None)

    @property
    def item(self) -> sqlite3.Row:
        """The one object that is written to."""
        return self.items[0]

    @property
    def security(self) -> sqlite3.Row | None:
        """The object whose rights decide: the session for all below it (``XNATTemplate.getSecurityItem``)."""
        if self.reconstructions or self.scans or (self.experiments and self.sessions):
            return self.sessions[0]
        return self.items[0] if self.items else None

    def session_of(self, item: sqlite3.Row) -> sqlite3.Row | None:
        """The session that a scan, reconstruction or assessor of this target belongs to, if the URL named it."""
        return next((session for session in self.sessions if session["pk"] == item["parent"]), None)


def resolve(
    db: sqlite3.Connection, user: User, params: Mapping[str, str], *, reading: bool, lost_part: int = 404
) -> Target:
    """Looks the segments up; raises ``XnatError`` 404 for what a write does not find, or when nothing is left to read.

    ``lost_part`` is the status for a scan or assessor that is missing below a session that was found.
    """
    target = _Resolver(db, user, params, reading=reading).target()
    if not target.items:
        raise XnatError(lost_part if target.sessions else 404)
    return target


class _Resolver:
    def __init__(self, db: sqlite3.Connection, user: User, params: Mapping[str, str], *, reading: bool) -> None:
        self._db = db
        self._user = user
        self._params = params
        self._reading = reading

    def target(self) -> Target:
        project = self._project()
        subject = self._subject(project)
        sessions = self._experiments("session", project, "image session")
        experiments = self._assessors(sessions) if sessions else ()
        if not experiments and "assessor" not in self._params:
            experiments = self._experiments("experiment", project, "experiment")
        return Target(
            params=self._params,
            project=project,
            subject=subject,
            sessions=sessions,
            experiments=experiments,
            scans=self._parts("scan", sessions),
            reconstructions=self._parts("reconstruction", sessions),
        )

    def _one(self, sql: str, *values: object) -> sqlite3.Row | None:
        row: sqlite3.Row | None = self._db.execute(f"SELECT {_COLUMNS} FROM item WHERE {sql}", values).fetchone()  # noqa: S608
        return row

    def _readable(self, item: sqlite3.Row | None) -> sqlite3.Row | None:
        return item if item is not None and can(self._db, self._user, item, Right.READ) else None

    def _project(self) -> sqlite3.Row | None:
        name = self._params.get("project")
        if name is None:
            return None
        name = escaped(name)
        found = self._one("kind = 'project' AND id = ?", name) or self._one(
            "kind = 'project' AND id = (SELECT project FROM project_alias WHERE alias = ?)", name
        )
        found = self._readable(found)
        if found is None:
            raise XnatError(404, "Unable to identify project")
        return found

    def _subject(self, project: sqlite3.Row | None) -> sqlite3.Row | None:
        name = self._params.get("subject")
        if name is None:
            return None
        found = self._by_label("subject", project, escaped(name)) if project is not None else None
        if found is None:
            found = self._one("kind = 'subject' AND id = ?", escaped(name))
            if found is not None and project is not None and not self._in_project(found, project):
                found = None
        found = self._readable(found)
        if found is None:
            raise XnatError(404, "Unable to identify subject")
        return found

    def _experiments(self, param: str, project: sqlite3.Row | None, word: str) -> tuple[sqlite3.Row, ...]:
        names = self._params.get(param)
        if names is None:
            return ()
        found = tuple(item for item in (self._experiment(name, project) for name in _listed(names)) if item is not None)
        self._demand_one(found, word)
        return found

    def _experiment(self, name: str, project: sqlite3.Row | None) -> sqlite3.Row | None:
        """By accession ID, then by label in the project of the URL."""
        name = escaped(name)
        found = self._one("kind IN ('experiment', 'assessor') AND id = ?", name)
        if found is not None and project is not None and not self._in_project(found, project):
            found = None
        if found is None and project is not None:
            found = self._by_label("experiment", project, name) or self._by_label("assessor", project, name)
        return self._readable(found)

    def _by_label(self, kind: str, project: sqlite3.Row, label: str) -> sqlite3.Row | None:
        own = self._one("kind = ? AND project = ? AND label = ?", kind, project["id"], label)
        return own or self._one(
            "kind = ? AND pk IN (SELECT item FROM share WHERE project = ? AND coalesce(share.label, item.label) = ?)",
            kind,
            project["id"],
            label,
        )

    def _in_project(self, item: sqlite3.Row, project: sqlite3.Row) -> bool:
        if item["project"] == project["id"]:
            return True
        shared = self._db.execute(
            "SELECT 1 FROM share WHERE item = ? AND project = ?", (item["pk"], project["id"])
        ).fetchone()
        return shared is not None

    def _assessors(self, sessions: tuple[sqlite3.Row, ...]) -> tuple[sqlite3.Row, ...]:
        """By ID or label, all of them, or those of an xsi type."""
        names = self._params.get("assessor")
        if names is None:
            return ()
        wanted = {escaped(name) for name in _listed(names)}
        found = tuple(
            item
            for item in children(self._db, sessions, "assessor")
            if (wanted & {item["id"], item["label"], item["xsi_type"]} or wanted & _EVERYTHING)
            and self._readable(item) is not None
        )
        self._demand_one(found, "experiment")
        return found

    def _parts(self, kind: str, sessions: tuple[sqlite3.Row, ...]) -> tuple[sqlite3.Row, ...]:
        """Scans or reconstructions by ID *or by type*; ``NULL`` is no type, ``[SLASH]`` and ``[COMMA]`` are escapes."""
        names = self._params.get(kind)
        if names is None or not sessions:
            return ()
        text = unquote(names).replace("[SLASH]", "/")
        found = children(self._db, sessions, kind)
        if text not in _EVERYTHING:
            wanted = set(_listed(text))
            types = {name.replace("[COMMA]", ",") for name in wanted}
            if "NULL" in types:
                types.add("")
            found = [item for item in found if item["id"] in wanted or (item["type"] or "") in types]
        self._demand_one(found, kind)
        return tuple(found)

    def _demand_one(self, found: Iterable[sqlite3.Row], word: str) -> None:
        if not self._reading and len(list(found)) != 1:
            raise XnatError(404, f"Unable to identify {word}")


def children(db: sqlite3.Connection, parents: Iterable[sqlite3.Row], kind: str) -> list[sqlite3.Row]:
    """All objects of a kind below these parents, in one query, in the order of the parents."""
    keys = [parent["pk"] for parent in parents]
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM item WHERE kind = ? AND parent IN (SELECT value FROM json_each(?)) ORDER BY pk",  # noqa: S608
        (kind, json.dumps(keys)),
    ).fetchall()
    place = {key: number for number, key in enumerate(keys)}
    return sorted(rows, key=lambda row: place[row["parent"]])


def parent_of(db: sqlite3.Connection, item: sqlite3.Row) -> sqlite3.Row:
    """The object one level up."""
    row: sqlite3.Row = db.execute(f"SELECT {_COLUMNS} FROM item WHERE pk = ?", (item["parent"],)).fetchone()  # noqa: S608
    return row


def _listed(names: str) -> list[str]:
    return [name for name in names.split(",") if name]
