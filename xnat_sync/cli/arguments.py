"""Arguments in, frozen options out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.cli import options
from xnat_sync.cli.parser import COMPARISONS, build_parser
from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.policy import Compare

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def parse(arguments: list[str]) -> options.Invocation:
    """Options from command-line arguments.

    Raises:
        UsageError: the arguments make no sense.
        SystemExit: ``--help`` or ``--version`` was asked for, and answered.

    """
    found = build_parser().parse_args(arguments)
    return options.Invocation(
        command=_COMMANDS[found.name](found),
        format=getattr(found, "format", "text"),
        debug=getattr(found, "debug", False),
    )


def _access(found: argparse.Namespace) -> options.Access:
    return options.Access(allow_roots=tuple(found.allow_root), env=tuple(found.env))


def _connection(found: argparse.Namespace) -> options.Connection:
    return options.Connection(
        server=found.server,
        user=found.user,
        ca_file=found.ca_file,
        jobs=found.jobs,
        bwlimit=found.bwlimit,
        max_requests=found.max_requests,
    )


def _comparison(found: argparse.Namespace) -> options.Comparison:
    return options.Comparison(
        compare=COMPARISONS.get(found.compare, Compare.DIGEST),
        only=tuple(found.only),
        cache=not found.no_cache,
        rehash=found.rehash,
        check_disk=found.check_disk,
    )


def _manifests(found: argparse.Namespace) -> tuple[Path, ...]:
    return tuple(found.manifests) or (Path(options.DEFAULT_MANIFEST),)


def _apply(found: argparse.Namespace) -> options.Apply:
    paths = _manifests(found)
    plans = [path for path in paths if path.suffix == ".json"]
    if plans and len(paths) > 1:
        raise UsageError("a stored plan is applied alone, without manifests")
    if plans and found.only:
        raise UsageError("a stored plan is applied whole; give --only when planning")
    return options.Apply(
        manifests=paths,
        access=_access(found),
        saved=plans[0] if plans else None,
        connection=_connection(found),
        comparison=_comparison(found),
        yes=found.yes,
        allow_delete=found.allow_delete,
        max_delete=found.max_delete,
        backup_dir=found.backup_dir,
        retry=found.retry,
        lock=not found.no_lock,
        wait_lock=found.wait_lock,
        force_unlock=found.force_unlock,
        reason=found.reason,
        detail=found.detail,
    )


def _pull(found: argparse.Namespace) -> options.Pull:
    if found.bids and found.files is None:
        raise UsageError("--bids says where files go; --files names the folder")
    return options.Pull(
        project=found.project,
        connection=_connection(found),
        only=tuple(found.only),
        out=found.out,
        files=found.files,
        bids=found.bids,
    )


def _init(found: argparse.Namespace) -> options.Init:
    if found.from_csv and found.derivatives:
        raise UsageError("--derivatives goes with --from-bids")
    if found.from_bids and found.session_type:
        raise UsageError("--session-type goes with --from-csv")
    bids = options.FromBids(found.from_bids, tuple(name.strip("/") for name in found.derivatives))
    source = options.FromCsv(found.from_csv, found.session_type) if found.from_csv else bids
    return options.Init(source=source, project=found.project, out=found.out, force=found.force, create=found.create)


def _serve(found: argparse.Namespace) -> options.Serve:
    return options.Serve(
        directory=found.dir,
        host=found.host,
        port=found.port,
        user=found.user,
        password=found.password,
        xnat_version=found.xnat_version,
        faults=found.faults,
    )


_COMMANDS: dict[str, Callable[[argparse.Namespace], options.Command]] = {
    "validate": lambda found: options.Validate(
        manifests=_manifests(found),
        access=_access(found),
        deep=found.deep,
        cache=not found.no_cache,
        fix_gzip_names=found.fix_gzip_names,
    ),
    "fmt": lambda found: options.Format(manifests=_manifests(found), check=found.check),
    "plan": lambda found: options.MakePlan(
        manifests=_manifests(found),
        access=_access(found),
        connection=_connection(found),
        comparison=_comparison(found),
        out=found.out,
        detailed_exitcode=found.detailed_exitcode,
        detail=found.detail,
    ),
    "apply": _apply,
    "verify": lambda found: options.Verify(
        manifests=_manifests(found),
        access=_access(found),
        connection=_connection(found),
        comparison=_comparison(found),
        download=found.download,
    ),
    "pull": _pull,
    "render": lambda found: options.Render(manifests=_manifests(found), access=_access(found), out=found.out),
    "explain": lambda found: options.Explain(ref=found.ref, manifests=_manifests(found), access=_access(found)),
    "init": _init,
    "schema": lambda found: options.Schema(name=found.schema),
    "serve": _serve,
    "demo": lambda found: options.Demo(directory=found.dir, images=found.images),
}
