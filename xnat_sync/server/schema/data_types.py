"""XNAT's data types, read once from the schemas that the server itself serves: paths, kinds, enumerations, lengths.

A *path* is relative to an object (``parameters/voxelRes/x``). Matching ignores case, as XFT does (xnatpy sends
``xnat:mrScanData/id``); the canonical spelling is the schema's. Rows that repeat carry a selector in the path:
``fields/field[name=k]/field``, ``parameters/addParam[name=k]/addField``, ``parameters/frames/frame[0]/length``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from enum import Enum
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from xnat_sync.server.xml_tree import Element, parse_xml

if TYPE_CHECKING:
    from collections.abc import Iterator

XS: Final = "{http://www.w3.org/2001/XMLSchema}"
XNAT_NAMESPACE: Final = "http://nrg.wustl.edu/xnat"

PROJECT: Final = "xnat:projectData"
SUBJECT: Final = "xnat:subjectData"
EXPERIMENT: Final = "xnat:experimentData"
SUBJECT_ASSESSOR: Final = "xnat:subjectAssessorData"
IMAGE_SESSION: Final = "xnat:imageSessionData"
IMAGE_SCAN: Final = "xnat:imageScanData"
IMAGE_ASSESSOR: Final = "xnat:imageAssessorData"
DERIVED: Final = "xnat:derivedData"
RECONSTRUCTION: Final = "xnat:reconstructedImageData"
ABSTRACT_RESOURCE: Final = "xnat:abstractResource"
DEFAULT_MAX_LENGTH: Final = 255
"""Of a plain string (``GenericWrapperField``)."""


class Kind(Enum):
    """How the text of a value is read."""

    TEXT = "string"
    INTEGER = "integer"
    LONG = "long"
    FLOAT = "float"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    DATETIME = "dateTime"


_KINDS = {
    "string": Kind.TEXT,
    "anyURI": Kind.TEXT,
    "duration": Kind.TEXT,
    "integer": Kind.INTEGER,
    "long": Kind.LONG,
    "float": Kind.FLOAT,
    "double": Kind.FLOAT,
    "boolean": Kind.BOOLEAN,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "dateTime": Kind.DATETIME,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value that an object can have."""

    path: str
    kind: Kind = Kind.TEXT
    max_length: int = DEFAULT_MAX_LENGTH
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None
    is_attribute: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A sub-object of its own type (``demographics``, ``investigator``), an own node in an item document.

    ``is_choice``: the declared type is only a root, so that a path must name the concrete one
    (``demographics[@xsi:type=xnat:demographicData]/dob``).
    """

    path: str
    type: str
    is_choice: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """Something that occurs many times below ``path``: rows of plain values, or objects of ``element_type``.

    ``leaf`` is the name of a row's own text (``field`` of ``fields/field``, ``addField`` of ``addParam``).
    """

    path: str
    element_type: str = ""
    leaf: str = ""
    attributes: dict[str, Field] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataType:
    """One complex type with everything inherited; the keys of the maps are lower-case paths."""

    name: str
    base: str
    fields: dict[str, Field]
    repeats: dict[str, Repeat]
    references: dict[str, Reference]


class UnknownTypeError(LookupError):
    """No data type has that name."""


class UnknownFieldError(LookupError):
    """The data type has no such field (``FieldNotFoundException``)."""


@dataclass(slots=True)
class _Schemas:
    types: dict[str, Element] = field(default_factory=dict)
    elements: dict[str, str] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)


def schema_text(name: str) -> bytes:
    """A schema as it is served; ``KeyError`` when there is none."""
    if name not in {"xnat", "xdat"}:
        raise KeyError(name)
    return files("xnat_sync.server").joinpath("schemas", f"{name}.xsd").read_bytes()


@functools.cache
def _schemas() -> _Schemas:
    found = _Schemas()
    for prefix in ("xnat", "xdat"):
        root = parse_xml(schema_text(prefix))
        for node in root:
            name = node.get("name", "")
            if node.tag == f"{XS}complexType":
                found.types[f"{prefix}:{name}"] = node
            elif node.tag == f"{XS}element":
                found.elements[f"{prefix}:{name}".lower()] = node.get("type", "")
    for name, node in found.types.items():
        found.children.setdefault(_base_of(node), []).append(name)
    return found


def _base_of(node: Element) -> str:
    extension = node.find(f"{XS}complexContent/{XS}extension")
    return "" if extension is None else extension.get("base", "")


@functools.cache
def _spelling() -> dict[str, str]:
    schemas = _schemas()
    return {**schemas.elements, **{name.lower(): name for name in schemas.types}}


def type_name(text: str) -> str:
    """The proper spelling of a type or element name given in any case; raises ``UnknownTypeError``."""
    try:
        return _spelling()[text.lower()]
    except KeyError:
        raise UnknownTypeError(text) from None


def is_type(text: str) -> bool:
    """Whether such a type exists."""
    return text.lower() in _spelling()


@functools.cache
def ancestors(name: str) -> tuple[str, ...]:
    """The type itself and what it extends, most derived first."""
    chain = [name]
    while base := _base_of(_schemas().types[chain[-1]]):
        chain.append(base)
    return tuple(chain)


def is_a(name: str, ancestor: str) -> bool:
    """Whether ``name`` is ``ancestor`` or extends it."""
    return ancestor in ancestors(name)


@functools.cache
def concrete_types(ancestor: str) -> tuple[str, ...]:
    """Every type that extends ``ancestor`` and is not extended itself, in schema order, sorted."""
    schemas = _schemas()
    return tuple(
        sorted(name for name in schemas.types if ancestor in ancestors(name) and not schemas.children.get(name))
    )


@functools.cache
def element_name(name: str) -> str:
    """The XML element for a type: ``xnat:MRSession`` for ``xnat:mrSessionData``."""
    for element, target in _element_spelling().items():
        if target == name:
            return element
    return name


@functools.cache
def _element_spelling() -> dict[str, str]:
    root = parse_xml(schema_text("xnat"))
    return {f"xnat:{node.get('name', '')}": node.get("type", "") for node in root if node.tag == f"{XS}element"}


@functools.cache
def data_type(name: str) -> DataType:
    """The type with all inherited fields; ``name`` in its proper spelling."""
    fields: dict[str, Field] = {}
    repeats: dict[str, Repeat] = {}
    references: dict[str, Reference] = {}
    for owner in reversed(ancestors(name)):
        for found in _walk(_schemas().types[owner], ""):
            if isinstance(found, Field):
                fields[found.path.lower()] = found
            elif isinstance(found, Repeat):
                repeats[found.path.lower()] = found
            else:
                references[found.path.lower()] = found
    return DataType(
        name=name, base=_base_of(_schemas().types[name]), fields=fields, repeats=repeats, references=references
    )


def _walk(node: Element, prefix: str) -> Iterator[Field | Repeat | Reference]:
    """Fields, repeats and references declared inside one complex type."""
    content = node.find(f"{XS}complexContent/{XS}extension")
    inner = node if content is None else content
    for attribute in inner.findall(f"{XS}attribute"):
        yield _field(attribute, prefix + attribute.get("name", ""))
    sequence = inner.find(f"{XS}sequence")
    for element in () if sequence is None else sequence.findall(f"{XS}element"):
        path = prefix + element.get("name", "")
        if element.get("maxOccurs", "1") != "1":
            yield _repeat(element, path)
        else:
            yield from _single(element, path)


def _single(element: Element, path: str) -> Iterator[Field | Repeat | Reference]:
    named = element.get("type", "")
    if named and not named.startswith("xs:"):
        yield from _typed(named, path)
        return
    inline = element.find(f"{XS}complexType")
    if inline is None:
        yield _field(element, path)
        return
    simple = inline.find(f"{XS}simpleContent/{XS}extension")
    if simple is None:
        yield from _walk(inline, path + "/")
        return
    yield Field(path=path, kind=_kind(simple.get("base", "")))
    for attribute in simple.findall(f"{XS}attribute"):
        yield _field(attribute, f"{path}/{attribute.get('name', '')}")


def _typed(named: str, path: str) -> Iterator[Field | Repeat | Reference]:
    """A sub-object of a named type; one whose type is only a root gets the fields of its one concrete form."""
    heirs = _schemas().children.get(named)
    concrete = heirs[0] if heirs else named
    yield Reference(path=path, type=concrete, is_choice=bool(heirs))
    for owner in reversed(ancestors(concrete)):
        yield from _walk(_schemas().types[owner], path + "/")


def _repeat(element: Element, path: str) -> Repeat:
    named = element.get("type", "")
    inline = element.find(f"{XS}complexType") if not named else _schemas().types[named]
    assert inline is not None, path
    simple = inline.find(f"{XS}simpleContent/{XS}extension")
    if named and simple is None:
        return Repeat(path=path, element_type=named)
    # The text of a row goes by the name of its type, or by the element's own where the type has none.
    leaf = "" if simple is None else named.rpartition(":")[2] or element.get("name", "")
    attributes = (inline if simple is None else simple).findall(f"{XS}attribute")
    return Repeat(
        path=path, leaf=leaf, attributes={a.get("name", ""): _field(a, a.get("name", "")) for a in attributes}
    )


def _field(node: Element, path: str) -> Field:
    is_attribute = node.tag == f"{XS}attribute"
    restriction = node.find(f"{XS}simpleType/{XS}restriction")
    if restriction is None:
        return Field(path=path, kind=_kind(node.get("type", "xs:string")), is_attribute=is_attribute)
    facets = {facet.tag.removeprefix(XS): facet.get("value", "") for facet in restriction}
    choices = tuple(facet.get("value", "") for facet in restriction if facet.tag == f"{XS}enumeration")
    return Field(
        path=path,
        kind=_kind(restriction.get("base", "")),
        max_length=int(facets.get("maxLength", DEFAULT_MAX_LENGTH)),
        choices=choices,
        low=int(facets["minInclusive"]) if "minInclusive" in facets else None,
        high=int(facets["maxInclusive"]) if "maxInclusive" in facets else None,
        is_attribute=is_attribute,
    )


def _kind(xs_type: str) -> Kind:
    return _KINDS[xs_type.removeprefix("xs:")]
