"""Files that come from elsewhere: under their names when they are whole, and not at all before."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


@contextmanager
def arriving(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content lies at ``path`` once the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not the name with an ending: it may be as long as names can be, and another file may have just that one.
    part = path.with_name(f".{hashlib.md5(os.fsencode(path.name), usedforsecurity=False).hexdigest()}.part")
    try:
        part.unlink(missing_ok=True)
        # What has this name by now was put there by others, and may be a link to something else.
        with part.open("xb") as stream:
            yield stream
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
