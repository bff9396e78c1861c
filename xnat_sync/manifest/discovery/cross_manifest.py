"""What one manifest says of a subject that the rules of another found: it goes over what was found, wherever it stands.

So it is handed to the manifest with the rule. Its own defaults, templates and tables come with it, those of the nearest
manifest that includes both are there already. Only manifests with one root can share a subject this way; and what two
manifests say of one thing in their trees is a contradiction as ever.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from xnat_sync.manifest.discovery.merge import Guest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.manifest.discovery.expander import Expander
    from xnat_sync.manifest.discovery.part import Part
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems


def hand_over(parts: Sequence[Part], problems: Problems) -> None:
    """Hand what the trees of documents say of subjects that other documents found to these."""
    finders = [part for part in parts if part.expander and part.expander.found]
    for part in parts:
        others = [one for one in finders if one is not part and one.scope.root == part.scope.root]
        written = part.top.entries().get("subjects") if others else None
        for node in written.sound() if written is not None else ():
            homes = [one for one in others if _sessions(one, str(node.key)) is not None]
            if homes:
                _hand_over(part, node, homes, problems)


def _hand_over(part: Part, node: Node, homes: Sequence[Part], problems: Problems) -> None:
    """Each session goes where it was found, and attributes go wherever the subject was.

    Resources and further sessions go where the subject was found first, here if it was found here.
    """
    label = str(node.key)
    finders = [*([part] if _sessions(part, label) is not None else []), *homes]
    keeper = finders[0]
    sessions = node.entries().get("sessions")
    shares: dict[int, dict[str, Node]] = defaultdict(dict)
    for name, session in (sessions.labels() if sessions is not None else {}).items():
        home = next((one for one in finders if name in (_sessions(one, label) or ())), keeper)
        shares[id(home)][name] = session
    part.left[label] = None
    for home in finders:
        entries = {key: child for key, child in node.labels().items() if home is keeper or key != "resources"}
        if sessions is not None:
            entries["sessions"] = sessions.with_entries(shares[id(home)])
        piece = node.with_entries(entries) if sessions is not None else node
        if home is part:
            part.left[label] = piece
        else:
            assert home.expander
            home.expander.take_in(label, piece, _guest(part, home, home.expander, problems))


def _sessions(part: Part, label: str) -> set[str] | None:
    """The sessions of a subject that the rules of a document found, ``None`` if they did not find the subject."""
    found = part.expander.found.get(label) if part.expander else None
    return None if found is None else set(found.sessions)


def _guest(part: Part, home: Part, expander: Expander, problems: Problems) -> Guest:
    defaults, templates = home.scope.defaults, expander.templates
    for top in part.lineage:
        if not any(top is one for one in home.lineage):
            defaults, templates = defaults.within(top, problems), templates.within(top)
    return Guest(defaults, templates, part.expander.tables if part.expander else None)
