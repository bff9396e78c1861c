"""Read manifests and look at every local file that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load_study

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xnat_sync.local.cache.inspection_cache import LookCache


def validate(
    paths: Sequence[Path],
    *,
    environ: Mapping[str, str] | None = None,
    deep: bool = False,
    looks: LookCache | None = None,
) -> Loaded:
    """The study that manifests (or folders of manifests) describe, with every local file looked at. Needs no server.

    ``environ`` answers ``${env:NAME}``. Warnings are in `Loaded.problems`. With ``deep`` every file is read to its end.
    With ``looks`` files that did not change since another run looked into them are not opened again.

    Raises:
        ManifestError: with every problem of the manifests and their files.

    """
    return load_study(paths, environ=environ or {}, local=Disk(looks), deep=deep)
