"""How a body is understood as files, and the words with which one is refused (``SecureResource``, ``FileList``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError

if TYPE_CHECKING:
    from collections.abc import Mapping

ZIP: Final = "application/zip"
FORM: Final = "multipart/form-data"
_URLENCODED: Final = "application/x-www-form-urlencoded"
_UNKNOWN_SIZE: Final = -1
_IN_BODY_TYPES: Final = frozenset(
    {
        *("text/*", "text/plain", "text/xml", "text/csv"),
        *("application/*", "application/octet-stream", "application/dicom", ZIP, "application/xar", "application/pdf"),
        *("application/x-gtar", "application/x-gzip", "application/x-tar"),
        *("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"),
        *("image/*", "image/bmp", "image/gif", "image/jpeg", "image/png", "image/svg+xml", "image/tiff"),
        *("video/*", "video/x-msvideo", "video/mp4", "video/mpeg", "video/quicktime", "video/x-ms-wmv"),
    }
)
"""Taken as a file without ``inbody=true``; application/gzip, application/json and text/html are not among them."""
_DEFAULT_NAMES: Final = {
    ZIP: "upload.zip",
    "application/x-gtar": "upload.tar.gz",
    "application/x-gzip": "upload.tar.gz",
    "application/x-tar": "upload.tar",
    "application/xar": "upload.xar",
    "application/pdf": "upload.pdf",
    "application/octet-stream": "upload",
}
_UNITS: Final = ("B", "KB", "MB", "GB", "TB")


class BodyForm(Enum):
    """The two ways in which files arrive."""

    IN_BODY = auto()
    MULTIPART = auto()


@dataclass(frozen=True, slots=True)
class BodyFacts:
    """What the head of a request says about its body; ``size`` is -1 when it is not known before reading."""

    method: str
    media_type: str
    size: int
    in_body: bool

    @property
    def default_name(self) -> str:
        """The file name of an in-body upload to ``/files`` without a name."""
        return _DEFAULT_NAMES.get(self.media_type, "upload.unsupported")

    @property
    def length(self) -> int | None:
        """The size, if it is known."""
        return self.size if self.size >= 0 else None


def body_facts(method: str, headers: Mapping[str, str], *, in_body: bool) -> BodyFacts:
    """Reads the head; a gzip-encoded body is decoded by Restlet and has no known size."""
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    encoded = headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}
    length = headers.get("content-length", "")
    if encoded or not length.isdigit():
        size = 0 if not length and "transfer-encoding" not in headers else _UNKNOWN_SIZE
    else:
        size = int(length)
    return BodyFacts(method, media_type, size, in_body)


def body_form(facts: BodyFacts) -> BodyForm:
    """In-body or multipart; raises the ``XnatError`` of the body that is neither."""
    if facts.media_type == FORM and not facts.in_body:
        return BodyForm.MULTIPART
    if facts.media_type == _URLENCODED:
        raise XnatError(500)  # the servlet container has eaten the body as parameters
    if facts.media_type != FORM and (facts.in_body or facts.media_type in _IN_BODY_TYPES):
        _demand_size(facts)
        return BodyForm.IN_BODY
    raise XnatError(400, nothing_found(facts))


def _demand_size(facts: BodyFacts) -> None:
    """An in-body file needs a size of at least one byte, except a zip, which may be streamed."""
    if facts.size >= 1 or facts.media_type == ZIP:
        return
    if not facts.media_type:
        raise XnatError(500)  # NullPointerException: there is no media type to name
    raise XnatError(
        500,
        "In-body File posts must include the file directly as the body of the message. In this case, the request "
        f"entity size is {facts.size} but the media type is not application/zip (i.e. streaming compressed upload).",
    )


def nothing_found(facts: BodyFacts) -> str:
    """The words for a body in which no file was found."""
    method = facts.method
    if facts.size == 0:
        return (
            f"You tried to {method} to this service, but didn't provide any data (found request entity size of 0). "
            "Please check the format of your service request."
        )
    return (
        f"You tried to {method} a payload of {format_size(facts.size)} to this service, but didn't provide any data. "
        f"If you think you sent data to upload, you can try to {method} with the query-string parameter inbody=true "
        "or use multipart/form-data encoding."
    )


def format_size(size: int) -> str:
    """``12 B``, ``1.2 KB``, ``3.4 MB`` (``CatalogUtils.formatSize``)."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    unit = 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{value:.1f} {_UNITS[unit]}"
