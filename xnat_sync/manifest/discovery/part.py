"""One document of a study, with the rules that find subjects for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.manifest.desired.resources import Scope
    from xnat_sync.manifest.discovery.expander import Expander
    from xnat_sync.manifest.text.document import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One document of a study, with what holds at its top.

    ``lineage`` are the tops of the documents that include each other down to it. ``left`` is what stays here of the
    subjects that other documents found.
    """

    top: Node
    scope: Scope
    lineage: tuple[Node, ...]
    expander: Expander | None = None
    """Where there are rules, templates or tables, what makes explicit subjects of them."""
    left: dict[str, Node | None] = field(default_factory=dict)

    def subjects(self, project: Ref) -> Iterable[Node]:
        """Its subjects as an explicit tree."""
        if self.expander:
            return self.expander.subjects(self.left, project)
        written = self.top.entries().get("subjects")
        # Not `labels`: the nodes of a whole study would not be let go before its end.
        return (node for node in written.sound() if str(node.key) not in self.left) if written else ()

    def scope_of(self, node: Node) -> Scope:
        """What holds around an object: more where its tree comes from another document."""
        guest = self.expander.guest(node) if self.expander else None
        return replace(self.scope, defaults=guest.defaults) if guest else self.scope
