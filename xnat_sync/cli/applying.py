"""The command that changes something: agreed with whoever must agree, alone on the project, and on record."""

from __future__ import annotations

from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from xnat_sync import __version__, api
from xnat_sync.cli.connect import connected
from xnat_sync.cli.exits import exit_of_report
from xnat_sync.cli.interrupt import interruptible
from xnat_sync.cli.output import write_result
from xnat_sync.cli.planfile import read_plan
from xnat_sync.cli.reading import load, named_by_manifest, policy_of, where
from xnat_sync.cli.settings import Server, cache_folder, surroundings
from xnat_sync.core.model.changes import Action
from xnat_sync.core.model.errors import StalePlan, Unconfirmed, UsageError
from xnat_sync.core.model.listener import Several
from xnat_sync.core.model.refs import Level
from xnat_sync.core.planning.stale_plan import only, reduced
from xnat_sync.guards.lock import SHORT_BYTES, SHORT_CHANGES, LockOptions, locked
from xnat_sync.guards.run_record import (
    RunRecord,
    check_state_folder,
    make_state_folder,
    new_run,
    read_past,
    state_folder,
)
from xnat_sync.local.git_reason import git_reason
from xnat_sync.views.plan import plan_text
from xnat_sync.views.run import report_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from xnat_sync.cli import options
    from xnat_sync.cli.console import Console
    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Outcome, Report
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.gateway.port import GatewayFactory
    from xnat_sync.guards.lock import Held
    from xnat_sync.guards.run_record import Past


@dataclass(frozen=True, slots=True, kw_only=True)
class _Agreed:
    """A plan that somebody agreed to, and the changes of it whose outcome is known already."""

    plan: Plan
    known: Mapping[Ref, Outcome] = field(default_factory=dict)

    @property
    def left(self) -> Plan:
        return reduced(self.plan, self.known)


def apply(command: options.Apply, run: api.Options, invocation: options.Invocation, console: Console) -> int:
    """Carry out a plan: a stored one as far as the server has not moved, or one made now."""
    if not command.yes and not console.stdin.isatty():
        raise UsageError("nobody can be asked here (standard input is no terminal): say --yes to apply")
    return _Applying(command, run, invocation, console).run()


class _Applying:
    """One call of the command."""

    def __init__(
        self, command: options.Apply, run: api.Options, invocation: options.Invocation, console: Console
    ) -> None:
        self._command = command
        self._invocation = invocation
        self._console = console
        self._around = surroundings(command.access, console.environ)
        self._id = new_run()
        self._folder = state_folder(command.manifests[0])
        self._options = replace(
            run,
            reason=(command.reason or "").strip() or git_reason(command.manifests[0], version=__version__),
            allow_delete=command.allow_delete,
            max_delete=command.max_delete,
            backup=command.backup_dir / self._id if command.backup_dir else None,
        )

    def run(self) -> int:
        """From the command to its exit status."""
        check_state_folder(self._folder)
        past = read_past(self._folder, self._command.retry) if self._command.retry else None
        saved = None
        if self._command.saved:
            saved = read_plan(self._command.saved, self._around.allow_roots)
        loaded = None if saved else load(self._command, self._console)
        server = Server(url=saved.server, named_by="the stored plan") if saved else None
        server = named_by_manifest(loaded) if loaded else server

        def agree(connect: GatewayFactory) -> _Agreed:
            return self._agree(self._plan(saved, loaded, past, connect), connect)

        with (
            connected(self._command.connection, self._console, server, self._options.stop) as (connect, url),
            ExitStack() as stack,
        ):
            if saved and saved.server and url != saved.server:
                raise StalePlan(f"the plan was made for {saved.server}, and this is {url}; plan again")
            agreed = agree(connect)
            listeners = [self._options.listener]
            if not agreed.left.is_empty and self._command.lock:
                lock = stack.enter_context(self._lock(agreed.left, url, connect))
                listeners.append(lock)
                # What the other run did is not to be done again.
                agreed = agree(connect) if lock.waited else agreed
            record = None if agreed.left.is_empty else stack.enter_context(closing(self._record(agreed.plan, url)))
            run = replace(self._options, listener=Several(*listeners, *([record] if record else [])))
            with interruptible(run.stop, self._console, connect.cut):
                report = api.apply(agreed.plan, connect, run, agreed.known)
                report = self._closed(record, report) if record else report
                text = "" if agreed.plan.is_empty else report_text(report)
                # In here, where one more Ctrl-C does not take the report away.
                write_result(report.to_data(), text, self._invocation, self._console)
        return exit_of_report(report)

    def _closed(self, record: RunRecord, report: Report) -> Report:
        """Write the end of the record; the report names it, and the plan as it was shown."""
        record.end(report)
        report = replace(report, plan_fingerprint=record.fingerprint)
        if record.warning:
            return replace(report, warnings=(*report.warnings, record.warning))
        return replace(report, run=self._id)

    def _plan(
        self, saved: Plan | None, loaded: api.Loaded | None, past: Past | None, connect: GatewayFactory
    ) -> _Agreed:
        if saved:
            known = api.check_fresh(saved, connect, self._options)
            found = _Agreed(plan=api.with_lacks(saved, connect), known=known)
        else:
            assert loaded
            found = _Agreed(plan=api.plan(loaded, connect, policy_of(self._command.comparison), self._options))
        if past is None:
            return found
        if past.project != found.plan.project:
            raise UsageError(f"run {past.run} was one on project {past.project}, not {found.plan.project}")
        plan = only(found.plan, past.concerns)
        kept = {change.ref for change in plan.changes}
        return _Agreed(plan=plan, known={ref: outcome for ref, outcome in found.known.items() if ref in kept})

    def _agree(self, agreed: _Agreed, connect: GatewayFactory) -> _Agreed:
        """Show the plan, and have it agreed to by the guards and by whoever is asked."""
        left = agreed.left
        asks = not left.is_empty and not self._command.yes
        if self._invocation.format == "text" or asks:
            # Nobody agrees to what was not shown.
            shown = self._console.out if self._invocation.format == "text" else self._console.err
            shown.write(where(left, connect) + plan_text(left, detail=self._command.detail))
        api.check_safe(left, allow_delete=self._command.allow_delete, max_delete=self._command.max_delete)
        if asks:
            _confirm(self._console)
        return agreed

    def _lock(self, plan: Plan, server: str, connect: GatewayFactory) -> AbstractContextManager[Held]:
        cache = cache_folder(self._console.environ) if self._command.comparison.cache else None
        if cache is None:
            with suppress(OSError):  # Then the lock says so.
                make_state_folder(self._folder)
        is_new = any(change.ref.level is Level.PROJECT for change in plan.of(Action.CREATE))
        options = LockOptions(
            folder=cache / "locks" if cache else self._folder,
            wait=self._command.wait_lock,
            force=self._command.force_unlock,
            is_new=is_new,
            short=len(plan.changes) <= SHORT_CHANGES and plan.bytes_to_send <= SHORT_BYTES,
        )
        return locked(plan.project, server, self._id, connect, options, self._options.listener)

    def _record(self, plan: Plan, server: str) -> RunRecord:
        about = {"version": __version__, "server": server, "reason": self._options.reason}
        return RunRecord(self._folder, self._id, plan, about)


def _confirm(console: Console) -> None:
    """Ask the person at the terminal.

    Raises:
        Unconfirmed: the answer was not yes.

    """
    console.err.write("Apply these changes? Only 'yes' will do: ")
    console.err.flush()
    if console.stdin.readline().strip() != "yes":
        raise Unconfirmed("not applied")
