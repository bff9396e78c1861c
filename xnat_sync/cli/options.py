"""What each command is asked to do, as frozen values. Nothing below sees a parser's namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.core.model.policy import Compare

DEFAULT_MANIFEST = "xnat.yaml"
DEFAULT_PORT = 8080


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a manifest may read besides what belongs to its study: folders, and variables of the environment."""

    allow_roots: tuple[Path, ...]
    env: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Which server, and as whom; ``None`` leaves it to the environment and the manifest."""

    server: str | None
    user: str | None
    ca_file: Path | None
    jobs: int
    bwlimit: float | None
    """Bytes a second."""
    max_requests: float | None
    """Requests a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared, and how: ``cache`` and ``rehash`` are about the digests of local files."""

    compare: Compare
    only: tuple[str, ...]
    cache: bool
    rehash: bool
    check_disk: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Validate:
    """``xnat-sync validate``."""

    manifests: tuple[Path, ...]
    access: Access
    deep: bool
    cache: bool
    fix_gzip_names: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """``xnat-sync fmt``: ``check`` only says what it would change."""

    manifests: tuple[Path, ...]
    check: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MakePlan:
    """``xnat-sync plan``."""

    manifests: tuple[Path, ...]
    access: Access
    connection: Connection
    comparison: Comparison
    out: Path | None
    detailed_exitcode: bool
    detail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """``xnat-sync apply``: ``saved`` is a stored plan, otherwise the manifests are planned first."""

    manifests: tuple[Path, ...]
    access: Access
    saved: Path | None
    connection: Connection
    comparison: Comparison
    yes: bool
    allow_delete: bool
    max_delete: int
    backup_dir: Path | None
    retry: str | None
    lock: bool
    wait_lock: float
    force_unlock: bool
    reason: str | None
    detail: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verify:
    """``xnat-sync verify``."""

    manifests: tuple[Path, ...]
    access: Access
    connection: Connection
    comparison: Comparison
    download: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """``xnat-sync schema``."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """``xnat-sync serve``."""

    directory: Path
    host: str
    port: int
    user: str
    password: str
    xnat_version: str | None
    faults: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """``xnat-sync demo``.

    ``directory`` is kept, ``None`` is a temporary folder; ``images`` asks for the images alone.
    """

    directory: Path | None
    images: Path | None


@dataclass(frozen=True, slots=True)
class FromBids:
    """A BIDS data set by its folder, with the pipelines whose ``derivatives`` are wanted too."""

    folder: Path
    derivatives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FromCsv:
    """A table that has a line for each file; ``session_type`` is the type of sessions that it says none of."""

    file: Path
    session_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Init:
    """``xnat-sync init``: ``create`` lets `apply` make the project."""

    source: FromBids | FromCsv
    project: str | None
    out: Path
    force: bool
    create: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Render:
    """``xnat-sync render``: to standard output where ``out`` is ``None``."""

    manifests: tuple[Path, ...]
    access: Access
    out: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explain:
    """``xnat-sync explain``."""

    ref: str
    manifests: tuple[Path, ...]
    access: Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """``xnat-sync pull``: ``files`` is the folder that takes the files, ``None`` for none."""

    project: str
    connection: Connection
    only: tuple[str, ...]
    out: Path
    files: Path | None
    bids: bool


Command = Validate | Format | MakePlan | Apply | Verify | Schema | Serve | Demo | Init | Render | Explain | Pull


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One command with what all commands share."""

    command: Command
    format: str
    debug: bool
