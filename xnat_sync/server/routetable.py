"""The whole route table: every part's rows in one tuple."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from xnat_sync.server.authroutes import ROUTES as AUTH_ROUTES

if TYPE_CHECKING:
    from xnat_sync.server.routing import Route


def all_routes() -> tuple[Route, ...]:
    """Every route of the server, each with its source."""
    file_routes: list[Route] = []
    if importlib.util.find_spec("xnat_sync.server.fileroutes") is not None:
        module = importlib.import_module("xnat_sync.server.fileroutes")
        file_routes = module.ROUTES
    return (*AUTH_ROUTES, *file_routes)
