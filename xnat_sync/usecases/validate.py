"""Read manifests and look at every local file that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study
from xnat_sync.manifest.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from xnat_sync.local.cache.inspection_cache import LookCache


def validate(
    paths: Sequence[Path],
    *,
    environ: Mapping[str, str] | None = None,
    deep: bool = False,
    looks: LookCache | None = None,
    env: Iterable[str] = (),
    allow_roots: Iterable[Path] = (),
) -> Loaded:
    """The study that manifests (or folders of manifests) describe, with every local file looked at. Needs no server.

    ``environ`` answers ``${env:NAME}`` for the names in ``env`` and those that begin with ``XNAT_SYNC_VAR_``.
    Manifests and files must lie in the working folder, the manifests' folders or their git checkouts, or in
    ``allow_roots``.
    Warnings are in `Loaded.problems`. With ``deep`` every file is read to its end.
    With ``looks`` files that did not change since another run looked into them are not opened again.

    Raises:
        ManifestError: with every problem of the manifests and their files.

    """
    around = Surroundings(environ=environ or {}, variables=frozenset(env), allow_roots=tuple(allow_roots))
    return load_study(paths, local=Disk(looks), around=around, deep=deep)
