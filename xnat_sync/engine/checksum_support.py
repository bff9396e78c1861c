"""Whether a server computes the digests of what it stores, as far as a run has found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.state import RemoteFile
    from xnat_sync.gateway.port import Reader


class DigestHabit:
    """What the workers of one run find out together. Each may use it: at worst two ask at once."""

    def __init__(self) -> None:
        self._asked = False
        self._told: bool | None = None
        self._seen = False

    def note(self, files: Iterable[RemoteFile]) -> None:
        """Look at a listing: one digest is enough."""
        self._seen = self._seen or any(file.md5 for file in files)

    def keeps_digests(self, gateway: Reader) -> bool:
        """Whether a missing digest is a fault: as the server says, or to an account that it tells nothing, as seen.

        Raises:
            GatewayError: the server could not be asked.

        """
        if not self._asked:
            self._told = gateway.server().checksums
            self._asked = True
        return self._seen if self._told is None else self._told
