"""``xnat-sync fmt``: manifests in their normal form."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import write_result
from xnat_sync.core.model.errors import LocalFileError, ManifestError
from xnat_sync.core.text import count, visible
from xnat_sync.manifest.formatting.formatter import normal_form
from xnat_sync.manifest.sources import SourceReader
from xnat_sync.manifest.surroundings import Fence, Surroundings
from xnat_sync.manifest.text.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Format, Invocation

FORMATTING_FORMAT = 1


class _Formed(NamedTuple):
    """One manifest: its path, its name as people would type it, its normal form, and whether that is something else."""

    path: Path
    name: str
    text: str
    changed: bool


def fmt(command: Format, invocation: Invocation, console: Console) -> int:
    """Lay manifests out anew, or say which would change. Writes all of them or, where one cannot be, none.

    Raises:
        ManifestError: one cannot be read, or cannot be laid out without changing what it says.
        LocalFileError: one may not or cannot be written.

    """
    found = _formed(command.manifests)
    changed = [entry for entry in found if entry.changed]
    if not command.check:
        for entry in changed:
            _must_be_writable(entry)
        for entry in changed:
            _replace(entry)
    data = {
        "format_version": FORMATTING_FORMAT,
        "written": not command.check,
        "files": [{"file": entry.name, "changed": entry.changed} for entry in found],
    }
    write_result(data, _text(found, check=command.check), invocation, console)
    return Exit.DIFFERENCES if command.check and changed else Exit.DONE


def _formed(paths: Sequence[Path]) -> list[_Formed]:
    problems = Problems()
    reader = SourceReader(Surroundings(), Fence(paths), problems)
    found: list[_Formed] = []
    for path in dict.fromkeys(file for named in paths for file in reader.files_of(named)):
        before = reader.text_of(path)
        if before is None:
            continue
        after, told = normal_form(before, reader.name_of(path))
        problems.extend(told)
        if after is not None:
            found.append(_Formed(path, reader.name_of(path), after, after != before))
    if problems.fatal:
        raise ManifestError(problems.sorted())
    return found


def _text(found: Sequence[_Formed], *, check: bool) -> str:
    changed = [entry for entry in found if entry.changed]
    lines = [f"{visible(entry.name)}: {'not in normal form' if check else 'laid out'}" for entry in changed]
    if not changed:
        lines.append(f"{count(len(found), 'manifest')} in normal form")
    return "".join(f"{line}\n" for line in lines)


def _must_be_writable(entry: _Formed) -> None:
    """Say early what could not be written: replacing would go over a file that is meant to stay."""
    path = entry.path.resolve()
    if not path.is_file():
        raise LocalFileError("is not a regular file", path=entry.name)
    if not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK):
        raise LocalFileError("is read-only", path=entry.name)


def _replace(entry: _Formed) -> None:
    """Put the new text in place of the old at once, with the same permissions; a link stays one."""
    path = entry.path.resolve()
    part: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as stream:
            part = Path(stream.name)
            os.fchmod(stream.fileno(), path.stat().st_mode & 0o7777)
            stream.write(entry.text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except OSError as error:
        if part is not None:
            part.unlink(missing_ok=True)
        raise LocalFileError(f"cannot be written: {error.strerror or error}", path=entry.name) from error
