"""The order of the words of the language on each level: that of the schema, with what is long last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from xnat_sync.manifest.text.schema import manifest_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from xnat_sync.core.formats.yaml_writer import Plain

Item = TypeVar("Item")

_LONG = ("fields", "files", "resources", "defaults", "scans", "sessions")
"""What stands below the attributes of an object, in this order."""


def in_order(value: Plain, words: Words | None = None) -> Plain:
    """Plain data with the words of the language in their order, on every level; labels stay where they are."""
    words = words or Words.of_a_manifest()
    if isinstance(value, Mapping):
        ordered = arranged(value.items(), words, lambda item: item[0])
        return {key: in_order(below, words.below(key)) for key, below in ordered}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [in_order(item, words.within()) for item in value]
    return value


def arranged(items: Iterable[Item], words: Words, key_of: Callable[[Item], str | None]) -> list[Item]:
    """The entries of a mapping in the order of their words; what is no such word goes with the word below it."""
    groups: list[tuple[int, list[Item]]] = []
    waiting: list[Item] = []
    for item in items:
        waiting.append(item)
        key = key_of(item)
        rank = words.ranks.get(key) if key is not None else None
        if rank is not None:
            groups.append((rank, waiting))
            waiting = []
    return [item for _, group in sorted(groups, key=lambda entry: entry[0]) for item in group] + waiting


class Words:
    """The words that may stand in one place of a manifest."""

    def __init__(self, schemas: Iterable[dict[str, Any]]) -> None:
        self._forms = [form for schema in schemas for form in _forms(schema)]
        self._below: dict[str | None, Words] = {}
        self.ranks = {name: rank for rank, name in enumerate(self._ordered())}
        """Where each word stands among its like; empty in a mapping of labels, where the order is the author's."""

    @classmethod
    def of_a_manifest(cls) -> Words:
        """The words at the top."""
        return cls([manifest_schema()])

    def below(self, key: str) -> Words:
        """The words below a word or label."""
        word = key if any(key in form.get("properties", {}) for form in self._forms) else None
        labels = word is None and not key.startswith("x-")
        if word is None and not labels:
            return Words(())
        if word not in self._below:
            found = (
                form["properties"].get(word) if word and "properties" in form else form.get("additionalProperties")
                for form in self._forms
            )
            self._below[word] = Words(schema for schema in found if isinstance(schema, dict))
        return self._below[word]

    def within(self) -> Words:
        """The words in the items of a list."""
        if "[]" not in self._below:
            self._below["[]"] = Words(form["items"] for form in self._forms if "items" in form)
        return self._below["[]"]

    def _ordered(self) -> list[str]:
        names = list(dict.fromkeys(name for form in self._forms for name in form.get("properties", ())))
        if "resources" not in names:
            return names
        return [name for name in names if name not in _LONG] + [name for name in _LONG if name in names]


def _forms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives of a schema, references followed."""
    if "$ref" in schema:
        target: Any = manifest_schema()
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        yield from _forms(target)
    elif "anyOf" in schema and "properties" not in schema:
        for form in schema["anyOf"]:
            yield from _forms(form)
    else:
        yield schema
