"""The ``prune`` of an object or resource, in any of its forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.state import Prune

if TYPE_CHECKING:
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.manifest.desired.study import Study
    from xnat_sync.manifest.text.document import Node

_LEVELS = {f"{level.noun}s": level for level in Level}


def read_prune(ref: Ref, body: Node, study: Study) -> None:
    """Note what a body says of things that nobody names: ``[scans, files]``, or ``{delete: […], keep: […]}``."""
    said = body.get("prune")
    if said is None:
        return
    parts = said.entries()
    kinds = parts.get("delete") if said.is_map else said
    keep = parts.get("keep")
    rule = Prune(
        levels=frozenset(_LEVELS[word] for word in _words(kinds) if word in _LEVELS),
        keep=tuple(sorted(_words(keep))),
        origin=said.key_origin(),
    )
    study.want_pruned(ref, rule)


def written_prune(rule: Prune) -> dict[str, list[str]] | list[str]:
    """A rule in the words of a manifest: the inverse of `read_prune`."""
    kinds = [f"{level.noun}s" for level in sorted(rule.levels)]
    return {"delete": kinds, "keep": list(rule.keep)} if rule.keep else kinds


def _words(node: Node | None) -> list[str]:
    if node is None:
        return []
    return [str(child.text) for child in node.sound() if child.text is not None]
