"""What a URL of XNAT can name."""

from __future__ import annotations

import re

from xnat_sync.core.model.refs import Level

_LABEL = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_NO_RESOURCE = re.compile(r"\d+|null", re.IGNORECASE)


def has_address(level: Level, label: str) -> bool:
    """Whether a path with a label in it means the project, subject, session, scan or resource of that label.

    XNAT takes segments as they stand, without decoding them (Restlet 1.1 `Template`), and digits for a resource's
    number (`XNATCatalogTemplate`); a resource without a label is listed with nothing but its number.
    """
    return _LABEL.fullmatch(label) is not None and not (level is Level.RESOURCE and _NO_RESOURCE.fullmatch(label))
