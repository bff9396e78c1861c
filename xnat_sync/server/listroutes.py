"""Handlers for lists of projects, subjects, experiments, scans, assessors and reconstructions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_plus

from starlette.responses import Response

from xnat_sync.server import datatypes, shortnames
from xnat_sync.server.access import Right, can, data_rights, project_rights
from xnat_sync.server.columns import ListKind, UnknownColumnError, make_plan
from xnat_sync.server.errors import XnatError
from xnat_sync.server.listing import build_table, entries
from xnat_sync.server.lookup import for_writing, readable
from xnat_sync.server.objectcalls import project_for_list, session_of
from xnat_sync.server.projectlist import accessible_projects, is_display_search
from xnat_sync.server.render import simple_table, table_response
from xnat_sync.server.routing import Route, blocking

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from xnat_sync.server.access import User
    from xnat_sync.server.columns import Plan
    from xnat_sync.server.listing import Entry, Table
    from xnat_sync.server.routing import Call

PROJECTS: Final = ListKind(
    root=datatypes.PROJECT,
    short=shortnames.PROJECT,
    defaults=("ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname"),
)
SUBJECTS: Final = ListKind(
    root=datatypes.SUBJECT, short=shortnames.SUBJECT, defaults=("ID", "project", "label", "insert_date", "insert_user")
)
PROJECT_EXPERIMENTS: Final = ListKind(
    root=datatypes.SUBJECT_ASSESSOR,
    short=shortnames.SESSION,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
)
EXPERIMENTS: Final = ListKind(
    root=datatypes.EXPERIMENT,
    short=shortnames.SESSION,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
    extra_defaults={
        datatypes.SUBJECT_ASSESSOR: ("subject_ID", "subject_label"),
        datatypes.IMAGE_ASSESSOR: ("session_ID", "session_label"),
    },
)
SCANS: Final = ListKind(
    root=datatypes.IMAGE_SCAN,
    short=shortnames.SCAN,
    defaults=("xnat_imagescandata_id", "ID", "type", "quality", "xsiType", "note", "series_description"),
)
ASSESSORS: Final = ListKind(
    root=datatypes.IMAGE_ASSESSOR,
    short=shortnames.ASSESSOR,
    defaults=("ID", "project", "label", "date", "xsiType", "insert_date", "session_ID", "session_label"),
)
RECONSTRUCTIONS: Final = ListKind(
    root=datatypes.RECONSTRUCTION, short=shortnames.RECONSTRUCTION, defaults=("ID", "type", "baseScanType")
)

_RESERVED: Final = frozenset(
    {"format", "columns", "xsiType", "sortBy", "sortOrder", "limit", "offset", "fields", "allDataOverride", "restrict"}
)


def _plan(call: Call, kind: ListKind, *, filtered: bool = True) -> Plan:
    known = kind.short.readable
    filters = {
        name: value
        for name, value in reversed(call.query.pairs())
        if filtered and name not in _RESERVED and (name in known or (":" in name and "/" in name))
    }
    columns = unquote_plus(call.query.get("columns") or "")  # decoded twice, as in QueryOrganizerResource
    return make_plan(kind, columns, call.query.get("xsiType"), filters)


def _respond(
    call: Call,
    kind: ListKind,
    build: Callable[[], Table],
    *,
    title: str | None = None,
    paged: bool = False,
    quiet: bool = False,
) -> Response:
    """Answers ``fields=1``, pages where the list can, and turns a column that does not exist into XNAT's answer."""
    if call.query.flag("fields"):
        rows = [{"key": key, "xpath": path} for key, path in kind.short.readable.items()]
        return table_response(call, simple_table(("key", "xpath"), rows))
    try:
        table = build()
    except UnknownColumnError:
        if quiet:
            return Response(b"", media_type="text/plain")  # the exception is swallowed: 200, nothing
        raise XnatError(500) from None
    page = _page(call) if paged else None
    if page is not None:
        table = replace(table, rows=table.rows[page])
    return table_response(call, table, title=title, total=page is None)


def _page(call: Call) -> slice | None:
    """The part to show; default 100 from 0 if either is given, ``limit=*`` for everything."""
    limit, offset = call.query.get("limit"), call.query.get("offset")
    if (limit is None and offset is None) or limit == "*":
        return None
    try:
        start = int(offset or 0)
        return slice(start, start + int(limit or 100))
    except ValueError:
        raise XnatError(500) from None


def _visible(db: sqlite3.Connection, user: User, found: list[Entry]) -> list[Entry]:
    """Without what the user may not read; rights are looked up once per project."""
    if user.admin:
        return found
    open_projects = {entry.row["project"] for entry in found}
    rights = {project: data_rights(db, user, project) for project in open_projects}

    def shows(entry: Entry) -> bool:
        own = rights[entry.row["project"]]
        if Right.READ not in own or entry.row["status"] == "quarantine":
            return can(db, user, entry.row, Right.READ)
        return True

    return [entry for entry in found if shows(entry)]


# --- projects -----------------------------------------------------------------------------------------------------


def list_projects(call: Call) -> Response:
    """Every project that the caller may see, or the display search with its other keys."""
    with call.context.store.read() as db:
        if is_display_search(call.query):
            return table_response(call, accessible_projects(db, call.user, call.query), title="Projects")

        def build() -> Table:
            # Filters do nothing for whoever is no administrator (DefaultProjectHandler).
            plan = _plan(call, PROJECTS, filtered=call.user.admin)
            found = entries(db, "i.kind = 'project'", ())
            wanted = {"edit": Right.EDIT, "delete": Right.DELETE}.get(call.query.get("restrict") or "", Right.READ)
            seen = [entry for entry in found if wanted in project_rights(db, call.user, entry.row["id"])]
            return build_table(db, plan, seen, lambda entry: f"/data/projects/{entry.row['id']}")

        return _respond(call, PROJECTS, build, paged=True)


# --- subjects -----------------------------------------------------------------------------------------------------


def list_project_subjects(call: Call) -> Response:
    """A project's own subjects and those shared into it; the label is the share's, the project the primary one."""
    with call.context.store.read() as db:
        project = _readable_project(db, call, "subjects")

        def build() -> Table:
            found = _in_project(db, project, ("subject",))
            for entry in found:
                entry.shared.pop("project", None)
            return build_table(db, _plan(call, SUBJECTS), _visible(db, call.user, found), _subject_uri)

        return _respond(call, SUBJECTS, build, paged=True)


def list_subjects(call: Call) -> Response:
    """All subjects that the caller may read; nobody's project readable: 500."""
    with call.context.store.read() as db:

        def build() -> Table:
            found = _visible(db, call.user, entries(db, "i.kind = 'subject'", ()))
            if not found and not call.user.admin and not _reads_anything(db, call.user):
                raise XnatError(500)
            return build_table(db, _plan(call, SUBJECTS), found, _subject_uri)

        return _respond(call, SUBJECTS, build, paged=True)


def _reads_anything(db: sqlite3.Connection, user: User) -> bool:
    projects = db.execute("SELECT id FROM item WHERE kind = 'project'").fetchall()
    return any(Right.READ in data_rights(db, user, row["id"]) for row in projects)


def _subject_uri(entry: Entry) -> str:
    return f"/data/subjects/{entry.row['id']}"


def _readable_project(db: sqlite3.Connection, call: Call, noun: str) -> str:
    project = project_for_list(db, call)
    if Right.READ not in data_rights(db, call.user, project["id"]):
        raise XnatError(403, f"Unable to read {noun} for Project: {project['id']}")
    return str(project["id"])


def _in_project(db: sqlite3.Connection, project: str, kinds: tuple[str, ...]) -> list[Entry]:
    """Owned and shared-in objects; the latter know the words of the share."""
    marks = ",".join(f"'{kind}'" for kind in kinds)
    found = entries(db, f"i.kind IN ({marks}) AND i.project = ?", (project,))
    labels = {
        row["item"]: row["label"] for row in db.execute("SELECT item, label FROM share WHERE project = ?", (project,))
    }
    is_shared = "i.pk IN (SELECT item FROM share WHERE project = ?)"
    shared = entries(db, f"i.kind IN ({marks}) AND {is_shared}", (project,))
    for entry in shared:
        label = labels[entry.row["pk"]] or entry.row["label"] or ""
        entry.shared = {"label": label, "project": project}
    return found + shared


# --- experiments --------------------------------------------------------------------------------------------------


def list_project_experiments(call: Call) -> Response:
    """The experiments of a project (or of one of its subjects), also shared ones; assessors only if asked for."""
    with call.context.store.read() as db:
        project = _readable_project(db, call, "experiments")
        subject = _subject_filter(db, call, project)

        def build() -> Table:
            plan = _plan(call, PROJECT_EXPERIMENTS)
            found = _in_project(db, project, ("experiment", "assessor"))
            if subject is not None:
                found = [entry for entry in found if entry.row["parent"] == subject]
            _shared_words(db, plan, project, found)
            return build_table(db, plan, _visible(db, call.user, found), _experiment_uri)

        return _respond(call, PROJECT_EXPERIMENTS, build, paged="S" not in call.params, quiet=True)


def _subject_filter(db: sqlite3.Connection, call: Call, project: str) -> int | None:
    if "S" not in call.params:
        return None
    subject = readable(db, call.user, for_writing(db, ("subject",), project, call.params["S"]))
    if subject is None:
        raise XnatError(404, f"Unable to identify subject {call.params['S']}")
    return int(subject["pk"])


def _shared_words(db: sqlite3.Connection, plan: Plan, project: str, found: list[Entry]) -> None:
    """Share labels show only if ``label`` is a column and the ID key is ``<root>/id`` (``ProjSubExptList``)."""
    substitutes = plan.id_key.endswith("/id") and any(column.key == "label" for column in plan.columns)
    for entry in found:
        if not entry.shared:
            continue
        if not substitutes:
            entry.shared = {}
            continue
        row = db.execute(
            "SELECT coalesce(share.label, item.label) AS label FROM item JOIN share ON share.item = item.pk"
            " WHERE item.pk = ? AND share.project = ?",
            (entry.row["parent"], project),
        ).fetchone()
        if row is not None:
            entry.shared["subject_label"] = row["label"] or ""


def list_experiments(call: Call) -> Response:
    """Experiments of the whole site."""
    with call.context.store.read() as db:

        def build() -> Table:
            found = entries(db, "i.kind IN ('experiment', 'assessor')", ())
            return build_table(db, _plan(call, EXPERIMENTS), _visible(db, call.user, found), _experiment_uri)

        return _respond(call, EXPERIMENTS, build, title="Matching experiments", paged=True)


def _experiment_uri(entry: Entry) -> str:
    return f"/data/experiments/{entry.row['id']}"


# --- parts of a session -------------------------------------------------------------------------------------------


def _session_for_list(db: sqlite3.Connection, call: Call) -> sqlite3.Row:
    """404 for a session missing in its project; by accession ID alone XNAT dies instead (500)."""
    if "P" in call.params:
        project = project_for_list(db, call)
        if for_writing(db, ("subject",), project["id"], call.params["S"]) is None:
            raise XnatError(404, f"Unable to identify subject {call.params['S']}")
    session = session_of(db, call)
    if session is None:
        raise XnatError(404, "Specified image session doesn't exist.") if "P" in call.params else XnatError(500)
    return session


def _list_parts(call: Call, kind: ListKind, item_kind: str, *, filtered: bool) -> Response:
    with call.context.store.read() as db:
        session = _session_for_list(db, call)
        folder = {"scan": "scans", "reconstruction": "reconstructions"}.get(item_kind)

        def uri(entry: Entry) -> str:
            if folder is None:
                return _experiment_uri(entry)
            return f"/data/experiments/{session['id']}/{folder}/{entry.row['id']}"

        def build() -> Table:
            found = entries(db, "i.kind = ? AND i.parent = ?", (item_kind, session["pk"]))
            return build_table(db, _plan(call, kind, filtered=filtered), _visible(db, call.user, found), uri)

        return _respond(call, kind, build)


def list_scans(call: Call) -> Response:
    """The scans of a session; filters are ignored (``ScanList`` overwrites the condition)."""
    return _list_parts(call, SCANS, "scan", filtered=False)


def list_assessors(call: Call) -> Response:
    """The assessors of a session."""
    return _list_parts(call, ASSESSORS, "assessor", filtered=True)


def list_reconstructions(call: Call) -> Response:
    """The reconstructions of a session."""
    return _list_parts(call, RECONSTRUCTIONS, "reconstruction", filtered=True)


def list_scan_types(call: Call) -> Response:
    """The distinct types of all scans, of one project or of the site (``ScanTypeListing``)."""
    return _distinct(call, "type", "$.type")


def list_scanners(call: Call) -> Response:
    """The distinct scanners."""
    return _distinct(call, "scanner", "$.scanner")


def _distinct(call: Call, key: str, path: str) -> Response:
    with call.context.store.read() as db:
        condition, values = "", [path]
        if "P" in call.params:
            condition, values = " AND project = ?", [path, _readable_project(db, call, "experiments")]
        found = db.execute(
            f"SELECT DISTINCT json_extract(fields, ?) AS value, project FROM item WHERE kind = 'scan'{condition}",  # noqa: S608 - a fixed condition
            values,
        ).fetchall()
        names = {
            row["value"]
            for row in found
            if row["value"] and (call.user.admin or Right.READ in data_rights(db, call.user, row["project"]))
        }
    return table_response(call, simple_table((key,), [{key: name} for name in sorted(names)]))


_SESSIONS = ("/projects/{P}/subjects/{S}/experiments/{E}", "/experiments/{E}")

ROUTES = [
    Route("GET", "/projects", blocking(list_projects), "ProjectListResource; TestDynamicSearchProjects"),
    Route("GET", "/projects/{P}/subjects", blocking(list_project_subjects), "ProjectSubjectList"),
    Route("GET", "/subjects", blocking(list_subjects), "SubjectListResource; TestDynamicSearchSubjects"),
    *(
        Route("GET", uri, blocking(list_project_experiments), "ProjSubExptList; TestDynamicSearchSubjectAssessors")
        for uri in ("/projects/{P}/experiments", "/projects/{P}/subjects/{S}/experiments")
    ),
    Route("GET", "/experiments", blocking(list_experiments), "ExperimentListResource"),
    *(
        route
        for uri in _SESSIONS
        for route in (
            Route("GET", f"{uri}/scans", blocking(list_scans), "ScanList; TestDynamicSearchScans"),
            Route("GET", f"{uri}/assessors", blocking(list_assessors), "ExptAssessmentList"),
            Route("GET", f"{uri}/reconstructions", blocking(list_reconstructions), "ReconList"),
        )
    ),
    Route("GET", "/projects/{P}/scan_types", blocking(list_scan_types), "ScanTypeListing (shape inferred)"),
    Route("GET", "/scan_types", blocking(list_scan_types), "ScanTypeListing (shape inferred)"),
    Route("GET", "/scanners", blocking(list_scanners), "ScannerListing (shape inferred)"),
]
