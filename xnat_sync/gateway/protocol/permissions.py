"""What XNAT tells an account about its own rights, read with care: what it does not say for certain is unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import UnexpectedReply
from xnat_sync.core.model.permissions import COLLABORATOR, MEMBER, OUTSIDER, OWNER, UNKNOWN, Rights
from xnat_sync.gateway.protocol import codec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.gateway.protocol.replies import Reply

# The groups that every project has; any other group of a project may hold any right (`UserGroupManager`).
_ROLES = (("_owner", OWNER), ("_member", MEMBER), ("_collaborator", COLLABORATOR))
_ADMINISTRATOR = "Administrator"
_DATA_ADMINISTRATORS = "ALL_DATA_ADMIN"
_MOST = 8 << 20


def names_in(reply: Reply) -> frozenset[str] | None:
    """The texts of a JSON list (`UsersApi`: an account's groups, or its roles); ``None`` if the answer is none."""
    if not reply.ok or len(reply.text) > _MOST:
        return None
    try:
        found = json.loads(reply.text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        return None
    return frozenset(found)


def members_in(reply: Reply, user: str) -> frozenset[str] | None:
    """The groups that a project's list of users (`ProjectUserListResource`) has for an account, ``None`` if none."""
    if not reply.ok:
        return None
    try:
        rows = codec.decode_rows(reply.text)
    except UnexpectedReply:
        return None
    return frozenset(str(row.get("GROUP_ID", "")) for row in rows if row.get("login") == user) or None


def is_administrator(groups: Iterable[str] | None, roles: Iterable[str] | None) -> bool:
    """Whether an account may do everything everywhere."""
    return _DATA_ADMINISTRATORS in (groups or ()) or _ADMINISTRATOR in (roles or ())


def rights_of_groups(project: str, groups: Iterable[str]) -> Rights | None:
    """The rights by a project's own groups, the largest first; ``None`` if no group is the project's."""
    own = {group for group in groups if group.startswith(f"{project}_")}
    for suffix, rights in _ROLES:
        if project + suffix in own:
            others = own - {project + known for known, _ in _ROLES}
            return UNKNOWN if others and rights is not OWNER else rights
    return UNKNOWN if own else None


def rights_without_group(roles: Iterable[str] | None) -> Rights:
    """The rights of an account that is in none of the project's groups and no administrator."""
    return UNKNOWN if roles is None else OUTSIDER
