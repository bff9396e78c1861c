"""The old place of `xnat_sync.api`, kept for programs that import it."""

from __future__ import annotations

import warnings

from xnat_sync.api import *  # noqa: F403

warnings.warn("xnat_sync.workflow is now xnat_sync.api: change the import", DeprecationWarning, stacklevel=2)
