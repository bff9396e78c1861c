"""``${env:NAME}`` and ``${env:NAME:-default}`` in values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xnat_sync.manifest.text.document import Document, FromEnvironment, Map, Node, Seq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.manifest.text.problems import Problems

_MARK = "${env:"
_USE = re.compile(r"\$\{env:(?P<name>[^}:]*)(?P<default>:-[^}]*)?(?P<rest>[^}]*)\}?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET = re.compile(
    r"(?:^|_)(?:PASS|PASSWD|PASSWORD|SECRETS?|TOKENS?|CREDENTIALS?|NETRC)(?:_|$)|(?:API|ACCESS|PRIVATE|SSH|DEPLOY)_?KEY",
    re.IGNORECASE,
)
"""Names of what nobody wants to see in a plan: a manifest may come from anybody who sends a pull request."""


def uses_environment(text: str) -> bool:
    """Whether a text as written takes something from the environment."""
    return _MARK in text


def fill_in(document: Document, environ: Mapping[str, str], problems: Problems) -> None:
    """Replace every use of the environment below, in place; values from it are `FromEnvironment`.

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
                    _replace(node, child, environ, problems)
            elif child.value is not None:
                pending.append(child)


def _replace(parent: Node, child: Node, environ: Mapping[str, str], problems: Problems) -> None:
    written = child.text or ""

    def value_of(use: re.Match[str]) -> str:
        name, default = use["name"], use["default"]
        if not _NAME.fullmatch(name) or use["rest"] or not use.group().endswith("}"):
            summary = f"{use.group()} is not a use of the environment"
            problems.add("XS021", summary, child.origin(), hint="write ${env:NAME} or ${env:NAME:-default}")
            child.document.broken.add(child.path)
            return use.group()
        if _SECRET.search(name):
            hint = "take what is no secret from the environment; the login is never a part of the manifest"
            problems.add("XS032", f"by its name the environment variable {name} is a secret", child.origin(), hint=hint)
            child.document.broken.add(child.path)
            return use.group()
        # An empty variable counts as not set where a default is given, as in a shell.
        found = environ.get(name) or (default[2:] if default is not None else environ.get(name))
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
