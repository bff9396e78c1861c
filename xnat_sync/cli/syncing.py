"""The commands that talk to a server: plan, apply, verify."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from xnat_sync import api
from xnat_sync.cli import options
from xnat_sync.cli.connect import connected
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import next_step, write_result
from xnat_sync.cli.planfile import write_plan
from xnat_sync.cli.reading import load, named_by_manifest, policy_of, where
from xnat_sync.cli.settings import cache_folder, roots_to_name
from xnat_sync.core.model.state import FileSpec
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
    with connected(command.connection, console, named_by_manifest(loaded), run.stop) as (connect, server):
        plan = replace(api.plan(loaded, connect, policy_of(command.comparison), run), server=server)
        plan = api.pin(plan, run) if command.out else plan
        text = where(plan, connect) + plan_text(plan, detail=command.detail)
    if command.out:
        write_plan(plan, command.out)
        text += _next(command, command.out, plan, console)
    write_result(plan.to_data(), text, invocation, console)
    return Exit.DIFFERENCES if command.detailed_exitcode and not plan.is_empty else Exit.DONE


def _next(command: options.MakePlan, stored: Path, plan: api.Plan, console: Console) -> str:
    """How to apply a plan that was stored, with what the command line said and a stored plan does not."""
    given = command.connection
    said = (("--server", given.server), ("--user", given.user), ("--ca-file", given.ca_file))
    more = [word for option, value in said if value for word in (option, str(value))]
    folders = {Path(change.wanted.path).parent for change in plan.changes if isinstance(change.wanted, FileSpec)}
    outside = roots_to_name(stored, sorted(folders), console.environ)
    roots = [Path(os.path.commonpath([folder.resolve() for folder in outside]))] if outside else []
    return next_step("apply", stored, allow_roots=roots, more=more)


def _verify(command: options.Verify, run: api.Options, invocation: options.Invocation, console: Console) -> int:
    """Prove that every file is there, or say which is not."""
    loaded = load(command, console)
    with connected(command.connection, console, named_by_manifest(loaded), run.stop) as (connect, _):
        proof = api.verify(loaded, connect, policy_of(command.comparison), run, download=command.download)
    write_result(proof.to_data(), verification_text(proof), invocation, console)
    return Exit.DONE if proof.ok else Exit.DIFFERENCES
