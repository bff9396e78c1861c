"""What is read before it is sent, what while it is sent, and what is remembered of both."""

from __future__ import annotations

import gzip
import hashlib
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.changes import Action, Change, Plan
from xnat_sync.core.model.errors import LocalFileError, ManifestError
from xnat_sync.core.model.listener import Listener
from xnat_sync.core.model.outcome import Outcome, Report, Status
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.guards.file_integrity import LocalBytes
from xnat_sync.local.cache.digest_cache import open_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xnat_sync.local.cache.digest_cache import DigestCache

RESOURCE = Ref.project_of("P").child(Level.RESOURCE, "R")
HOUR = 3_600_000_000_000


class Told(Listener):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def reading(self, what: str) -> None:
        self.lines.append(what)


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., FileSpec]:
    """Write a file, and say what a manifest says of it."""

    def write(name: str, content: bytes, md5: str | None = None) -> FileSpec:
        path = tmp_path / name
        path.write_bytes(content)
        return FileSpec(ref=RESOURCE.child(Level.FILE, name), path=str(path), size=len(content), md5=md5)

    return write


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DigestCache:
    """A cache in a world in which all files have rested for an hour."""
    now = time.time_ns
    monkeypatch.setattr("time.time_ns", lambda: now() + HOUR)
    return open_cache(tmp_path / "cache")


def plan_of(*specs: FileSpec, action: Action = Action.UPLOAD) -> Plan:
    return Plan(
        project="P", changes=tuple(Change(action=action, ref=spec.ref, reason="r", wanted=spec) for spec in specs)
    )


def md5s(plan: Plan) -> list[str | None]:
    return [change.wanted.md5 for change in plan.changes if isinstance(change.wanted, FileSpec)]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def sent(plan: Plan, content: bytes) -> Report:
    outcomes = [Outcome(change=change, status=Status.APPLIED, md5=md5(content)) for change in plan.changes]
    return Report(project="P", plan_fingerprint="", outcomes=tuple(outcomes))


def test_only_what_may_be_damaged_is_read_before_it_is_sent(put: Callable[..., FileSpec]) -> None:
    told = Told()
    zipped = gzip.compress(b"voxels")
    plan = plan_of(put("a.nii", b"voxels"), put("b.nii.gz", zipped), put("c", b""), put("d.txt", zipped))
    assert md5s(LocalBytes(jobs=2, listener=told).sound(plan)) == [None, md5(zipped), None, md5(zipped)]
    assert told.lines == ["reading 2 local files whole"]
    assert all(md5s(LocalBytes().pinned(plan)))


def test_what_was_promised_or_is_only_compared_is_read(put: Callable[..., FileSpec]) -> None:
    promised = put("a", b"abc", md5(b"abc"))
    assert md5s(LocalBytes().sound(plan_of(promised))) == [md5(b"abc")]
    with pytest.raises(ManifestError) as caught:
        LocalBytes().sound(plan_of(replace(promised, md5=md5(b"abd"))))
    assert [problem.rule for problem in caught.value.problems] == ["XS213"]
    assert md5s(LocalBytes().sound(plan_of(put("b", b"abc"), action=Action.REFRESH))) == [md5(b"abc")]


def test_every_damage_is_told_before_anything_is_sent(put: Callable[..., FileSpec]) -> None:
    cut = gzip.compress(bytes(1000))[:-5]
    plan = plan_of(put("a", b"a"), *(put(f"{number}.nii.gz", cut) for number in range(200)))
    with pytest.raises(ManifestError) as caught:
        LocalBytes(jobs=4).sound(plan)
    assert len(caught.value.problems) == 200


def test_a_file_that_has_gone_is_told_before_anything_is_sent(put: Callable[..., FileSpec]) -> None:
    spec = put("a", b"abc")
    os.unlink(spec.path)  # noqa: PTH108 - a text path
    with pytest.raises(LocalFileError, match="no such file"):
        LocalBytes().sound(plan_of(spec))


def remembered(cache: DigestCache, folder: Path, put: Callable[..., FileSpec], later: bytes) -> str | None:
    """What the next run knows of a file of ``abc`` that held ``later`` when it had been sent."""
    read = LocalBytes(cache=cache)
    plan = plan_of(spec := put("a", b"abc"))
    watched = read.watched(plan)
    if later != b"abc":
        put("a", later)
    read.remember(sent(plan, b"abc"), watched)
    cache.close()
    return open_cache(folder).get(spec.path, sound=True)


@pytest.mark.parametrize(("later", "known"), [(b"abc", md5(b"abc")), (b"xyz", None)])
def test_a_digest_that_was_taken_while_sending_is_remembered_unless_the_file_changed(
    put: Callable[..., FileSpec], cache: DigestCache, tmp_path: Path, later: bytes, known: str | None
) -> None:
    assert remembered(cache, tmp_path / "cache", put, later) == known


def test_of_a_file_that_has_not_rested_nothing_is_remembered(put: Callable[..., FileSpec], tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert remembered(open_cache(folder), folder, put, b"abc") is None
