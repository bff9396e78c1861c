"""The way from manifests on the disk to what they want, with everything that is wrong told at once."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import ManifestError, Problem
from xnat_sync.manifest.desired.builder import build
from xnat_sync.manifest.desired.content_checks import check_content
from xnat_sync.manifest.desired.defaults import Defaults
from xnat_sync.manifest.desired.ignores import read_ignores
from xnat_sync.manifest.desired.numbered_labels import check_labels
from xnat_sync.manifest.desired.resources import Scope
from xnat_sync.manifest.desired.templates import Templates
from xnat_sync.manifest.discovery.cross_manifest import hand_over
from xnat_sync.manifest.discovery.expander import Expander
from xnat_sync.manifest.discovery.part import Part
from xnat_sync.manifest.header_checks import agreed_server, check_versions, project_of
from xnat_sync.manifest.sources import Source, SourceReader
from xnat_sync.manifest.surroundings import ROOTS_VARIABLE, Fence, Surroundings, real_path
from xnat_sync.manifest.text.document import FromEnvironment, shown
from xnat_sync.manifest.text.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import DesiredState
    from xnat_sync.manifest.desired.provenance import Trace
    from xnat_sync.manifest.text.document import Node

_UNKNOWN = "PROJECT"
_ROOT_ELSEWHERE = "XS218"


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A study that is fit to be compared with a server.

    ``problems`` are warnings only; ``sources`` are the manifests that were read and ``roots`` the folders that their
    files lie in, all sorted. ``from_image`` is what the manifest says of scans about that, ``ignores`` are its entries:
    rule, pattern, reason, and the root of the pattern.
    """

    project: str
    server: str | None
    desired: DesiredState
    problems: tuple[Problem, ...]
    sources: tuple[Path, ...]
    roots: tuple[Path, ...]
    from_image: Mapping[Ref, str] = field(default_factory=dict)
    ignores: tuple[tuple[str, str | None, str, Path], ...] = ()


def load_study(
    paths: Sequence[Path],
    *,
    local: LocalSide,
    around: Surroundings | None = None,
    check_md5: bool = True,
    deep: bool = False,
    trace: Trace | None = None,
) -> Loaded:
    """Read manifests and folders of manifests as one study, as far as their surroundings allow.

    With ``check_md5`` every file whose digest is stated is read whole; with ``deep`` every file is, to its end, and
    the desired state has the digest of each. A ``trace`` learns where values were written.

    Raises:
        ManifestError: something is wrong; it has every problem, warnings too.

    """
    problems, around = Problems(), around or Surroundings()
    fence = Fence(paths, around.allow_roots)
    sources = SourceReader(around, fence, problems, local).read(paths)
    check_versions(sources, problems)
    server = agreed_server(sources, problems)
    project = project_of(sources, problems)
    contexts = _contexts(sources, _roots(sources, fence, problems), local, problems)
    parts = [contexts[source.path] for source in sources]
    hand_over(parts, problems)
    study = build(project or _UNKNOWN, parts, local, problems, trace)
    expanders = [part.expander for part in parts if part.expander]
    taken = [spec.path for spec in study.files.values()] if expanders else []
    taken += [str(source.path) for source in sources]
    taken += [path for expander in expanders for path in expander.touched()]
    for expander in expanders:
        expander.tell_idle(prunes=study.prunes_objects)
        expander.tell_left(taken)
    ignores = read_ignores([(part.top, part.scope.root) for part in parts], problems)
    check_labels(study, ignores)
    check_content(study, local, ignores, check_md5=check_md5, deep=deep)
    ignores.tell_unused(problems)
    desired = study.desired()
    if problems.fatal:
        raise ManifestError(problems.sorted())
    return Loaded(
        project=project or _UNKNOWN,
        server=server,
        desired=desired,
        problems=problems.sorted(),
        sources=tuple(source.path for source in sources),
        roots=tuple(sorted({Path(part.scope.root) for part in parts})),
        from_image=study.from_image,
        ignores=tuple((entry.rule, entry.written, entry.reason, Path(entry.root)) for entry in ignores.entries),
    )


def _contexts(
    sources: Sequence[Source], roots: Mapping[Path, str], local: LocalSide, problems: Problems
) -> dict[Path, Part]:
    """The root and defaults of each document: its own over those of the one that includes it."""
    done: dict[Path, Part] = {}
    templates: dict[Path, Templates] = {}

    def context(source: Source) -> Part:
        if source.path in done:
            return done[source.path]
        includer = context(source.includer) if source.includer else None
        above = includer.scope if includer else None
        known = templates[source.includer.path] if source.includer else Templates()
        top = source.document.root()
        templates[source.path] = known.within(top)
        root = roots[source.path]
        part = Part(
            top=top,
            scope=Scope(
                root=root,
                defaults=(above.defaults if above else Defaults()).within(top, problems),
                rootless=not os.path.isdir(root),  # noqa: PTH112 - see `_root`
            ),
            lineage=(*(includer.lineage if includer else ()), top),
            expander=Expander.of(top, root, templates[source.path], local, problems),
        )
        done[source.path] = part
        return part

    for source in sources:
        context(source)
    return done


def _roots(sources: Sequence[Source], fence: Fence, problems: Problems) -> dict[Path, str]:
    """The folder that the files of each document lie in, before anything in it is looked at.

    Raises:
        ManifestError: one leads out of the study; the rest of the manifests is not read any further.

    """
    roots: dict[Path, str] = {}

    def root_of(source: Source) -> str:
        if source.path not in roots:
            said = source.document.root().entries().get("root")
            if said is not None:
                roots[source.path] = _root(source, said, fence, problems)
            elif source.document.root().has("root"):
                # What it says makes no sense, which is told: no folder, and no file that is missing in another one.
                roots[source.path] = str(source.path)
            elif source.includer is not None:
                roots[source.path] = root_of(source.includer)
            else:
                roots[source.path] = str(source.path.parent.resolve())
        return roots[source.path]

    for source in sources:
        root_of(source)
    found = problems.sorted()
    if any(problem.rule == _ROOT_ELSEWHERE for problem in found):
        raise ManifestError(found)
    return roots


def _root(source: Source, said: Node, fence: Fence, problems: Problems) -> str:
    """The folder that a manifest names as its root, be it fit to be read from or not."""
    written = said.text or ""
    root = real_path(source.path.parent / written)
    if root is not None and not fence.admits(root):
        told = root if not isinstance(written, FromEnvironment) else "DIR"
        hint = f"if that is meant, say --allow-root {shlex.quote(str(told))}, or set {ROOTS_VARIABLE} to it"
        summary = f"the root {shown(written)} lies outside of this folder, the manifest's folder and its git checkout"
        problems.add(_ROOT_ELSEWHERE, summary, said.origin(), hint=hint)
    elif root is None or not os.path.isdir(root):  # noqa: PTH112 - unlike the method it never raises
        problems.add("XS214", f"the root {shown(written)} is not a folder", said.origin())
    return str(root or source.path.parent)
