"""What an editor needs to complete and check a manifest: the schema beside it, and the line that names it."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.guards.run_record import make_state_folder, state_folder
from xnat_sync.local.own_folder import OwnFolder
from xnat_sync.manifest.text.schema import SCHEMA_NAME, schema_text

if TYPE_CHECKING:
    from pathlib import Path

_MARK = '"$id": "urn:xnat-sync:schema:manifest'


def schema_beside(manifest: Path) -> str | None:
    """Put the manifest's schema into ``.xnat-sync`` beside it; its path from there, ``None`` where it has no place.

    In that folder since an installed package lies elsewhere on each machine, and git does not see it.
    """
    folder = state_folder(manifest)
    own = OwnFolder(folder)
    text = schema_text(SCHEMA_NAME)
    with suppress(OSError, ValueError, LocalFileError):
        make_state_folder(folder)
        with os.fdopen(own.open(SCHEMA_NAME), "r+", encoding="utf-8") as stream:
            before = stream.read()
            if before and _MARK not in before:
                return None
            if before != text:
                stream.seek(0)
                stream.truncate()
                stream.write(text)
        return f"{folder.name}/{SCHEMA_NAME}"
    return None
