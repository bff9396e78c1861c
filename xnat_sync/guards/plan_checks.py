"""What forbids to carry a plan out, found before anything is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, Plan
from xnat_sync.core.model.errors import GatewayError, MissingRight, PlanConflict, TooManyDeletes, UnsafePlan
from xnat_sync.core.model.permissions import UNKNOWN, lacks

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.gateway.port import Reader

MOST_DELETES = 10


def with_lacks(difference: Plan, connect: Callable[[], Reader]) -> Plan:
    """A plan that says which rights the account lacks for it. What cannot be found out is held against nobody."""
    if all(change.action is Action.CONFLICT for change in difference.changes):
        return difference
    gateway = connect()
    try:
        rights = gateway.rights(difference.project)
    except GatewayError:
        rights = UNKNOWN
    finally:
        gateway.close()
    return replace(difference, lacks=lacks(difference, rights))


def check_safe(difference: Plan, *, allow_delete: bool, max_delete: int = MOST_DELETES) -> None:
    """Refuse a plan that must not be carried out.

    Raises:
        PlanConflict: the manifest and the server contradict each other.
        UnsafePlan: the plan deletes and nobody allowed it.
        TooManyDeletes: it deletes more than anybody would by intention.
        MissingRight: the account may not do all of it.

    """
    conflicts = difference.of(Action.CONFLICT)
    if conflicts:
        raise PlanConflict(
            "the manifest and the server contradict each other", refs=[change.ref for change in conflicts]
        )
    deletes = [change.ref for change in difference.of(Action.DELETE)]
    if deletes and not allow_delete:
        raise UnsafePlan("the plan deletes; say --allow-delete", refs=deletes)
    if len(deletes) > max_delete:
        raise TooManyDeletes(
            f"the plan deletes {len(deletes)} things, and --max-delete allows {max_delete};"
            f" if all of them are meant, say --max-delete {len(deletes)}",
            refs=deletes,
        )
    if difference.lacks:
        raise MissingRight(
            "; ".join(f"{lack.summary}: {lack.remedy}" for lack in difference.lacks),
            refs=[ref for lack in difference.lacks for ref in lack.refs],
        )
