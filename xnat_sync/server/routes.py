"""The whole route table: every part's rows in one tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.api.accounts import ROUTES as ACCOUNTS
from xnat_sync.server.api.files import ROUTES as FILES
from xnat_sync.server.api.lists import ROUTES as LISTS
from xnat_sync.server.api.login import ROUTES as AUTH
from xnat_sync.server.api.members import ROUTES as USERS
from xnat_sync.server.api.objects import ROUTES as OBJECTS
from xnat_sync.server.api.part_lists import ROUTES as PART_LISTS
from xnat_sync.server.api.parts import ROUTES as PARTS
from xnat_sync.server.api.projects import ROUTES as PROJECTS
from xnat_sync.server.api.saved_searches import ROUTES as SEARCHES
from xnat_sync.server.api.site import ROUTES as SITE
from xnat_sync.server.api.user_cache import ROUTES as CACHE

if TYPE_CHECKING:
    from xnat_sync.server.http.routing import Route


def all_routes() -> tuple[Route, ...]:
    """Every route of the server, each with its source."""
    objects = (*PROJECTS, *OBJECTS, *PARTS, *LISTS, *PART_LISTS, *SEARCHES)
    return (*AUTH, *ACCOUNTS, *USERS, *SITE, *objects, *CACHE, *FILES)
