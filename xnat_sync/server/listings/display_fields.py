"""Display fields: the names by which a search speaks of values, schema paths behind most, computed ones for the rest.

Their spelling is inferred from what xnatpy and pyxnat expect back, and from what pyxnat prints of real servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnat_sync.server.identity.permissions import accessibility_of
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import data_type, is_a

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

DEMOGRAPHICS: Final = "demographics[@xsi:type=xnat:demographicData]"
COMPUTED: Final = "computed:"
"""What the "path" of a display field begins with when no path leads to its value."""
_META: Final = {"INSERT_DATE": "meta/insert_date", "INSERT_USER": "meta/insert_user/login"}

_DISPLAY: Final[dict[str, dict[str, str]]] = {
    data_types.PROJECT: {
        "ID": "ID",
        "NAME": "name",
        "DESCRIPTION": "description",
        "SECONDARY_ID": "secondary_ID",
        "PI": "PI/lastname",
        "KEYWORDS": "keywords",
        **_META,
    },
    data_types.SUBJECT: {
        "SUBJECTID": "ID",
        "SUBJECT_ID": "ID",
        "PROJECT": "project",
        "SUBJECT_LABEL": "label",
        "SUB_GROUP": "group",
        "GENDER_TEXT": f"{DEMOGRAPHICS}/gender",
        "DOB": f"{DEMOGRAPHICS}/dob",
        "HANDEDNESS_TEXT": f"{DEMOGRAPHICS}/handedness",
        "EDUC": f"{DEMOGRAPHICS}/education",
        **_META,
    },
    data_types.EXPERIMENT: {
        "SESSION_ID": "ID",
        "EXPT_ID": "ID",
        "PROJECT": "project",
        "SUBJECT_ID": "subject_ID",
        "LABEL": "label",
        **_META,
    },
    data_types.IMAGE_SCAN: {"SCAN_ID": "ID", "SESSION_ID": "image_session_ID", **_META},
}


def display_fields(name: str) -> dict[str, str]:
    """Display id → full path for everything that a search on the type may name."""
    found: dict[str, str] = {}
    for root, table in _DISPLAY.items():
        if is_a(name, root):
            found.update({key: f"{name}/{path}" for key, path in table.items()})
            found.update({key: f"{COMPUTED}{key}" for key in _COMPUTED.get(root, {})})
    if is_a(name, data_types.DERIVED):
        found.pop("SUBJECT_ID", None)
    kind = data_type(name)
    choices = [reference for reference in kind.references.values() if reference.is_choice]
    for item in kind.fields.values():
        path = item.path
        for reference in choices:
            if path.startswith(reference.path + "/"):
                path = f"{reference.path}[@xsi:type={reference.type}]{path.removeprefix(reference.path)}"
                found.setdefault(path.rpartition("]/")[2].replace("/", "_").upper(), f"{name}/{path}")
        found.setdefault(item.path.replace("/", "_").upper(), f"{name}/{path}")
    return found


def computed(db: sqlite3.Connection, root: str, name: str, key: str) -> str:
    """The value of a computed field of the object whose ID is ``key``; empty like a NULL where nothing is counted.

    Empty as well for a field of another type than the search's root (inferred).
    """
    table = next((table for family, table in _COMPUTED.items() if is_a(root, family)), {})
    return table[name](db, key) if name in table else ""


def _count(xsi_type: str) -> Callable[[sqlite3.Connection, str], str]:
    def count(db: sqlite3.Connection, project: str) -> str:
        sql = "SELECT count(*) FROM item WHERE project = ? AND xsi_type = ?"
        return str(db.execute(sql, (project, xsi_type)).fetchone()[0] or "")

    return count


def _owners(db: sqlite3.Connection, project: str) -> str:
    rows = db.execute("SELECT login FROM membership WHERE project = ? AND role = 'owner' ORDER BY rowid", (project,))
    return " <br/> ".join(row["login"] for row in rows)


def _added_ids(db: sqlite3.Connection, subject: str) -> str:
    sql = (
        "SELECT value FROM item, json_each(item.fields) WHERE item.kind = 'subject' AND item.id = ?"
        " AND key LIKE 'addID[%]/addID'"
    )
    return ",".join(row["value"] for row in db.execute(sql, (subject,)))


_COMPUTED: Final[dict[str, dict[str, Callable[[sqlite3.Connection, str], str]]]] = {
    data_types.PROJECT: {
        "PROJ_MR_COUNT": _count("xnat:mrSessionData"),
        "PROJ_PET_COUNT": _count("xnat:petSessionData"),
        "PROJ_CT_COUNT": _count("xnat:ctSessionData"),
        "PROJ_UT_COUNT": _count("xnat:usSessionData"),
        "PROJECT_OWNERS": _owners,
        "PROJECT_ACCESS": accessibility_of,
    },
    data_types.SUBJECT: {"ADD_IDS": _added_ids},
}
