"""The use cases as typed functions, usable without the command line.

    loaded = validate([Path("study.yaml")], environ={})
    connect = XnatConnection("https://xnat.example.org", user="me", password=secret)
    difference = plan(loaded, connect)
    report = apply(difference, connect, Options(reason="first upload"))
    proof = verify(loaded, connect)
    connect.close()

Each takes a gateway factory and never makes one, so that the same code runs on a real XNAT, on the embedded server and
on the in-memory gateway. Errors are those of `core.errors`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.changes import Plan
from xnat_sync.core.errors import (
    NotFound,
    StalePlan,
    UsageError,
)
from xnat_sync.core.events import Listener
from xnat_sync.core.freshness import asked_of, joined, reduced, settled
from xnat_sync.core.outcome import Status
from xnat_sync.core.planner import (
    ON_DISK,
    compare_file,
    files_to_hash,
    files_to_read,
    idle_patterns,
    make_plan,
    select,
)
from xnat_sync.core.policy import DEFAULT_JOBS, SyncPolicy
from xnat_sync.core.prune import withheld
from xnat_sync.core.refs import Ref
from xnat_sync.core.verification import Fault, Finding, Verification
from xnat_sync.engine.execute import Execution
from xnat_sync.engine.observe import observe
from xnat_sync.engine.pool import open_pool, result_of
from xnat_sync.engine.readback import md5_held, with_read
from xnat_sync.engine.stop import Stop
from xnat_sync.gateway.readonly import ReadOnly
from xnat_sync.guards.backup import back_up
from xnat_sync.guards.safety import MOST_DELETES, check_safe, with_lacks
from xnat_sync.guards.soundness import LocalBytes
from xnat_sync.local.hash_cache import DigestCache, NoCache
from xnat_sync.report.wording import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xnat_sync.core.outcome import Outcome, Report
    from xnat_sync.core.state import DesiredState, FileSpec, RemoteState
    from xnat_sync.gateway.api import GatewayFactory, Reader
    from xnat_sync.local.look_cache import LookCache
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study


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


def validate(
    paths: Sequence[Path],
    *,
    environ: Mapping[str, str] | None = None,
    deep: bool = False,
    looks: LookCache | None = None,
) -> Loaded:
    """The study that manifests (or folders of manifests) describe, with every local file looked at. Needs no server.

    ``environ`` answers ``${env:NAME}``. Warnings are in `Loaded.problems`. With ``deep`` every file is read to its end.
    With ``looks`` files that did not change since another run looked into them are not opened again.

    Raises:
        ManifestError: with every problem of the manifests and their files.

    """
    return load_study(paths, environ=environ or {}, local=Disk(looks), deep=deep)


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
    selected = _selected(loaded.desired, policy)
    remote = _observe(loaded.project, selected, connect, options, policy)
    desired = with_digests(selected, files_to_hash(selected, remote, policy), options)
    return with_lacks(make_plan(loaded.project, desired, remote, policy), lambda: ReadOnly(connect()))


def _selected(desired: DesiredState, policy: SyncPolicy) -> DesiredState:
    idle = idle_patterns(desired, policy.only)
    if idle:
        raise UsageError(f"only {idle[0]!r}: nothing in the manifest has that name (SUBJECT[/SESSION[/SCAN…]])")
    return select(desired, policy.only)


def with_digests(desired: DesiredState, specs: Iterable[FileSpec], options: Options) -> DesiredState:
    """A desired state in which some files carry the digest of their bytes, see `LocalBytes.with_digests`."""
    return options.bytes.with_digests(desired, specs)


def pin(difference: Plan, options: Options | None = None) -> Plan:
    """A plan that is fit to be stored, see `LocalBytes.pinned`."""
    return (options or Options()).bytes.pinned(difference)


def check_fresh(difference: Plan, connect: GatewayFactory, options: Options | None = None) -> Mapping[Ref, Outcome]:
    """Hold a stored plan against the server as it is now: the changes that are done already, or overtaken.

    They are for `apply`, which leaves them alone and reports them.

    Raises:
        StalePlan: with the refs that moved, if nothing is left to do but what is overtaken.

    """
    remote = _observe(difference.project, asked_of(difference), connect, options or Options(), difference.policy)
    found = settled(difference, remote)
    refused = [ref for ref, outcome in found.items() if outcome.status is Status.REFUSED]
    if refused and len(found) == len(difference.changes):
        raise StalePlan("the server moved since the plan was made; plan again", refs=refused)
    return found


def apply(
    difference: Plan,
    connect: GatewayFactory,
    options: Options | None = None,
    known: Mapping[Ref, Outcome] | None = None,
) -> Report:
    """Carry a plan out, after every file that may be damaged was read whole. What fails is in the report.

    Changes whose outcome is ``known`` (`check_fresh`) are left alone.

    Raises:
        PlanConflict, UnsafePlan, MissingRight: as `check_safe`.
        ManifestError, LocalFileError: as `LocalBytes.sound`; nothing was sent.

    """
    options, known = options or Options(), dict(known or {})
    left = reduced(difference, known)
    check_safe(left, allow_delete=options.allow_delete, max_delete=options.max_delete)
    left = options.bytes.sound(left)
    if options.backup:
        options.listener.reading("keeping what will be replaced or deleted")
        with open_pool(lambda: ReadOnly(connect()), options.jobs) as reading:
            known |= back_up(left, options.backup, reading)
    known |= withheld(reduced(left, known).changes, known.values())
    left = reduced(left, known)
    for outcome in known.values():
        options.listener.finished(outcome)
    watched = options.bytes.watched(left)
    with open_pool(connect, options.jobs) as pool:
        report = Execution(
            plan=left,
            pool=pool,
            width=options.jobs,
            reason=options.reason,
            listener=options.listener,
            stop=options.stop,
        ).run()
    options.bytes.remember(report, watched)
    return joined(difference, report, known)


def verify(
    loaded: Loaded,
    connect: GatewayFactory,
    policy: SyncPolicy | None = None,
    options: Options | None = None,
    *,
    download: bool = False,
) -> Verification:
    """Whether every file of the study is on the server: by digest, and with ``download`` by reading the bytes back.

    Read-only. Raises like `plan`.
    """
    policy, options = policy or SyncPolicy(), options or Options()
    desired = _selected(loaded.desired, policy)
    remote = _observe(loaded.project, desired, connect, options, policy)
    needed = desired.files.values() if download else files_to_hash(desired, remote, policy)
    files = with_digests(desired, needed, options).files
    findings = [finding for spec in files.values() if (finding := _finding(spec, remote, policy))]
    wrong = {finding.ref for finding in findings}
    sound = [spec for ref, spec in files.items() if ref not in wrong]
    proven = frozenset(spec.ref for spec in sound if remote.files[spec.ref].read_md5)
    if download:
        options.listener.reading(f"reading {count(len(sound), 'file')} back")
        proven, damaged = _read_back(sound, connect, options)
        findings += damaged
        broken = {finding.ref for finding in damaged}
        sound = [spec for spec in sound if spec.ref not in broken]
    rest = [spec for spec in sound if spec.ref not in proven]
    by_digest = sum(remote.files[spec.ref].md5 is not None and spec.md5 is not None for spec in rest)
    return Verification(
        project=loaded.project,
        files=len(files),
        by_download=len(sound) - len(rest),
        by_digest=by_digest,
        by_size=len(rest) - by_digest,
        findings=tuple(sorted(findings, key=lambda finding: finding.ref)),
    )


def _observe(
    project: str, desired: DesiredState, connect: GatewayFactory, options: Options, policy: SyncPolicy
) -> RemoteState:
    options.listener.reading("reading the server")
    with open_pool(lambda: ReadOnly(connect()), options.jobs) as pool:
        remote = observe(project, desired, pool, disk=policy.disk)
        unstated = files_to_read(desired, remote, policy)
        if not unstated:
            return remote
        options.listener.reading(f"reading {len(unstated)} files back, of which the server states no digest")
        return with_read(remote, unstated, pool)


def _finding(spec: FileSpec, remote: RemoteState, policy: SyncPolicy) -> Finding | None:
    held = remote.files.get(spec.ref)
    if held is None:
        seen = Ref.project_of(spec.ref.project) in remote.objects
        message = "not on the server" if seen else "the project does not exist, or this account may not see it"
        return Finding(ref=spec.ref, fault=Fault.MISSING, message=message)
    diffs = compare_file(spec, held, policy)
    if not diffs:
        return None
    message = ", ".join(f"{diff.name} {diff.before or 'nothing'} instead of {diff.after}" for diff in diffs)
    fault = Fault.DAMAGED if all(diff.name == ON_DISK for diff in diffs) else Fault.DIFFERS
    return Finding(ref=spec.ref, fault=fault, message=message)


def _read_back(
    specs: Iterable[FileSpec], connect: GatewayFactory, options: Options
) -> tuple[frozenset[Ref], list[Finding]]:
    """The files whose bytes the server sends as they should be, and what is wrong with others.

    Those whose names no URL can carry are in neither.
    """
    with open_pool(lambda: ReadOnly(connect()), options.jobs) as pool:
        futures = {spec.ref: pool.submit(_reading, spec) for spec in specs}
        found = {ref: result_of(future) for ref, future in futures.items()}
    proven = frozenset(ref for ref, reading in found.items() if reading is True)
    return proven, [reading for reading in found.values() if isinstance(reading, Finding)]


def _reading(gateway: Reader, spec: FileSpec) -> Finding | bool:
    """What is wrong with the bytes that the server sends; true if nothing is, false if they cannot be asked for."""
    try:
        found = md5_held(gateway, spec.ref)
    except NotFound:
        # An entry without bytes: to another client the file is not there, whatever the listing says.
        return Finding(ref=spec.ref, fault=Fault.DAMAGED, message="listed, but the server has no bytes to send")
    if found in (None, spec.md5):
        return found is not None
    return Finding(ref=spec.ref, fault=Fault.DAMAGED, message=f"read back as md5 {found} instead of {spec.md5}")


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
