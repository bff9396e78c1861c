"""The use cases as typed functions, usable without the command line.

    loaded = validate([Path("study.yaml")], environ={})
    connect = XnatConnection("https://xnat.example.org", user="me", password=secret)
    difference = plan(loaded, connect)
    report = apply(difference, connect, Options(reason="first upload"))
    proof = verify(loaded, connect)
    connect.close()

Each takes a gateway factory and never makes one, so that the same code runs on a real XNAT, on the embedded server and
on the in-memory gateway. Errors are those of `core.model.errors`.
"""

from __future__ import annotations

from xnat_sync.core.model.changes import Plan
from xnat_sync.core.model.verify_result import Verification
from xnat_sync.core.planning.stale_plan import reduced
from xnat_sync.guards.plan_checks import check_safe, with_lacks
from xnat_sync.manifest.load import Loaded
from xnat_sync.usecases.apply import apply, check_fresh
from xnat_sync.usecases.options import Options, with_digests
from xnat_sync.usecases.plan import pin, plan
from xnat_sync.usecases.validate import validate
from xnat_sync.usecases.verify import verify

__all__ = [
    "Loaded",
    "Options",
    "Plan",
    "Verification",
    "apply",
    "check_fresh",
    "check_safe",
    "pin",
    "plan",
    "reduced",
    "validate",
    "verify",
    "with_digests",
    "with_lacks",
]
