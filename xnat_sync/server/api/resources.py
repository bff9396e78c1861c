"""Handlers of resources: list, create, catalog document, delete (``CatalogResource``, ``CatalogResourceList``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from starlette.responses import Response

from xnat_sync.server.api.file_calls import demand, refuse_raw, scene_for_reading, scene_for_writing, translated
from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.catalog_rows import context_uri
from xnat_sync.server.files.description import Description, description_of
from xnat_sync.server.files.events import begin_event
from xnat_sync.server.files.resource_records import create_resource, delete_resources
from xnat_sync.server.files.resources import COLUMNS, ELEMENT, find_resources, requested_ids
from xnat_sync.server.identity.permissions import Right
from xnat_sync.server.objects.resolve import escaped, resolve
from xnat_sync.server.responses.tables import demand_acceptable, resource_table
from xnat_sync.server.storage.catalog import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.server.http.routing import Call

_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
_XML_TYPES: Final = frozenset({"text/xml", "application/xml"})
_SOME_FAILED: Final = "Deleted resources as requested, but the following resources failed somehow: "
_NO_PATHS: Final = (
    "This resource works at the catalog level only and does not accept file paths.  To work with the resource files, "
    "append '/files' after the resource ID."
)


def list_resources(call: Call) -> Response:
    """``GET .../resources``: the rows of all resources of what the URL names."""
    demand_acceptable(call.request.headers.get("accept"))
    with translated():
        scene = scene_for_reading(call, lost_part=404)
    rows = [resource.columns() for resource in scene.resources]
    return resource_table(rows, COLUMNS, call.query.get("format"))


def read_catalog(call: Call) -> Response:
    """``GET .../resources/LABEL``: its catalog as XML, whatever ``format=`` says; 404 unless it is exactly one."""
    _refuse_path(call)
    with translated():
        refuse_raw(call)
        with call.context.store.read() as db:
            target = resolve(db, call.user, call.params, reading=True)
            found = find_resources(db, call.user, target, requested_ids(call.params["resource"]))
        if len(found) != 1:
            raise XnatError(404, "Unable to find the specified catalog.")
        path = call.context.archive / found[0].catalog
        location = str(path.parent) if call.query.flag("includeRootPath") else None
        document = render(call.context.catalogs.read(path).catalog, location=location)
    return Response(document, media_type="text/xml")


def put_resource(call: Call, body: bytes) -> Response:
    """``PUT``/``POST .../resources/LABEL``: 200 for a new one, 409 for one that exists; both without a body."""
    _refuse_path(call)
    with translated():
        scene = scene_for_writing(call)
        demand(call, scene.target, Right.EDIT)
        if scene.resources:
            raise XnatError(409, "Specified resource already exists.")
        if not scene.ids:
            raise XnatError(400)
        about, _ = _described(call, body)
        event = begin_event(call.context, call.user, call.query, "Created resource")
        create_resource(call.context, scene.target, scene.ids[0], about, event)
    return Response(b"", headers={"Content-Type": "text/plain"})


def post_resource(call: Call, body: bytes) -> Response:
    """``POST .../resources``: the label is in the item; nothing looks for one of the same label."""
    with translated():
        scene = scene_for_writing(call)
        demand(call, scene.target, Right.EDIT)
        about, label = _described(call, body)
        event = begin_event(call.context, call.user, call.query, "Created resource")
        number = create_resource(call.context, scene.target, label, about, event)
    uri = f"{context_uri(scene.target)}/resources/{number}"
    return Response(uri, media_type="text/plain", headers={"Location": uri})


def delete_resource(call: Call) -> Response:
    """``DELETE .../resources/L[,M]``: 200 also when there is nothing to delete; 207 or 500 for those that stay."""
    _refuse_path(call)
    with translated():
        scene = scene_for_writing(call)
        demand(call, scene.target, Right.DELETE)
        if scene.resources:
            event = begin_event(call.context, call.user, call.query, "Removed Catalog")
            failed = delete_resources(call.context, scene.target, scene.resources, event)
            names = ", ".join(resource.label or str(resource.id) for resource in failed)
            if len(failed) == len(scene.resources):
                raise XnatError(500, f"Deletion failed for all resources: {names}")
            if failed:
                raise XnatError(207, f"{_SOME_FAILED}{names}")
    return Response(b"", headers={"Content-Type": "text/plain"})


def _refuse_path(call: Call) -> None:
    if call.tail.strip("/"):
        raise XnatError(400, _NO_PATHS)


def _described(call: Call, body: bytes) -> tuple[Description, str]:
    """Attributes and label from the query, which wins, and from an XML body; 422 for another type than a catalog's."""
    if (call.query.get("xsiType") or ELEMENT) != ELEMENT:
        raise XnatError(422)
    item = _item(call, body)
    said = description_of(call.query)
    about = Description(
        format=said.format if said.format is not None else item.get("format"),
        content=said.content if said.content is not None else item.get("content"),
        description=said.description if said.description is not None else item.get("description"),
        tags=said.tags,
        fields=said.fields,
    )
    label = call.query.get(f"{ELEMENT}/label")
    return about, escaped(label) if label is not None else item.get("label", "")


def _item(call: Call, body: bytes) -> Mapping[str, str]:
    """The attributes of an XML document of type ``xnat:resourceCatalog``."""
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body.strip() or media_type not in _XML_TYPES:
        return {}
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds the growth of entities
    except ElementTree.ParseError as error:
        raise XnatError(422, str(error)) from error
    name = root.get(_INSTANCE) or f"xnat:{root.tag.rpartition('}')[2]}"
    if name.lower() != ELEMENT.lower():
        raise XnatError(422)
    if root.get("xnat_abstractresource_id") is not None:
        raise XnatError(409, "Specified resource already exists.")
    return dict(root.attrib)
