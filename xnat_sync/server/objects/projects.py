"""Projects: create, update, settings (``ProjectResource``, ``BaseXnatProjectdata``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.lookup import by_id
from xnat_sync.server.objects.records import fields_of, insert, merge, require_id
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.values import is_integer
from xnat_sync.server.storage.archive import safe_segment

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change
    from xnat_sync.server.objects.submission import Draft

ACCESSIBILITIES = ("private", "protected", "public")
_ALIAS_PREFIX = "aliases/alias["
# Where a taken title is reported: the name is the "Project Title", the secondary ID the "Running Title".
_TITLES = {"ID": "Project Id", "name": "Project Title", "secondary_ID": "Running Title"}


def put_project(change: Change, name: str, draft: Draft) -> None:
    """Creates or updates; the client cannot tell which."""
    _require_creator(change)
    existing = by_id(change.db, ("project",), name)
    if existing is not None and not can(change.db, change.user, existing, Right.EDIT):
        raise XnatError(403, f"User {change.user.login} doesn't have permission to edit the project {name}")
    sent = draft.pop("ID")
    if sent and sent.strip().lower() != name.lower():
        raise XnatError(417, "The project ID for the REST call must match the value in submitted request body.")
    if existing is not None:
        _update(change, existing, draft)
        return
    create_project(change, name, draft)


def post_project(change: Change, draft: Draft) -> str:
    """Creates only; answers the ID. A clash of names surfaces as 500 here (inferred)."""
    _require_creator(change)
    name = (draft.pop("ID") or "").strip()
    if not name:
        raise XnatError(417, "Requires XNAT ProjectData ID")
    if by_id(change.db, ("project",), name) is not None:
        raise XnatError(409, "Project already exists.")
    try:
        create_project(change, name, draft)
    except XnatError as error:
        raise XnatError(500) if error.status == 409 else error from error
    return name


def _require_creator(change: Change) -> None:
    if change.user.is_guest:
        raise XnatError(403)
    if not change.user.admin and not change.context.preferences.is_on("uiAllowNonAdminProjectCreation"):
        login = change.user.login
        raise XnatError(403, f"User {login} doesn't have permission to create projects on this system")


def create_project(change: Change, name: str, draft: Draft) -> sqlite3.Row:
    """A new project with its owner and settings; every name it claims must be free."""
    require_id(name, "Invalid character in project ID.")
    change.require_justification(data_types.PROJECT)
    burnt = change.db.execute("SELECT 1 FROM burnt_project WHERE id = ?", (name,)).fetchone()
    if burnt is not None and not change.context.preferences.is_on("security.allowProjectIdReuse"):
        raise XnatError(403, f"Project '{name}' was used in a previously deleted project and cannot be reused.")
    aliases = _take_aliases(draft)
    _trim(draft)
    draft.fields["name"] = draft.fields.get("name") or name
    draft.fields["secondary_ID"] = draft.fields.get("secondary_ID") or name
    _require_free_names(change.db, name, {"ID": name, **draft.fields}, aliases)
    draft.require_valid()
    row = insert(
        change,
        kind="project",
        id=name,
        project=name,
        xsi_type=data_types.PROJECT,
        fields=draft.fields,
    )
    change.db.execute("INSERT INTO project_setting(project, accessibility) VALUES (?, ?)", (name, _default(change)))
    change.db.execute(
        "INSERT OR REPLACE INTO membership(project, login, role) VALUES (?, ?, 'owner')", (name, change.user.login)
    )
    _add_aliases(change.db, name, aliases)
    change.record(name, data_types.PROJECT, "unknown action")
    return row


def _default(change: Change) -> str:
    """What a new project is: as asked, else ``protected`` where the site allows that (``createProject``)."""
    asked = (change.query.get("accessibility") or "").strip()
    if asked in ACCESSIBILITIES:
        return asked
    return "protected" if change.context.preferences.is_on("securityAllowNonPrivateProjects") else "private"


def _update(change: Change, existing: sqlite3.Row, draft: Draft) -> None:
    aliases = _take_aliases(draft)
    _trim(draft)
    _require_free_names(change.db, existing["id"], draft.fields, aliases)
    draft.require_valid()
    change.require_justification(data_types.PROJECT)
    asked = (change.query.get("accessibility") or "").strip()
    if asked:
        set_accessibility(change, existing, asked)
    if merge(change, existing, draft.fields) or aliases:
        _add_aliases(change.db, existing["id"], aliases)
        change.record(existing["id"], data_types.PROJECT, "Modified Project")


def _trim(draft: Draft) -> None:
    for path in ("name", "secondary_ID"):
        value = draft.fields.get(path)
        if value is not None:
            draft.fields[path] = value.strip()


def _take_aliases(draft: Draft) -> list[str]:
    found = [path for path in draft.fields if path.startswith(_ALIAS_PREFIX)]
    values = [draft.fields.pop(path) for path in found]
    return [value.strip() for path, value in zip(found, values, strict=True) if value and path.endswith("/alias")]


def _add_aliases(db: sqlite3.Connection, project: str, aliases: list[str]) -> None:
    for alias in aliases:
        db.execute("INSERT OR IGNORE INTO project_alias(project, alias) VALUES (?, ?)", (project, alias))


def _require_free_names(
    db: sqlite3.Connection, project: str, fields: dict[str, str | None], aliases: list[str]
) -> None:
    """IDs, names, secondary IDs and aliases of all projects are one case-insensitive namespace."""
    claims = [(title, fields[path] or "") for path, title in _TITLES.items() if fields.get(path)]
    claims += [("Alias", alias) for alias in aliases]
    if any(value == "Unassigned" for _, value in claims):
        raise XnatError(400, "'Unassigned' is a reserved value")
    taken = taken_names(db, project)
    clashes = [(title, value) for title, value in claims if value.strip().lower() in taken]
    if clashes:
        lines = " ".join(f"Invalid {title}: '{value}' is already being used." for title, value in clashes)
        raise XnatError(409, f"Requested new project conflicts with existing projects: {lines}")


def taken_names(db: sqlite3.Connection, project: str) -> set[str]:
    """Every name in use by projects other than this one, in lower case."""
    taken: set[str] = set()
    for row in db.execute("SELECT * FROM item WHERE kind = 'project' AND lower(id) <> lower(?)", (project,)):
        fields = fields_of(row)
        taken |= {row["id"].lower(), fields.get("name", "").lower(), fields.get("secondary_ID", "").lower()}
    for row in db.execute("SELECT alias FROM project_alias WHERE lower(project) <> lower(?)", (project,)):
        taken.add(row["alias"].lower())
    return taken - {""}


def set_accessibility(change: Change, project: sqlite3.Row, value: str) -> None:
    """Who may see the project; 403 where the site allows private projects only."""
    if value not in ACCESSIBILITIES:
        raise XnatError(400, f"Invalid accessibility: {value}")
    if value != "private" and not change.context.preferences.is_on("securityAllowNonPrivateProjects"):
        raise XnatError(403)
    change.db.execute("UPDATE project_setting SET accessibility = ? WHERE project = ?", (value, project["id"]))


_CODES = {"true": "1", "false": "0"}


def set_setting(change: Change, project: sqlite3.Row, name: str, value: str) -> None:
    """One of the settings that are sub-URLs of a project; codes are whole numbers."""
    if not can(change.db, change.user, project, Right.EDIT):
        raise XnatError(403, "User account doesn't have permission to edit this project.")
    if name in {"prearchive_code", "quarantine_code"}:
        value = _CODES.get(value.lower(), value)
        if not is_integer(value):
            raise XnatError(400, f"The submitted code {value} is invalid: must be an integer.")
    if name == "current_arc":
        for part in value.split("/"):
            safe_segment(part)  # stricter than XNAT: new sessions will lie below this
    change.db.execute(f"UPDATE project_setting SET {name} = ? WHERE project = ?", (value, project["id"]))  # noqa: S608 - a name from SETTINGS


SETTINGS = ("prearchive_code", "quarantine_code", "current_arc", "scan_type_mapping")
"""The settings that ``PUT /projects/P/NAME/VALUE`` changes."""


def setting(db: sqlite3.Connection, project: str, name: str) -> str:
    """The present value of a setting."""
    return str(db.execute("SELECT * FROM project_setting WHERE project = ?", (project,)).fetchone()[name])
