"""``xnat-sync pull``: the manifest of what a server holds, and its files."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from xnat_sync.cli.connect import connected
from xnat_sync.cli.editor import schema_beside
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import next_step, write_file, write_result, wrong_place
from xnat_sync.cli.settings import EMBEDDED, roots_to_name
from xnat_sync.core.model.errors import IntegrityError, NotFound, Rejected, UsageError
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.text import count, visible
from xnat_sync.engine.pool import open_pool, result_of
from xnat_sync.engine.read_project import harvest
from xnat_sync.engine.stop import Stop
from xnat_sync.gateway.read_only import ReadOnly
from xnat_sync.local.atomic_write import arriving
from xnat_sync.local.digest import md5_of
from xnat_sync.manifest.formatting.manifest_text import manifest_text
from xnat_sync.manifest.from_remote import Pulled, choose, manifest_of, narrowed
from xnat_sync.views.progress import listener_for

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.cli import options
    from xnat_sync.cli.console import Console
    from xnat_sync.core.model.state import RemoteFile, RemoteState
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Reader

PULL_FORMAT = 1
_LEFT_SHOWN = 20


def pull(command: options.Pull, invocation: options.Invocation, console: Console) -> int:
    """Write the manifest of a project, with its files if asked.

    Raises:
        UsageError: the manifest is there already, or nothing has the name of one of ``only``.
        NotFound: there is no such project, or it is hidden.

    """
    if command.out.exists():
        raise UsageError(f"{command.out} exists; --out names another file")
    listener = listener_for(console.err)
    stop = Stop()
    with connected(command.connection, console, None, stop) as (connect, server):
        listener.reading("reading the server")
        with open_pool(lambda: ReadOnly(connect()), command.connection.jobs) as pool:
            state = harvest(command.project, pool)
            if not state.objects:
                raise NotFound(f"there is no project {command.project}, or it may not be seen", status=404)
            state = narrowed(state, command.only)
            pulled = choose(state, bids=command.bids)
            if command.files is not None:
                listener.reading(f"bringing {count(len(pulled.places), 'file')}")
                _bring(pulled, state, command.files, pool)
    root = None
    if command.files is not None:
        command.files.mkdir(parents=True, exist_ok=True)
        root = os.path.relpath(command.files, command.out.parent)
    # An embedded server is named on the command line only.
    named = None if server.startswith(EMBEDDED) else server
    data = manifest_of(pulled, state, server=named, root=root)
    write_file(command.out, manifest_text(data, schema=schema_beside(command.out)))
    _tell(command, pulled, invocation, console)
    return Exit.PARTLY if pulled.left else Exit.DONE


def _bring(pulled: Pulled, state: RemoteState, folder: Path, pool: Pool[Reader]) -> None:
    """Download what is not there yet; what cannot be had, or would go over another file, is left out."""
    owners: dict[str, Ref] = {}
    for ref, place in pulled.places.items():
        owners.setdefault(place, ref)
    inside = folder.resolve()
    refused = {
        place: f"{folder / place} leads out of {folder}"
        for place in owners
        if not (folder / place).parent.resolve().is_relative_to(inside)
    }
    futures = {
        place: pool.submit(_download, ref, state.files[ref], folder / place)
        for place, ref in sorted(owners.items())
        if place not in refused
    }
    refused |= {place: why for place, future in futures.items() if (why := result_of(future))}
    for ref, place in list(pulled.places.items()):
        if place in refused:
            pulled.left.append(f"file {ref.short}: {refused[place]}")
            del pulled.places[ref]


def _download(gateway: Reader, ref: Ref, held: RemoteFile, path: Path) -> str:
    """Bring one file; the reason why it was left out, if it was.

    Raises:
        IntegrityError: what came is not what the server's listing says.
        UsageError: it cannot lie there, or this account may not put it there.
        OSError: there is no room for it.

    """
    if os.path.lexists(path):
        same = path.is_file() and path.stat().st_size == held.size and held.md5 in (None, md5_of(str(path)))
        return "" if same else f"{path} is there, and is another file"
    digest = hashlib.md5(usedforsecurity=False)
    size = 0
    try:
        with arriving(path) as stream, gateway.download(ref) as chunks:
            for chunk in chunks:
                stream.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            if size != held.size >= 0 or held.md5 not in (None, digest.hexdigest()):
                raise IntegrityError(f"{ref.short} came as {size:,} bytes, md5 {digest.hexdigest()}", ref=ref)
    except Rejected as error:
        return str(error)
    except NotFound:
        return "the server lists it and does not have it"
    except OSError as error:
        raise wrong_place(error, f"cannot write {path}") from error
    return ""


def _tell(command: options.Pull, pulled: Pulled, invocation: options.Invocation, console: Console) -> None:
    numbers = {level.noun + "s": sum(ref.level is level for ref in pulled.objects) for level in list(Level)[1:4]}
    data = {
        "format_version": PULL_FORMAT,
        "project": command.project,
        "manifest": str(command.out),
        **numbers,
        "files": len(pulled.places),
        "left_out": pulled.left,
    }
    text = ""
    if command.files is not None:
        roots = roots_to_name(command.out, [command.files], console.environ)
        text = next_step("validate", command.out, allow_roots=roots)
    words = [count(number, noun.removesuffix("s")) for noun, number in {**numbers, "files": len(pulled.places)}.items()]
    lines = [f"{command.out}: {', '.join(words)}", *(f"left out: {left}" for left in pulled.left[:_LEFT_SHOWN])]
    if len(pulled.left) > _LEFT_SHOWN:
        lines.append(f"left out: {len(pulled.left) - _LEFT_SHOWN:,} more")
    write_result(data, "".join(f"{visible(line)}\n" for line in lines) + text, invocation, console)
