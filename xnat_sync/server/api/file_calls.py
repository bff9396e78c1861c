"""What every handler of resources and files does first and last: find the target, turn failures into answers."""

from __future__ import annotations

import errno
import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.files.extract import ArchiveError, ArchiveRefusedError
from xnat_sync.server.files.resources import find_by_number, find_resources, requested_ids
from xnat_sync.server.http.bodies import BodyAbortedError
from xnat_sync.server.http.multipart import FormError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.resolve import resolve
from xnat_sync.server.storage.archive import UnsafeNameError
from xnat_sync.server.storage.catalog import CatalogChangedError, CatalogUnreadableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.files.resources import Resource
    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.resolve import Target

NO_RIGHT: Final = "User account doesn't have permission to modify this session."
# What Tomcat refuses in a request line when it is not percent-encoded.
_RAW: Final = re.compile(r'[^\x21-\x7e]|["<>\[\]^`{}|]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a request is about: the target, the resource tokens of the URL, and the resources found for them."""

    target: Target
    ids: tuple[str, ...]
    resources: tuple[Resource, ...]


@contextmanager
def translated() -> Iterator[None]:
    """Turns what the services raise into XNAT's statuses and texts (files that fail half-way included)."""
    try:
        yield
    except (UnsafeNameError, ArchiveRefusedError) as error:
        raise XnatError(400, str(error)) from error
    except (ArchiveError, CatalogChangedError, CatalogUnreadableError, FormError) as error:
        raise XnatError(500, str(error) or None) from error
    except BodyAbortedError as error:
        raise XnatError(500) from error  # nobody is there to read it
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise XnatError(400, error.strerror) from error
        raise XnatError(500, error.strerror) from error


def refuse_raw(call: Call) -> None:
    """400 for characters that a client must percent-encode (Tomcat's ``HttpParser``)."""
    if _RAW.search(call.path):
        raise XnatError(400)


def scene_for_reading(call: Call, *, lost_part: int) -> Scene:
    """The target and its resources; a number finds its resource also below the wrong parent (``FileList``)."""
    refuse_raw(call)
    ids = requested_ids(call.params.get("resource"))
    with call.context.store.read() as db:
        target = resolve(db, call.user, call.params, reading=True, lost_part=lost_part)
        found = find_resources(db, call.user, target, ids, everything=call.query.flag("all"))
        known = {resource.id for resource in found}
        found += [resource for resource in find_by_number(db, call.user, ids) if resource.id not in known]
    return Scene(target=target, ids=ids, resources=tuple(found))


def scene_for_writing(call: Call) -> Scene:
    """Exactly one object, and those of its resources that the URL names; 404 otherwise."""
    refuse_raw(call)
    ids = requested_ids(call.params.get("resource"))
    with call.context.store.read() as db:
        target = resolve(db, call.user, call.params, reading=False)
        found = find_resources(db, call.user, target, ids)
    return Scene(target=target, ids=ids, resources=tuple(found))


def may(call: Call, target: Target, right: Right) -> bool:
    """Whether the caller holds the right on the object that decides."""
    security = target.security
    if security is None:
        return False
    with call.context.store.read() as db:
        return can(db, call.user, security, right)


def demand(call: Call, target: Target, right: Right) -> None:
    """403 without the right."""
    if not may(call, target, right):
        raise XnatError(403, NO_RIGHT)
