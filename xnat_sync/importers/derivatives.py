"""What pipelines made of a BIDS data set: resources named after them, where their subjects and sessions are. Pure.

BIDS keeps it in ``derivatives/PIPELINE``. Files go under their whole paths, so that ``pull --bids`` finds their places.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from xnat_sync.core.formats.manifest_tree import exactly

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xnat_sync.core.formats.yaml_writer import Plain

_RAW = frozenset(("BIDS", "NIFTI", "EEG", "MEG", "DICOM"))
"""Labels that mean something else."""


class Derived:
    """The files of some pipelines, by what they belong to; ``lost`` counts those whose session has no image."""

    def __init__(self, pipelines: Mapping[str, Iterable[str]], folders: Iterable[tuple[str, str]]) -> None:
        self._folders = frozenset(folders)
        self._subjects = {subject for subject, _ in self._folders}
        self._labels = {f"{subject}_{visit}" for subject, visit in self._folders if visit}
        self._patterns: dict[str, dict[str, dict[str, None]]] = {}
        self.lost: dict[str, int] = {}
        for name, paths in pipelines.items():
            for path in paths:
                where, pattern = self._of(path.split("/")[2:])
                if where:
                    label = self._patterns.setdefault(where, {}).setdefault(label_of(name), {})
                    label[f"derivatives/{exactly(name)}/{pattern}"] = None
                else:
                    self.lost[name] = self.lost.get(name, 0) + 1

    def resources(self, where: str) -> dict[str, Plain]:
        """The resources of every ``project``, ``subject``, ``visit``, or ``session`` without a folder of its own."""
        return {
            label: {"files": [{"from": pattern, "relative_to": ".", "optional": True} for pattern in sorted(patterns)]}
            for label, patterns in self._patterns.get(where, {}).items()
        }

    def _of(self, parts: list[str]) -> tuple[str, str]:
        """What a file belongs to, and the pattern that takes it, both below its pipeline."""
        first, *rest = parts
        if not rest or not first.startswith("sub-"):
            return "project", f"{exactly(first)}/**" if rest else "*"
        if first in self._labels:
            return "visit", "{subject}_{session}/**"
        if (first, "") in self._folders:
            return "session", "{subject}/**"
        if len(rest) > 1 and rest[0].startswith("ses-"):
            return ("visit", "{subject}/{session}/**") if (first, rest[0]) in self._folders else ("", "")
        if first not in self._subjects:
            return "", ""
        return "subject", f"{{subject}}/{exactly(rest[0])}/**" if len(rest) > 1 else "{subject}/*"


def label_of(pipeline: str) -> str:
    """The label of a pipeline's resources: its name as far as XNAT can keep it."""
    label = re.sub(r"[^A-Za-z0-9_.-]+", "_", pipeline)
    return label if label[:1].isalpha() and label.upper() not in _RAW else f"derivatives_{label}"
