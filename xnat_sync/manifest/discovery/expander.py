"""Rules, templates and tables into the explicit tree: one subject after the other, as if somebody had written it.

Of what is said several times the later of these wins: defaults, templates, the rule that discovered, tables, and what
stands in ``subjects``. Mappings merge, all else replaces, ``null`` in place of an object or a resource leaves it out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.formats.bids import BidsName
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.manifest.desired.defaults import merged, written_out
from xnat_sync.manifest.desired.study import quoted
from xnat_sync.manifest.desired.templates import Filler, Templates, chain
from xnat_sync.manifest.discovery.grouping import sorted_out
from xnat_sync.manifest.discovery.merge import united
from xnat_sync.manifest.discovery.rules import Rule, catch, check_counts, read_rules, tell_idle, tell_misfiled
from xnat_sync.manifest.discovery.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.manifest.discovery.grouping import FoundSession, FoundSubject
    from xnat_sync.manifest.discovery.merge import Guest
    from xnat_sync.manifest.discovery.rules import Hit
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

_OWN_WORDS = frozenset(("label", "id", "extends"))


class Expander:
    """What one document says, its rules applied to the files below its root."""

    def __init__(self, top: Node, root: str, templates: Templates, local: LocalSide, problems: Problems) -> None:
        self._top = top
        self._root = root
        self.templates = templates
        self._local = local
        self._problems = problems
        self._fill = Filler(problems)
        self._rules = read_rules(top, problems)
        self.tables = Tables(top, root, local, self._fill, problems)
        hits, self._caught = catch(self._rules, root, local)
        self.found = sorted_out(hits, self._fill, problems)
        """What the rules found, by the subjects' labels."""
        self._guests: dict[int, Guest] = {}
        self._taken_in: dict[str, list[Node]] = {}
        check_counts(self._rules, problems)
        tell_misfiled(self._rules, problems)

    @classmethod
    def of(cls, top: Node, root: str, templates: Templates, local: LocalSide, problems: Problems) -> Expander | None:
        """The expander of a document, ``None`` where there is nothing to expand."""
        said = top.entries()
        needed = templates or "discover" in said or "tables" in said
        return cls(top, root, templates, local, problems) if needed else None

    def take_in(self, label: str, node: Node, guest: Guest) -> None:
        """Let what another document says of a subject that was found here go over it."""
        self._taken_in.setdefault(label, []).append(node)
        self._guests[id(node.document)] = guest

    def guest(self, node: Node | None) -> Guest | None:
        """What came with a tree from another document, ``None`` for one of this."""
        return self._guests.get(id(node.document)) if node is not None else None

    def subjects(self, left: Mapping[str, Node | None], project: Ref) -> Iterator[Node]:
        """Every subject, written or discovered, as an explicit tree; ``left`` is what was not handed to others."""
        written = self._top.entries().get("subjects")
        known = {str(node.key): [node] for node in written.sound()} if written else {}
        known |= {label: [node] if node is not None else [] for label, node in left.items()}
        for label, nodes in self._taken_in.items():
            known[label] = [*known.get(label, ()), *nodes]
        for label in sorted({*(label for label, nodes in known.items() if nodes), *self.found}):
            nodes = known.get(label) or []
            node = united(nodes, project.child(Level.SUBJECT, label), self._problems) if nodes else None
            found = self.found.pop(label, None)
            if node is None or found is None or not _is_null(node):
                yield self._subject(label, node, found, nodes)

    def touched(self) -> Iterator[str]:
        """The absolute path of every file that a rule caught or a table was read from."""
        above = self._root.rstrip("/")
        yield from (f"{above}/{name}" for name in self._caught | self.tables.files)

    def tell_idle(self, *, prunes: bool) -> None:
        """Note the rules that caught nothing; ``prunes`` is whether what nobody names is to be deleted."""
        tell_idle(self._rules, self._problems, prunes=prunes)

    def tell_left(self, taken: Iterable[str]) -> None:
        """Note once which files below the root nobody took, and cells; ``taken`` are absolute paths."""
        self.tables.tell()
        if not self._rules:
            return
        above = self._root.rstrip("/") + "/"
        known = {path.removeprefix(above) for path in taken if path.startswith(above)}
        left = [name for name in self._local.paths(self._root, "**") if name not in known]
        if left:
            files = "1 file" if len(left) == 1 else f"{len(left)} files"
            discover = self._top.entries()["discover"]
            self._problems.add("XS411", f"no rule takes {files}: {quoted(left)}", discover.key_origin())

    # ------------------------------------------------------------------ the tree

    def _subject(self, label: str, written: Node | None, found: FoundSubject | None, trees: Sequence[Node]) -> Node:
        values = {"subject": label, **_entities(label), **(found.shared if found else {})}
        layers: list[Node] = []
        if found:
            layers += self._rule_body(found.first, "subject", values)
        for tables in self._tables_for(map(self.guest, trees)):
            layers += tables.bodies(Level.SUBJECT, label, values)
        if written is not None and not _stays(written):
            return written
        body = _stacked([*layers, self._own(written, found)], label)
        sessions = written.entries().get("sessions") if written is not None else None
        known = sessions.labels() if sessions is not None else {}
        tree: dict[str, Node] = {}
        for name in sorted({*known, *(found.sessions if found else ())}):
            node = known.get(name)
            seen = found.sessions.get(name) if found else None
            if not (node is not None and _is_null(node) and seen):
                tree[name] = self._session(name, node, seen, values)
        if tree or sessions is not None:
            holder = sessions if sessions is not None else body
            body = body.with_entries({**body.labels(), "sessions": holder.with_entries(tree)})
        return body

    def _session(self, label: str, written: Node | None, found: FoundSession | None, above: Mapping[str, str]) -> Node:
        if written is not None and not _stays(written):
            return written
        values = {**above, "session": label, **_entities(label)}
        if found:
            values |= found.shared
        guest = self.guest(written)
        layers, scans = self._session_templates(written, found, values)
        if found:
            layers += self._rule_body(found.first, "session", values)
        for tables in self._tables_for([guest]):
            layers += tables.bodies(Level.SESSION, label, values)
        body = _stacked([*layers, self._own(written, found)], label)
        named = written.entries().get("scans") if written is not None else None
        known = named.labels() if named is not None else {}
        tree: dict[str, Node] = {}
        for name in sorted({*known, *scans, *(found.scans if found else ())}):
            node, template = known.get(name), scans.get(name)
            hit = found.scans.get(name) if found else None
            if not (node is not None and _is_null(node) and (template is not None or hit)):
                tree[name] = self._scan(name, [one for one in (template, node) if one is not None], hit, values, guest)
        if tree or named is not None:
            holder = named if named is not None else body
            body = body.with_entries({**body.labels(), "scans": holder.with_entries(tree)})
        return body

    def _session_templates(
        self, written: Node | None, found: FoundSession | None, values: Mapping[str, str]
    ) -> tuple[list[Node], dict[str, Node]]:
        """The bodies of the templates that a session extends, filled, and the scans that they name."""
        rule = _part_map(found.first.rule, "session") if found else None
        extends = (written.entries().get("extends") if written is not None else None) or (
            rule.entries().get("extends") if rule is not None else None
        )
        if extends is None and not found:
            return [], {}
        name = self._fill.text(extends, values) if extends is not None else ""
        layers: list[Node] = []
        scans: dict[str, Node] = {}
        for template in chain(self._templates_for(self.guest(written)).sessions, extends, name, self._problems):
            entries = dict(template.entries())
            for key, scan in (entries.pop("scans").labels() if "scans" in entries else {}).items():
                if _is_null(scan):
                    scans.pop(key, None)
                else:
                    scans[key] = merged(scan, scans[key]) if key in scans else scan
            layers.append(self._fill.node(_without_own_words(template.with_entries(entries)), values))
        return layers, scans

    def _scan(
        self, label: str, written: list[Node], hit: Hit | None, above: Mapping[str, str], guest: Guest | None
    ) -> Node:
        """A scan over its templates; ``written`` are what a session's template and ``subjects`` say of it."""
        last = written[-1] if written else None
        if last is not None and (not _stays(last) or _is_null(last)):
            return last
        rule = _part_map(hit.rule, "scan") if hit else None
        extends = next((one.entries()["extends"] for one in reversed(written) if "extends" in one.entries()), None)
        if extends is None and rule is not None:
            extends = rule.entries().get("extends")
        values = {**above, "scan": label, **(hit.values if hit else {})}
        for one in written:
            kind = one.entries().get("type")
            if kind is not None and kind.text and "{" not in kind.text:
                values.setdefault("type", kind.text)
        layers: list[Node] = []
        if extends is not None or hit:
            name = self._fill.text(extends, values) if extends is not None else ""
            may_lack = extends is not None and "{" in (extends.text or "")
            templates = chain(self._templates_for(guest).scans, extends, name, self._problems, may_lack=may_lack)
            layers += [self._fill.node(_without_own_words(template), values) for template in templates]
        if hit:
            layers += self._rule_body(hit, "scan", values)
            for tables in self._tables_for([guest]):
                layers += tables.bodies(Level.SCAN, label, values)
        elif len(written) == 2 or (written and self._from_template(written[0])):
            written = [self._fill.node(_without_own_words(written[0]), values), *written[1:]]
        layers += written or [self._own(None, None, hit)]
        return _stacked([written_out(layer, self._problems) for layer in layers], label)

    def _tables_for(self, guests: Iterable[Guest | None]) -> Iterator[Tables]:
        """The tables of this document, and of those that some trees come from."""
        yield self.tables
        yield from {id(guest): guest.tables for guest in guests if guest and guest.tables}.values()

    def _templates_for(self, guest: Guest | None) -> Templates:
        return guest.templates if guest else self.templates

    def _from_template(self, node: Node) -> bool:
        """Whether a scan was written in a session's template, where names in braces are filled."""
        return node.path[:1] == ("session_templates",)

    def _own(self, written: Node | None, found: FoundSubject | FoundSession | None, hit: Hit | None = None) -> Node:
        """What stands in ``subjects``, or nothing in the place of the rule that discovered it."""
        hit = found.first if found else hit
        if written is not None:
            return written
        return hit.rule.node.with_entries({}) if hit else self._top.with_entries({})

    def _rule_body(self, hit: Hit, name: str, values: Mapping[str, str]) -> list[Node]:
        body = _part_map(hit.rule, name)
        return [] if body is None else [self._fill.node(_without_own_words(body), values)]


def _stacked(layers: list[Node], label: str) -> Node:
    """Bodies over each other, the last on top, under one label; resources that are null are left out."""
    body = layers[0]
    for layer in layers[1:]:
        body = merged(layer, body)
    entries = {key: node for key, node in body.labels().items() if key not in _OWN_WORDS}
    resources = entries.get("resources")
    if resources is not None and len(layers) > 1:
        kept = {key: node for key, node in resources.labels().items() if not _is_null(node)}
        entries["resources"] = resources.with_entries(kept)
    return body.with_entries(entries).under(label)


def _without_own_words(body: Node) -> Node:
    return body.with_entries({key: node for key, node in body.labels().items() if key not in _OWN_WORDS})


def _part_map(rule: Rule, name: str) -> Node | None:
    part = rule.part(name)
    return part if part is not None and part.is_map else None


def _is_null(node: Node) -> bool:
    return node.text is None and not node.is_map


def _stays(node: Node) -> bool:
    """Whether an object is not said to be absent."""
    state = node.entries().get("state")
    return state is None or state.text != "absent"


def _entities(label: str) -> dict[str, str]:
    """The entities of a label that is made like a name of BIDS: ``sub-01_ses-02``."""
    parsed = BidsName.parse(f"{label}_x")
    return {key: value for key, value in parsed.entities.items() if key in ("sub", "ses")} if parsed else {}
