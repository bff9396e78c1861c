"""Local files as bodies of requests, alone or as one archive; see `HashedFile` for files that change meanwhile."""

from __future__ import annotations

import hashlib
import tarfile
from typing import TYPE_CHECKING

from xnat_sync.gateway.bodies.hashed_file import HashedFile, check_size, regular_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec

CHUNK = 1 << 20
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
            check_size(spec, regular_size(spec.path))
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
