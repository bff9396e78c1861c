"""Handlers for lists of projects, subjects and experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from xnat_sync.server.api.list_calls import experiment_uri, plan_of, readable_project, respond, visible
from xnat_sync.server.api.project_list import accessible_projects, is_display_search
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.routing import Route, blocking
from xnat_sync.server.identity.permissions import Right, data_rights, project_rights
from xnat_sync.server.listings.columns import ListKind
from xnat_sync.server.listings.rows import build_table, entries
from xnat_sync.server.objects.lookup import for_writing, readable
from xnat_sync.server.responses.render import table_response
from xnat_sync.server.schema import data_types, short_names

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.listings.columns import Plan
    from xnat_sync.server.listings.rows import Entry, Table

PROJECTS: Final = ListKind(
    root=data_types.PROJECT,
    short=short_names.PROJECT,
    defaults=("ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname"),
)
SUBJECTS: Final = ListKind(
    root=data_types.SUBJECT,
    short=short_names.SUBJECT,
    defaults=("ID", "project", "label", "insert_date", "insert_user"),
)
PROJECT_EXPERIMENTS: Final = ListKind(
    root=data_types.SUBJECT_ASSESSOR,
    short=short_names.SESSION,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
)
EXPERIMENTS: Final = ListKind(
    root=data_types.EXPERIMENT,
    short=short_names.SESSION,
    defaults=("ID", "project", "date", "xsiType", "label", "insert_date"),
    extra_defaults={
        data_types.SUBJECT_ASSESSOR: ("subject_ID", "subject_label"),
        data_types.IMAGE_ASSESSOR: ("session_ID", "session_label"),
    },
)
# --- projects -----------------------------------------------------------------------------------------------------


def list_projects(call: Call) -> Response:
    """Every project that the caller may see, or the display search with its other keys."""
    with call.context.store.read() as db:
        if is_display_search(call.query):
            return table_response(call, accessible_projects(db, call.user, call.query), title="Projects")

        def build() -> Table:
            # Filters do nothing for whoever is no administrator (DefaultProjectHandler).
            plan = plan_of(call, PROJECTS, filtered=call.user.admin)
            found = entries(db, "i.kind = 'project'", ())
            wanted = {"edit": Right.EDIT, "delete": Right.DELETE}.get(call.query.get("restrict") or "", Right.READ)
            seen = [entry for entry in found if wanted in project_rights(db, call.user, entry.row["id"])]
            return build_table(db, plan, seen, lambda entry: f"/data/projects/{entry.row['id']}")

        return respond(call, PROJECTS, build)


# --- subjects -----------------------------------------------------------------------------------------------------


def list_project_subjects(call: Call) -> Response:
    """A project's own subjects and those shared into it; the label is the share's, the project the primary one."""
    with call.context.store.read() as db:
        project = readable_project(db, call, "subjects")

        def build() -> Table:
            found = _in_project(db, project, ("subject",))
            for entry in found:
                entry.shared.pop("project", None)
            return build_table(db, plan_of(call, SUBJECTS), visible(db, call.user, found), _subject_uri, union=True)

        return respond(call, SUBJECTS, build, paged=True)


def list_subjects(call: Call) -> Response:
    """All subjects that the caller may read; nobody's project readable: 500."""
    with call.context.store.read() as db:

        def build() -> Table:
            found = visible(db, call.user, entries(db, "i.kind = 'subject'", ()))
            if not found and not call.user.admin and not _reads_anything(db, call.user):
                raise XnatError(500)
            return build_table(db, plan_of(call, SUBJECTS), found, _subject_uri)

        return respond(call, SUBJECTS, build, paged=True)


def _reads_anything(db: sqlite3.Connection, user: User) -> bool:
    projects = db.execute("SELECT id FROM item WHERE kind = 'project'").fetchall()
    return any(Right.READ in data_rights(db, user, row["id"]) for row in projects)


def _subject_uri(entry: Entry) -> str:
    return f"/data/subjects/{entry.row['id']}"


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
        project = readable_project(db, call, "experiments")
        subject = _subject_filter(db, call, project)

        def build() -> Table:
            plan = plan_of(call, PROJECT_EXPERIMENTS)
            found = _in_project(db, project, ("experiment", "assessor"))
            if subject is not None:
                found = [entry for entry in found if entry.row["parent"] == subject]
            _shared_words(db, plan, project, found)
            return build_table(db, plan, visible(db, call.user, found), experiment_uri, union=True)

        return respond(call, PROJECT_EXPERIMENTS, build, paged="S" not in call.params, quiet=True)


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
            return build_table(db, plan_of(call, EXPERIMENTS), visible(db, call.user, found), experiment_uri)

        return respond(call, EXPERIMENTS, build, title="Matching experiments", paged=True)


ROUTES = [
    Route("GET", "/projects", blocking(list_projects), "ProjectListResource; TestDynamicSearchProjects"),
    Route("GET", "/projects/{P}/subjects", blocking(list_project_subjects), "ProjectSubjectList"),
    Route("GET", "/subjects", blocking(list_subjects), "SubjectListResource; TestDynamicSearchSubjects"),
    *(
        Route("GET", uri, blocking(list_project_experiments), "ProjSubExptList; TestDynamicSearchSubjectAssessors")
        for uri in ("/projects/{P}/experiments", "/projects/{P}/subjects/{S}/experiments")
    ),
    Route("GET", "/experiments", blocking(list_experiments), "ExperimentListResource"),
]
