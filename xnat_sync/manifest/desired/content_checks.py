"""What the files of a study show when they are looked into: damage, and what does not fit together."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import attributes_of
from xnat_sync.core.model.errors import LocalFileError
from xnat_sync.core.model.local_port import Breach, Clue, LocalFile, Whole
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.values import value_error
from xnat_sync.manifest.desired.identifier_check import Gate, gives_away
from xnat_sync.manifest.text.document import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.core.model.local_port import Inspection, LocalSide
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec, Found, ObjectSpec
    from xnat_sync.manifest.desired.ignores import Ignores
    from xnat_sync.manifest.desired.study import Study

_TRACER = "tracer_"
"""What a scan's sidecar says of its session begins so."""
_MOST_GIVEN = 4096


def check_content(study: Study, local: LocalSide, ignores: Ignores, *, check_md5: bool, deep: bool) -> None:
    """Look into every file: headers, side files, the digests that the manifest states, and if asked every byte.

    A file that was read whole keeps its digest. What may say who somebody is, here or in the manifest, is told too.
    """
    gate = Gate(study.problems, ignores)
    describer = _Describer(study)
    for owner, specs in _by_owner(study).items():
        found = local.inspect([LocalFile(path=spec.path, name=spec.ref.label) for spec in specs])
        _judge(study, specs, found, gate, ignores)
        if owner.level is Level.SCAN:
            describer.take(owner, found)
    describer.tell_sessions()
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
    clues: dict[int, list[Clue]] = {}
    for index, clue in found.clues:
        clues.setdefault(index, []).append(clue)
    for index, spec in enumerate(specs):
        gate.take_file(spec, clues.get(index, ()))


class _Describer:
    """Gives scans what their images say and the manifest does not, as far as their type has it and XNAT takes it."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._sessions: dict[Ref, list[Mapping[str, Found]]] = {}
        # A study has a few protocols and many scans: what one of them is given is given to all its like.
        self._given: dict[tuple[object, ...], Mapping[str, Found]] = {}

    def take(self, scan: Ref, inspection: Inspection) -> None:
        """Describe a scan.

        By itself that happens to a scan with one image; ``from_image`` wants it of several too, not at all, or instead
        of what the server has.
        """
        wish = self._study.from_image.get(scan, "true" if inspection.images == 1 else "false")
        found = inspection.found
        if wish == "false" or not found:
            return
        if wish == "overwrite":
            found = {name: value._replace(over=True) for name, value in found.items()}
        self._give(scan, found)
        tracer = {name: value for name, value in found.items() if name.startswith(_TRACER)}
        if tracer and scan.parent:
            self._sessions.setdefault(scan.parent, []).append(tracer)

    def tell_sessions(self) -> None:
        """Give each session what all those of its scans agree on that say anything of it."""
        for session, (first, *others) in self._sessions.items():
            self._give(session, {name: one for name, one in first.items() if all(o.get(name) == one for o in others)})

    def _give(self, ref: Ref, values: Mapping[str, Found]) -> None:
        spec = self._study.objects.get(ref)
        if spec is None:
            return
        alike = (ref.level, spec.xsi_type, *spec.fields, *values.items())
        found = self._given.get(alike)
        if found is None:
            found = _fitting(spec, values)
            if len(self._given) >= _MOST_GIVEN:
                self._given.clear()
            self._given[alike] = found
        if found:
            self._study.objects[ref] = replace(spec, found=found)


def _fitting(spec: ObjectSpec, values: Mapping[str, Found]) -> Mapping[str, Found]:
    known = attributes_of(spec.ref.level, spec.xsi_type)
    return {
        name: value
        for name, value in values.items()
        if name in known
        and name not in spec.fields
        and value_error(known[name], value.value) is None
        and not gives_away(name, value.value)
    }


def _by_owner(study: Study) -> dict[Ref, list[FileSpec]]:
    """The files of each scan, session, subject and project, over all its resources."""
    owners: dict[Ref, list[FileSpec]] = {}
    here: tuple[str, ...] = ()
    owned: list[FileSpec] = []
    for ref, spec in study.files.items():
        # The files of one object mostly follow each other.
        if ref[: Level.RESOURCE] != here:
            here = ref[: Level.RESOURCE]
            resource = ref.at(Level.RESOURCE)
            owner = resource.parent if resource else None
            owned = owners.setdefault(owner, []) if owner else []
        owned.append(spec)
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
