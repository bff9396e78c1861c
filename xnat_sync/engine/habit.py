"""Whether a server computes the digests of what it stores, as far as a run has found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.errors import GatewayError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.state import RemoteFile
    from xnat_sync.gateway.api import Reader


class DigestHabit:
    """What the workers of one run learn from listings. Each may use it: at worst two ask at once."""

    def __init__(self) -> None:
        self._keeps: bool | None = None

    def note(self, files: Iterable[RemoteFile]) -> None:
        """Look at a listing: one digest is enough."""
        if not self._keeps and any(file.md5 for file in files):
            self._keeps = True

    def keeps_digests(self, gateway: Reader) -> bool:
        """Whether a missing digest is a fault. Where no listing tells, the server is asked, once."""
        if self._keeps is None:
            try:
                self._keeps = bool(gateway.server().checksums)
            except GatewayError:
                return False
        return self._keeps
