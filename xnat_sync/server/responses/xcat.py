"""``format=xcat``: a listing as one catalog of URLs, which download managers read (``FileList.representTable``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape, quoteattr

from xnat_sync.server.responses.tables import UnsizedResponse
from xnat_sync.server.storage.catalog import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

MEDIA_TYPE: Final = "application/xcat"


@dataclass(frozen=True, slots=True)
class Link:
    """A file by its URL, with the place it would have in a bundle."""

    url: str
    path: str
    size: str


def xcat_response(links: Iterable[Link]) -> Response:
    """The catalog of these links."""
    text = "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<cat:Catalog xmlns:cat="{NAMESPACE}">',
            "\t<cat:entries>",
            *(_entry(link) for link in links),
            "\t</cat:entries>",
            "</cat:Catalog>\n",
        )
    )
    headers = {"Content-Disposition": 'attachment; filename="files.xcat";'}
    return UnsizedResponse(text, media_type=MEDIA_TYPE, headers=headers)


def _entry(link: Link) -> str:
    return (
        f"\t\t<cat:entry URI={quoteattr(link.url)} cachePath={quoteattr(link.path)}>\n\t\t\t<cat:metaFields>\n"
        f'\t\t\t\t<cat:metaField name="RELATIVE_PATH">{escape(link.path)}</cat:metaField>\n'
        f'\t\t\t\t<cat:metaField name="SIZE">{escape(link.size)}</cat:metaField>\n'
        "\t\t\t</cat:metaFields>\n\t\t</cat:entry>"
    )
