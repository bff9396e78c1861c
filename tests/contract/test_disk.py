"""What every gateway promises about the files on the server's disk, and about bringing catalogs in line with them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import NotFound
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.gateway.port import Repair

if TYPE_CHECKING:
    from tests.contract.conftest import Harm, Study

ALL = frozenset(Repair)


def refresh(study: Study, resource: Ref, *repairs: Repair) -> None:
    study.gateway.refresh(resource, frozenset(repairs), size=1000, reason="a test")


def owners(study: Study) -> list[Ref]:
    study.grow()
    return [study.project, study.subject(), study.session(), study.scan()]


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def test_the_disk_is_told_with_what_no_catalog_lists(study: Study, harm: Harm) -> None:
    study.grow()
    resources = [study.resource(), study.resource("NOTES", study.session())]
    files = [study.local(resource, "sub/a.nii", b"abc") for resource in resources]
    for file in files:
        study.upload(file)
    harm.cut(files[0].ref, b"a")
    orphan = resources[1].child(Level.FILE, "left.nii")
    harm.leave(orphan, b"left")
    assert dict(study.gateway.disk_files(study.session())) == {files[0].ref: 1, files[1].ref: 3, orphan: 4}
    harm.lose(files[1].ref)
    assert dict(study.gateway.disk_files(study.session())) == {files[0].ref: 1, orphan: 4}


def test_a_session_without_files_has_nothing_on_disk(study: Study) -> None:
    study.grow()
    assert study.gateway.disk_files(study.session()) == {}
    with pytest.raises(NotFound):
        study.gateway.disk_files(study.session("E404"))


def test_the_size_of_one_file_on_disk(study: Study, harm: Harm) -> None:
    for owner in owners(study):
        file = study.local(study.resource("R", owner), "with space/a+b.nii", b"abc" * 100)
        study.upload(file)
        assert study.gateway.disk_size(file.ref) == 300
        harm.cut(file.ref, b"a")
        assert study.gateway.disk_size(file.ref) == 1
        harm.lose(file.ref)
        assert study.gateway.disk_size(file.ref) is None
        assert study.gateway.disk_size(study.resource("R", owner).child(Level.FILE, "no.nii")) is None


def test_digests_are_computed_anew(study: Study, harm: Harm) -> None:
    for owner in owners(study):
        resource = study.resource("R", owner)
        file = study.local(resource, "a.nii", b"abc")
        study.upload(file, study.local(resource, "b.nii", b"b"))
        harm.cut(file.ref, b"cut off")
        assert study.held(resource)["a.nii"].md5 == file.md5
        refresh(study, resource, Repair.DIGESTS)
        held = study.held(resource)
        assert (held["a.nii"].size, held["a.nii"].md5) == (7, md5(b"cut off"))
        assert held["b.nii"].md5 == md5(b"b")


def test_an_emptied_catalog_is_filled_from_the_disk(study: Study, harm: Harm) -> None:
    for owner in owners(study):
        resource = study.resource("R", owner)
        files = [study.local(resource, name, name.encode(), labels=("NIFTI", "RAW")) for name in ("a.nii", "sub/b.nii")]
        study.upload(*files)
        harm.empty_catalog(resource)
        assert study.held(resource) == {}
        refresh(study, resource, Repair.DIGESTS)
        assert study.held(resource) == {}, "only what is asked for"
        refresh(study, resource, Repair.ENTRIES, Repair.DIGESTS)
        held = study.held(resource)
        assert {(name, file.size, file.md5) for name, file in held.items()} == {
            (file.ref.label, file.size, file.md5) for file in files
        }
        assert {(file.format, file.content) for file in held.values()} == {("", "")}


def test_entries_without_file_are_dropped(study: Study, harm: Harm) -> None:
    study.grow()
    files = [study.local(study.resource(), name, b"x") for name in ("a.nii", "b.nii")]
    study.upload(*files)
    harm.lose(files[0].ref)
    refresh(study, study.resource(), Repair.ENTRIES, Repair.DIGESTS)
    assert set(study.held(study.resource())) == {"a.nii", "b.nii"}
    refresh(study, study.resource(), Repair.GHOSTS)
    assert set(study.held(study.resource())) == {"b.nii"}


def test_what_is_not_there_cannot_be_out_of_line(study: Study) -> None:
    study.grow()
    refresh(study, study.resource("NO"), *ALL)
    refresh(study, study.resource("NO", study.scan("404")), *ALL)
    assert study.held(study.resource("NO")) == {}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_gone_can_be_sent_again(study: Study, harm: Harm, overwrite: bool) -> None:
    study.grow()
    file = study.local(study.resource(), "a.nii", b"abc")
    study.upload(file)
    harm.lose(file.ref)
    assert study.held(study.resource())["a.nii"].size == 3
    reply = study.upload(file, overwrite=overwrite)
    assert reply.duplicates == frozenset()
    assert study.gateway.disk_size(file.ref) == 3


def test_an_orphan_is_a_duplicate_until_it_is_overwritten(study: Study, harm: Harm) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "b.nii", b"b"))
    file = study.local(study.resource(), "a.nii", b"abc")
    harm.leave(file.ref, b"a")
    assert study.upload(file).duplicates == {"a.nii"}
    assert "a.nii" not in study.held(study.resource())
    assert study.upload(file, overwrite=True).duplicates == frozenset()
    assert study.held(study.resource())["a.nii"].md5 == file.md5
