"""What the files of a study show when they are looked into: damage, and what does not fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.datatypes import attributes_of, value_error
from xnat_sync.core.errors import LocalFileError
from xnat_sync.core.localside import Breach, Clue, LocalFile, Whole
from xnat_sync.core.refs import Level
from xnat_sync.manifest.document import shown
from xnat_sync.manifest.gate import Gate, gives_away

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.core.localside import Inspection, LocalSide
    from xnat_sync.core.refs import Ref
    from xnat_sync.core.state import FileSpec, Found
    from xnat_sync.manifest.ignores import Ignores
    from xnat_sync.manifest.study import Study

_TRACER = "tracer_"
"""What a scan's sidecar says of its session begins so."""


def check_content(study: Study, local: LocalSide, ignores: Ignores, *, check_md5: bool, deep: bool) -> None:
    """Look into every file: headers, side files, the digests that the manifest states, and if asked every byte.

    A file that was read whole keeps its digest. What may say who somebody is, here or in the manifest, is told too.
    """
    gate = Gate(study.problems, ignores)
    sessions: dict[Ref, list[Mapping[str, Found]]] = {}
    for owner, specs in _by_owner(study).items():
        found = local.inspect([LocalFile(path=spec.path, name=spec.ref.label) for spec in specs])
        _judge(study, specs, found, gate, ignores)
        if owner.level is Level.SCAN:
            _describe(study, owner, found, sessions)
    for session, several in sessions.items():
        _describe_session(study, session, several)
    for described in study.objects.values():
        gate.take_object(described)
    gate.tell()
    for ref, spec in study.files.items():
        stated = spec.md5 is not None and check_md5
        if deep or stated:
            study.files[ref] = _read(study, local, spec, deep=deep, stated=stated)


def _judge(study: Study, specs: Sequence[FileSpec], found: Inspection, gate: Gate, ignores: Ignores) -> None:
    """Note what is wrong with the files of one object, and give the gate what they say."""
    for index, breach in found.breaches:
        if not ignores.covers(breach.rule, specs[index].path):
            _tell(study, specs[index], breach)
    clues: dict[int, list[Clue]] = {index: [] for index in range(len(specs))}
    for index, clue in found.clues:
        clues[index].append(clue)
    for index, spec in enumerate(specs):
        gate.take_file(spec, clues[index])


def _describe(study: Study, scan: Ref, inspection: Inspection, sessions: dict[Ref, list[Mapping[str, Found]]]) -> None:
    """Give a scan what its image says and the manifest does not, as far as its type has it and XNAT takes it.

    By itself that happens to a scan with one image; ``from_image`` wants it of several too, not at all, or instead of
    what the server has. What is said of the session is noted in ``sessions``.
    """
    wish = study.from_image.get(scan, "true" if inspection.images == 1 else "false")
    if wish == "false" or not inspection.found:
        return
    found = {
        name: value._replace(over=True) if wish == "overwrite" else value for name, value in inspection.found.items()
    }
    _add_found(study, scan, found)
    tracer = {name: value for name, value in found.items() if name.startswith(_TRACER)}
    if tracer and scan.parent:
        sessions.setdefault(scan.parent, []).append(tracer)


def _describe_session(study: Study, session: Ref, several: Sequence[Mapping[str, Found]]) -> None:
    """Give a session what all those of its scans agree on that say anything of it."""
    first, *others = several
    _add_found(study, session, {name: one for name, one in first.items() if all(o.get(name) == one for o in others)})


def _add_found(study: Study, ref: Ref, values: Mapping[str, Found]) -> None:
    spec = study.objects.get(ref)
    if spec is None:
        return
    known = attributes_of(ref.level, spec.xsi_type)
    found = {
        name: value
        for name, value in values.items()
        if name in known
        and name not in spec.fields
        and value_error(known[name], value.value) is None
        and not gives_away(name, value.value)
    }
    if found:
        study.objects[ref] = replace(spec, found=found)


def _by_owner(study: Study) -> dict[Ref, list[FileSpec]]:
    """The files of each scan, session, subject and project, over all its resources."""
    owners: dict[Ref, list[FileSpec]] = {}
    for ref, spec in study.files.items():
        resource = ref.parent
        owner = resource.parent if resource else None
        if owner:
            owners.setdefault(owner, []).append(spec)
    return owners


def _read(study: Study, local: LocalSide, spec: FileSpec, *, deep: bool, stated: bool) -> FileSpec:
    name = shown(spec.ref.label)
    try:
        md5, findings = local.read_whole(spec.path) if deep else Whole(local.md5(spec.path), ())
    except LocalFileError as error:
        _tell(study, spec, Breach(rule="XS206", summary=f"{name} cannot be read: {error}"))
        return spec
    for breach in findings:
        _tell(study, spec, breach)
    if stated and md5 != spec.md5:
        _tell(study, spec, Breach(rule="XS213", summary=f"the MD5 of {name} is {md5}; the manifest says {spec.md5}"))
    return replace(spec, md5=spec.md5 or md5)


def _tell(study: Study, spec: FileSpec, breach: Breach) -> None:
    study.problems.add(breach.rule, breach.summary, spec.origin, hint=breach.hint, ref=spec.ref)
