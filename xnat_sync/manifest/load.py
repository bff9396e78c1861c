"""The way from manifests on the disk to what they want, with everything that is wrong told at once."""

from __future__ import annotations

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
from xnat_sync.manifest.text.document import shown
from xnat_sync.manifest.text.problems import Problems

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.core.model.local_port import LocalSide
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import DesiredState
    from xnat_sync.manifest.desired.provenance import Trace

_UNKNOWN = "PROJECT"


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
    environ: Mapping[str, str],
    local: LocalSide,
    check_md5: bool = True,
    deep: bool = False,
    trace: Trace | None = None,
) -> Loaded:
    """Read manifests and folders of manifests as one study.

    With ``check_md5`` every file whose digest is stated is read whole; with ``deep`` every file is, to its end, and
    the desired state has the digest of each. A ``trace`` learns where values were written.

    Raises:
        ManifestError: something is wrong; it has every problem, warnings too.

    """
    problems = Problems()
    sources = SourceReader(environ, problems, local).read(paths)
    check_versions(sources, problems)
    server = agreed_server(sources, problems)
    project = project_of(sources, problems)
    contexts = _contexts(sources, local, problems)
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


def _contexts(sources: Sequence[Source], local: LocalSide, problems: Problems) -> dict[Path, Part]:
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
        root = _root(source, above.root if above else None, problems)
        part = Part(
            top=top,
            scope=Scope(
                root=root,
                defaults=(above.defaults if above else Defaults()).within(top, problems),
                rootless=not Path(root).is_dir(),
            ),
            lineage=(*(includer.lineage if includer else ()), top),
            expander=Expander.of(top, root, templates[source.path], local, problems),
        )
        done[source.path] = part
        return part

    for source in sources:
        context(source)
    return done


def _root(source: Source, inherited: str | None, problems: Problems) -> str:
    said = source.document.root().entries().get("root")
    if said is None:
        return inherited or str(source.path.parent.resolve())
    root = (source.path.parent / (said.text or "")).resolve()
    if not root.is_dir():
        problems.add("XS214", f"the root {shown(said.text or '')} is not a folder", said.origin())
    return str(root)
