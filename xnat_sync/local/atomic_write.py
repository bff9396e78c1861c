"""Files under their names when they are whole, and not at all before."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

# What a file system answers that has no second names for files.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV})


@contextmanager
def arriving(path: Path, *, replace: bool = True) -> Iterator[BinaryIO]:
    """A stream whose content lies at ``path`` once the block ends without an error.

    A link that has this name is replaced, not followed.

    Raises:
        FileExistsError: without ``replace`` there is such a file.
        OSError: it cannot be written; what was there before stays. The error names ``path``.

    """
    # Not the name with an ending: it may be as long as names can be, and another file may have just that one.
    part = path.with_name(f".{hashlib.md5(os.fsencode(path.name), usedforsecurity=False).hexdigest()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not replace and os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        part.unlink(missing_ok=True)
        # What has this name by now was put there by others, and may be a link to something else.
        with part.open("xb") as stream:
            yield stream
        if replace:
            part.replace(path)
        else:
            _give_name(part, path)
    except OSError as error:
        if error.filename in (None, str(part)):
            error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_whole(path: Path, text: str, *, replace: bool) -> None:
    """Write a text file into a folder that is there, all of it or nothing; raises as `arriving`."""
    mode = None
    if os.path.lexists(path):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            mode = stat.S_IMODE(status.st_mode)
        elif not stat.S_ISLNK(status.st_mode):
            raise OSError(errno.EEXIST, "it is there and is no regular file", str(path))
    elif not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    with arriving(path, replace=replace) as stream:
        if mode is not None:
            os.fchmod(stream.fileno(), mode)
        stream.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
        os.fsync(stream.fileno())


def _give_name(part: Path, path: Path) -> None:
    """Give a file a name that no other has."""
    try:
        os.link(part, path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        part.replace(path)
