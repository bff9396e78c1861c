"""What the trees of several documents say of one subject, as one tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.manifest.desired.defaults import Defaults
    from xnat_sync.manifest.desired.templates import Templates
    from xnat_sync.manifest.discovery.tables import Tables
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

_JOINED = ("fields", "resources", "sessions")
"""What several manifests may say different parts of."""


@dataclass(frozen=True, slots=True)
class Guest:
    """What comes with a tree from another document: what holds at its top, over what holds where it is taken in."""

    defaults: Defaults
    templates: Templates
    tables: Tables | None


def united(pieces: Sequence[Node], ref: Ref, problems: Problems) -> Node:
    """What the trees of several documents say of one object, as one tree; contradictions are noted."""
    first, *more = pieces
    if not more:
        return first
    entries = dict(first.labels())
    for piece in more:
        if not piece.is_map or not first.is_map:
            _tell(f"the {ref.level.noun} {ref.short}", piece, first, ref, problems)
            continue
        for key, child in piece.labels().items():
            entries[key] = _joined(key, entries.get(key), child, ref, problems)
    return first.with_entries(entries)


def _joined(key: str, held: Node | None, child: Node, ref: Ref, problems: Problems) -> Node:
    if held is None or (key not in _JOINED and held.value == child.value and not child.is_map):
        return child if held is None else held
    if key not in _JOINED or not (held.is_map and child.is_map):
        _tell(f"{key} of {ref.level.noun} {ref.short}", child, held, ref, problems)
        return held
    labels = dict(held.labels())
    for label, below in child.labels().items():
        if label in labels:
            inner = ref.child(Level.SESSION, label) if key == "sessions" else ref
            what = f"the session {inner.short}" if key == "sessions" else f"{label} in {key} of {ref.short}"
            _tell(what, below, labels[label], inner, problems)
        labels.setdefault(label, below)
    return held.with_entries(labels)


def _tell(what: str, second: Node, first: Node, ref: Ref, problems: Problems) -> None:
    there = first.key_origin()
    summary = f"{what} is described in {there.file}:{there.line} already"
    problems.add("XS107", summary, second.key_origin(), ref=ref)
