"""What the query of a write says about the files and the resource (``XNATCatalogTemplate.buildResourceInfo``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xnat_sync.server.objects.resolve import escaped

if TYPE_CHECKING:
    from xnat_sync.server.http.routing import Query
    from xnat_sync.server.storage.catalog import Entry

_PREFIX = "xnat:resourceCatalog/"
_TAG_SEPARATORS = ("=", ":")


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """Format, content, description and tags; ``None`` where the query says nothing."""

    format: str | None = None
    content: str | None = None
    description: str | None = None
    tags: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to set."""
        return self == _NOTHING

    @property
    def all_tags(self) -> tuple[str, ...]:
        """Named tags as ``name=value``, then the others."""
        return (*(f"{name}={value}" for name, value in self.fields), *self.tags)

    def applied(self, entry: Entry) -> Entry:
        """The entry with what was said, tags added to those it has (``CatalogUtils.configureEntry``)."""
        if self.is_empty:
            return entry
        return replace(
            entry,
            format=entry.format if self.format is None else self.format,
            content=entry.content if self.content is None else self.content,
            description=entry.description if self.description is None else self.description,
            tags=(*entry.tags, *(tag for tag in self.tags if tag not in entry.tags)),
            fields=(*entry.fields, *(pair for pair in self.fields if pair not in entry.fields)),
        )


_NOTHING = Description()


def description_of(query: Query) -> Description:
    """Reads ``format``, ``content``, ``description`` and ``tags`` (repeatable, comma lists, ``name=value``).

    The same names as schema paths of ``xnat:resourceCatalog`` count too. Values are kept XML-escaped.
    """
    named, plain = _tags([value for name in ("tags", f"{_PREFIX}tags") for value in query.all(name)])
    return Description(
        format=_value(query, "format"),
        content=_value(query, "content"),
        description=_value(query, "description"),
        tags=plain,
        fields=named,
    )


def _value(query: Query, name: str) -> str | None:
    value = query.get(name)
    if value is None:
        value = query.get(_PREFIX + name)
    return None if value is None else escaped(value)


def _tags(values: list[str]) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    named: list[tuple[str, str]] = []
    plain: list[str] = []
    for tag in (escaped(part.strip()) for value in values for part in value.split(",") if part.strip()):
        separator = next((mark for mark in _TAG_SEPARATORS if mark in tag), None)
        if separator is None:
            plain.append(tag)
        else:
            name, _, value = tag.partition(separator)
            named.append((name, value))
    return tuple(named), tuple(plain)
