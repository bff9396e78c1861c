"""Where a manifest comes from: the git commit that XNAT's history shall name."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_SECONDS = 10


def git_reason(manifest: Path, *, version: str) -> str:
    """The reason for a write: ``xnat-sync 0.1.0: STUDY@COMMIT path/to/manifest``.

    STUDY is the name of the checkout's folder; ``+changes`` follows the commit if the manifest differs from it.
    Without git, or outside of a checkout, the manifest's name alone.
    """
    path = manifest.resolve()
    folder = path if path.is_dir() else path.parent
    tool = f"xnat-sync {version}"
    top = _git(folder, "rev-parse", "--show-toplevel")
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not top or not commit:
        return f"{tool}: {path.name}"
    prefix = _git(folder, "rev-parse", "--show-prefix") or ""
    name = prefix if path.is_dir() else prefix + path.name
    changed = "+changes" if _git(folder, "status", "--porcelain", "--", str(path)) else ""
    return f"{tool}: {top.rpartition('/')[2]}@{commit}{changed} {name}".rstrip()


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints, ``None`` where it fails or is not there."""
    command = ("git", "-C", str(folder), *arguments)
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
