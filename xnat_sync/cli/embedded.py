"""The embedded server, for the commands that start it. Nothing else of the client reaches it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import write_result, wrong_place
from xnat_sync.core.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Invocation, Serve

SERVING_FORMAT = 1
ADMIN = "admin"
_NOT_INSTALLED = "the embedded server needs its extra: pip install 'xnat-sync[server]'"


@contextmanager
def running_on(directory: Path) -> Iterator[str]:
    """The embedded server over a folder for the length of a block; its address.

    Raises:
        UsageError: the extra is missing, or the folder cannot be used.

    """
    try:
        from xnat_sync.server.running import running
    except ImportError as error:
        raise UsageError(_NOT_INSTALLED) from error
    with ExitStack() as stack:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            server = stack.enter_context(running(directory, user=ADMIN, password=ADMIN))
        except OSError as error:
            raise wrong_place(error, f"the embedded server cannot use {directory}") from error
        yield server.url


def serve(command: Serve, invocation: Invocation, console: Console) -> int:
    """Serve a folder until the process is interrupted.

    Raises:
        UsageError: the extra is missing, the address is taken, or the file of faults makes no sense.

    """
    try:
        from xnat_sync.server import running
        from xnat_sync.server.faults import load_faults
    except ImportError as error:
        raise UsageError(_NOT_INSTALLED) from error

    def announce(url: str) -> None:
        login = "admin / admin" if (command.user, command.password) == (ADMIN, ADMIN) else command.user
        text = f"XNAT at {url}, login {login}, data in {command.directory}\n"
        data = {
            "format_version": SERVING_FORMAT,
            "url": url,
            "user": command.user,
            "directory": str(command.directory),
        }
        write_result(data, text, invocation, console)
        console.out.flush()

    version = command.xnat_version or running.DEFAULT_VERSION
    try:
        running.serve(
            command.directory,
            host=command.host,
            port=command.port,
            settings=running.Settings(user=command.user, password=command.password, version=version),
            faults=load_faults(command.faults) if command.faults else None,
            announce=announce,
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot serve: {error}") from error
    return Exit.DONE
