"""Tables and documents as the formats that clients ask for, and the choice between them."""

from __future__ import annotations

import csv
import io
import json
from html import escape as html_escape
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, PlainTextResponse, Response

from xnat_sync.server.errors import XnatError, error_page
from xnat_sync.server.listings.rows import Table
from xnat_sync.server.objects.documents import item_json, item_xml
from xnat_sync.server.schema.data_types import Kind
from xnat_sync.server.schema.values import as_cell
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    from xnat_sync.server.http.routing import Call
    from xnat_sync.server.objects.documents import Node

_LIST_VARIANTS: Final = {
    "application/json": "json",
    "text/html": "html",
    "text/xml": "xml",
    "application/vnd.ms-excel": "csv",
    "text/csv": "csv",
}
_OBJECT_VARIANTS: Final = {"text/html": "html", "text/xml": "xml"}


def _accepted(call: Call, variants: dict[str, str]) -> str:
    """The first variant that ``Accept`` allows; 406 when there is none (Restlet's ``Resource.handleGet``)."""
    header = call.request.headers.get("accept", "*/*") or "*/*"
    ranges = []
    for part in header.split(","):
        name, _, quality = part.partition(";q=")
        ranges.append(
            (float(quality) if quality.strip().replace(".", "").isdigit() else 1.0, name.split(";")[0].strip())
        )
    for _, wanted in sorted(ranges, key=lambda pair: -pair[0]):
        for media, variant in variants.items():
            if wanted in {"*/*", media, media.split("/")[0] + "/*"}:
                return variant
    raise XnatError(406)


def table_response(
    call: Call, table: Table, *, title: str | None = None, total: bool = True, root: str | None = None
) -> Response:
    """A listing: JSON unless asked otherwise; sorted in memory by the keys of the result (``sortBy``)."""
    accepted = _accepted(call, _LIST_VARIANTS)
    wanted = (call.query.get("format") or "").lower()
    table = _sorted(table, call.query.get("sortBy"), descending=call.query.get("sortOrder") == "DESC")
    match wanted or accepted:
        case "csv":
            return Response(_csv(table), media_type="text/csv")
        case "xml":
            return Response(_xml(table), media_type="text/xml")
        case "html" | "xlist":
            return Response(_html(table), media_type="text/html")
        case _:
            return Response(_json(table, title, total=total, root=root), media_type="application/json")


def _sorted(table: Table, names: str | None, *, descending: bool) -> Table:
    if not names:
        return table
    positions = [table.keys.index(name) for name in names.split(",") if name in table.keys]
    rows = sorted(table.rows, key=lambda row: [_sort_key(row[position]) for position in positions], reverse=descending)
    return Table(table.keys, rows, table.kinds)


def _sort_key(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text.lower())


def _json(table: Table, title: str | None, *, total: bool, root: str | None) -> bytes:
    cells = [
        [as_cell(kind, value, milliseconds=True) for kind, value in zip(table.kinds, row, strict=True)]
        for row in table.rows
    ]
    result: dict[str, object] = {"Result": [dict(zip(table.keys, row, strict=True)) for row in cells]}
    if title is not None:
        result["title"] = title
    if root is not None:
        result["rootElementName"] = root
        result["Columns"] = [{"key": key, "header": key} for key in table.keys]
    if total:
        result["totalRecords"] = str(len(cells))
    return json.dumps({"ResultSet": result}, ensure_ascii=False).encode()


def _csv(table: Table) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(table.keys)
    for row in table.rows:
        writer.writerow([value.replace("\r", " ").replace("\n", " ") for value in row])
    return out.getvalue().encode()


def _xml(table: Table) -> bytes:
    head = "".join(f"<column>{escape(key)}</column>" for key in table.keys)
    body = "".join("<row>" + "".join(f"<cell>{escape(value)}</cell>" for value in row) + "</row>" for row in table.rows)
    return (
        f'<ResultSet totalRecords="{len(table.rows)}"><results><columns>{head}</columns>'
        f"<rows>{body}</rows></results></ResultSet>"
    ).encode()


def _html(table: Table) -> bytes:
    head = "".join(f"<th>{html_escape(key)}</th>" for key in table.keys)
    body = "".join("<tr>" + "".join(f"<td>{html_escape(value)}</td>" for value in row) + "</tr>" for row in table.rows)
    return f"<html><body><table><tr>{head}</tr>{body}</table></body></html>".encode()


def object_response(call: Call, node: Node) -> Response:
    """One object; ``Accept: application/json`` is 406 even with ``format=json``, and the default is a web page."""
    accepted = _accepted(call, _OBJECT_VARIANTS)
    handler = call.query.get("handler")
    if handler:
        raise XnatError(400, f"Invalid handler definition: {handler}")
    match (call.query.get("format") or "").lower() or accepted:
        case "json":
            document = item_json(node, headers=call.query.flag("includeHeaders"))
            return Response(json.dumps(document, ensure_ascii=False).encode(), media_type="application/json")
        case "xml":
            conceal = call.query.flag("concealHiddenFields")
            return Response(item_xml(node, hidden=not conceal).encode(), media_type="text/xml")
        case _:
            # An empty line first: pyxnat shares subjects, takes any answer that begins with a doctype for an error,
            # and its own tests pass on real servers.
            page = f"\n<!DOCTYPE html>\n<html>\n<body><pre>{html_escape(item_xml(node))}</pre></body>\n</html>\n"
            return Response(page.encode(), media_type="text/html")


def error_response(status: int, message: str) -> Response:
    """The page of an error that was set although the work is done."""
    return HTMLResponse(error_page(status, message), status_code=status)


def text_response(text: str, status: int = 200) -> Response:
    """Plain text, as after a PUT."""
    return PlainTextResponse(text, status_code=status)


def empty_response() -> Response:
    """200 without a word."""
    return Response(b"", media_type="text/plain")


def simple_table(keys: tuple[str, ...], rows: list[dict[str, str]]) -> Table:
    """A table of plain texts."""
    from_rows = [[row.get(key, "") for key in keys] for row in rows]
    return Table(keys, from_rows, (Kind.TEXT,) * len(keys))
