"""What the commands that talk to a server begin with: the study, how to compare, and which server answers."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from xnat_sync.cli.settings import Server, cache_folder, surroundings
from xnat_sync.core.model.errors import Severity
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.local.cache.inspection_cache import open_looks
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import load_study
from xnat_sync.views.plan import server_text
from xnat_sync.views.problems import problems_text

if TYPE_CHECKING:
    from xnat_sync import api
    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Apply, Comparison, MakePlan, Verify
    from xnat_sync.core.model.changes import Plan
    from xnat_sync.gateway.port import GatewayFactory


def load(command: MakePlan | Apply | Verify, console: Console) -> api.Loaded:
    """The study, its warnings shown on standard error; what only informs is left to ``validate``."""
    comparison, around = command.comparison, surroundings(command.access, console.environ)
    folder = cache_folder(console.environ) if comparison.cache and not comparison.rehash else None
    with closing(open_looks(folder)) as looks:
        loaded = load_study(command.manifests, around=around, local=Disk(looks))
    console.err.write(problems_text([found for found in loaded.problems if found.severity is Severity.WARNING]))
    return loaded


def named_by_manifest(loaded: api.Loaded) -> Server | None:
    """The server that the manifests name, if they do."""
    return Server(url=loaded.server, named_by="the manifest") if loaded.server else None


def policy_of(comparison: Comparison) -> SyncPolicy:
    """How to compare, and what."""
    return SyncPolicy(compare=comparison.compare, only=comparison.only, disk=comparison.check_disk)


def where(plan: Plan, connect: GatewayFactory) -> str:
    """One line that says which server answers, and to whom."""
    gateway = connect()
    try:
        return server_text(gateway.server(), plan.project)
    finally:
        gateway.close()
