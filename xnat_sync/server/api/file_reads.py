"""GET of files: listings, one file, bundles; and the folder of a session."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from xnat_sync.server.api.file_calls import scene_for_reading, translated
from xnat_sync.server.api.folder_listing import COLUMNS as DIR_COLUMNS
from xnat_sync.server.api.folder_listing import listing, matches, row
from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.bundle import Bundle, Naming, Packed, bundle_of, bundle_response
from xnat_sync.server.files.catalog_rows import (
    Found,
    all_entries,
    below,
    columns_with,
    context_uri,
    entry_at,
    file_path,
    filter_of,
    locator_of,
    matching,
    rows_of,
    sorted_rows,
)
from xnat_sync.server.http.download import file_response
from xnat_sync.server.objects.archive_layout import session_folder
from xnat_sync.server.objects.resolve import parent_of, resolve
from xnat_sync.server.responses.tables import demand_acceptable, file_table
from xnat_sync.server.responses.xcat import Link, xcat_response

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from xnat_sync.server.api.file_calls import Scene
    from xnat_sync.server.http.routing import Call

ZIP_COLUMNS: Final = ("File Name", "Size")


def read_files(call: Call) -> Response:
    """``GET .../files[/path]``: a listing, a file, or many files as one (``FileList.represent``)."""
    demand_acceptable(call.request.headers.get("accept"))
    with translated():
        scene = scene_for_reading(call, lost_part=500)
        path = file_path(call.tail)
        if "index" in call.query:
            return _nth(call, scene)
        if not path:
            return _many(call, scene, all_entries(call.context, scene.resources, filter_of(call.query).accepts))
        return _at(call, scene, path)


def _at(call: Call, scene: Scene, path: str) -> Response:
    """One path: an entry, else a folder (trailing slash), else a pattern, else a member of a stored zip."""
    found = entry_at(call.context, scene.resources, path)
    if found is not None:
        return _one(call, found)
    if path.endswith("/"):
        inside = below(path, recursive=call.query.flag("recursive", default=True))
        wanted = filter_of(call.query)
        entries = all_entries(call.context, scene.resources, lambda entry: inside(entry) and wanted.accepts(entry))
        return _many(call, scene, entries)
    if path.endswith("*"):
        return _many(call, scene, all_entries(call.context, scene.resources, matching(path)))
    return _zip_member(call, scene, path) or _missing(call)


def _nth(call: Call, scene: Scene) -> Response:
    """``index=N``: the N-th match of the filter as a file."""
    text = call.query.get("index") or ""
    if not (text.isascii() and text.isdigit()):
        raise XnatError(500)  # NumberFormatException
    entries = all_entries(call.context, scene.resources, filter_of(call.query).accepts)
    return _one(call, entries[int(text)]) if int(text) < len(entries) else _missing(call)


def _missing(call: Call) -> Response:
    """404, or 204 for a client that says ``accept-not-found``."""
    if call.query.flag("accept-not-found"):
        return Response(status_code=204)
    raise XnatError(404)


def _one(call: Call, found: Found) -> Response:
    file = found.file(call.context.archive)
    if file is None:
        return _missing(call)
    kind = bundle_of(call.query.get("format"))
    if kind is not None and not file.name.lower().endswith(f".{kind.extension}"):
        return bundle_response(kind, [Packed(file.name, file)], file.name, call.query)
    if call.query.flag("listContents") and _is_zip(call, file.name):
        return _zip_listing(file, call.query.get("format"))
    return file_response(file, call.request.headers, head=call.method == "HEAD")


def _many(call: Call, scene: Scene, entries: Sequence[Found]) -> Response:
    kind = bundle_of(call.query.get("format"))
    if kind is not None:
        return _bundle(call, scene, entries, kind)
    if (call.query.get("format") or "").lower() == "xcat":
        return _xcat(call, scene, entries)
    locator = locator_of(call.query)
    base = context_uri(scene.target) if scene.ids and len(scene.resources) == 1 else None
    rows = sorted_rows(rows_of(call.context.archive, entries, locator, base), call.query)
    return file_table(rows, columns_with(locator), call.query.get("format"))


def _bundle(call: Call, scene: Scene, entries: Sequence[Found], kind: Bundle) -> Response:
    """All files that are there; 404 when there is none."""
    with call.context.store.read() as db:
        naming = _naming(db, call, scene, kind)
    there = [(found, found.file(call.context.archive)) for found in entries]
    packed = [Packed(naming.name(found, file), file) for found, file in there if file is not None]
    if not packed:
        return _missing(call)
    name = next(iter(naming.folders.values()), "files").rpartition("/")[2]
    return bundle_response(kind, packed, name, call.query)


def _xcat(call: Call, scene: Scene, entries: Sequence[Found]) -> Response:
    with call.context.store.read() as db:
        naming = _naming(db, call, scene, Bundle.ZIP)
    server = str(call.request.base_url).rstrip("/")
    return xcat_response(
        Link(
            url=f"{server}{found.resource.uri}/files/{found.entry.path}",
            path=naming.name(found, Path(found.entry.path)),
            size=found.entry.size,
        )
        for found in entries
    )


def _naming(db: sqlite3.Connection, call: Call, scene: Scene, kind: Bundle) -> Naming:
    target = scene.target
    tops = target.sessions or target.experiments or target.items
    return Naming(
        structure=(call.query.get("structure") or "default").lower(),
        folders={item["id"]: _top_folder(db, call, item) for item in tops},
        scan_types={scan["id"]: scan["type"] or "" for scan in target.scans},
        with_types=kind.extension == "zip",
    )


def _top_folder(db: sqlite3.Connection, call: Call, item: sqlite3.Row) -> str:
    """A session's label, below its project and subject if the query wants them."""
    parts = [item["label"] or item["id"]]
    if item["kind"] == "experiment":
        if call.query.flag("subjectIncludedInPath"):
            parts.insert(0, parent_of(db, item)["label"])
        if call.query.flag("projectIncludedInPath"):
            parts.insert(0, item["project"])
    return "/".join(parts)


def _is_zip(call: Call, name: str) -> bool:
    extensions = call.context.preferences.get("zipExtensions").split(",")
    return any(name.lower().endswith(f".{extension.strip()}") for extension in extensions)


def _zip_listing(file: Path, wanted: str | None) -> Response:
    with zipfile.ZipFile(file) as archive:
        rows = [
            dict(zip(ZIP_COLUMNS, (item.filename, str(item.file_size)), strict=True)) for item in archive.infolist()
        ]
    return file_table(rows, ZIP_COLUMNS, wanted)


def _zip_member(call: Call, scene: Scene, path: str) -> Response | None:
    """``x.zip!/member`` or ``x.zip/member``: a file inside a stored zip."""
    for end in (position for position, char in enumerate(path) if char in "!/"):
        if not _is_zip(call, path[:end]):
            continue
        found = entry_at(call.context, scene.resources, path[:end])
        file = None if found is None else found.file(call.context.archive)
        if file is not None:
            return _read_member(file, path[end:].lstrip("!/"))
    return None


def _read_member(file: Path, member: str) -> Response | None:
    try:
        with zipfile.ZipFile(file) as archive:
            return Response(archive.read(member), media_type="application/octet-stream")
    except zipfile.BadZipFile as error:
        raise XnatError(415, str(error)) from error
    except KeyError:
        return None


def read_folder(call: Call) -> Response:
    """``GET .../DIR[/path]``: what really lies in the folder of a session (``DIRResource``)."""
    if call.user.is_guest:
        raise XnatError(401)
    with translated():
        with call.context.store.read() as db:
            target = resolve(db, call.user, call.params, reading=True)
        if not target.experiments:
            raise XnatError(404)
        experiment = target.experiments[0]
        session = call.context.archive / session_folder(experiment)
        if not session.is_dir():
            raise XnatError(404, "Session directory doesn't exist in standard location for this experiment.")
        return _folder(call, experiment, session)


def _folder(call: Call, experiment: sqlite3.Row, session: Path) -> Response:
    places = matches(session, file_path(call.tail))
    if not places:
        raise XnatError(404, "Specified request didn't match any stored files.")
    if len(places) == 1 and not places[0].is_dir():
        return file_response(places[0], call.request.headers, head=call.method == "HEAD")
    listed = list(listing(places, recursive=call.query.flag("recursive")))
    kind = bundle_of(call.query.get("format"))
    if kind is not None:
        packed = [
            Packed(f"{session.name}/{item.path.relative_to(session).as_posix()}", item.path)
            for item in listed
            if item.path.is_file()
        ]
        return bundle_response(kind, packed, session.name, call.query)
    rows = [row(item, session, experiment["id"]) for item in listed]
    return file_table(rows, DIR_COLUMNS, call.query.get("format"))
