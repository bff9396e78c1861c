"""Local files as bodies of requests: read once, hashed on the way, and never sent to the end if they changed."""

from __future__ import annotations

import hashlib
import os
import stat
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.gateway.bodies.hashing import Md5Beside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec

CHUNK = 1 << 20
_CLOSED = -1
_EMPTY_MD5 = hashlib.md5(usedforsecurity=False).hexdigest()


class Meter:
    """Tells a listener about bytes as they go, and takes them back when a transfer begins anew."""

    def __init__(self, sent: Callable[[int], None]) -> None:
        self._sent = sent
        self._count = 0

    def __call__(self, count: int) -> None:
        """So many more bytes went out; negative where a part of the transfer is taken back."""
        if count:
            self._count += count
            self._sent(count)

    def rewind(self) -> None:
        """Take back everything that was told so far."""
        self(-self._count)


class HashedFile:
    """One local file, read from start to end.

    The last bytes are handed out only after the size and, where the spec knows one, the digest were found to be those
    of the spec. So a receiver that was promised the size of the spec never takes a changed file for a whole one.
    """

    def __init__(self, spec: FileSpec) -> None:
        """Open the file.

        Raises:
            LocalFileError: it is gone, unreadable, no regular file, or has another size than its spec.

        """
        self.spec = spec
        self._hash = Md5Beside(spec.size)
        self._left = spec.size
        self._file = _open(spec.path)
        try:
            _check_size(spec, _size(spec.path, os.fstat(self._file)))
            if not self._left:
                self._check_end()
        except BaseException:
            self.close()
            raise

    @property
    def md5(self) -> str:
        """The digest, in hex, of what was read so far."""
        return self._hash.hexdigest()

    @property
    def left(self) -> int:
        """The bytes that are still to be read."""
        return self._left

    def read(self, size: int) -> bytes:
        """The next bytes, at most so many, nothing at the end.

        Raises:
            LocalFileError: the file was changed while it was read.

        """
        chunk = self._read(min(size, self._left)) if self._left else b""
        if self._left and not chunk:
            raise _changed(self.spec, "it became shorter while it was read")
        self._hash.update(chunk)
        self._left -= len(chunk)
        if chunk and not self._left:
            self._check_end()
        return chunk

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self._hash.close()
        if self._file >= 0:
            os.close(self._file)
            self._file = _CLOSED

    def _read(self, size: int) -> bytes:
        try:
            return os.read(self._file, size)
        except OSError as error:
            raise _failure(self.spec.path, error) from error

    def _check_end(self) -> None:
        if self._read(1):
            raise _changed(self.spec, "it became longer while it was read")
        if self.spec.md5 is not None and self.md5 != self.spec.md5.lower():
            raise _changed(self.spec, "its content is not what was planned")


def hashed(spec: FileSpec) -> FileSpec:
    """A spec that has the digest of its file; the file is read now if nobody has done so before.

    One that is gone or has changed has none.
    """
    if spec.md5 is not None:
        return spec
    try:
        source = HashedFile(spec)
    except LocalFileError:
        return spec
    try:
        while source.read(CHUNK):
            pass
        return replace(spec, md5=source.md5)
    except LocalFileError:
        return spec
    finally:
        source.close()


def _open(path: str) -> int:
    """Open a file for reading; a pipe of that name makes nobody wait."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _failure(path, error) from error


def _size(path: str, status: os.stat_result) -> int:
    """The size of a regular file; anything else has none that could be relied on."""
    if not stat.S_ISREG(status.st_mode):
        raise LocalFileError(f"{path} is no regular file", path=path)
    return status.st_size


def _regular(path: str) -> int:
    """The size of a file that is there and no folder, device or pipe."""
    try:
        return _size(path, os.stat(path))  # noqa: PTH116 - plain text paths all the way, a million of them
    except OSError as error:
        raise _failure(path, error) from error


def _check_size(spec: FileSpec, size: int) -> None:
    if size != spec.size:
        raise _changed(spec, f"it has {size} bytes, not the {spec.size} that were planned")


def _changed(spec: FileSpec, what: str) -> LocalFileError:
    return LocalFileError(f"{spec.path} changed: {what}", path=spec.path)


def _failure(path: str, error: OSError) -> LocalFileError:
    return LocalFileError(f"{path} cannot be read: {error.strerror or error}", path=path)


class Body:
    """What a request sends: of known length, read once and like a file, telling a listener about bytes as they go.

    ``md5`` has the digest of each file that was read to its end.
    """

    def __init__(self, sent: Callable[[int], None]) -> None:
        self._sent = sent
        self.md5: dict[Ref, str] = {}
        self._current: HashedFile | None = None

    def __len__(self) -> int:
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        # requests takes only something that can be iterated for a stream; it is read all the same.
        while chunk := self.read(CHUNK):
            yield chunk

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, nothing at the end.

        Raises:
            LocalFileError: a file is gone or changed. Then less than the promised length was given out.

        """
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open. Safe to repeat."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def _read_file(self, size: int) -> bytes:
        assert self._current
        chunk = self._current.read(size)
        self._sent(len(chunk))
        if not self._current.left:
            self.md5[self._current.spec.ref] = self._current.md5
            self.close()
        return chunk


class FileBody(Body):
    """One file as it is."""

    def __init__(self, spec: FileSpec, sent: Callable[[int], None]) -> None:
        """Open the file; see `HashedFile`."""
        super().__init__(sent)
        self._size = spec.size
        self._current = HashedFile(spec)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1, /) -> bytes:
        """See `Body.read`."""
        return self._read_file(size if size > 0 else self._size) if self._current is not None else b""


class TarBody(Body):
    """Several files as one archive, made while it is read, with a length that is known before.

    GNU headers, since they carry long names, names outside ASCII and any size (Ant's `TarInputStream`). Only names and
    bytes go in: no owner, no time, no permissions.
    """

    def __init__(self, files: Sequence[FileSpec], sent: Callable[[int], None]) -> None:
        """Take note of the files, which are opened one after another.

        Raises:
            LocalFileError: one of them is gone or has another size than its spec, as far as can be seen now.

        """
        super().__init__(sent)
        for spec in files:
            _check_size(spec, _regular(spec.path))
            if not spec.size:
                self.md5[spec.ref] = _EMPTY_MD5
        heads = [_header(spec) for spec in files]
        self._size = _padded(sum(map(len, heads)) + sum(_rounded(spec.size) for spec in files) + 2 * _BLOCK)
        self._parts = self._make(files, heads)
        self._rest = b""

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1, /) -> bytes:
        """See `Body.read`."""
        wanted = size if size >= 0 else self._size
        parts, held = [self._rest], len(self._rest)
        while held < wanted and (part := next(self._parts, b"")):
            parts.append(part)
            held += len(part)
        # Small members go out together: a send for each header would cost more than the copy.
        joined = b"".join(parts)
        self._rest = joined[wanted:]
        return joined[:wanted]

    def _make(self, files: Sequence[FileSpec], heads: Sequence[bytes]) -> Iterator[bytes]:
        given = 0
        for spec, head in zip(files, heads, strict=True):
            given += len(head) + _rounded(spec.size)
            yield head
            if spec.size:
                source = self._current = HashedFile(spec)
                while source.left:
                    yield self._read_file(CHUNK)
                # Nothing empty, which would look like the end.
                if padding := _rounded(spec.size) - spec.size:
                    yield bytes(padding)
        yield bytes(self._size - given)


_BLOCK = tarfile.BLOCKSIZE


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _padded(size: int) -> int:
    return -(-size // tarfile.RECORDSIZE) * tarfile.RECORDSIZE


def _header(spec: FileSpec) -> bytes:
    member = tarfile.TarInfo(spec.ref.label)
    member.size = spec.size
    member.mode = 0o644
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


class BodyOpener:
    """Opens the body of an upload, again for each try, and keeps the digests of the last one."""

    def __init__(self, files: Sequence[FileSpec], meter: Meter, *, as_itself: bool) -> None:
        self._files = files
        self._meter = meter
        self._as_itself = as_itself
        self._body: Body | None = None

    def __call__(self) -> Body:
        """The body from its beginning."""
        self._meter.rewind()
        self._body = FileBody(self._files[0], self._meter) if self._as_itself else TarBody(self._files, self._meter)
        return self._body

    @property
    def md5(self) -> dict[Ref, str]:
        """The digest of each file that was sent."""
        return self._body.md5 if self._body is not None else {}
