"""What xnatpy and requests raise, as errors of the gateway."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests
import xnat.exceptions

from xnat_sync.core.model.errors import (
    AlreadyExists,
    GatewayError,
    NotAuthenticated,
    NotFound,
    Rejected,
    UnexpectedReply,
    Unreachable,
)
from xnat_sync.gateway.protocol.replies import Reply, error_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.core.model.refs import Ref

# xnatpy's word on the wire, and requests', as errors of ours; the first class that fits decides.
ERRORS: tuple[tuple[type[BaseException], type[GatewayError]], ...] = (
    (xnat.exceptions.XNATLoginFailedError, NotAuthenticated),
    (xnat.exceptions.XNATExpiredCredentialsError, NotAuthenticated),
    (xnat.exceptions.XNATAuthError, NotAuthenticated),
    (xnat.exceptions.XNATConnectionError, Unreachable),
    (xnat.exceptions.XNATNotConnectedError, Unreachable),
    (xnat.exceptions.XNATSSLError, UnexpectedReply),
    (xnat.exceptions.XNATResponseError, UnexpectedReply),
    (xnat.exceptions.XNATObjectAlreadyExistsError, AlreadyExists),
    (xnat.exceptions.XNATObjectDestroyedError, NotFound),
    (xnat.exceptions.XNATUploadError, UnexpectedReply),
    (xnat.exceptions.XNATIOError, UnexpectedReply),
    (xnat.exceptions.XNATKeyError, UnexpectedReply),
    (xnat.exceptions.XNATValueError, UnexpectedReply),
    (xnat.exceptions.XNATMappingException, UnexpectedReply),
    (xnat.exceptions.XNATError, UnexpectedReply),
    # A certificate does not become valid by trying again.
    (requests.exceptions.SSLError, UnexpectedReply),
    (requests.exceptions.ProxyError, Unreachable),
    (requests.exceptions.ConnectTimeout, Unreachable),
    (requests.exceptions.ReadTimeout, Unreachable),
    (requests.exceptions.Timeout, Unreachable),
    (requests.exceptions.ConnectionError, Unreachable),
    (requests.exceptions.ChunkedEncodingError, Unreachable),
    (requests.exceptions.ContentDecodingError, UnexpectedReply),
    (requests.exceptions.InvalidProxyURL, Rejected),
    (requests.exceptions.InvalidURL, Rejected),
    (requests.exceptions.MissingSchema, Rejected),
    (requests.exceptions.InvalidSchema, Rejected),
    (requests.exceptions.URLRequired, Rejected),
    (requests.exceptions.InvalidHeader, Rejected),
    (requests.exceptions.UnrewindableBodyError, Rejected),
    (requests.exceptions.StreamConsumedError, Rejected),
    (requests.exceptions.TooManyRedirects, UnexpectedReply),
    (requests.exceptions.RetryError, Unreachable),
    (requests.exceptions.HTTPError, UnexpectedReply),
    (requests.exceptions.JSONDecodeError, UnexpectedReply),
    (requests.exceptions.InvalidJSONError, UnexpectedReply),
    (requests.exceptions.RequestException, Unreachable),
)


@contextmanager
def translated(doing: str, ref: Ref | None = None) -> Iterator[None]:
    """Inside, errors of xnatpy and requests become `GatewayError`; errors of the program itself pass."""
    try:
        yield
    except tuple(foreign for foreign, _ in ERRORS) as error:
        status = getattr(error, "status_code", 200)
        if status not in (200, 201):
            raise error_of(Reply(status=status, text=getattr(error, "text", "")), ref) from error
        own = next(own for foreign, own in ERRORS if isinstance(error, foreign))
        raise own(f"{doing}: {_words(error)}", ref=ref) from error


def _words(error: BaseException) -> str:
    """What a foreign error says at its core, without the addresses of objects that urllib3 wraps around it."""
    inner = getattr(error, "reason", None) or (error.args[0] if error.args else None)
    if isinstance(inner, BaseException) and inner is not error:
        return _words(inner)
    parts = [str(part) for part in error.args] if len(error.args) == 2 and isinstance(inner, str) else [str(error)]
    text = re.sub(r"<[^<>]*\bobject at 0x[0-9a-f]+>:? ?|\bHTTPS?Connection(?:Pool)?\([^()]*\):? ?", "", " ".join(parts))
    text = text.removeprefix("Failed to establish a new connection: ")
    return " ".join(text.split())[:300] or type(error).__name__
