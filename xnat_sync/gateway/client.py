"""The old place of `XnatConnection`, kept for programs that import it."""

from __future__ import annotations

import warnings

from xnat_sync.gateway.connection.connection import XnatConnection

__all__ = ["XnatConnection"]

warnings.warn(
    "xnat_sync.gateway.client is now xnat_sync.gateway.connection: import XnatConnection from xnat_sync.api",
    DeprecationWarning,
    stacklevel=2,
)
