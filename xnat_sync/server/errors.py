"""The one exception by which a rule of the server refuses a request, and the page that a client sees for it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

STOCK_SENTENCES = {
    400: "The request could not be understood by the server due to malformed syntax",
    401: "The request requires user authentication",
    403: "The server understood the request, but is refusing to fulfill it",
    404: "The server has not found anything matching the request URI",
    405: "The method specified in the request is not allowed for the resource identified by the request URI",
    406: "The resource identified by the request is only capable of generating response entities which have content "
    "characteristics not acceptable according to the accept headers sent in the request",
    409: "The request could not be completed due to a conflict with the current state of the resource",
    417: "The expectation given in the Expect request header could not be met by this server",
    422: "The server understands the content type of the request entity and the syntax of the request entity is "
    "correct but was unable to process the contained instructions",
    500: "The server encountered an unexpected condition which prevented it from fulfilling the request",
    501: "The server does not support the functionality required to fulfill the request",
    504: "The server, while acting as a gateway or proxy, did not receive a timely response from the upstream server",
}
"""What Restlet 1.1 writes when the code set a status without a message (``StatusService``)."""


class XnatError(Exception):
    """A request that XNAT answers with an error status.

    ``message`` is the text inside ``<h3>``; ``None`` means that XNAT's code set none: Restlet's stock sentence shows.
    """

    def __init__(self, status: int, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {message or ''}".strip())
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def error_page(status: int, message: str | None) -> str:
    """Restlet's status page, word for word as clients scrape it (``StatusFilter``); the message is not HTML-escaped."""
    text = message or STOCK_SENTENCES.get(status) or _phrase(status)
    link = f"http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html#sec10.{status // 100}.{status % 100 + 1}"
    return (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n<body>\n"
        f'<h3>{text}</h3><p>You can get technical details <a href="{link}">here</a>.<br>\n'
        'Please continue your visit at our <a href="/">home page</a>.\n</p>\n</body>\n</html>\n'
    )


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "Error"
