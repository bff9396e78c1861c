"""How a use case runs, and what several of them begin with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.policy import DEFAULT_JOBS, SyncPolicy
from xnat_sync.core.planning.planner import files_to_read, idle_patterns, select
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool
from xnat_sync.engine.readback import with_read
from xnat_sync.engine.stop import Stop
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.guards.file_integrity import LocalBytes
from xnat_sync.guards.plan_checks import MOST_DELETES
from xnat_sync.local.cache.digest_cache import DigestCache, NoCache

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from xnat_sync.core.model.state import DesiredState, FileSpec, RemoteState
    from xnat_sync.gateway.port import GatewayFactory


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run: ``jobs`` at a time, told to a listener, until ``stop`` says otherwise.

    ``reason`` goes into XNAT's history with every write; without ``allow_delete`` a plan that deletes is refused, and
    with it one that deletes more than ``max_delete`` things. What is replaced or deleted is kept in ``backup`` first,
    if that is given; what cannot be kept is left alone.
    Digests go into ``cache``, and come out of it unless ``rehash`` asks to read every file anew.
    """

    jobs: int = DEFAULT_JOBS
    reason: str = "xnat-sync"
    allow_delete: bool = False
    max_delete: int = MOST_DELETES
    backup: Path | None = None
    listener: Listener = field(default_factory=Listener)
    stop: Stop = field(default_factory=Stop)
    cache: DigestCache = field(default_factory=NoCache)
    rehash: bool = False

    @property
    def bytes(self) -> LocalBytes:
        """The local files, read as these options say."""
        return LocalBytes(jobs=self.jobs, cache=self.cache, rehash=self.rehash, listener=self.listener)


def with_digests(desired: DesiredState, specs: Iterable[FileSpec], options: Options) -> DesiredState:
    """A desired state in which some files carry the digest of their bytes, see `LocalBytes.with_digests`."""
    return options.bytes.with_digests(desired, specs)


def selected(desired: DesiredState, policy: SyncPolicy) -> DesiredState:
    """Return the part of a study that ``policy.only`` names, all of it where there is no such pattern.

    Raises:
        UsageError: a pattern names nothing of the study.

    """
    idle = idle_patterns(desired, policy.only)
    if idle:
        raise UsageError(f"only {idle[0]!r}: nothing in the manifest has that name (SUBJECT[/SESSION[/SCAN…]])")
    return select(desired, policy.only)


def read_server(
    project: str, desired: DesiredState, connect: GatewayFactory, options: Options, policy: SyncPolicy
) -> RemoteState:
    """Return what the server holds of a desired state; files without a digest there are read back where it matters."""
    options.listener.reading("reading the server")
    with open_pool(lambda: ReadOnly(connect()), options.jobs) as pool:
        remote = observe(project, desired, pool, disk=policy.disk)
        unstated = files_to_read(desired, remote, policy)
        if not unstated:
            return remote
        options.listener.reading(f"reading {len(unstated)} files back, of which the server states no digest")
        return with_read(remote, unstated, pool)
