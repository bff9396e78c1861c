"""What an answer of the server means: the text of its error pages, and which error it stands for."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import (
    AlreadyExists,
    Forbidden,
    GatewayError,
    NotAuthenticated,
    NotFound,
    Rejected,
    ServerFault,
    Throttled,
    UnexpectedReply,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.refs import Ref

_LONGEST_MESSAGE = 500
_LONGEST_TEXT = 20 * _LONGEST_MESSAGE
"""Characters of an answer that are looked at for its message."""
_BY_STATUS: dict[int, type[GatewayError]] = {
    401: NotAuthenticated,
    403: Forbidden,
    404: NotFound,
    409: AlreadyExists,
    429: Throttled,
    503: Throttled,
}
# A missing parent that the route does not answer with 404 (`ScanResource`, `SubjectResource`).
_MISSING_PARENT = re.compile(r"must reference a valid image session|must include the project attribute")
# Faults in name only: the same request will never succeed (`PersistentWorkflowUtils`).
_HOPELESS = re.compile(r"Justification required|Event name required")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that was read to its end. Header names are lower case."""

    status: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the server says that it did what was asked."""
        return self.status in (200, 201)


def is_page(text: str) -> bool:
    """Whether a body is a page for people: on a data path that means a login page, whatever the status says."""
    return text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))


def message_of(reply: Reply) -> str:
    """The sentence of an error answer: the heading of XNAT's status page, else the text itself."""
    _, opening, rest = reply.text.partition("<h3>")
    heading, closing, _ = rest.partition("</h3>")
    text = heading if opening and closing else "" if is_page(reply.text) else reply.text
    sentence = " ".join(html.unescape(text[:_LONGEST_TEXT]).split())
    return sentence[:_LONGEST_MESSAGE] or f"the server answered {reply.status} without a word"


def error_of(reply: Reply, ref: Ref | None) -> GatewayError:
    """The error that an answer other than 200 and 201 stands for."""
    message = message_of(reply)
    error = _error_class(reply.status, message)(message, ref=ref, status=reply.status)
    error.retry_after = _seconds(reply.headers.get("retry-after", ""))
    return error


def _error_class(status: int, message: str) -> type[GatewayError]:
    if status in (417, 422) and _MISSING_PARENT.search(message):
        return NotFound
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return Rejected if _HOPELESS.search(message) else ServerFault
    return Rejected if status >= 400 else UnexpectedReply


def _seconds(text: str) -> float | None:
    """The value of a ``Retry-After`` header in seconds; its other form, a date, is taken for *soon*."""
    return float(text) if text.strip().isdigit() else None
