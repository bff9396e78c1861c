"""Where each value of an object came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.manifest.desired.attributes import Values

_LAYERS = {
    "defaults": "defaults",
    "session_templates": "a template",
    "scan_templates": "a template",
    "discover": "a rule",
    "tables": "a table",
}


@dataclass(slots=True)
class Trace:
    """Remembers the places of what is said of objects whose name it wants; give it to `load_study`."""

    wanted: str
    values: dict[Ref, dict[str, tuple[str | None, Origin]]] = field(default_factory=dict)

    def take(self, ref: Ref, values: Values) -> None:
        """Keep the places of an object's attributes if it is wanted."""
        if ref.short == self.wanted:
            kept = self.values.setdefault(ref, {})
            kept.update({name: (value, node.origin()) for name, (value, node) in values.items()})


def layer_of(origin: Origin) -> str:
    """In a word or two, which part of a manifest a place lies in."""
    if "defaults" in origin.path:
        return "defaults"
    return _LAYERS.get(str(origin.path[0]) if origin.path else "", "the tree")
