"""Tables of files, resources and folders as JSON, CSV, XML or HTML (``JSONTableRepresentation``, ``XFTTable``)."""

from __future__ import annotations

import csv
import html
import io
import json
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

from starlette.responses import Response

from xnat_sync.server.errors import XnatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Sequence[Mapping[str, str]]

JSON: Final = "application/json"
_OFFERED: Final = (JSON, "text/html", "text/xml", "image/jpeg")
_FORMATS: Final = {
    "csv": "csv",
    "xml": "xml",
    "html": "html",
    "text/csv": "csv",
    "text/xml": "xml",
    "text/html": "html",
}
FILES_HEAD: Final = '{"ResultSet":{"Columns":[{"key":"URI","serverRoot":""}],"Result":'


class UnsizedResponse(Response):
    """Sent chunked: XNAT's tables carry no Content-Length."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        """Like the base class, without the length."""
        super().init_headers(headers)
        del self.headers["content-length"]


def demand_acceptable(accept: str | None) -> None:
    """406 unless the client takes one of the four types that ``FileList`` declares, whatever ``format=`` says."""
    if not accept:
        return
    wanted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    families = {offered.partition("/")[0] + "/*" for offered in _OFFERED}
    if not wanted & {"*/*", "*", *_OFFERED, *families}:
        raise XnatError(406)


def file_table(rows: Rows, columns: Sequence[str], wanted: str | None) -> Response:
    """A listing of files or folders: the envelope with ``Columns`` and the title ``Files``, without a count."""
    if _format(wanted) != "json":
        return _other(rows, columns, _format(wanted))
    return UnsizedResponse(f'{FILES_HEAD}{_json(rows)}, "title": "Files"}}}}', media_type=JSON)


def resource_table(rows: Rows, columns: Sequence[str], wanted: str | None) -> Response:
    """A listing of resources: the title ``Resources`` and the count as text (``CatalogResourceList``)."""
    if _format(wanted) != "json":
        return _other(rows, columns, _format(wanted))
    text = f'{{"ResultSet":{{"Result":{_json(rows)}, "title": "Resources","totalRecords": "{len(rows)}"}}}}'
    return UnsizedResponse(text, media_type=JSON)


def _json(rows: Rows) -> str:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))


def _format(wanted: str | None) -> str:
    return _FORMATS.get((wanted or "json").lower(), "json")


def _other(rows: Rows, columns: Sequence[str], kind: str) -> Response:
    match kind:
        case "csv":
            return UnsizedResponse(_csv(rows, columns), media_type="text/csv")
        case "xml":
            return UnsizedResponse(_xml(rows, columns), media_type="text/xml")
        case _:
            return UnsizedResponse(_html(rows, columns), media_type="text/html")


def _csv(rows: Rows, columns: Sequence[str]) -> str:
    """A header line even when there are no rows; line breaks inside values become spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row[column].replace("\n", " ") for column in columns] for row in rows)
    return buffer.getvalue()


def _xml(rows: Rows, columns: Sequence[str]) -> str:
    head = "".join(f"<column>{escape(column)}</column>" for column in columns)
    body = "".join(f"<row>{''.join(f'<cell>{escape(row[column])}</cell>' for column in columns)}</row>" for row in rows)
    return (
        f'<ResultSet totalRecords="{len(rows)}"><results><columns>{head}</columns><rows>{body}</rows></results>'
        "</ResultSet>"
    )


def _html(rows: Rows, columns: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(row[column])}</td>' for column in columns)}</tr>" for row in rows)
    return f"<html><body><table><tr>{head}</tr>{body}</table></body></html>"
