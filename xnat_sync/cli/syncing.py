"""The commands that talk to a server: plan, apply, verify."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from xnat_sync import __version__, workflow
from xnat_sync.cli import options
from xnat_sync.cli.connect import connected
from xnat_sync.cli.exits import Exit, exit_of_report
from xnat_sync.cli.interrupt import interruptible
from xnat_sync.cli.output import write_result
from xnat_sync.cli.planfile import read_plan, write_plan
from xnat_sync.cli.settings import cache_folder
from xnat_sync.core.errors import Severity, Unconfirmed, UsageError
from xnat_sync.core.policy import SyncPolicy
from xnat_sync.local.hash_cache import open_cache
from xnat_sync.local.provenance import git_reason
from xnat_sync.report.plan_text import plan_text, server_text
from xnat_sync.report.problems import problems_text
from xnat_sync.report.progress import listener_for
from xnat_sync.report.run_text import report_text, verification_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.core.changes import Plan
    from xnat_sync.gateway.api import GatewayFactory


def dispatch_syncing(
    command: options.MakePlan | options.Apply | options.Verify, invocation: options.Invocation, console: Console
) -> int:
    """Run a command that talks to a server."""
    connection = command.connection
    with closing(open_cache(cache_folder(console.environ) if connection.cache else None)) as cache:
        run = workflow.Options(
            jobs=connection.jobs, listener=listener_for(console.err), cache=cache, rehash=connection.rehash
        )
        match command:
            case options.MakePlan():
                return _plan(command, run, invocation, console)
            case options.Apply():
                return _apply(command, run, invocation, console)
            case options.Verify():
                return _verify(command, run, invocation, console)
            case _:
                assert_never(command)


def _plan(command: options.MakePlan, run: workflow.Options, invocation: options.Invocation, console: Console) -> int:
    """Show what apply would do; store it if asked."""
    loaded = _load(command.manifests, console)
    with connected(command.connection, console, loaded.server, run.stop) as (connect, server):
        plan = replace(workflow.plan(loaded, connect, _policy(command.connection), run), server=server)
        plan = workflow.pin(plan, run) if command.out else plan
        text = _where(plan, connect) + plan_text(plan, detail=command.detail)
    if command.out:
        write_plan(plan, command.out)
        text += f"Next: xnat-sync apply {command.out}\n"
    write_result(plan.to_data(), text, invocation, console)
    return Exit.DIFFERENCES if command.detailed_exitcode and not plan.is_empty else Exit.DONE


def _apply(command: options.Apply, run: workflow.Options, invocation: options.Invocation, console: Console) -> int:
    """Carry out a plan: a stored one if the server has not moved, or one made now."""
    if not command.yes and not console.stdin.isatty():
        raise UsageError("nobody can be asked here (standard input is no terminal): say --yes to apply")
    reason = command.reason or git_reason(command.manifests[0], version=__version__)
    run = replace(run, reason=reason, allow_delete=command.allow_delete, max_delete=command.max_delete)
    saved = read_plan(command.saved) if command.saved else None
    loaded = None if saved else _load(command.manifests, console)
    server = saved.server if saved else loaded.server if loaded else None
    with connected(command.connection, console, server, run.stop) as (connect, _):
        if saved:
            known = workflow.check_fresh(saved, connect, run)
            plan = workflow.with_lacks(saved, connect)
        else:
            known = {}
            plan = workflow.plan(loaded, connect, _policy(command.connection), run)  # type: ignore[arg-type]
        left = workflow.reduced(plan, known)
        if invocation.format == "text":
            console.out.write(_where(plan, connect) + plan_text(left, detail=command.detail))
        workflow.check_safe(left, allow_delete=command.allow_delete, max_delete=command.max_delete)
        if not left.is_empty and not command.yes:
            _confirm(console)
        with interruptible(run.stop, console, connect.cut):
            report = workflow.apply(plan, connect, run, known)
            # In here, where one more Ctrl-C does not take the report away.
            write_result(report.to_data(), "" if plan.is_empty else report_text(report), invocation, console)
    return exit_of_report(report)


def _verify(command: options.Verify, run: workflow.Options, invocation: options.Invocation, console: Console) -> int:
    """Prove that every file is there, or say which is not."""
    loaded = _load(command.manifests, console)
    with connected(command.connection, console, loaded.server, run.stop) as (connect, _):
        proof = workflow.verify(loaded, connect, _policy(command.connection), run, download=command.download)
    write_result(proof.to_data(), verification_text(proof), invocation, console)
    return Exit.DONE if proof.ok else Exit.DIFFERENCES


def _load(manifests: Sequence[Path], console: Console) -> workflow.Loaded:
    """The study, its warnings shown on standard error; what only informs is left to ``validate``."""
    loaded = workflow.validate(manifests, environ=console.environ)
    console.err.write(problems_text([found for found in loaded.problems if found.severity is Severity.WARNING]))
    return loaded


def _policy(connection: options.Connection) -> SyncPolicy:
    return SyncPolicy(compare=connection.compare, only=connection.only)


def _where(plan: Plan, connect: GatewayFactory) -> str:
    gateway = connect()
    try:
        return server_text(gateway.server(), plan.project)
    finally:
        gateway.close()


def _confirm(console: Console) -> None:
    """Ask the person at the terminal.

    Raises:
        Unconfirmed: the answer was not yes.

    """
    console.err.write("Apply these changes? Only 'yes' will do: ")
    console.err.flush()
    if console.stdin.readline().strip() != "yes":
        raise Unconfirmed("not applied")
