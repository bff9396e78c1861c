"""Resources and their files: what the manifest asks for, met with what lies on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from xnat_sync.core.formats.bids import place_of
from xnat_sync.core.formats.manifest_tree import exactly
from xnat_sync.core.model.attributes import Attribute
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.rules import RULES
from xnat_sync.core.model.state import FileSpec
from xnat_sync.core.model.values import value_error
from xnat_sync.manifest.desired.defaults import merged, resource_body
from xnat_sync.manifest.desired.file_requests import FileRequest, read_requests
from xnat_sync.manifest.desired.label_rules import file_name_breach, resource_breach
from xnat_sync.manifest.desired.prune import read_prune
from xnat_sync.manifest.desired.study import quoted
from xnat_sync.manifest.text.document import FromEnvironment, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.local_port import FoundFile, LocalSide
    from xnat_sync.manifest.desired.defaults import Defaults
    from xnat_sync.manifest.desired.study import Study
    from xnat_sync.manifest.text.document import Node

    _Taken: TypeAlias = dict[str, tuple[FoundFile, Node]]

_MATES = {".hdr": ".img", ".img": ".hdr"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What holds at one place of a manifest: where its files lie, and its defaults."""

    root: str
    defaults: Defaults
    rootless: bool = False
    """Whether the root is no folder, which is told once, and not again with each file."""


class ReadResource(NamedTuple):
    """A resource that is understood: where its files are written, and how XNAT shall label them."""

    label: str
    files: Node
    format: str | None
    content: str | None


class ResourceReader:
    """Turns the ``resources`` of any object into files of the study."""

    def __init__(self, study: Study, local: LocalSide) -> None:
        self._study = study
        self._local = local
        self._problems = study.problems

    def read(self, parent: Ref, body: Node, written: Node, scope: Scope) -> Sequence[ReadResource]:
        """Read the resources of ``body``, an object over its defaults; ``written`` is the object by itself.

        What comes back are those that say which files they have.
        """
        resources = body.entries().get("resources")
        if resources is None:
            return ()
        read: list[ReadResource] = []
        own = written.entries().get("resources")
        # What lies below a session stands in one place; a project or subject may be described in several manifests.
        shared = parent.level <= Level.SUBJECT
        named = [(parent.child(Level.RESOURCE, label), node) for label, node in resources.labels().items()]
        written_here = own.labels() if own else {}
        for ref, node in named:
            breach = resource_breach(ref.label)
            if breach:
                self._study.tell(breach, node.key_origin(), ref)
            if shared:
                self._study.spell(ref, node)
            if not shared or self._study.claim(ref, node):
                resource = self._resource(ref, node, scope, own=ref.label in written_here)
                if resource:
                    read.append(resource)
                    self.take(ref, resource, read_requests(resource.files, self._problems), scope)
        if not shared:
            self._study.spell_all(named)
        return read

    def _resource(self, ref: Ref, node: Node, scope: Scope, *, own: bool) -> ReadResource | None:
        written = resource_body(node)
        if is_absent(written, self._study):
            self._study.want_absent(ref, node)
            return None
        body = merged(written, scope.defaults.resource)
        read_prune(ref, body, self._study)
        files = body.get("files")
        if files is None:
            # A default may say how the files of a resource are labelled where there are none.
            if own and not written.has("files"):
                self._problems.add("XS216", f"the resource {ref.label} names no files", node.key_origin(), ref=ref)
            return None
        return ReadResource(ref.label, files, self._label(ref, body, "format"), self._label(ref, body, "content"))

    def _label(self, ref: Ref, body: Node, name: str) -> str | None:
        """What is said of all files of a resource, which XNAT keeps like a text attribute."""
        said = body.said(name)
        if said is None:
            return None
        wrong = value_error(Attribute(name=name, path=name), said)
        if wrong:
            origin = body.entries()[name].origin()
            self._problems.add("XS113", f"{name}: {shown(said)} {wrong}", origin, hint="write another text", ref=ref)
        return str(said)

    def take(self, ref: Ref, resource: ReadResource, requests: Iterable[FileRequest], scope: Scope) -> None:
        """Take what a resource asks for into the study, as far as the disk has it."""
        taken: _Taken = {}
        for request in requests:
            self._request(ref, request, scope, resource, taken)
            if request.pattern and not taken:
                # An image is there even if nothing belongs to it.
                self._study.vacant[ref] = f"{scope.root}/{request.pattern}{'/*' * request.beside}"
        self._check_pairs(ref, taken)
        if len(taken) > 1:
            self._check_folders(ref, taken)
            self._study.spell_all([(ref.child(Level.FILE, name), node) for name, (_, node) in taken.items()])

    def _request(self, ref: Ref, request: FileRequest, scope: Scope, resource: ReadResource, taken: _Taken) -> None:
        if request.pattern is None:
            absent = ref.child(Level.FILE, request.name or "")
            if self._fits(absent, request):
                self._study.want_absent(absent, request.node)
            return
        origin = request.node.origin()
        if request.beside:
            image = str(request.pattern).removeprefix("./")
            for side in self._local.side_files(scope.root, image):
                below = FileRequest(node=request.node, pattern=exactly(side), name=place_of(side, image))
                self._request(ref, below, scope, resource, taken)
            return
        for found in self._find(ref, request, origin, scope):
            name = self._target(found, request)
            target = ref.child(Level.FILE, name)
            there = taken[name][0] if name in taken else None
            if there == found or not self._fits(target, request):
                continue
            if there is not None:
                both = f"{shown(there.name)} and {shown(found.name)}"
                summary = f"{both} would both be {shown(name)} in the resource {ref.label}"
                self._problems.add("XS208", summary, request.node.origin(), ref=ref)
                continue
            taken[name] = (found, request.node)
            self._check_size(target, found, request)
            self._study.files[target] = FileSpec(
                ref=target,
                path=found.path,
                size=found.size,
                md5=request.md5,
                format=resource.format,
                content=resource.content,
                mtime_ns=found.mtime_ns,
                origin=origin,
            )

    def _find(self, ref: Ref, request: FileRequest, origin: Origin, scope: Scope) -> tuple[FoundFile, ...]:
        """The files of a request, if their number is right and nothing forbids to take them."""
        pattern = request.pattern or ""
        matches = self._local.find(scope.root, pattern)
        for breach in matches.breaches:
            if breach.rule == "XS201" and (request.optional or scope.rootless):
                continue
            if isinstance(pattern, FromEnvironment):
                # The disk's own words would repeat what came from the environment.
                self._problems.add(breach.rule, f"{shown(pattern)} names {RULES[breach.rule].title}", origin, ref=ref)
            else:
                self._study.tell(breach, origin, ref)
        if matches.breaches:
            return matches.files
        count = len(matches.files)
        wrong = _wrong_number(request, pattern, matches.files)
        if wrong and not scope.rootless:
            rule = "XS203" if matches.files else "XS202"
            self._problems.add(rule, wrong, origin, ref=ref)
            return ()
        if request.expect is not None and count < request.expect and not request.optional:
            few = f"{shown(pattern)} matches {count}, not {request.expect}"
            self._problems.add("XS217", few, origin, ref=ref)
        return matches.files

    def _target(self, found: FoundFile, request: FileRequest) -> str:
        """The path inside the resource."""
        if request.name is not None:
            return request.name
        if request.relative_to is None:
            return request.folder + found.name.rpartition("/")[2]
        head = request.relative_to.removeprefix("./").rstrip("/")
        if head not in ("", ".") and not found.name.startswith(head + "/"):
            summary = f"{shown(found.name)} does not lie below relative_to, {shown(request.relative_to)}"
            hint = "check relative_to; it is relative to root too"
            self._problems.add("XS215", summary, request.node.origin(), hint=hint)
        below = found.name if head in ("", ".") else found.name.removeprefix(head + "/")
        return request.folder + below

    def _fits(self, target: Ref, request: FileRequest) -> bool:
        breach = file_name_breach(target.label)
        if breach:
            self._study.tell(breach, request.node.origin(), target)
        return breach is None or breach.rule != "XS210"

    def _check_size(self, target: Ref, found: FoundFile, request: FileRequest) -> None:
        if request.size is not None and request.size != found.size:
            summary = f"{shown(found.name)} is {found.size:,} bytes long; the manifest says {request.size:,}"
            self._problems.add("XS212", summary, request.node.origin(), ref=target)

    def _check_folders(self, ref: Ref, taken: _Taken) -> None:
        """A path that is a file cannot be a folder too."""
        for name in taken:
            head = name
            while "/" in head:
                head = head.rpartition("/")[0]
                if head in taken:
                    target = ref.child(Level.FILE, name)
                    summary = f"{shown(head)} is a file in the resource {ref.label}, and {shown(name)} needs a folder"
                    self._problems.add("XS209", summary, self._study.files[target].origin, ref=target)

    def _check_pairs(self, ref: Ref, taken: _Taken) -> None:
        """Half a pair is of no use to who downloads the resource."""
        halves = [name for name in taken if name[-4:].lower() in _MATES]
        if not halves:
            return
        known = {name.lower() for name in halves}
        for name in halves:
            mate = _MATES[name[-4:].lower()]
            if name[:-4].lower() + mate not in known:
                target = ref.child(Level.FILE, name)
                summary = f"{shown(name)} is in the resource {ref.label} without its {mate}"
                self._problems.add("XS315", summary, self._study.files[target].origin, ref=target)


def is_absent(body: Node, study: Study) -> bool:
    """Whether a body says ``state: absent``; whatever else it says is noted then."""
    if not body.has("state"):
        return False
    entries = body.entries()
    state = entries.get("state")
    if state is None or state.text != "absent":
        return False
    for key, node in entries.items():
        if key != "state":
            study.problems.add("XS022", f"{key} stands beside state: absent", node.key_origin())
    return True


def _wrong_number(request: FileRequest, pattern: str, found: Sequence[FoundFile]) -> str | None:
    count = len(found)
    if count == 1 and request.expect is None:
        return None
    if not count:
        few = "" if request.expect is None else f"; {request.expect} expected"
        return None if request.optional else f"nothing matches {shown(pattern)}{few}"
    if request.expect is not None and count > request.expect:
        return f"{shown(pattern)} matches {count}, not {request.expect}: {quoted([file.name for file in found])}"
    single = request.name is not None or request.size is not None or request.md5 is not None
    if single and count > 1:
        return f"{shown(pattern)} must match one file here and matches {count}: {quoted([file.name for file in found])}"
    return None
