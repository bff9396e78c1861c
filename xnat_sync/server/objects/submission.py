"""From a request to an item: query, form and XML body become a :class:`Draft` (``SecureResource.loadItem``)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.object_body import document, form_fields
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import XNAT_NAMESPACE, UnknownFieldError, UnknownTypeError, type_name
from xnat_sync.server.schema.paths import resolve
from xnat_sync.server.schema.values import InvalidValueError, normalize
from xnat_sync.server.xml_tree import XmlError, escape, parse_xml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.server.http.routing import Query
    from xnat_sync.server.schema.data_types import Field, Repeat
    from xnat_sync.server.schema.short_names import ShortNames
    from xnat_sync.server.xml_tree import Element

XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"
_LOCAL = re.compile(r"\{[^}]*\}")


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a request says about one object.

    ``fields`` maps canonical paths to normal texts, ``None`` clearing a value. ``bare``: it was not laid over what is
    stored (``populateFromDB=false``). ``stored`` is the key of the stored child that a place such as ``scan[0]`` means.
    """

    xsi_type: str
    fields: dict[str, str | None] = field(default_factory=dict)
    children: dict[str, list[Draft]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    from_xml: bool = False
    bare: bool = False
    stored: int | None = None

    def get(self, name: str) -> str | None:
        """The value of an attribute such as ``label``, if one was sent."""
        return self.fields.get(name)

    def pop(self, name: str) -> str | None:
        """Takes an attribute out of the fields."""
        return self.fields.pop(name, None)

    def become(self, xsi_type: str) -> None:
        """Makes it a draft of that type, without what the type has no place for: a stored type never changes."""
        if xsi_type != self.xsi_type and not data_types.is_a(xsi_type, self.xsi_type):
            self.fields = {path: value for path, value in self.fields.items() if _has_place(xsi_type, path)}
        self.xsi_type = xsi_type

    def all_problems(self) -> list[str]:
        """Validation lines of this object and its children."""
        lines = list(self.problems)
        for drafts in self.children.values():
            for draft in drafts:
                lines += draft.all_problems()
        return lines

    def require_valid(self) -> None:
        """Refuses the request with one line per problem (``ValidationResults``)."""
        lines = self.all_problems()
        if lines:
            raise XnatError(400, "\n".join(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The parts of a request that say something about an object."""

    query: Query
    content_type: str
    body: bytes
    has_length: bool

    @property
    def _document(self) -> bytes | None:
        """The XML document; a body without a length counts as none."""
        return document(self.query, self.content_type, self.body) if self.has_length else None

    @property
    def _form(self) -> list[tuple[str, str]]:
        return form_fields(self.query, self.content_type, self.body)

    def load(
        self,
        short: ShortNames,
        default_type: str | None = None,
        existing_type: str | None = None,
        children: Mapping[str, list[Draft]] | None = None,
    ) -> Draft | None:
        """The draft, or ``None`` when nothing says what the object is.

        The type comes from ``xsiType``, else from ``default_type``, else from the first key with ``:`` and ``/``; an
        existing object keeps its type whatever is sent. Query parameters come last and win over the body. ``children``
        are those that are stored, in their places.
        """
        chosen = self._chosen_type() or default_type or self._inferred_type()
        draft: Draft | None = None
        xml = self._document
        if xml is not None:
            draft = draft_from_xml(xml)
            draft.xsi_type = existing_type or draft.xsi_type
        elif existing_type or chosen:
            draft = Draft(xsi_type=existing_type or chosen or "")
        if draft is not None:
            if not draft.from_xml:
                draft.children.update(children or {})
            _apply(draft, self._pairs(short))
            draft.children = {path: [child for child in held if _says(child)] for path, held in draft.children.items()}
        return draft

    def _chosen_type(self) -> str | None:
        named = self.query.get("ELEMENT_0") or self.query.get("xsiType")
        return known_type(named) if named else None

    def _inferred_type(self) -> str | None:
        """The prefix of the first key that is a full path; short names do not count."""
        names = [*(key for key, _ in self.query.pairs()), *(key for key, _ in self._form)]
        first = next((name for name in names if _is_path(name)), None)
        return None if first is None else known_type(first.partition("/")[0])

    def _pairs(self, short: ShortNames) -> list[tuple[str, str]]:
        """Full path and raw value: the form first, the query after it; short names only from the query string."""
        pairs = [(key, value) for key, value in self._form if _is_path(key)]
        for name in dict.fromkeys(key for key, _ in self.query.pairs()):
            full = name if _is_path(name) else short.writable.get(name)
            if full is not None:
                pairs.append((full, self.query.get(name) or ""))
        return pairs


def _has_place(xsi_type: str, path: str) -> bool:
    try:
        resolve(xsi_type, path)
    except UnknownFieldError:
        return False
    return True


def _says(child: Draft) -> bool:
    """Whether the request says something about a child, rather than only passing its place by."""
    return child.stored is None or bool(child.fields or child.problems or child.children)


def _is_path(key: str) -> bool:
    return ":" in key.partition("[")[0] and "/" in key


def known_type(name: str) -> str:
    """The proper spelling of a type that a client named; 400 when there is none."""
    try:
        return type_name(name)
    except UnknownTypeError:
        raise XnatError(400, f"Element not found: '{name}'") from None


def _apply(draft: Draft, pairs: list[tuple[str, str]]) -> None:
    """Sets what applies to the type, silently ignores the rest, and stops at the first unknown field.

    ``GenericItemObject.setProperties`` throws there, and ``loadItem`` swallows it. What was set before stays,
    also on an item that is new: scripts that give xnatpy a ``label`` for a scan, which has none, work on real servers.
    """
    for key, value in pairs:
        owner, _, path = key.partition("/")
        if not data_types.is_type(owner) or not data_types.is_a(draft.xsi_type, type_name(owner)):
            continue
        try:
            set_value(draft, path, escape(value))
        except UnknownFieldError:
            return


def set_value(draft: Draft, path: str, value: str) -> None:
    """Sets one value by its path, which may lead into a child object; raises ``UnknownFieldError``."""
    target = resolve(draft.xsi_type, path)
    if target.child:
        set_value(_child(draft, target.child, target.index, target.child_type), target.rest, value)
        return
    assert target.field is not None
    _store(draft, target.path, target.field, value)


def _child(draft: Draft, repeat: str, index: int, child_type: str) -> Draft:
    children = draft.children.setdefault(repeat, [])
    if index < len(children):
        return children[index]
    declared = data_types.data_type(draft.xsi_type).repeats[repeat.lower()].element_type
    child = Draft(xsi_type=known_type(child_type) if child_type else declared)
    children.append(child)
    return child


def _store(draft: Draft, path: str, found: Field, value: str) -> None:
    try:
        draft.fields[path] = normalize(found, value)
    except InvalidValueError as error:
        shown = re.sub(r"\[[^\]]*\]", "", path)
        draft.problems.append(
            f"The content of element '{draft.xsi_type}' is not complete. '{{\"{XNAT_NAMESPACE}\":{shown}}}' {error}"
        )


def draft_from_xml(body: bytes) -> Draft:
    """The draft that a document describes; 422 when it cannot be read (``SAXReader``). Values are not escaped."""
    try:
        root = parse_xml(body)
        name = root.get(XSI) or _qualified(root.tag)
        draft = Draft(xsi_type=type_name(name), from_xml=True)
        _read_object(draft, root)
    except XmlError as error:
        raise XnatError(422, f"An error occurred parsing the XML: {error}") from error
    except (UnknownTypeError, UnknownFieldError) as error:
        raise XnatError(422, f"An error occurred parsing the XML: {error.args[0]}") from error
    return draft


def _qualified(tag: str) -> str:
    return "xnat:" + _LOCAL.sub("", tag)


def _read_object(draft: Draft, element: Element) -> None:
    _read(draft, element, "")


def _read(draft: Draft, element: Element, prefix: str) -> None:
    """Attributes and child elements of ``element`` become values below ``prefix``."""
    kind = data_types.data_type(draft.xsi_type)
    for name, value in element.attrib.items():
        if not name.startswith("{"):
            set_value(draft, prefix + name, value)
    for child in element:
        name = _LOCAL.sub("", child.tag)
        path = prefix + name
        repeat = kind.repeats.get(path.lower())
        if repeat is not None:
            _read_repeat(draft, child, repeat)
            continue
        reference = kind.references.get(path.lower())
        step = f"{path}[@xsi:type={reference.type}]" if reference else path
        if child.text and child.text.strip() and not len(child):
            set_value(draft, step, child.text)
        _read(draft, child, step + "/")


def _read_repeat(draft: Draft, element: Element, repeat: Repeat) -> None:
    if repeat.element_type:
        child = Draft(xsi_type=type_name(element.get(XSI) or repeat.element_type), from_xml=True)
        draft.children.setdefault(repeat.path, []).append(child)
        _read_object(child, element)
        return
    rows = {path.rpartition("]")[0] for path in draft.fields if path.startswith(repeat.path + "[")}
    selector = f"name={element.get('name')}" if element.get("name") else str(len(rows))
    row = f"{repeat.path}[{selector}]"
    if repeat.leaf:
        draft.fields[f"{row}/{repeat.leaf}"] = element.text or ""
    for name, value in element.attrib.items():
        if name != "name":
            set_value(draft, f"{row}/{name}", value)
