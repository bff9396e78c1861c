"""The rows of the route table for resources and files (``XNATApplication``, lines on resources and files)."""

from __future__ import annotations

from typing import Final

from xnat_sync.server.api.file_reads import read_files, read_folder
from xnat_sync.server.api.file_writes import delete_files, refresh_catalogs, refresh_catalogs_by_list, write_files
from xnat_sync.server.api.resources import delete_resource, list_resources, post_resource, put_resource, read_catalog
from xnat_sync.server.http.routing import Route, blocking, with_body

_SESSIONS: Final = ("/experiments/{session}", "/projects/{project}/subjects/{subject}/experiments/{session}")
_PARTS: Final = (
    "scans/{scan}",
    "assessors/{assessor}",
    "assessors/{assessor}/{type}",
    "reconstructions/{reconstruction}",
    "reconstructions/{reconstruction}/{type}",
)
_OWNERS: Final = (
    "/projects/{project}",
    "/projects/{project}/subjects/{subject}",
    "/subjects/{subject}",
    "/experiments/{experiment}",
    "/projects/{project}/subjects/{subject}/experiments/{experiment}",
    *(f"{session}/{part}" for session in _SESSIONS for part in _PARTS),
)
# By label without a subject there are resources and the folder, but no short form ``/files`` and no scans.
_SHORT: Final = "/projects/{project}/experiments/{experiment}"
_EXPERIMENTS: Final = (
    "/experiments/{experiment}",
    "/projects/{project}/subjects/{subject}/experiments/{experiment}",
    _SHORT,
)
_OPERATIONS: Final = ("", "/Append", "/Checksum", "/Delete", "/PopulateStats", "/All")


def _file_rows(template: str) -> tuple[Route, ...]:
    return (
        Route("GET", template, blocking(read_files), "FileList.represent, CatalogUtils.getEntryDetails"),
        Route("PUT", template, write_files, "FileList.handlePut, ResourceModifierA.addFile"),
        Route("POST", template, write_files, "FileList.handlePost, ResourceModifierA.addFile"),
        Route("DELETE", template, blocking(delete_files), "FileList.handleDelete, CatalogUtils"),
    )


def _resource_rows(owner: str) -> tuple[Route, ...]:
    everything, one = f"{owner}/resources", f"{owner}/resources/{{resource}}"
    return (
        Route("GET", everything, blocking(list_resources), "CatalogResourceList, TestFileUpload.testMRResources"),
        Route("POST", everything, with_body(post_resource), "CatalogResourceList.handlePost"),
        Route("GET", one, blocking(read_catalog), "CatalogResource.represent"),
        Route("PUT", one, with_body(put_resource), "CatalogResource.handlePut, DefaultCatalogService"),
        Route("POST", one, with_body(put_resource), "CatalogResource.handlePost, DefaultCatalogService"),
        Route("DELETE", one, blocking(delete_resource), "CatalogResource.handleDelete"),
        *_file_rows(f"{one}/files"),
    )


ROUTES: Final[list[Route]] = [
    *(row for owner in (*_OWNERS, _SHORT) for row in _resource_rows(owner)),
    *(row for owner in _OWNERS for row in _file_rows(f"{owner}/files")),
    *(Route("GET", f"{template}/DIR", blocking(read_folder), "DIRResource") for template in _EXPERIMENTS),
    Route("POST", "/services/refresh/catalog", blocking(refresh_catalogs), "RefreshCatalog", archive=False),
    *(
        Route("PUT", f"/xapi/archive/catalogs/refresh{operation}", with_body(refresh_catalogs_by_list), "CatalogApi")
        for operation in _OPERATIONS
    ),
]
"""Everything about resources and files that the server answers."""
