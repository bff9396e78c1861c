"""``/data/search/saved``: stored searches that are kept, listed and run again (``SavedSearchResource``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from xnat_sync.server.api.search import local_name, run_search
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.responses.render import empty_response, simple_table, table_response
from xnat_sync.server.xml_tree import XmlError, parse_xml

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.xml_tree import Element

_COLUMNS: Final = ("id", "brief_description", "description", "root_element_name", "secure", "allow_diff_columns", "tag")


def _visible(call: Call, row: sqlite3.Row) -> bool:
    """To admins, to its owner, to the users it names, and to all when it names none."""
    users = row["users"].split()
    return call.user.admin or not users or call.user.login in {row["owner"], *users}


def _found(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute("SELECT * FROM saved_search WHERE id = ?", (call.params["ID"],)).fetchone()
    if row is None or not _visible(call, row):
        raise XnatError(404)
    return row


def list_searches(call: Call) -> Response:
    """The searches that the caller may see."""
    with call.context.store.read() as db:
        rows = db.execute("SELECT * FROM saved_search ORDER BY rowid").fetchall()
    shown = [{name: row[name] for name in _COLUMNS} for row in rows if _visible(call, row)]
    return table_response(call, simple_table(_COLUMNS, shown))


def show_search(call: Call) -> Response:
    """The document, or with the tail ``results`` what it finds now."""
    with call.context.store.read() as db:
        row = _found(db, call)
        if call.tail.strip("/") != "results":
            return Response(row["document"], media_type="text/xml")
        root, table = run_search(db, call.user, row["document"])
    return table_response(call, table, title=row["description"], root=root)


def put_search(call: Call, body: bytes) -> Response:
    """Keeps a document under the ID of the URL, instead of one that is there and belongs to the caller."""
    if call.user.is_guest:
        raise XnatError(403)
    try:
        root = parse_xml(body)
    except XmlError as error:
        raise XnatError(422, str(error)) from error
    values = {
        "id": call.params["ID"],
        "owner": call.user.login,
        "brief_description": root.get("brief-description", ""),
        "description": root.get("description", ""),
        "root_element_name": next(iter(_texts(root, "root_element_name")), ""),
        "secure": _bit(root.get("secure", "")),
        "allow_diff_columns": _bit(root.get("allow-diff-columns", "")),
        "tag": root.get("tag", ""),
        "users": " ".join(_texts(root, "login")),
        "document": body,
    }
    with call.context.store.write() as db:
        _demand_own(db, call)
        names = ", ".join(values)
        db.execute(
            f"INSERT OR REPLACE INTO saved_search({names}) VALUES ({', '.join('?' * len(values))})",  # noqa: S608 - the names above
            tuple(values.values()),
        )
    return empty_response()


def delete_search(call: Call) -> Response:
    """Forgets a search of the caller's own."""
    with call.context.store.write() as db:
        _found(db, call)
        _demand_own(db, call)
        db.execute("DELETE FROM saved_search WHERE id = ?", (call.params["ID"],))
    return empty_response()


def _demand_own(db: sqlite3.Connection, call: Call) -> None:
    row = db.execute("SELECT owner FROM saved_search WHERE id = ?", (call.params["ID"],)).fetchone()
    if row is not None and row["owner"] != call.user.login and not call.user.admin:
        raise XnatError(403)


def _texts(root: Element, name: str) -> list[str]:
    return [(element.text or "").strip() for element in root.iter() if local_name(element) == name]


def _bit(text: str) -> str:
    return "1" if text.lower() in {"1", "true"} else "0"


_SOURCE: Final = "SavedSearchResource; columns and statuses as pyxnat needs them"
ROUTES: Final = [
    Route("GET", "/search/saved", blocking(list_searches), "SavedSearchListResource; " + _SOURCE, archive=False),
    Route("GET", "/search/saved/{ID}", blocking(show_search), _SOURCE, archive=False),
    Route("PUT", "/search/saved/{ID}", with_body(put_search), _SOURCE, archive=False),
    Route("DELETE", "/search/saved/{ID}", blocking(delete_search), _SOURCE, archive=False),
]
"""What the server answers about stored searches."""
