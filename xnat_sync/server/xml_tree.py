"""XML in and out: a parser that refuses document types, and escaping."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

__all__ = ["Element", "XmlError", "escape", "parse_xml"]

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


class XmlError(ValueError):
    """The document is not well-formed, or carries a DOCTYPE."""


def parse_xml(data: bytes) -> Element:
    """The root element, names as ``{namespace}local``.

    A DOCTYPE is refused, and with it every entity trick (XNAT refuses it too since 1.10.1).
    """
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = lambda tag, attributes: builder.start(
        _universal(tag), {_universal(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda tag: builder.end(_universal(tag))
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 - expat's own signature
    except expat.ExpatError as error:
        raise XmlError(str(error)) from error
    return builder.close()


def _universal(name: str) -> str:
    return "{" + name if "}" in name else name


def _refuse(*_: object) -> None:
    message = "DOCTYPE is disallowed"
    raise XmlError(message)


def escape(text: str) -> str:
    """The five characters that ``TurbineUtils.escapeParam`` replaces; also right for XML text and attributes."""
    return "".join(_ENTITIES.get(character, character) for character in _CONTROL.sub("", text))
