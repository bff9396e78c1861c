"""The whole route table: every part's rows in one tuple."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.accountroutes import ROUTES as ACCOUNTS
from xnat_sync.server.authroutes import ROUTES as AUTH
from xnat_sync.server.fileroutes import ROUTES as FILES
from xnat_sync.server.listroutes import ROUTES as LISTS
from xnat_sync.server.objectroutes import ROUTES as OBJECTS
from xnat_sync.server.partlists import ROUTES as PART_LISTS
from xnat_sync.server.partroutes import ROUTES as PARTS
from xnat_sync.server.projectroutes import ROUTES as PROJECTS
from xnat_sync.server.savedsearches import ROUTES as SEARCHES
from xnat_sync.server.site import ROUTES as SITE
from xnat_sync.server.usercache import ROUTES as CACHE
from xnat_sync.server.userroutes import ROUTES as USERS

if TYPE_CHECKING:
    from xnat_sync.server.routing import Route


def all_routes() -> tuple[Route, ...]:
    """Every route of the server, each with its source."""
    objects = (*PROJECTS, *OBJECTS, *PARTS, *LISTS, *PART_LISTS, *SEARCHES)
    return (*AUTH, *ACCOUNTS, *USERS, *SITE, *objects, *CACHE, *FILES)
