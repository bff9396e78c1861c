"""How long a short manifest takes that discovers a large study by the paths of its files.

    python -m benchmarks.discovering [SESSIONS …] [--repeat N] [--json FILE]

The tree is that of `loading`: ten images with a side file each in every session. *Found* is without looking into files,
*with files* as ``validate`` does it. Processor's seconds.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measuring import Timer, apart, medians, options, peak_mb, report
from benchmarks.study import make_study
from xnat_sync import api
from xnat_sync.cli.main import tune_collector
from xnat_sync.core.model.local_port import Inspection
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import load_study

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xnat_sync.core.model.local_port import LocalFile

MANIFEST = """\
version: 1
project: LARGE
root: data
defaults:
  session:
    xsi_type: "xnat:mrSessionData"
    date: 2024-03-01
discover:
  - path: "{subject:sub-*}/{datatype}/{stem}.nii.gz"
    where:
      datatype: [func]
    session:
      label: "{subject}_ses-01"
    scan:
      id: "{run}"
      extends: "{suffix}"
  - path: "image-*"
    skip: true
  - path: "side-*"
    skip: true
scan_templates:
  bold:
    type: bold
    series_description: rest
    resources:
      NIFTI:
        files: "{path}"
        format: NIFTI
        content: RAW
      BIDS:
        files: [{side_files_of: "{path}"}]
        format: JSON
"""


class ClosedDisk(Disk):
    """A disk whose files are found and not looked into."""

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        return Inspection()


def found(manifest: Path) -> dict[str, float]:
    """Without looking into files."""
    tune_collector()
    with Timer() as timer:
        loaded = load_study([manifest], local=ClosedDisk())
    return {"files": len(loaded.desired.files), "found s": timer.processor, "found MB": peak_mb()}


def with_files(manifest: Path) -> dict[str, float]:
    """As ``validate``."""
    tune_collector()
    with Timer() as timer:
        api.validate([manifest])
    return {"with files s": timer.processor, "with files MB": peak_mb()}


def measure(sessions: int) -> dict[str, Any]:
    """One size."""
    with tempfile.TemporaryDirectory() as folder:
        make_study(Path(folder), sessions)
        manifest = Path(folder) / "discovering.yaml"
        manifest.write_text(MANIFEST, encoding="utf-8")
        row: dict[str, Any] = {"sessions": sessions, "lines": MANIFEST.count("\n")}
        for work in (found, with_files):
            row.update(apart(work, manifest))
        assert row["files"] == sessions * 20, row
    return row


if __name__ == "__main__":
    asked = options(__doc__ or "", sizes=(5_000, 10_000, 20_000), unit="SESSIONS")
    rows = [medians([measure(size) for _ in range(asked.repeat)]) for size in asked.sizes]
    report("discovering", rows, asked.json)
