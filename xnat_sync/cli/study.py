"""Load the manifests that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import Loaded, load
from xnat_sync.report.problems import problems_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xnat_sync.cli.console import Console


def load_study(paths: Sequence[Path], console: Console) -> Loaded:
    """The study that some manifests describe, all files looked at.

    Raises:
        ManifestError: with every problem.

    """
    return load(paths, environ=console.environ, local=Disk())


def warn(loaded: Loaded, console: Console) -> None:
    """Show the warnings of a study on standard error."""
    console.err.write(problems_text(loaded.problems))
