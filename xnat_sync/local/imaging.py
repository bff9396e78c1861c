"""Facts from an image header."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.core.localside import Finding


def check_image(path: str, name: str) -> tuple[Finding, ...]:
    """What is wrong with an image."""
    del path, name
    return ()
