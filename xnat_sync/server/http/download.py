"""Sending one file: headers, HEAD, ranges and dates (``SecureResource.representFile``, Restlet's ``RangeFilter``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import TYPE_CHECKING, BinaryIO, Final

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse

from xnat_sync.server.errors import XnatError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

CHUNK: Final = 1024 * 1024
OCTETS: Final = "application/octet-stream"
_TYPES: Final = {
    "bmp": "image/bmp",
    "gif": "image/gif",
    "html": "text/html",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "png": "image/png",
    "svg": "image/svg+xml",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "xml": "text/xml",
}


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes to send: from ``start`` up to but not including ``end``."""

    start: int
    end: int


class OpenFileResponse(StreamingResponse):
    """A part of an open file as a stream; the file is closed however the delivery ends, also before its first byte."""

    def __init__(self, file: BinaryIO, span: Span, *, status_code: int, headers: Mapping[str, str]) -> None:
        super().__init__(iterate_in_threadpool(_chunks(file, span)), status_code=status_code, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.close()

    def close(self) -> None:
        """Lets go of the file; for a response that will not be sent."""
        self._file.close()


def file_response(path: Path, headers: Mapping[str, str], *, head: bool) -> Response:
    """The file, or the part that the request's headers ask for; without an ETag, which XNAT does not know."""
    file = path.open("rb")
    try:
        return _response(path, file, headers, head=head)
    except BaseException:
        file.close()
        raise


def _response(path: Path, file: BinaryIO, headers: Mapping[str, str], *, head: bool) -> Response:
    size, modified = file.seek(0, 2), datetime.fromtimestamp(path.stat().st_mtime, UTC)
    fields = {
        "Last-Modified": format_datetime(modified, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "must-revalidate",
        "Content-Disposition": f'attachment; filename="{_quotable(path.name)}";',
    }
    if _unmodified(headers.get("if-modified-since"), modified):
        file.close()
        return Response(status_code=304, headers=fields)
    span = range_of(headers.get("range"), size)
    fields["Content-Type"] = _TYPES.get(path.suffix.lower().removeprefix("."), OCTETS)
    status = 200
    if span is None:
        span = Span(0, size)
    else:
        status = 206
        fields["Content-Range"] = f"bytes {span.start}-{span.end - 1}/{size}"
    fields["Content-Length"] = str(span.end - span.start)
    if head or span.end - span.start <= CHUNK:
        with file:
            return Response(b"" if head else _read(file, span), status_code=status, headers=fields)
    return OpenFileResponse(file, span, status_code=status, headers=fields)


def range_of(header: str | None, size: int) -> Span | None:
    """The one range of ``bytes=a-b``, ``a-`` or ``-n``; ``None`` means everything, also for one beyond the end.

    Several ranges are 501; there is no 416 (Restlet 1.1).
    """
    if header is None or not header.strip().lower().startswith("bytes="):
        return None
    text = header.partition("=")[2]
    if "," in text:
        raise XnatError(501)
    match = re.fullmatch(r"\s*(\d{0,18})-(\d{0,18})\s*", text, re.ASCII)
    if match is None or match.group(0).strip() == "-":
        return None
    first, last = match.groups()
    if not first:
        return Span(max(0, size - int(last)), size) if int(last) and size else None
    start, end = int(first), min(size, int(last) + 1 if last else size)
    return Span(start, end) if start < end else None


def _unmodified(since: str | None, modified: datetime) -> bool:
    if since is None:
        return False
    try:
        return modified.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (TypeError, ValueError):
        return False


def _read(file: BinaryIO, span: Span) -> bytes:
    file.seek(span.start)
    return file.read(span.end - span.start)


def _chunks(file: BinaryIO, span: Span) -> Iterator[bytes]:
    file.seek(span.start)
    remaining = span.end - span.start
    while remaining and (chunk := file.read(min(CHUNK, remaining))):
        remaining -= len(chunk)
        yield chunk


def _quotable(name: str) -> str:
    """A name as it fits into a header: Latin-1, without quotes."""
    return name.replace('"', "'").encode("latin-1", "replace").decode("latin-1")
