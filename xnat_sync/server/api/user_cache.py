"""A user's own files in the cache, and moving them into the archive (``UserCacheResource``, ``MoveFiles``).

No catalog, no database row, any size. The quirks of the release that was read are kept: ``POST`` to ``/files`` is
refused, a file name on ``GET`` still lists the folder, and deleting one file deletes the whole folder.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool

from xnat_sync.server.api.file_calls import translated
from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.catalog_rows import file_path
from xnat_sync.server.files.description import Description
from xnat_sync.server.files.events import begin_event
from xnat_sync.server.files.extract import Format, format_of, members
from xnat_sync.server.files.incoming import SpooledFile
from xnat_sync.server.files.refresh import params_of
from xnat_sync.server.files.resource_records import find_place
from xnat_sync.server.files.resources import find_resources, requested_ids
from xnat_sync.server.files.upload import Upload, Wish
from xnat_sync.server.http.bodies import run_with_body
from xnat_sync.server.http.multipart import SPOOL, Part, spooled_parts
from xnat_sync.server.http.routing import Route, blocking
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.resolve import resolve
from xnat_sync.server.responses.render import empty_response, simple_table, table_response
from xnat_sync.server.storage.archive import Folder, Written, md5_of, safe_path, safe_segment, walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.responses import Response

    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.storage.archive import Readable

_PREFIX: Final = "/user/cache/resources/"
_FORM: Final = "multipart/form-data"
_NOT_ONE: Final = "Please use HTTP PUT request to specify a file name in the URL."


def _home(call: Call) -> Path:
    """The caller's folder; 403 for a guest, who has none."""
    if call.user.is_guest:
        raise XnatError(403)
    with call.context.store.read() as db:
        number = db.execute("SELECT id FROM user WHERE login = ?", (call.user.login,)).fetchone()["id"]
    return call.context.cache / "USERS" / str(number)


def _folder(call: Call) -> Path:
    return _home(call) / safe_segment(call.params["X"])


def list_folders(call: Call) -> Response:
    """The folders of the caller (columns inferred)."""
    home = _home(call)
    names = sorted(path.name for path in home.iterdir()) if home.is_dir() else []
    rows = [{"Resource": name, "URI": f"/data{_PREFIX}{name}"} for name in names]
    return table_response(call, simple_table(("Resource", "URI"), rows))


def list_files(call: Call) -> Response:
    """The files of a folder, also when the URL names one of them."""
    with translated():
        folder = _folder(call)
    if not folder.is_dir():
        raise XnatError(404)
    uri = f"/data{_PREFIX}{folder.name}/files/"
    rows = [{"Name": file.name, "Size": str(file.stat().st_size), "URI": uri + path} for path, file in walk(folder)]
    return table_response(call, simple_table(("Name", "Size", "URI"), rows))


async def put_file(call: Call) -> Response:
    """Stores a body, or the one file of a form, under the name in the URL: 200, whatever was there before."""
    with translated():
        folder = await run_in_threadpool(_folder, call)
        name = safe_path(file_path(call.tail))
        await run_with_body(call.request, lambda body: _receive(call, Folder(folder / "none"), name, body))
    return empty_response()


def _receive(call: Call, folder: Folder, name: str, body: Readable) -> None:
    content_type = call.request.headers.get("content-type", "")
    with translated():
        if not content_type.lower().startswith(_FORM) or call.query.flag("inbody"):
            _store(call, folder, name, body)
            return
        with spooled_parts(content_type, body, call.context.cache / SPOOL) as parts:
            if not parts:
                raise XnatError(400)
            with parts[0].path.open("rb") as content:
                _store(call, folder, name, content)


def _store(call: Call, folder: Folder, name: str, content: Readable) -> None:
    """``extract=true`` unpacks tars and gzips here, and leaves zips alone: their extension is compared with a dot."""
    kind = format_of(name) if call.query.flag("extract") else None
    if kind is None or kind is Format.ZIP:
        folder.write(name, content)
        return
    for member in members(kind, name, content, length=None):
        if member.is_folder:
            folder.make_folder(member.path)
        else:
            folder.write(member.path, member.content)


def put_folder(call: Call) -> Response:
    """A new folder."""
    with translated():
        _folder(call).mkdir(parents=True, exist_ok=True)
    return empty_response()


def refuse_post(call: Call) -> Response:
    """What the inverted flag of that release makes of a ``POST`` without a name."""
    del call
    raise XnatError(400, _NOT_ONE)


def delete_folder(call: Call) -> Response:
    """The whole folder goes, also when the URL names one of its files."""
    with translated():
        folder = _folder(call)
        if not folder.is_dir():
            raise XnatError(404)
        shutil.rmtree(folder)
    return empty_response()


def move_files(call: Call) -> Response:
    """Pairs of a cached file and its place in the archive, one upload each, until one fails: 200 and nothing.

    ``overwrite=true`` also unpacks (the flag is passed twice); duplicates are not reported.
    """
    pairs = list(_pairs(call))
    if not pairs:
        raise XnatError(400)
    for source, target in pairs:
        with translated():
            _move(call, source, target)
    return empty_response()


def _pairs(call: Call) -> Iterator[tuple[str, str]]:
    source, target = call.query.get("src"), call.query.get("dest")
    if source and target:
        yield source, target
    yield from ((name, value) for name, value in call.query.pairs() if name.startswith("/user/"))


def _move(call: Call, source: str, target: str) -> None:
    owner, slash, name = target.partition("/files/")
    if not slash or "/resources/" not in owner:
        raise XnatError(400, f"Invalid URI: {target}")
    file = _cached(call, source)
    params = params_of(owner)
    ids = requested_ids(params.get("resource"))
    with call.context.store.read() as db:
        found = resolve(db, call.user, params, reading=False)
        if found.security is None or not can(db, call.user, found.security, Right.EDIT):
            raise XnatError(403)
        resources = find_resources(db, call.user, found, ids)
        place = find_place(db, found, resources[0] if resources else None, ids[0], "")
    overwrite = call.query.flag("overwrite")
    wish = Wish(
        url=target,
        path=name,
        label=ids[0],
        overwrite=overwrite,
        extract=overwrite,
        update_stats=True,
        about=Description(),
    )
    event = begin_event(call.context, call.user, call.query, "Uploaded File")
    part = Part(file.name, file, Written(file.stat().st_size, md5_of(file)))
    Upload(call.context, place, wish, event).run([SpooledFile(part)])


def _cached(call: Call, source: str) -> Path:
    """A file of the caller's; folders are an error of that release, and nobody else's can be named."""
    label, slash, name = source.removeprefix("/data").removeprefix(_PREFIX).partition("/files/")
    if not source.removeprefix("/data").startswith(_PREFIX):
        raise XnatError(400, f"Invalid URI: {source}")
    home = _home(call) / safe_segment(label)
    file = Folder(home / "none").file(name) if slash and name else home
    if file.is_dir():
        raise XnatError(500)
    if not file.is_file():
        raise XnatError(404)
    return file


_CACHE: Final = "UserCacheResource (details inferred)"
ROUTES: Final = [
    Route("GET", "/user/cache/resources", blocking(list_folders), _CACHE, archive=False),
    Route("GET", "/user/cache/resources/{X}", blocking(list_files), _CACHE, archive=False),
    Route("PUT", "/user/cache/resources/{X}", blocking(put_folder), _CACHE, archive=False),
    Route("DELETE", "/user/cache/resources/{X}", blocking(delete_folder), _CACHE, archive=False),
    Route("GET", "/user/cache/resources/{X}/files", blocking(list_files), _CACHE, archive=False),
    Route("PUT", "/user/cache/resources/{X}/files", put_file, _CACHE + "; TestImport", archive=False),
    Route("POST", "/user/cache/resources/{X}/files", blocking(refuse_post), _CACHE, archive=False),
    Route("DELETE", "/user/cache/resources/{X}/files", blocking(delete_folder), _CACHE, archive=False),
    Route("POST", "/services/move-files", blocking(move_files), "MoveFiles (statuses inferred)", archive=False),
]
"""What the server answers about a user's cache."""
