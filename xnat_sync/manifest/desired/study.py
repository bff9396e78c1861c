"""The desired state while it grows out of several manifests, with the rules that hold between its objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import DesiredState, FileSpec, ObjectSpec, Prune
from xnat_sync.manifest.text.document import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.local_port import Breach
    from xnat_sync.manifest.desired.attributes import Values
    from xnat_sync.manifest.desired.provenance import Trace
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems


class Study:
    """All that the manifests of one study want. Refuses what contradicts what is in it already."""

    def __init__(self, project: str, problems: Problems, trace: Trace | None = None) -> None:
        self._trace = trace
        self.project = Ref.project_of(project)
        self.problems = problems
        self.objects: dict[Ref, ObjectSpec] = {}
        self.files: dict[Ref, FileSpec] = {}
        self.absent: dict[Ref, Origin | None] = {}
        self.prune: dict[Ref, Prune] = {}
        self.vacant: dict[Ref, str] = {}
        self.from_image: dict[Ref, str] = {}
        """What the manifest says of scans about taking attributes from their images, where it says something."""
        # Nodes, not origins: few of them are ever told.
        self._places: dict[Ref, dict[str, Node]] = {}
        self._claims: dict[Ref, Node] = {}
        self._spelled: dict[tuple[Level, Ref | None], dict[str, tuple[Ref, Node]]] = {}

    def desired(self) -> DesiredState:
        """What has grown."""
        vacant = self.vacant if self.prune else {}
        return DesiredState(objects=self.objects, files=self.files, absent=self.absent, prune=self.prune, vacant=vacant)

    @property
    def is_traced(self) -> bool:
        """Whether somebody wants to know where each value was written."""
        return self._trace is not None

    @property
    def prunes_objects(self) -> bool:
        """Whether a subject, session or scan that nobody names is to be deleted anywhere."""
        return any(level < Level.RESOURCE for rule in self.prune.values() for level in rule.levels)

    def tell(self, breach: Breach, origin: Origin, ref: Ref | None = None) -> None:
        """Note a breach at the place that it is about."""
        self.problems.add(breach.rule, breach.summary, origin, hint=breach.hint, ref=ref)

    def claim(self, ref: Ref, node: Node) -> bool:
        """Take hold of an object that may be described once only; false if it was described elsewhere."""
        first = self._claims.get(ref)
        if first is None:
            self._claims[ref] = node.bare()
            return True
        there = first.key_origin()
        summary = f"the {ref.level.noun} {ref.short} is described in {there.file}:{there.line} already"
        self.problems.add("XS107", summary, node.key_origin(), ref=ref)
        return False

    def want_absent(self, ref: Ref, node: Node) -> None:
        """Note that something must not exist."""
        if ref in self.objects:
            there = self.objects[ref].origin
            where = f"{there.file}:{there.line}" if there else "another manifest"
            summary = f"the {ref.level.noun} {ref.short} must not exist, but {where} describes it"
            self.problems.add("XS107", summary, node.key_origin(), ref=ref)
        self.absent[ref] = node.key_origin()

    def want_pruned(self, ref: Ref, rule: Prune) -> None:
        """Note what becomes of things that nobody names; several manifests must not contradict each other there."""
        held = self.prune.setdefault(ref, rule)
        if held != rule and held.origin:
            there = f"{held.origin.file}:{held.origin.line}"
            summary = f"prune of {ref.level.noun} {ref.short} is another in {there}"
            self.problems.add("XS107", summary, rule.origin, ref=ref)

    def spell(self, ref: Ref, node: Node) -> None:
        """Hold a label against its siblings: XNAT compares labels with case, file systems and people may not.

        A session's siblings are all sessions of the project (`checkUniqueLabel`).
        """
        siblings = self.project if ref.level is Level.SESSION else ref.parent
        spelled = self._spelled.setdefault((ref.level, siblings), {})
        folded = ref.label.casefold()
        if folded not in spelled:
            # What lies below a session is soon forgotten, see `spell_all`.
            spelled[folded] = (ref, node if ref.level > Level.SESSION else node.bare())
            return
        other, first = spelled[folded]
        if other == ref:
            return
        there = first.key_origin()
        if other.label != ref.label:
            what = "path" if ref.level is Level.FILE else f"{ref.level.noun} label"
            rule = "XS209" if ref.level is Level.FILE else "XS104"
            summary = f"the {what} {ref.label} differs from {other.label} in {there.file}:{there.line} in case only"
            self.problems.add(rule, summary, node.key_origin(), ref=ref)
        else:
            owner = other.parent.label if other.parent else ""
            summary = f"the session label {ref.label} is taken by subject {owner} in {there.file}:{there.line}"
            self.problems.add("XS105", summary, node.key_origin(), ref=ref)

    def spell_all(self, named: Sequence[tuple[Ref, Node]]) -> None:
        """`spell` all of one level below something that is described once only: nobody else has such siblings."""
        if len(named) < 2 or len({ref.label.casefold() for ref, _ in named}) == len(named):
            return
        for ref, node in named:
            self.spell(ref, node)
        self._spelled.pop((ref.level, ref.parent), None)

    def want(self, spec: ObjectSpec, values: Values) -> None:
        """Add an object, or what another manifest says of the same project or subject.

        ``values`` says where each attribute was written.
        """
        if self._trace:
            self._trace.take(spec.ref, values)
        held = self.objects.get(spec.ref)
        if spec.ref in self.absent:
            there = self.absent[spec.ref]
            where = f"{there.file}:{there.line}" if there else "another manifest"
            summary = f"the {spec.ref.level.noun} {spec.ref.short} is described here, but {where} says state: absent"
            self.problems.add("XS107", summary, spec.origin, ref=spec.ref)
        if held is None:
            self.objects[spec.ref] = spec
            if spec.ref.level <= Level.SUBJECT:
                self._places[spec.ref] = _places_of(values)
            return
        known, places = self._places[spec.ref], _places_of(values)
        for name, value in spec.fields.items():
            if name in held.fields and held.fields[name] != value:
                there = known[name].key_origin()
                summary = f"{name} of {spec.ref.level.noun} {spec.ref.short} is another in {there.file}:{there.line}"
                self.problems.add("XS107", summary, places[name].key_origin(), ref=spec.ref)
        self._places[spec.ref] = {**places, **known}
        self.objects[spec.ref] = ObjectSpec(
            ref=held.ref,
            xsi_type=held.xsi_type,
            fields={**spec.fields, **held.fields},
            create=held.create or spec.create,
            origin=held.origin,
        )

    def check_scan_types(self) -> None:
        """A scan whose ID is another's type cannot be told from it: XNAT finds scans by either (`XNATTemplate`)."""
        types: dict[tuple[Ref | None, str], Ref] = {}
        scans = [self.objects[ref] for ref in sorted(ref for ref in self.objects if ref.level is Level.SCAN)]
        for spec in scans:
            scan_type = spec.fields.get("type")
            if scan_type and scan_type != spec.ref.label:
                types.setdefault((spec.ref.parent, scan_type), spec.ref)
        for spec in scans:
            other = types.get((spec.ref.parent, spec.ref.label))
            if other:
                summary = f"the scan ID {spec.ref.label} is the type of scan {other.label} in the same session"
                self.problems.add("XS106", summary, spec.origin, ref=spec.ref)


def _places_of(values: Values) -> dict[str, Node]:
    return {name: place.bare() for name, (_, place) in values.items()}


def quoted(names: list[str]) -> str:
    """Some names for a message: the first five."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(shown(name) for name in names[:5]) + more
