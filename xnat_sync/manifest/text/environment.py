"""``${env:NAME}`` and ``${env:NAME:-default}`` in values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xnat_sync.manifest.surroundings import VARIABLE_PREFIX
from xnat_sync.manifest.text.document import Document, FromEnvironment, Map, Node, Seq

if TYPE_CHECKING:
    from xnat_sync.manifest.surroundings import Surroundings
    from xnat_sync.manifest.text.problems import Problems

_MARK = "${env:"
_USE = re.compile(r"\$\{env:(?P<name>[^}:]*)(?P<default>:-[^}]*)?(?P<rest>[^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def uses_environment(text: str) -> bool:
    """Whether a text as written takes something from the environment."""
    return _MARK in text


def fill_in(document: Document, around: Surroundings, problems: Problems) -> None:
    """Replace every use of the environment below, in place; values from it are `FromEnvironment`.

    Only what `Surroundings.may_read` allows is looked up.
    Keys are never replaced: a use in one is a problem. What lies below an ``x-`` key is left as it is.
    """
    seen: set[int] = set()
    pending = [document.root()]
    while pending:
        node = pending.pop()
        # Behind an alias lies the same object again; its values are replaced once.
        if id(node.value) in seen:
            continue
        seen.add(id(node.value))
        for child in node.children():
            if isinstance(child.key, str):
                if child.key.startswith("x-") and node.is_top:
                    continue
                if uses_environment(child.key):
                    problems.add("XS031", "a label is taken from the environment", child.key_origin())
            if isinstance(child.value, str):
                if uses_environment(child.value):
                    _replace(node, child, around, problems)
            elif child.value is not None:
                pending.append(child)


def _replace(parent: Node, child: Node, around: Surroundings, problems: Problems) -> None:
    written = child.text or ""

    def value_of(use: re.Match[str]) -> str:
        name, default = use["name"], use["default"]
        if not _NAME.fullmatch(name) or use["rest"] or not use.group().endswith("}"):
            summary = f"{use.group()} is not a use of the environment"
            problems.add("XS021", summary, child.origin(), hint="write ${env:NAME} or ${env:NAME:-default}")
            child.document.broken.add(child.path)
            return use.group()
        if not around.may_read(name):
            # Whatever list of secret names there is, a secret of another name is not on it.
            summary = f"a manifest may not read the environment variable {name} unless you name it"
            hint = f"if its value may be shown, say --env {name}, or call the variable {VARIABLE_PREFIX}{name}"
            problems.add("XS037", summary, child.origin(), hint=hint)
            child.document.broken.add(child.path)
            return use.group()
        # An empty variable counts as not set where a default is given, as in a shell.
        found = around.environ.get(name) or (default[2:] if default is not None else around.environ.get(name))
        if found is None:
            problems.add("XS030", f"the environment variable {name} is not set", child.origin())
            child.document.broken.add(child.path)
            return use.group()
        return found

    filled = FromEnvironment.of(_USE.sub(value_of, written), written)
    match parent.value, child.key:
        case Map() as mapping, str(key):
            mapping[key] = filled
        case Seq() as items, int(index):
            items[index] = filled
        case _:
            raise AssertionError("a child of neither a mapping nor a list")
