"""Labels that look like accession IDs: two columns of an export are easily taken for each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.text import count
from xnat_sync.manifest.desired.label_rules import is_like_an_accession_id

if TYPE_CHECKING:
    from xnat_sync.manifest.desired.ignores import Ignores
    from xnat_sync.manifest.desired.study import Study

RULE = "XS108"


def check_labels(study: Study, ignores: Ignores) -> None:
    """Warn of labels like accession IDs, once for each level: what they belong to only the server knows."""
    named = {**{ref: spec.origin for ref, spec in study.objects.items()}, **study.absent}
    for level in (Level.SUBJECT, Level.SESSION):
        found = sorted(ref for ref in named if ref.level is level and is_like_an_accession_id(level, ref.label))
        if found and not ignores.covers(RULE, None):
            study.problems.add(RULE, _summary(level, found), named[found[0]], ref=found[0])


def _summary(level: Level, found: list[Ref]) -> str:
    if len(found) == 1:
        return f"the {level.noun} label {found[0].label} looks like an accession ID of XNAT"
    names = ", ".join(ref.label for ref in found[:3])
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    return f"the labels of {count(len(found), level.noun)} look like accession IDs of XNAT: {names}{more}"
