"""Prove that every file of a study is on the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import NotFound
from xnat_sync.core.model.policy import SyncPolicy
from xnat_sync.core.model.refs import Ref
from xnat_sync.core.model.verify_result import Fault, Finding, Verification
from xnat_sync.core.planning.planner import ON_DISK, compare_file, files_to_hash
from xnat_sync.core.text import count
from xnat_sync.engine.pool import open_pool, result_of
from xnat_sync.engine.readback import md5_held
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.usecases.options import Options, read_server, selected, with_digests

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.state import FileSpec, RemoteState
    from xnat_sync.gateway.port import GatewayFactory, Reader
    from xnat_sync.manifest.load import Loaded


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
    desired = selected(loaded.desired, policy)
    remote = read_server(loaded.project, desired, connect, options, policy)
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
