"""The commands that talk to a server: plan, apply, verify."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, assert_never

from xnat_sync import api
from xnat_sync.cli import options
from xnat_sync.cli.connect import connected
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import write_result
from xnat_sync.cli.planfile import write_plan
from xnat_sync.cli.reading import load, policy_of, where
from xnat_sync.cli.settings import cache_folder
from xnat_sync.core.text import visible
from xnat_sync.local.cache.digest_cache import open_cache
from xnat_sync.views.plan import plan_text
from xnat_sync.views.progress import listener_for
from xnat_sync.views.run import verification_text

if TYPE_CHECKING:
    from xnat_sync.cli.console import Console


def dispatch_syncing(
    command: options.MakePlan | options.Apply | options.Verify, invocation: options.Invocation, console: Console
) -> int:
    """Run a command that talks to a server."""
    comparison = command.comparison
    with closing(open_cache(cache_folder(console.environ) if comparison.cache else None)) as cache:
        run = api.Options(
            jobs=command.connection.jobs, listener=listener_for(console.err), cache=cache, rehash=comparison.rehash
        )
        match command:
            case options.MakePlan():
                return _plan(command, run, invocation, console)
            case options.Apply():
                from xnat_sync.cli.applying import apply

                return apply(command, run, invocation, console)
            case options.Verify():
                return _verify(command, run, invocation, console)
            case _:
                assert_never(command)


def _plan(command: options.MakePlan, run: api.Options, invocation: options.Invocation, console: Console) -> int:
    """Show what apply would do; store it if asked."""
    loaded = load(command, console)
    with connected(command.connection, console, loaded.server, run.stop) as (connect, server):
        plan = replace(api.plan(loaded, connect, policy_of(command.comparison), run), server=server)
        plan = api.pin(plan, run) if command.out else plan
        text = where(plan, connect) + plan_text(plan, detail=command.detail)
    if command.out:
        write_plan(plan, command.out)
        text += f"Next: xnat-sync apply {visible(str(command.out))}\n"
    write_result(plan.to_data(), text, invocation, console)
    return Exit.DIFFERENCES if command.detailed_exitcode and not plan.is_empty else Exit.DONE


def _verify(command: options.Verify, run: api.Options, invocation: options.Invocation, console: Console) -> int:
    """Prove that every file is there, or say which is not."""
    loaded = load(command, console)
    with connected(command.connection, console, loaded.server, run.stop) as (connect, _):
        proof = api.verify(loaded, connect, policy_of(command.comparison), run, download=command.download)
    write_result(proof.to_data(), verification_text(proof), invocation, console)
    return Exit.DONE if proof.ok else Exit.DIFFERENCES
