"""The commands: options in, results out, exit status back. Each is a short straight line over the workflow.

What costs time to import is imported by the command that needs it, so that ``--help`` and ``validate`` stay quick.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, assert_never

from xnat_sync.cli import options
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import write_problems
from xnat_sync.cli.settings import cache_folder, surroundings
from xnat_sync.local.cache.inspection_cache import open_looks
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study

if TYPE_CHECKING:
    from xnat_sync.cli.console import Console


Command = (
    options.Validate
    | options.Format
    | options.Schema
    | options.Serve
    | options.Init
    | options.Render
    | options.Explain
    | options.Pull
    | options.MakePlan
    | options.Apply
    | options.Verify
)

_SCHEMA_VERSIONS = {"plan": 2}
"""Those of which there was an older one."""


def dispatch(command: Command, invocation: options.Invocation, console: Console) -> int:
    """Run a command and return its exit status; errors of this package come out as they are."""
    match command:
        case options.Validate():
            return _validate(command, invocation, console)
        case options.Schema():
            return _schema(command, console)
        case options.Serve():
            return _serve(command, invocation, console)
        case options.Init():
            from xnat_sync.cli.starting import init

            return init(command, invocation, console)
        case options.Render() | options.Explain() | options.Format():
            from xnat_sync.cli.writingout import dispatch_writing_out

            return dispatch_writing_out(command, invocation, console)
        case options.Pull():
            from xnat_sync.cli.pulling import pull

            return pull(command, invocation, console)
        case options.MakePlan() | options.Apply() | options.Verify():
            from xnat_sync.cli.syncing import dispatch_syncing

            return dispatch_syncing(command, invocation, console)
        case _:
            assert_never(command)


def _validate(command: options.Validate, invocation: options.Invocation, console: Console) -> int:
    """Say every problem of the manifests and their files."""
    loaded = _load(command, console)
    write_problems(loaded.problems, invocation, console)
    if invocation.format == "text":
        from xnat_sync.views.problems import study_text

        console.out.write(study_text(loaded.desired))
    return Exit.DONE


def _load(command: options.Validate, console: Console) -> Loaded:
    """Load the study; write clean copies of its files on the way if asked, be it valid or not."""
    around = surroundings(command.access, console.environ)
    if command.fix_gzip_names is None:
        folder = cache_folder(console.environ) if command.cache and not command.deep else None
        with closing(open_looks(folder)) as looks:
            return load_study(command.manifests, around=around, local=Disk(looks), deep=command.deep)
    from xnat_sync.cli.gzipcopies import RememberingDisk, write_copies

    disk = RememberingDisk()
    try:
        return load_study(command.manifests, around=around, local=disk, deep=command.deep)
    finally:
        write_copies(disk, command.fix_gzip_names, console)


def _schema(command: options.Schema, console: Console) -> int:
    """Print one of the JSON Schemas."""
    from xnat_sync.manifest.text.schema import schema_text

    console.out.write(schema_text(f"{command.name}.v{_SCHEMA_VERSIONS.get(command.name, 1)}.json"))
    return Exit.DONE


def _serve(command: options.Serve, invocation: options.Invocation, console: Console) -> int:
    """Run the embedded server until it is interrupted."""
    from xnat_sync.cli.embedded import serve

    return serve(command, invocation, console)
