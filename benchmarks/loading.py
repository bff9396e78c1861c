"""How long a large manifest takes to read and judge, against PyYAML's C loader, which only reads it.

    python -m benchmarks.loading [SESSIONS …] [--repeat N] [--json FILE]

Every session has ten scans with an image and a side file each, all written out. *Read and judged*: without the disk,
which is answered for. *With files*: as ``validate`` does it, each file found, opened and looked into. Then all digests
are taken, and taken from the cache. *Looks*: as with files, when what they show is written down, and when it is known.
All by the processor's clock, but for the columns that say *wall*.
"""

from __future__ import annotations

import gc
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.measuring import Timer, apart, medians, options, peak_mb, report
from benchmarks.study import make_study
from xnat_sync import api
from xnat_sync.cli.main import tune_collector
from xnat_sync.core.model.local_port import FoundFile, Inspection, Matches, Whole
from xnat_sync.local.cache.digest_cache import open_cache
from xnat_sync.local.cache.inspection_cache import open_looks
from xnat_sync.local.file_stat import stamp_of
from xnat_sync.manifest.load import load_study

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xnat_sync.core.model.local_port import LocalFile


class Answers:
    """A disk on which every file is there and sound."""

    def find(self, root: str, pattern: str) -> Matches:
        return Matches(files=(FoundFile(name=pattern, path=f"{root}/{pattern}", size=1, mtime_ns=1),))

    def paths(self, root: str, pattern: str) -> Sequence[str]:
        return [pattern]

    def side_files(self, root: str, image: str) -> Sequence[str]:
        return []

    def text(self, path: str) -> str:
        raise NotImplementedError

    def inspect(self, files: Sequence[LocalFile]) -> Inspection:
        return Inspection()

    def md5(self, path: str) -> str:
        raise NotImplementedError

    def read_whole(self, path: str) -> Whole:
        raise NotImplementedError

    def recall(self, key: bytes) -> bytes | None:
        return None

    def keep(self, key: bytes, make: Callable[[], bytes]) -> None:
        pass


def loaded_by_pyyaml(manifest: Path, collector: str) -> dict[str, float]:
    """PyYAML's own C loader, with Python's garbage collector as it is, or without."""
    if collector == "off":
        gc.disable()
    with Timer() as timer, manifest.open("rb") as stream:
        yaml.load(stream, Loader=yaml.CSafeLoader)
    return {f"C loader gc {collector} s": timer.processor, f"C loader gc {collector} MB": peak_mb()}


def read_and_judged(manifest: Path) -> dict[str, float]:
    """The manifest without the disk."""
    tune_collector()
    with Timer() as timer:
        load_study([manifest], local=Answers())
    return {"read and judged s": timer.processor, "read and judged MB": peak_mb()}


def with_files(manifest: Path) -> dict[str, float]:
    """The manifest with every file, and the digests of all."""
    tune_collector()
    with Timer() as loading:
        loaded = api.validate([manifest])
    peak = peak_mb()
    with Timer() as cold:
        hashed = api.with_digests(loaded.desired, loaded.desired.files.values(), api.Options())
    with closing(open_cache(manifest.parent / "cache")) as cache:
        for spec in hashed.files.values():
            # As if the files had rested for long.
            cache.put(spec.path, stamp_of(spec.path), spec.md5 or "")
    with closing(open_cache(manifest.parent / "cache")) as cache, Timer() as warm:
        again = api.with_digests(loaded.desired, loaded.desired.files.values(), api.Options(cache=cache))
    assert again.files == hashed.files
    return {
        "with files s": loading.processor,
        "with files wall s": loading.seconds,
        "with files MB": peak,
        "hashed wall s": cold.seconds,
        "from cache wall s": warm.seconds,
    }


def looked_into(manifest: Path, run: str) -> dict[str, float]:
    """The manifest with every file, where what looking into files shows is remembered."""
    tune_collector()
    with Timer() as timer, closing(open_looks(manifest.parent / "looks")) as looks:
        api.validate([manifest], looks=looks)
    return {f"looks {run} s": timer.processor}


def measure(sessions: int) -> dict[str, Any]:
    """One size."""
    with tempfile.TemporaryDirectory() as folder:
        study = make_study(Path(folder), sessions)
        row: dict[str, Any] = {"sessions": sessions, "files": study.files}
        row["manifest MB"] = study.manifest.stat().st_size / 1e6
        for work, arguments in (
            (loaded_by_pyyaml, ("on",)),
            (loaded_by_pyyaml, ("off",)),
            (read_and_judged, ()),
            (with_files, ()),
            (looked_into, ("kept",)),
            (looked_into, ("known",)),
        ):
            row.update(apart(work, study.manifest, *arguments))
    row["C loader gc on : ours"] = row["C loader gc on s"] / row["read and judged s"]
    row["C loader gc off : ours"] = row["C loader gc off s"] / row["read and judged s"]
    return row


if __name__ == "__main__":
    asked = options(__doc__ or "", sizes=(5_000, 10_000, 20_000), unit="SESSIONS")
    rows = [medians([measure(size) for _ in range(asked.repeat)]) for size in asked.sizes]
    report("loading", rows, asked.json)
