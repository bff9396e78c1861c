"""Checked documents into the desired state. Pure: the local disk is asked through a port."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from xnat_sync.core.model.attributes import PROJECT, SUBJECT, default_scan_type, known_types
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import Alike, ObjectSpec
from xnat_sync.manifest.desired.attributes import read_attributes
from xnat_sync.manifest.desired.defaults import merged, written_out
from xnat_sync.manifest.desired.file_requests import FileRequest
from xnat_sync.manifest.desired.label_rules import label_breach
from xnat_sync.manifest.desired.prune import read_prune
from xnat_sync.manifest.desired.resources import ResourceReader, Scope, is_absent
from xnat_sync.manifest.desired.scan_memo import ScansAlike
from xnat_sync.manifest.desired.study import Study
from xnat_sync.manifest.text.document import FromEnvironment, shown
from xnat_sync.manifest.text.environment import uses_environment
from xnat_sync.manifest.text.schema import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.manifest.desired.provenance import Trace
    from xnat_sync.manifest.desired.scan_memo import Understood
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems


class SubjectSource(Protocol):
    """One document of a study: what holds at its top, and its subjects as an explicit tree."""

    @property
    def top(self) -> Node:
        """The document's outermost mapping."""
        ...

    @property
    def scope(self) -> Scope:
        """Root and defaults that hold for everything in the document."""
        ...

    def subjects(self, project: Ref) -> Iterable[Node]:
        """Return its subjects as an explicit tree."""
        ...

    def scope_of(self, node: Node) -> Scope:
        """Return what holds around an object: more where its tree comes from another document."""
        ...


def build(
    project: str, parts: Sequence[SubjectSource], local: LocalSide, problems: Problems, trace: Trace | None = None
) -> Study:
    """The study that some documents describe together; their order does not matter.

    What does not fit the schema has been noted before and is passed over.
    """
    study = Study(project, problems, trace)
    builder = _Builder(study, ResourceReader(study, local))
    for part in parts:
        builder.take(part)
    study.check_scan_types()
    return study


class _Builder:
    """Walks the tree of each document, from the project down."""

    def __init__(self, study: Study, resources: ResourceReader) -> None:
        self._study = study
        self._problems = study.problems
        self._resources = resources
        self._alike = Alike()
        self._scans = ScansAlike()

    def take(self, part: SubjectSource) -> None:
        """Add one document to the study."""
        entries = part.top.entries()
        self._project(entries.get("project") or part.top, part.scope)
        for node in part.subjects(self._study.project):
            self._subject(self._study.project.child(Level.SUBJECT, str(node.key)), node, part)

    def _project(self, node: Node, scope: Scope) -> None:
        ref = self._study.project
        described = node.key == "project" and node.is_map
        body = node if described else node.with_entries({})
        create = body.entries().get("create")
        self._want(ref, PROJECT, body, node, create=create is not None and create.text == "true")
        self._resources.read(ref, body, body, scope)

    def _subject(self, ref: Ref, node: Node, part: SubjectSource) -> None:
        if self._gone(ref, node):
            return
        scope = part.scope_of(node)
        within = self._within(scope, node)
        body = merged(node, scope.defaults.subject)
        self._want(ref, SUBJECT, body, node)
        self._resources.read(ref, body, node, within)
        if "sessions" in node.entries():
            for session in node.entries()["sessions"].sound():
                around = self._within(part.scope_of(session), node)
                self._session(ref.child(Level.SESSION, str(session.key)), session, around)

    def _session(self, ref: Ref, node: Node, scope: Scope) -> None:
        if not self._study.claim(ref, node) or self._gone(ref, node):
            return
        within = self._within(scope, node)
        body = merged(node, scope.defaults.session)
        xsi_type = self._xsi_type(ref, body, node, "")
        self._want(ref, xsi_type, body, node)
        self._resources.read(ref, body, node, within)
        if "scans" in node.entries():
            scans = [(ref.child(Level.SCAN, str(scan.key)), scan) for scan in node.entries()["scans"].sound()]
            there = [(below, scan) for below, scan in scans if self._scan(below, scan, within, xsi_type)]
            self._study.spell_all(there)

    def _scan(self, ref: Ref, node: Node, scope: Scope, session_type: str) -> bool:
        """Read a scan; true if it shall exist."""
        # Whoever asks where values were written asks it of every scan.
        wording = None if self._study.is_traced else self._scans.wording(node, scope.defaults, session_type)
        known = self._scans.find(wording)
        if known and label_breach(ref.level, ref.label) is None:
            self._take_like(known, ref, node, scope)
            return True
        told = self._problems.told
        if self._gone(ref, node):
            return False
        written = written_out(node, self._problems)
        body = merged(written, scope.defaults.scan)
        usual = default_scan_type(session_type) or "" if session_type else None
        xsi_type = self._xsi_type(ref, body, node, usual)
        self._want(ref, xsi_type, body, node)
        read = self._resources.read(ref, body, written, scope)
        wish = body.entries().get("from_image")
        if wish is not None and wish.text:
            self._study.from_image[ref] = str(wish.text)
        if wording and self._problems.told == told:
            self._scans.keep(wording, node, self._study.objects[ref], self._study.from_image.get(ref), read)
        return True

    def _take_like(self, known: Understood, ref: Ref, node: Node, scope: Scope) -> None:
        """Take a scan that says what another one said before it, but for its files."""
        fields, origin = known.fields, node.key_origin()
        self._study.want(ObjectSpec(ref=ref, xsi_type=known.xsi_type, fields=fields, origin=origin), {})
        for resource, steps in known.resources:
            files = node.descendant(steps)
            request = FileRequest(node=files, pattern=files.text)
            self._resources.take(ref.child(Level.RESOURCE, resource.label), resource, (request,), scope)
        if known.from_image:
            self._study.from_image[ref] = known.from_image

    def _within(self, scope: Scope, node: Node) -> Scope:
        return replace(scope, defaults=scope.defaults.within(node, self._problems))

    def _gone(self, ref: Ref, node: Node) -> bool:
        """Judge the label; true if the object must not exist, or nothing is said of it."""
        if node.text is None and not node.is_map:
            hint = "give it a value, write {} if there is nothing to say, or remove the key"
            self._problems.add("XS021", f"{ref.label} says nothing", node.origin(), hint=hint)
            return True
        extends = node.entries().get("extends")
        if extends is not None:
            self._problems.add("XS401", f"there is no template {shown(extends.text or '')}", extends.origin(), ref=ref)
        breach = label_breach(ref.level, ref.label)
        if breach and not uses_environment(ref.label):
            self._study.tell(breach, node.key_origin(), ref)
        if is_absent(node, self._study):
            self._study.want_absent(ref, node)
            return True
        if ref.level is not Level.SCAN:
            self._study.spell(ref, node)
        return False

    def _want(self, ref: Ref, xsi_type: str, body: Node, node: Node, *, create: bool = True) -> None:
        values = read_attributes(ref, xsi_type, body, self._problems)
        fields = self._alike.of({name: value for name, (value, _) in values.items()})
        origin = node.key_origin()
        spec = ObjectSpec(ref=ref, xsi_type=xsi_type, fields=fields, create=create, origin=origin)
        self._study.want(spec, values)
        read_prune(ref, body, self._study)

    def _xsi_type(self, ref: Ref, body: Node, node: Node, usual: str | None) -> str:
        """The type that a session or scan says or has by default; nothing where it is wrong, which is noted.

        ``usual`` is the type of one that says nothing, empty where there is none, ``None`` where that is unknown
        since the session's own type is wrong.
        """
        said = body.entries().get("xsi_type")
        if said is None:
            if usual == "" and not body.has("xsi_type"):
                what = f"the {ref.level.noun} {ref.label} has no xsi_type"
                example = "xnat:mrSessionData" if ref.level is Level.SESSION else "xnat:mrScanData"
                hint = f"add xsi_type: {example}, or set it for all in defaults"
                self._problems.add("XS110", what, node.key_origin(), hint=hint, ref=ref)
            return usual or ""
        if isinstance(said.value, FromEnvironment):
            self._problems.add("XS031", "an xsi_type is taken from the environment", said.origin(), ref=ref)
            return ""
        text = said.text or ""
        remedy = _type_hint(ref.level, text)
        if remedy is None:
            return text
        summary = f"{shown(text)} is no type of a {ref.level.noun}"
        self._problems.add("XS111", summary, said.origin(), hint=remedy, ref=ref)
        return ""


# A study has a handful of types.
@functools.lru_cache(maxsize=256)
def _type_hint(level: Level, xsi_type: str) -> str | None:
    """What to write instead of a type that a session or scan cannot have, ``None`` if it is fine.

    XNAT's own types are known from ``xnat.xsd``; a server may have others, in other namespaces.
    """
    prefix, colon, name = xsi_type.partition(":")
    other = Level.SCAN if level is Level.SESSION else Level.SESSION
    if xsi_type in known_types(level):
        return None
    if xsi_type in known_types(other):
        return f"that is the type of a {other.noun}; write {_counterpart(xsi_type, level)}"
    if prefix == "xnat" or not colon or not prefix or not name.isidentifier():
        guess = xsi_type if colon else f"xnat:{xsi_type}"
        return did_you_mean(guess, known_types(level)) or f"for example {known_types(level)[0]}"
    return None


def _counterpart(xsi_type: str, level: Level) -> str:
    pair = ("SessionData", "ScanData") if level is Level.SCAN else ("ScanData", "SessionData")
    swapped = xsi_type.replace(*pair)
    return swapped if swapped in known_types(level) else known_types(level)[0]
