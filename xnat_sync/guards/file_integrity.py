"""The bytes of local files: their digests, and that nothing damaged is sent.

A gzip file shows only at its end whether it is whole, so each is read to its end before anything is sent. Any other
file is read once: its digest is taken while it is sent.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from xnat_sync.core.model.changes import Action
from xnat_sync.core.model.errors import ManifestError, Problem, Severity
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.local_port import Breach, Whole
from xnat_sync.core.model.rules import RULES
from xnat_sync.core.model.state import FileSpec
from xnat_sync.core.text import count
from xnat_sync.engine.pool import stream
from xnat_sync.local.cache.digest_cache import DigestCache, NoCache
from xnat_sync.local.digest import md5_of
from xnat_sync.local.file_stat import Stamp, rested, stamp_of, stamped
from xnat_sync.local.imaging.integrity import only_its_end_tells, read_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from xnat_sync.core.model.changes import Plan
    from xnat_sync.core.model.outcome import Report
    from xnat_sync.core.model.state import DesiredState

Result = TypeVar("Result")

_BUNDLE_FILES, _BUNDLE_BYTES = 64, 4 << 20
"""So much is read by one thread at a time: to hand over a small file costs more than to read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBytes:
    """Reads local files, ``jobs`` at a time, and tells a listener.

    Digests go into ``cache``, and come out of it unless ``rehash`` asks to read every file anew.
    """

    jobs: int = 1
    cache: DigestCache = field(default_factory=NoCache)
    rehash: bool = False
    listener: Listener = field(default_factory=Listener)

    def with_digests(self, desired: DesiredState, specs: Iterable[FileSpec]) -> DesiredState:
        """A desired state in which some files carry the digest of their bytes.

        Raises:
            LocalFileError: a file is gone, unreadable, or changes while it is read.

        """
        wanted = [spec for spec in specs if spec.md5 is None]
        if not wanted:
            return desired
        files, unread = dict(desired.files), []
        for spec in wanted:
            md5 = None if self.rehash else self.cache.get(spec.path)
            if md5 is None:
                unread.append(spec)
            else:
                files[spec.ref] = replace(spec, md5=md5)
        if unread:
            self.listener.reading(f"hashing {count(len(unread), 'local file')}")
        for spec, (md5, stamp) in self._read(md5_of, unread):
            self.cache.put(spec.path, stamp, md5)
            files[spec.ref] = replace(spec, md5=md5)
        return replace(desired, files=files)

    def pinned(self, plan: Plan) -> Plan:
        """A plan that is fit to be stored: every file that it sends has been read whole, is sound, and has its digest.

        So it cannot be another one later. Sending refuses a file with another digest.

        Raises:
            ManifestError: with every file that is damaged, or is not the one that the plan was made for.
            LocalFileError: a file is gone, unreadable, or changes while it is read.

        """
        return self._with_read(plan, _files_of(plan))

    def sound(self, plan: Plan) -> Plan:
        """A plan that is fit to be carried out: what may be damaged, or not be what was planned, has been read whole.

        Raises like `pinned`; a file that is gone or unreadable is found here too.
        """
        sent = [change.wanted for change in plan.of(Action.UPLOAD, Action.REPLACE)]
        unread = [spec for spec in sent if isinstance(spec, FileSpec) and spec.md5 is None]
        bundles = list(_bundles(unread))
        found = chain.from_iterable(stream(_read_once, bundles, self.jobs))
        once = {spec.ref for spec, is_once in zip(unread, found, strict=True) if is_once}
        return self._with_read(plan, [spec for spec in _files_of(plan) if spec.ref not in once])

    def watched(self, plan: Plan) -> Mapping[str, Stamp]:
        """What is to be read for the first time while it is sent: the stamps of the files before it is, by path."""
        began = time.time_ns()
        paths = (spec.path for spec in _files_of(plan) if spec.md5 is None)
        return {path: stamp for path in paths if (stamp := rested(path, began))}

    def remember(self, report: Report, watched: Mapping[str, Stamp]) -> None:
        """Keep the digests that were taken while files were sent, of those that did not change meanwhile."""
        for outcome in report.outcomes:
            spec = outcome.change.wanted
            if not outcome.md5 or not isinstance(spec, FileSpec):
                continue
            stamp = watched.get(spec.path)
            if stamp and stamp == stamp_of(spec.path):
                self.cache.put(spec.path, stamp, outcome.md5, sound=True)

    def _with_read(self, plan: Plan, specs: Sequence[FileSpec]) -> Plan:
        if not specs:
            return plan
        read = self._read_whole(specs)
        problems = [problem for spec in specs for problem in _flaws(spec, read[spec.path])]
        if problems:
            raise ManifestError(problems)
        files = {spec.ref: replace(spec, md5=read[spec.path].md5) for spec in specs}
        changes = tuple(
            replace(change, wanted=files[change.ref]) if change.ref in files else change for change in plan.changes
        )
        return replace(plan, changes=changes)

    def _read_whole(self, specs: Iterable[FileSpec]) -> dict[str, Whole]:
        """What reading files to their ends shows, by path; what was read so and found sound before is not read again.

        Nothing is lost by that: whoever sends a file holds its bytes against the digest with which it was found sound.
        """
        read: dict[str, Whole] = {}
        unread: dict[str, FileSpec] = {}
        for spec in specs:
            md5 = None if self.rehash else self.cache.get(spec.path, sound=True)
            if md5 is None:
                unread[spec.path] = spec
            else:
                read[spec.path] = Whole(md5, ())
        if unread:
            self.listener.reading(f"reading {count(len(unread), 'local file')} whole")
        for spec, (whole, stamp) in self._read(read_whole, list(unread.values())):
            sound = not any(RULES[breach.rule].severity is Severity.ERROR for breach in whole.findings)
            self.cache.put(spec.path, stamp, whole.md5, sound=sound)
            read[spec.path] = whole
        return read

    def _read(
        self, how: Callable[[str], Result], specs: Sequence[FileSpec]
    ) -> Iterator[tuple[FileSpec, tuple[Result, Stamp | None]]]:
        """What reading some files gives, several at a time, in order."""
        bundles = list(_bundles(specs))
        for bundle, results in zip(bundles, stream(partial(_each, how), bundles, self.jobs), strict=True):
            yield from zip(bundle, results, strict=True)


def _each(how: Callable[[str], Result], specs: Sequence[FileSpec]) -> list[tuple[Result, Stamp | None]]:
    return [stamped(how, spec.path) for spec in specs]


def _bundles(specs: Iterable[FileSpec]) -> Iterator[list[FileSpec]]:
    bundle: list[FileSpec] = []
    size = 0
    for spec in specs:
        if bundle and (len(bundle) >= _BUNDLE_FILES or size + spec.size > _BUNDLE_BYTES):
            yield bundle
            bundle, size = [], 0
        bundle.append(spec)
        size += spec.size
    if bundle:
        yield bundle


def _read_once(specs: Sequence[FileSpec]) -> list[bool]:
    """Of which files sending them shows all that there is to be known."""
    return [not only_its_end_tells(spec.path) for spec in specs]


def _files_of(plan: Plan) -> list[FileSpec]:
    return [change.wanted for change in plan.changes if isinstance(change.wanted, FileSpec)]


def _flaws(spec: FileSpec, whole: Whole) -> Iterator[Problem]:
    """What forbids to send a file."""
    for breach in whole.findings:
        if RULES[breach.rule].severity is Severity.ERROR:
            yield _problem(spec, breach)
    if spec.md5 is not None and spec.md5 != whole.md5:
        summary = f"the MD5 of {spec.ref.label!r} is {whole.md5}; the plan was made for {spec.md5}"
        yield _problem(spec, Breach(rule="XS213", summary=summary, hint="plan again, or bring the file back"))


def _problem(spec: FileSpec, breach: Breach) -> Problem:
    rule = RULES[breach.rule]
    return Problem(
        rule=rule.id,
        summary=breach.summary,
        hint=breach.hint or rule.remedy,
        severity=rule.severity,
        origin=spec.origin,
        ref=spec.ref,
    )
