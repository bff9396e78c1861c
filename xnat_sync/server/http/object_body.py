"""The body of an object request taken apart: a document, the fields of a form, or both in parts (``RequestUtil``)."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import HTTP
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from email.message import MIMEPart

    from xnat_sync.server.http.routing import Query


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def document(query: Query, content_type: str, body: bytes) -> bytes | None:
    """The XML document in the body: by its type, by ``req_format=xml`` or ``inbody``, or as a file part ``*.xml``."""
    media, wanted = media_type(content_type), query.get("req_format")
    if not body:
        return None
    if media == "multipart/form-data" and wanted != "form":
        files = [part for part in _parts(content_type, body) if (part.get_filename() or "").lower().endswith(".xml")]
        return _payload(files[0]) if files else None
    if media in {"text/xml", "application/xml"} or wanted == "xml" or query.flag("inbody"):
        return body
    return None


def form_fields(query: Query, content_type: str, body: bytes) -> list[tuple[str, str]]:
    """Names and values of a form, in order."""
    media = media_type(content_type)
    if media == "multipart/form-data":
        parts = [part for part in _parts(content_type, body) if part.get_filename() is None]
        return [(_name(part), _payload(part).decode("utf-8", "replace")) for part in parts]
    if media == "application/x-www-form-urlencoded" or query.get("req_format") == "form":
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    return []


def _parts(content_type: str, body: bytes) -> list[MIMEPart]:
    message = message_from_bytes(b"Content-Type: " + content_type.encode("latin-1") + b"\r\n\r\n" + body, policy=HTTP)
    return list(message.iter_parts()) if message.is_multipart() else []


def _name(part: MIMEPart) -> str:
    return str(part.get_param("name", "", header="content-disposition"))


def _payload(part: MIMEPart) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""
