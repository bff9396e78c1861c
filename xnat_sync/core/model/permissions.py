"""What an account may do in a project, and which changes of a plan it may not.

XNAT's groups decide (`init_project_group_functions.sql`): an owner may everything; a member may create and change data,
but neither delete nor touch the project itself and its own resources; a collaborator only reads. Without the right some
requests are refused, and others answered with 200 and not carried out, after hours of sending.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Lack
from xnat_sync.core.model.refs import Level

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.changes import Change, Plan
    from xnat_sync.core.model.refs import Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What an account may do in one project; ``None`` is *unknown*, which is never held against anybody.

    ``data`` are subjects, sessions, scans and their files; ``project`` is the project's record with its own resources.
    """

    user: str = ""
    role: str = ""
    write_data: bool | None = None
    delete_data: bool | None = None
    write_project: bool | None = None
    create_project: bool | None = None


UNKNOWN = Rights()
ALL = Rights(role="administrator", write_data=True, delete_data=True, write_project=True, create_project=True)
OWNER = Rights(role="owner", write_data=True, delete_data=True, write_project=True)
MEMBER = Rights(role="member", write_data=True, delete_data=False, write_project=False)
COLLABORATOR = Rights(role="collaborator", write_data=False, delete_data=False, write_project=False)
OUTSIDER = Rights(role="no member", write_data=False, delete_data=False, write_project=False)


def lacks(plan: Plan, rights: Rights) -> tuple[Lack, ...]:
    """Which rights for the changes of a plan are missing for certain. Who creates a project will own it."""
    project, user = plan.project, rights.user or "this account"
    made = [change.ref for change in plan.of(Action.CREATE) if change.ref.level is Level.PROJECT]
    if made:
        if rights.create_project is not False:
            return ()
        summary = f"{user} may not create projects on this server"
        remedy = f"ask an administrator to create project {project} and to make {user} an owner of it"
        return (Lack(summary=summary, remedy=remedy, refs=tuple(made)),)
    who = f"{user} is {_role(rights)} of project {project} and may not"
    needs = (
        (rights.write_data, "change its data", "a member or owner", _data_writes(plan)),
        (rights.write_project, "change the project itself or its own resources", "an owner", _project_changes(plan)),
        (rights.delete_data, "delete", "an owner", _data_deletes(plan)),
    )
    return tuple(
        Lack(summary=f"{who} {what}", remedy=f"ask an owner of {project} to make {user} {role} of it", refs=refs)
        for allowed, what, role, refs in needs
        if allowed is False and refs
    )


def _role(rights: Rights) -> str:
    return rights.role if rights.role.startswith("no ") else f"a {rights.role}"


def _data_writes(plan: Plan) -> tuple[Ref, ...]:
    return _refs(change for change in _effective(plan) if _is_data(change) and change.action is not Action.DELETE)


def _data_deletes(plan: Plan) -> tuple[Ref, ...]:
    return _refs(change for change in plan.of(Action.DELETE) if _is_data(change))


def _project_changes(plan: Plan) -> tuple[Ref, ...]:
    return _refs(change for change in _effective(plan) if not _is_data(change))


def _effective(plan: Plan) -> Iterable[Change]:
    return (change for change in plan.changes if change.action is not Action.CONFLICT)


def _is_data(change: Change) -> bool:
    return change.ref.at(Level.SUBJECT) is not None


def _refs(changes: Iterable[Change]) -> tuple[Ref, ...]:
    return tuple(change.ref for change in changes)
