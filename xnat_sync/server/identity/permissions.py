"""Who may do what: users, the three project groups and accessibility (``PermissionsServiceImpl``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3


class Right(Enum):
    """The five actions that XNAT grants per data type and project."""

    READ = "read"
    EDIT = "edit"
    CREATE = "create"
    DELETE = "delete"
    ACTIVATE = "activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An authenticated caller, or the guest."""

    login: str
    admin: bool = False
    enabled: bool = True

    @property
    def is_guest(self) -> bool:
        """Whether nobody is logged in."""
        return self.login == GUEST_LOGIN


GUEST_LOGIN = "guest"
GUEST = User(login=GUEST_LOGIN)

_ALL = frozenset(Right)
_READ = frozenset({Right.READ})
_NONE: frozenset[Right] = frozenset()
# init_project_group_functions.sql: (rights on the project record, rights on subjects, experiments and their parts)
_ROLES: dict[str, tuple[frozenset[Right], frozenset[Right]]] = {
    "owner": (_ALL, _ALL),
    "member": (_READ, frozenset({Right.READ, Right.EDIT, Right.CREATE, Right.ACTIVATE})),
    "collaborator": (_READ, frozenset({Right.READ, Right.ACTIVATE})),
}
_SHARED_IN = frozenset({Right.READ, Right.ACTIVATE})


def role_in(db: sqlite3.Connection, user: User, project: str) -> str | None:
    """``owner``, ``member``, ``collaborator`` or ``None``."""
    row = db.execute("SELECT role FROM membership WHERE project = ? AND login = ?", (project, user.login)).fetchone()
    return None if row is None else str(row["role"])


def accessibility_of(db: sqlite3.Connection, project: str) -> str:
    """``private``, ``protected`` or ``public``."""
    row = db.execute("SELECT accessibility FROM project_setting WHERE project = ?", (project,)).fetchone()
    return "private" if row is None else str(row["accessibility"])


def project_rights(db: sqlite3.Connection, user: User, project: str) -> frozenset[Right]:
    """Rights on the record of a project itself; everyone reads a protected or public one."""
    if user.admin:
        return _ALL
    role = role_in(db, user, project)
    if role is not None:
        return _ROLES[role][0]
    return _NONE if accessibility_of(db, project) == "private" else _READ


def data_rights(db: sqlite3.Connection, user: User, project: str) -> frozenset[Right]:
    """Rights on subjects and experiments that a project owns; everyone reads those of a public one."""
    if user.admin:
        return _ALL
    role = role_in(db, user, project)
    if role is not None:
        return _ROLES[role][1]
    return _READ if accessibility_of(db, project) == "public" else _NONE


def rights(db: sqlite3.Connection, user: User, item: sqlite3.Row) -> frozenset[Right]:
    """Rights on a row of ``item``; scans and reconstructions follow their session (``PermissionsServiceImpl.can``)."""
    if item["kind"] == "project":
        return project_rights(db, user, item["id"])
    if item["kind"] in {"scan", "reconstruction"}:
        session = db.execute("SELECT * FROM item WHERE pk = ?", (item["parent"],)).fetchone()
        return rights(db, user, session)
    granted = data_rights(db, user, item["project"])
    if Right.READ in granted:
        return _without_quarantined(item, granted)
    shares = db.execute("SELECT project FROM share WHERE item = ?", (item["pk"],))
    if any(Right.READ in data_rights(db, user, share["project"]) for share in shares.fetchall()):
        return _without_quarantined(item, _SHARED_IN)
    return _NONE


def _without_quarantined(item: sqlite3.Row, granted: frozenset[Right]) -> frozenset[Right]:
    """Quarantined objects are invisible to whoever may not activate them."""
    return granted if item["status"] != "quarantine" or Right.ACTIVATE in granted else _NONE


def can(db: sqlite3.Connection, user: User, item: sqlite3.Row, right: Right) -> bool:
    """Whether ``user`` holds ``right`` on the row ``item``."""
    return right in rights(db, user, item)
