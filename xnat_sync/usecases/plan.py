"""Compare a study with the server, and make the difference fit to be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.planning.planner import files_to_hash, make_plan
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.guards.plan_checks import with_lacks
from xnat_sync.usecases.options import Options, read_server, selected, with_digests

if TYPE_CHECKING:
    from xnat_sync.core.model.changes import Plan
    from xnat_sync.gateway.port import GatewayFactory
    from xnat_sync.manifest.load import Loaded


def plan(
    loaded: Loaded, connect: GatewayFactory, policy: SyncPolicy | None = None, options: Options | None = None
) -> Plan:
    """The difference between a study and the server. Cannot write: the gateways it uses have no such methods.

    Raises:
        GatewayError: the server could not be read completely.
        LocalFileError: a file that has to be hashed is gone or changes meanwhile.
        UsageError: a pattern of ``policy.only`` names nothing of the study.

    """
    policy, options = policy or SyncPolicy(), options or Options()
    wanted = selected(loaded.desired, policy)
    remote = read_server(loaded.project, wanted, connect, options, policy)
    desired = with_digests(wanted, files_to_hash(wanted, remote, policy), options)
    return with_lacks(make_plan(loaded.project, desired, remote, policy), lambda: ReadOnly(connect()))


def pin(difference: Plan, options: Options | None = None) -> Plan:
    """A plan that is fit to be stored, see `LocalBytes.pinned`."""
    return (options or Options()).bytes.pinned(difference)
