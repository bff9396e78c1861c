"""The file parts of a ``multipart/form-data`` body, spooled to disk before anything else happens (``DiskFileItem``)."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from xnat_sync.server.storage.archive import BUFFER, Written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.storage.archive import Readable

SPOOL: Final = "uploads"
"""The folder in the cache where parts wait; what a killed server left in it is thrown away at the next start."""
_MAX_PARTS: Final = 100_000
_REFERENCE: Final = b"reference"


class FormError(Exception):
    """The body is not the form that its content type promises."""


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded file: the base name that the client gave it, and where its bytes wait."""

    name: str
    path: Path
    written: Written


@contextmanager
def spooled_parts(content_type: str, body: Readable, folder: Path) -> Iterator[list[Part]]:
    """The file parts in order; what is still in ``folder`` at the end of the block is removed.

    Fields that are no files are ignored, except ``reference``, which XNAT refuses (``SecureResource``).
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        yield _Spooler(Path(scratch)).run(content_type, body)


class _Spooler:
    """Collects what the parser reports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[Part] = []
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._file: _SpoolFile | None = None
        self._complete = False

    def run(self, content_type: str, body: Readable) -> list[Part]:
        _, options = parse_options_header(content_type)
        boundary = options.get(b"boundary")
        if not boundary:
            message = "the request was rejected because no multipart boundary was found"
            raise FormError(message)
        callbacks: Any = {
            name: getattr(self, name)
            for name in (
                "on_part_begin",
                "on_part_data",
                "on_part_end",
                "on_header_field",
                "on_header_value",
                "on_header_end",
                "on_headers_finished",
                "on_end",
            )
        }
        parser = MultipartParser(boundary, callbacks)
        try:
            while chunk := body.read(BUFFER):
                parser.write(chunk)
            parser.finalize()
        except MultipartParseError as error:
            raise FormError(str(error)) from error
        finally:
            self._close()
        if not self._complete:
            message = "Stream ended unexpectedly"
            raise FormError(message)
        return self._parts

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def on_header_end(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])
        self._header = (bytearray(), bytearray())

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        filename = options.get(b"filename")
        if filename is None:
            if options.get(b"name") == _REFERENCE:
                message = "The resource referenced does not exist"
                raise FormError(message)
            return
        if len(self._parts) >= _MAX_PARTS:
            message = "too many parts"
            raise FormError(message)
        self._file = _SpoolFile(self._folder / str(len(self._parts)), base_name(filename))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def on_part_end(self) -> None:
        if self._file is not None:
            self._parts.append(self._file.finish())
            self._file = None

    def on_end(self) -> None:
        self._complete = True

    def _close(self) -> None:
        if self._file is not None:
            self._file.finish()
            self._file = None


class _SpoolFile:
    """A part on its way to disk."""

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._digest = hashlib.md5(usedforsecurity=False)
        self._size = 0
        self._file = path.open("wb", buffering=BUFFER)

    def write(self, data: memoryview) -> None:
        self._digest.update(data)
        self._file.write(data)
        self._size += len(data)

    def finish(self) -> Part:
        self._file.close()
        return Part(self._name, self._path, Written(self._size, self._digest.hexdigest()))


def base_name(filename: bytes) -> str:
    r"""The name that XNAT keeps: what follows the last ``/`` or ``\`` of ``filename=``, as UTF-8."""
    return re.split(r"[/\\]", os.fsdecode(filename))[-1]
