"""One object as a document: the item JSON (``ItemJSONBuilder``) and the schema XML (``SAXWriter``)."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.records import fields_of
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import Kind, data_type, element_name
from xnat_sync.server.schema.values import as_json, as_xml
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.identity.permissions import User
    from xnat_sync.server.schema.data_types import DataType

_ROW: Final = re.compile(r"(.+?)\[(?:name=)?(.*)\]/([^/\]]+)$")
_NAMESPACES: Final = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xdat="http://nrg.wustl.edu/xdat" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


@dataclass(slots=True, kw_only=True)
class Node:
    """An object with its values by path, its rows and its sub-objects, ready to be written either way."""

    xsi_type: str
    insert_date: str = ""
    values: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str | int] = field(default_factory=dict)
    rows: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    references: dict[str, Node] = field(default_factory=dict)
    children: dict[str, list[Node]] = field(default_factory=dict)


def load_node(db: sqlite3.Connection, user: User, item: sqlite3.Row) -> Node:
    """The object and everything below it that ``user`` may read."""
    node = Node(xsi_type=item["xsi_type"], insert_date=item["insert_date"])
    _own_values(db, item, node)
    for path, value in fields_of(item).items():
        _place(node, data_type(item["xsi_type"]), path, value)
    _add_children(db, user, item, node)
    return node


def _own_values(db: sqlite3.Connection, item: sqlite3.Row, node: Node) -> None:
    """What is a column of the store and not among the fields."""
    node.values["ID"] = item["id"]
    if item["kind"] == "project":
        _add_aliases(db, item, node)
        return
    if item["project"]:
        node.values["project"] = item["project"]
    if item["label"]:
        node.values["label"] = item["label"]
    parent = db.execute("SELECT kind, id FROM item WHERE pk = ?", (item["parent"],)).fetchone()
    match item["kind"]:
        case "experiment":
            node.values["subject_ID"] = parent["id"]
            node.hidden["id"] = item["id"]
        case "assessor":
            node.values["imageSession_ID"] = parent["id"]
            node.hidden["id"] = item["id"]
        case "scan":
            node.values["image_session_ID"] = parent["id"]
            node.hidden["xnat_imageScanData_id"] = item["pk"]
        case "reconstruction":
            node.values.pop("project", None)
            node.values["image_session_ID"] = parent["id"]
            node.hidden["xnat_reconstructedImageData_id"] = item["pk"]
        case _:
            pass


def _add_aliases(db: sqlite3.Connection, item: sqlite3.Row, node: Node) -> None:
    found = db.execute("SELECT alias FROM project_alias WHERE project = ? ORDER BY rowid", (item["id"],))
    rows = [{"alias": row["alias"]} for row in found]
    if rows:
        node.rows["aliases/alias"] = rows


def _place(node: Node, kind: DataType, path: str, value: str) -> None:
    row = _ROW.match(path)
    if row is not None:
        _place_row(node, path, row, value)
        return
    for reference in kind.references.values():
        if path.startswith(reference.path + "/"):
            inner = node.references.setdefault(
                reference.path, Node(xsi_type=reference.type, insert_date=node.insert_date)
            )
            inner.values[path.removeprefix(reference.path + "/")] = value
            return
    node.values[path] = value


def _place_row(node: Node, path: str, match: re.Match[str], value: str) -> None:
    repeat, selector, leaf = match.groups()
    rows = node.rows.setdefault(repeat, [])
    is_named = path[len(repeat) :].startswith("[name=")
    key = ("name", selector) if is_named else ("#", selector)
    row = next((candidate for candidate in rows if candidate.get(key[0]) == key[1]), None)
    if row is None:
        row = {key[0]: key[1]}
        rows.append(row)
    if value:
        row[leaf] = value


_CHILD_PATHS: Final = {
    ("subject", "experiment"): "experiments/experiment",
    ("experiment", "scan"): "scans/scan",
    ("experiment", "assessor"): "assessors/assessor",
    ("experiment", "reconstruction"): "reconstructions/reconstructedImage",
}


def _add_children(db: sqlite3.Connection, user: User, item: sqlite3.Row, node: Node) -> None:
    children: dict[str, list[Node]] = defaultdict(list)
    if item["kind"] != "project":
        for row in db.execute("SELECT * FROM item WHERE parent = ? ORDER BY pk", (item["pk"],)).fetchall():
            if row["kind"] in {"scan", "reconstruction"} or can(db, user, row, Right.READ):
                children[_CHILD_PATHS[item["kind"], row["kind"]]].append(load_node(db, user, row))
    for row in db.execute("SELECT project, label FROM share WHERE item = ? ORDER BY rowid", (item["pk"],)):
        share = data_types.data_type(item["xsi_type"]).repeats["sharing/share"]
        values = {name: row[name] for name in ("project", "label") if row[name]}
        children["sharing/share"].append(Node(xsi_type=share.element_type, values=values))
    for row in db.execute("SELECT * FROM resource WHERE parent = ? ORDER BY id", (item["pk"],)):
        children[_resource_path(item, row["scope"])].append(_resource(row))
    node.children = dict(children)


def _resource_path(item: sqlite3.Row, scope: str) -> str:
    if item["kind"] == "scan":
        return "file"
    if scope:
        return f"{scope}/file"
    return "resources/resource"


def _resource(row: sqlite3.Row) -> Node:
    values = {
        "label": row["label"],
        "URI": row["catalog"],
        "format": row["format"],
        "content": row["content"],
        "description": row["description"],
        "file_count": row["file_count"],
        "file_size": row["file_size"],
    }
    node = Node(xsi_type="xnat:resourceCatalog", hidden={"xnat_abstractresource_id": row["id"]})
    node.values = {name: str(value) for name, value in values.items() if value not in {None, ""}}
    return node


# --- JSON ---------------------------------------------------------------------------------------------------------


def item_json(node: Node, *, headers: bool = False) -> dict[str, Any]:
    """``{"items": [...]}``; with ``headers`` each list of items tells the names of their fields too."""
    document: dict[str, Any] = {"items": [_json(node)]}
    if headers:
        _add_headers(document)
    return document


def _add_headers(document: dict[str, Any]) -> None:
    items = document["items"]
    document["headers"] = list(dict.fromkeys(name for item in items for name in item["data_fields"]))
    for item in items:
        for child in item["children"]:
            _add_headers(child)


def _json(node: Node) -> dict[str, Any]:
    kind = data_type(node.xsi_type)
    fields: dict[str, Any] = dict(node.hidden)
    for path, text in node.values.items():
        found = kind.fields.get(path.lower())
        fields[path] = as_json(found.kind if found else Kind.TEXT, text)
    children: list[dict[str, Any]] = [
        {"field": path, "items": [_json(inner)]} for path, inner in node.references.items()
    ]
    for path, rows in node.rows.items():
        children.append({"field": path, "items": [_row_json(node, kind, path, row) for row in rows]})
    children += [{"field": path, "items": [_json(child) for child in nodes]} for path, nodes in node.children.items()]
    return {"children": children, "meta": _meta(node.xsi_type, node.insert_date), "data_fields": fields}


def _row_json(node: Node, kind: DataType, path: str, row: dict[str, str]) -> dict[str, Any]:
    attributes = kind.repeats[path.lower()].attributes
    fields = {
        name: as_json(attributes[name].kind if name in attributes else Kind.TEXT, text)
        for name, text in row.items()
        if name != "#"
    }
    return {
        "children": [],
        "meta": _meta(f"{node.xsi_type}_{path.rpartition('/')[2]}", node.insert_date),
        "data_fields": fields,
    }


def _meta(xsi_type: str, insert_date: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"create_event_id": 1, "xsi:type": xsi_type, "isHistory": False}
    if insert_date:
        meta["start_date"] = java_date(insert_date)
    return meta


def java_date(timestamp: str) -> str:
    """``Mon Mar 04 12:00:00 UTC 2024``."""
    return f"{datetime.fromisoformat(timestamp.partition('.')[0]):%a %b %d %H:%M:%S UTC %Y}"


# --- XML ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Tag:
    """An element under construction; attributes and children in order of their first mention."""

    attributes: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str | int] = field(default_factory=dict)
    text: str = ""
    inner: dict[str, list[_Tag]] = field(default_factory=dict)

    def at(self, names: list[str]) -> _Tag:
        tag = self
        for name in names:
            tag = tag.inner.setdefault(name, [_Tag()])[-1]
        return tag

    def write(self, name: str, *, hidden: bool) -> str:
        attributes = "".join(f' {key}="{escape(value)}"' for key, value in self.attributes.items())
        inner = (tag.write(f"xnat:{key}", hidden=hidden) for key, tags in self.inner.items() for tag in tags)
        body = f"{self._comment() if hidden else ''}{escape(self.text)}{''.join(inner)}"
        return f"<{name}{attributes}>{body}</{name}>" if body else f"<{name}{attributes}/>"

    def _comment(self) -> str:
        fields = ",".join(f'{name}="{value}"' for name, value in self.hidden.items())
        return f"<!--hidden_fields[{fields}]-->" if fields else ""


def item_xml(node: Node, *, hidden: bool = True) -> str:
    """The schema document of an object; generated keys are in comments (``SAXWriter.writeHiddenFields``)."""
    name = element_name(node.xsi_type)
    text = _tag(node).write(name, hidden=hidden)
    head, _, rest = text.partition(name)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}{name} {_NAMESPACES}{rest}'


def _tag(node: Node) -> _Tag:
    kind = data_type(node.xsi_type)
    tag = _Tag(hidden={name: value for name, value in node.hidden.items() if name.startswith("xnat_")})
    lower = {path.lower(): value for path, value in node.values.items()}
    for key, found in kind.fields.items():
        if key not in lower:
            continue
        steps = found.path.split("/")
        text = as_xml(found.kind, lower[key])
        if found.is_attribute:
            tag.at(steps[:-1]).attributes[steps[-1]] = text
        else:
            tag.at(steps).text = text
    for path, inner in node.references.items():
        _hang(tag, path, _tag(inner), inner.xsi_type if kind.references[path.lower()].is_choice else "")
    for path, rows in node.rows.items():
        for row in rows:
            _hang(tag, path, _row_tag(kind.repeats[path.lower()].leaf, row), "")
    for path, nodes in node.children.items():
        for child in nodes:
            _hang(tag, path, _tag(child), "" if path == "sharing/share" else child.xsi_type)
    return tag


def _row_tag(leaf: str, row: dict[str, str]) -> _Tag:
    tag = _Tag(text=row.get(leaf, ""))
    tag.attributes = {name: value for name, value in row.items() if name not in {leaf, "#"}}
    return tag


def _hang(tag: _Tag, path: str, child: _Tag, xsi_type: str) -> None:
    *above, last = path.split("/")
    if xsi_type:
        child.attributes = {"xsi:type": xsi_type, **child.attributes}
    tag.at(above).inner.setdefault(last, []).append(child)
