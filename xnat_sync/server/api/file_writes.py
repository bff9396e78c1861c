"""PUT, POST and DELETE of files, and the refresh of catalogs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from xnat_sync.server.api.file_calls import demand, may, scene_for_writing, translated
from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.catalog_rows import file_path
from xnat_sync.server.files.description import description_of
from xnat_sync.server.files.events import begin_event
from xnat_sync.server.files.incoming import SpooledFile, StreamedFile
from xnat_sync.server.files.refresh import find_refreshed, operations_of, refresh
from xnat_sync.server.files.removal import Removal, remove_files
from xnat_sync.server.files.resource_records import find_place
from xnat_sync.server.files.upload import Upload, Wish
from xnat_sync.server.http.bodies import run_with_body
from xnat_sync.server.http.body_rules import BodyForm, body_facts, body_form, nothing_found
from xnat_sync.server.http.multipart import SPOOL, spooled_parts
from xnat_sync.server.identity.permissions import Right

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.server.files.incoming import Incoming
    from xnat_sync.server.http.body_rules import BodyFacts
    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.resolve import Target
    from xnat_sync.server.storage.archive import Readable

_SUCCESS: Final = "text/plain;charset=ISO-8859-1"
_ALIVE: Final = frozenset({"active", "quarantine"})


@dataclass(frozen=True, slots=True)
class _Reception:
    """An upload that is ready to read its body."""

    call: Call
    upload: Upload
    wish: Wish
    facts: BodyFacts

    def receive(self, body: Readable) -> list[str]:
        """Reads and stores; returns the duplicates."""
        with translated():
            if body_form(self.facts) is BodyForm.MULTIPART:
                return self._receive_form(body)
            name = self.wish.path or self.facts.default_name
            return self.upload.run([StreamedFile(name, self.facts.length, body)])

    def _receive_form(self, body: Readable) -> list[str]:
        """The whole form is spooled before the catalog is read: the window for conflicts is short."""
        content_type = self.call.request.headers["content-type"]
        with spooled_parts(content_type, body, self.call.context.cache / SPOOL) as parts:
            files: Sequence[Incoming] = [SpooledFile(part) for part in parts]
            if not files:
                raise XnatError(400, nothing_found(self.facts))
            return self.upload.run(files)


async def write_files(call: Call) -> Response:
    """``PUT`` and ``POST .../files[/path]`` are one: 200 whether created, replaced, refused silently or duplicate."""
    reception = await run_in_threadpool(_prepare, call)
    if reception is None:
        return Response(status_code=200)  # no right to edit: XNAT does nothing and says nothing, not even a type
    body_form(reception.facts)
    with translated():
        duplicates = await run_with_body(call.request, reception.receive)
    if duplicates:
        text = json.dumps({"duplicates": duplicates}, ensure_ascii=False, separators=(",", ":"))
        return Response(text, media_type="text/html")
    return Response(b"", headers={"Content-Type": _SUCCESS})


def _prepare(call: Call) -> _Reception | None:
    """Steps 1 and 2: the objects and the right; ``None`` without the right to edit."""
    with translated():
        scene = scene_for_writing(call)
        if not may(call, scene.target, Right.EDIT):
            return None
        if "reference" in call.query:
            raise XnatError(500, f"The resource referenced does not exist: {call.query.get('reference')}")
        update_stats = _updates_stats(call)
        event = begin_event(call.context, call.user, call.query, "Uploaded File", kept=update_stats)
        wish = Wish(
            url=call.path,
            path=file_path(call.tail),
            label=scene.ids[0] if scene.ids else "",
            overwrite=call.query.flag("overwrite"),
            extract=call.query.flag("extract"),
            update_stats=update_stats,
            about=description_of(call.query),
        )
        resource = scene.resources[0] if scene.resources else None
        timestamp = call.context.clock().strftime("%Y%m%d_%H%M%S")
        with call.context.store.read() as db:
            place = find_place(db, scene.target, resource, wish.label, timestamp)
        facts = body_facts(call.method, call.request.headers, in_body=call.query.flag("inbody"))
        return _Reception(call, Upload(call.context, place, wish, event), wish, facts)


def _updates_stats(call: Call) -> bool:
    """On unless given; given, only ``true`` and ``1`` mean yes."""
    value = call.query.get("update-stats")
    return value is None or not value.strip() or value.strip().lower() in {"true", "1"}


def delete_files(call: Call) -> Response:
    """``DELETE .../files/path``: everything whose path begins so (``FileList.handleDelete``)."""
    with translated():
        scene = scene_for_writing(call)
        if not scene.resources:
            raise XnatError(400, "Unable to determine resource, parent, or security.")
        demand(call, scene.target, Right.DELETE)
        _demand_alive(scene.target)
        removal = Removal(
            target=scene.target,
            resource=scene.resources[0],
            event=begin_event(call.context, call.user, call.query, "Removed File"),
            path=file_path(call.tail),
            keeps_files=not call.query.flag("removeFiles", blank=True, default=True),
            url=call.path,
        )
        if remove_files(call.context, removal) == 0:
            if call.query.flag("accept-not-found"):
                return Response(status_code=204)
            raise XnatError(404, "No matched files")
    return Response(b"", headers={"Content-Type": _SUCCESS})


def _demand_alive(target: Target) -> None:
    if target.security is None or target.security["status"] not in _ALIVE:
        raise XnatError(403, "Item locked or is not active and not quarantined")


def refresh_catalogs(call: Call) -> Response:
    """``POST /services/refresh/catalog?resource=…&options=…``: 200 empty (``RefreshCatalog``)."""
    uris = call.query.all("resource")
    names = [name for value in call.query.all("options") for name in value.split(",")]
    names += [name for name in ("checksum", "delete", "append", "populateStats") if call.query.flag(name)]
    return _refresh(call, uris, names)


def refresh_catalogs_by_list(call: Call, body: bytes) -> Response:
    """``PUT /xapi/archive/catalogs/refresh[/Operation]`` with a JSON list of URIs (``CatalogApi``)."""
    try:
        uris = json.loads(body)
    except ValueError as error:
        raise XnatError(400) from error
    if not isinstance(uris, list) or not all(isinstance(uri, str) for uri in uris):
        raise XnatError(400)
    operation = call.path.rstrip("/").rpartition("/")[2]
    names = [] if operation.lower() in {"refresh", "all"} else operation.split(",")
    return _refresh(call, uris, names)


def _refresh(call: Call, uris: Sequence[str], names: Sequence[str]) -> Response:
    if not uris:
        raise XnatError(400)
    operations = operations_of(names, checksums=call.context.preferences.is_on("checksums"))
    with translated():
        found = [find_refreshed(call.context, call.user, uri) for uri in uris]
        for part in found:
            event = begin_event(call.context, call.user, call.query, "Catalog(s) Refreshed")
            refresh(call.context, part, operations, event)
    return Response(b"", headers={"Content-Type": _SUCCESS})
