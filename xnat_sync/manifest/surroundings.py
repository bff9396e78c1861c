"""What a manifest may use of the machine that it is read on: some variables of the environment, and some folders.

A manifest may come from anybody who sends a pull request, and what it reads is shown in a plan and sent to a server. So
it reaches what belongs to its study, and what the person who runs the program names, and nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VARIABLE_PREFIX = "XNAT_SYNC_VAR_"
ROOTS_VARIABLE = "XNAT_SYNC_ALLOW_ROOT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The environment, the names in it that a manifest may read, and the folders that it may read from.

    Variables that begin with `VARIABLE_PREFIX` need not be named, nor need the folders of the study, see `Fence`.
    """

    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: frozenset[str] = frozenset()
    allow_roots: tuple[Path, ...] = ()

    def may_read(self, variable: str) -> bool:
        """Whether a manifest may read a variable of the environment."""
        return variable in self.variables or variable.startswith(VARIABLE_PREFIX)


def roots_named_in(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """The folders that the environment allows besides, separated as in ``PATH``."""
    return tuple(Path(name) for name in environ.get(ROOTS_VARIABLE, "").split(os.pathsep) if name)


class Fence:
    """The folders that hold a study: the working folder, those of its manifests, their git checkouts, and named ones.

    Links count for where they lead.
    """

    def __init__(self, manifests: Iterable[Path], allow_roots: Sequence[Path] = ()) -> None:
        here = Path.cwd()
        homes = _homes()
        allowed = {here, *(here / root for root in allow_roots)}
        for manifest in manifests:
            absolute = here / manifest
            allowed.update(_neighbourhood(absolute if absolute.is_dir() else absolute.parent, homes))
        self._folders = {real_path(folder) for folder in allowed}

    def admits(self, path: Path | str) -> bool:
        """Whether a path leads into one of the folders, and not into what git keeps for itself."""
        real = real_path(path)
        if real is None or ".git" in real.parts:
            return False
        return any(real.is_relative_to(folder) for folder in self._folders if folder is not None)


def real_path(path: Path | str) -> Path | None:
    """Where a path leads; ``None`` for one that no file can have."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return None


def _homes() -> set[Path]:
    """The home folder and those above it: a checkout there holds all that an account has, and is no study's."""
    try:
        home = Path(os.path.realpath(Path.home()))
    except RuntimeError:
        return set()
    return {home, *home.parents}


def _neighbourhood(folder: Path, homes: set[Path]) -> Iterator[Path]:
    """The folder of a manifest, and the git checkout that it is in."""
    real = real_path(folder)
    if real is not None:
        yield real
        yield from (above for above in (real, *real.parents) if above not in homes and (above / ".git").exists())
