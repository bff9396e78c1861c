"""The answer to the question whether every byte is there."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xnat_sync.core.model.refs import Ref

VERIFICATION_FORMAT = 1


class Fault(enum.Enum):
    """What is wrong with a file on the server."""

    MISSING = "missing"
    DIFFERS = "differs"
    DAMAGED = "damaged"
    """The catalog is right, but the bytes that the server sends are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One file that is not as the manifest wants it, and in what."""

    ref: Ref
    fault: Fault
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was proven, and how.

    ``files`` were looked at; of them so many are proven by reading them back, by the server's digest, or by nothing but
    their size.
    """

    project: str
    files: int
    by_download: int
    by_digest: int
    by_size: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether every file is there as wanted."""
        return not self.findings

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values, described by ``schemas/verification.v1.json``."""
        return {
            "format_version": VERIFICATION_FORMAT,
            "project": self.project,
            "ok": self.ok,
            "files": self.files,
            "by_download": self.by_download,
            "by_digest": self.by_digest,
            "by_size": self.by_size,
            "findings": [
                {"ref": str(finding.ref), "fault": finding.fault.value, "message": finding.message}
                for finding in self.findings
            ],
        }
