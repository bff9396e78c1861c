"""What every gateway promises about resources and files."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.errors import LocalFileError, NotFound, Rejected
from xnat_sync.core.model.refs import Level, Ref

if TYPE_CHECKING:
    from tests.contract.conftest import Study

NAMES = [
    "a.nii",
    "sub-01_T1w.nii.gz",
    "anat/sub-01_T1w.nii.gz",
    "a/b/c/d.txt",
    "with space.nii",
    "a+b.nii",
    "a+b c.nii",
    "plus+ and space/in folder.nii",
    "a#b.nii",
    "a%b.nii",
    "a%23b.nii",
    "a[1].nii",
    "a&b=c.nii",
    "a;b.nii",
    "a%20b.nii",
    "it's (1), ok!.nii",
    "a{b}.nii",
    "änné.nii",
    "雪.nii",
    "-.~_",
    "x" * 120 + ".nii",
    "long/" * 25 + "end.nii",
]
NO_URL = {"a%b.nii", "a;b.nii", "a%20b.nii"}
"""Names that arrive, but that a download cannot ask for.

XNAT's firewall refuses ``%25`` and ``;``, and `FileList` decodes a path with ``%20`` before it compares.
"""


def owners(study: Study) -> list[Ref]:
    study.grow()
    return [study.project, study.subject(), study.session(), study.scan()]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_file_of_any_name_arrives_under_it(study: Study, name: str) -> None:
    study.grow()
    content = name.encode() + bytes(range(256))
    file = study.local(study.resource(), name, content)
    reply = study.upload(file)
    assert reply.md5 == {file.ref: file.md5}
    assert reply.duplicates == frozenset()
    held = study.held(study.resource())
    assert {label: (found.size, found.md5) for label, found in held.items()} == {name: (file.size, file.md5)}
    if name not in NO_URL:
        assert study.content(file.ref) == content
    study.gateway.delete(file.ref, reason="a test")
    assert study.held(study.resource()) == {}


TWINS = [
    ("a#b.nii", "a%23b.nii"),
    ("d[1]/x.nii", "d%5B1%5D/x.nii"),
    ("ä.nii", "%C3%A4.nii"),
    ("a(1)=b", "a%281%29%3Db"),
]
"""Names of which the second is how a URL writes the first."""


@pytest.mark.parametrize("names", TWINS, ids=ascii)
def test_a_file_is_never_taken_for_the_one_that_a_url_writes_alike(study: Study, names: tuple[str, str]) -> None:
    study.grow()
    first, second = (study.local(study.resource(), name, name.encode()) for name in names)
    study.upload(first, second)
    assert study.content(second.ref) == names[1].encode()
    assert study.gateway.disk_size(second.ref) == second.size
    try:
        assert study.content(first.ref) == names[0].encode()
        assert study.gateway.disk_size(first.ref) == first.size
    except Rejected:
        assert names != TWINS[-1], "a URL can carry these characters as they are"
    study.gateway.delete(second.ref, reason="a test")
    assert study.content(first.ref) == names[0].encode()


def test_many_files_arrive_at_once(study: Study) -> None:
    study.grow()
    files = [
        study.local(study.resource(), name, b"%d" % number * 1000, labels=("NIFTI", "RAW & more"))
        for number, name in enumerate(NAMES)
    ]
    reply = study.upload(*files)
    assert reply.md5 == {file.ref: file.md5 for file in files}
    held = study.held(study.resource())
    assert {name: found.md5 for name, found in held.items()} == {file.ref.label: file.md5 for file in files}
    assert {(found.format, found.content) for found in held.values()} == {("NIFTI", "RAW & more")}


@pytest.mark.parametrize("count", [1, 2])
def test_an_empty_file_arrives(study: Study, count: int) -> None:
    study.grow()
    empty = study.local(study.resource(), "empty.txt", b"")
    study.upload(empty, *[study.local(study.resource(), "full.txt", b"x")][: count - 1])
    held = study.held(study.resource())
    assert held["empty.txt"].size == 0
    assert held["empty.txt"].md5 == hashlib.md5(b"").hexdigest()
    assert len(held) == count
    assert study.content(empty.ref) == b""


def test_a_packed_file_stays_packed(study: Study) -> None:
    study.grow()
    files = [study.local(study.resource(), name, b"\x1f\x8bnot really") for name in ("a.nii.gz", "b.tar", "c.zip")]
    study.upload(files[0])
    study.upload(*files[1:])
    assert {name: held.md5 for name, held in study.held(study.resource()).items()} == {
        file.ref.label: file.md5 for file in files
    }


def test_bytes_are_told_as_they_go(study: Study) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "big.nii", bytes(3_000_000)))
    assert sum(study.sent) == 3_000_000
    assert len(study.sent) > 1
    study.sent.clear()
    study.upload(*(study.local(study.resource("TAR"), f"{number}.nii", bytes(1000)) for number in range(3)))
    assert sum(study.sent) == 3000


def test_every_level_has_resources_of_its_own(study: Study) -> None:
    for number, owner in enumerate(owners(study)):
        study.upload(study.local(study.resource("DATA", owner), f"f{number}.txt", b"%d" % number))
    for number, owner in enumerate(owners(study)):
        assert set(study.held(study.resource("DATA", owner))) == {f"f{number}.txt"}
        assert study.content(study.resource("DATA", owner).child(Level.FILE, f"f{number}.txt")) == b"%d" % number
    for owner in (study.project, study.subject()):
        assert {file.ref.parent for file in study.gateway.own_files(owner)} == {study.resource("DATA", owner)}
    below = {study.resource("DATA", owner) for owner in (study.session(), study.scan())}
    assert {file.ref.parent for file in study.gateway.own_files(study.session())} == below


def test_an_existing_file_is_kept_and_reported(study: Study) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "a.nii", b"old"))
    reply = study.upload(study.local(study.resource(), "a.nii", b"newer"))
    assert reply.duplicates == {"a.nii"}
    assert study.content(study.resource().child(Level.FILE, "a.nii")) == b"old"


def test_of_many_only_the_new_are_stored(study: Study) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "d/a.nii", b"old"))
    reply = study.upload(
        study.local(study.resource(), "d/a.nii", b"newer"), study.local(study.resource(), "d/b.nii", b"b")
    )
    assert reply.duplicates == {"d/a.nii"}
    held = study.held(study.resource())
    assert {name: file.size for name, file in held.items()} == {"d/a.nii": 3, "d/b.nii": 1}


@pytest.mark.parametrize("many", [False, True])
def test_overwriting_replaces(study: Study, many: bool) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "a.nii", b"old and long"))
    new = study.local(study.resource(), "a.nii", b"new")
    reply = study.upload(new, *[study.local(study.resource(), "b.nii", b"b")] * many, overwrite=True)
    assert reply.duplicates == frozenset()
    held = study.held(study.resource())["a.nii"]
    assert (held.size, held.md5) == (3, new.md5)
    assert study.content(new.ref) == b"new"


def test_an_upload_makes_its_resource_but_no_object(study: Study) -> None:
    study.grow()
    missing = (study.scan("404"), study.session("E404"), study.subject("S404"), Ref.project_of("NOBODY"))
    for owner in missing:
        for name in ("a.nii", "a#.nii"):
            with pytest.raises(NotFound):
                study.upload(study.local(study.resource("DATA", owner), name, b"x"))
    assert {held.ref for held in study.gateway.images(study.project.label, None, frozenset(), frozenset())} == {
        study.session(),
        study.scan(),
    }


def test_what_is_not_there_has_no_files(study: Study) -> None:
    for owner in owners(study):
        study.upload(study.local(study.resource("DATA", owner), "a.txt", b"x"))
    assert study.held(study.resource("OTHER")) == {}
    assert study.held(study.resource("DATA", study.scan("404"))) == {}
    assert study.held(study.resource("DATA", study.session("E404"))) == {}
    with pytest.raises(NotFound), study.gateway.download(study.resource().child(Level.FILE, "a.txt")) as chunks:
        b"".join(chunks)
    with pytest.raises(NotFound):
        study.gateway.resources(study.session("E404"))


def test_files_of_several_sessions_come_in_one_listing(study: Study) -> None:
    wanted = {}
    for session in ("E1", "E2", "E3"):
        study.put(study.session(session))
        study.put(study.scan("1", session))
        for owner in (study.session(session), study.scan("1", session)):
            file = study.local(study.resource("DATA", owner), f"x/{session}.txt", session.encode())
            study.upload(file)
            wanted[file.ref] = file.md5
    study.put(study.session("EMPTY"))
    sessions = study.gateway.sessions(study.project.label, frozenset())
    found = study.gateway.session_files([held.ref for held in sessions if held.ref.label != "E3"])
    assert {file.ref: file.md5 for file in found} == {
        ref: md5 for ref, md5 in wanted.items() if study.session("E3") not in ref.ancestors()
    }
    assert study.gateway.session_files([]) == ()


def test_resources_are_listed_with_empty_ones(study: Study) -> None:
    for owner in owners(study):
        for label in ("DATA", "EMPTY"):
            study.upload(study.local(study.resource(label, owner), "a.txt", b"x"))
        study.gateway.delete(study.resource("EMPTY", owner).child(Level.FILE, "a.txt"), reason="a test")
    for owner in (study.project, study.subject(), study.scan()):
        assert study.gateway.resources(owner) == {study.resource(label, owner) for label in ("DATA", "EMPTY")}
    assert study.gateway.resources(study.session()) == {
        study.resource(label, owner) for label in ("DATA", "EMPTY") for owner in (study.session(), study.scan())
    }


def test_exactly_one_file_is_deleted(study: Study) -> None:
    study.grow()
    names = ["a.nii", "a.nii.gz", "a.niix/x", "aXniiX", "b", "b c", "d#.txt", "d[.txt"]
    for target in names:
        others = [name for name in names if name != target]
        study.upload(*(study.local(study.resource(), name, b"x") for name in names), overwrite=True)
        file = study.resource().child(Level.FILE, target)
        try:
            study.gateway.delete(file, reason="a test")
        except Rejected:
            assert set(study.held(study.resource())) == set(names)
            assert target.startswith("d"), "only names that are alike but for odd characters cannot be told apart"
        else:
            assert set(study.held(study.resource())) == set(others)


def test_files_that_xnat_cannot_tell_apart_are_deleted_together(study: Study) -> None:
    study.grow()
    names = {"d#.txt", "d[.txt", "d1.txt", "c.txt", "e#", "e#f"}
    study.upload(*(study.local(study.resource(), name, b"x") for name in names))
    doomed = [study.resource().child(Level.FILE, name) for name in ("d#.txt", "d[.txt", "d1.txt", "e#")]
    for file in doomed:
        study.gateway.delete(file, reason="a test", along=doomed)
    assert set(study.held(study.resource())) == {"c.txt", "e#f"}


def test_a_file_that_is_to_stay_is_not_deleted_along(study: Study) -> None:
    study.grow()
    names = {"d#.txt", "d[.txt", "d(.txt"}
    study.upload(*(study.local(study.resource(), name, b"x") for name in names))
    doomed = [study.resource().child(Level.FILE, name) for name in ("d#.txt", "d[.txt")]
    for file in doomed:
        with suppress(Rejected):
            study.gateway.delete(file, reason="a test", along=doomed)
    assert "d(.txt" in study.held(study.resource())


def test_deleting_a_resource_leaves_the_others(study: Study) -> None:
    study.grow()
    for label in ("A", "B"):
        study.upload(study.local(study.resource(label), "a.txt", b"x"))
    study.gateway.delete(study.resource("A"), reason="a test")
    study.gateway.delete(study.resource("A"), reason="absent is done")
    assert study.gateway.resources(study.scan()) == {study.resource("B")}


def test_deleting_what_lies_in_what_is_not_there_is_done(study: Study) -> None:
    study.grow()
    study.gateway.delete(study.resource("A").child(Level.FILE, "a.txt"), reason="a test")
    study.gateway.delete(study.resource("A", study.scan("404")), reason="a test")
    study.gateway.delete(study.resource("A", study.scan("404")).child(Level.FILE, "a.txt"), reason="a test")
    study.gateway.delete(study.scan("404"), reason="a test")


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("damage", ["gone", "shorter", "longer", "other"])
def test_a_file_that_changed_is_not_stored(study: Study, damage: str, many: bool) -> None:
    study.grow()
    file = study.local(study.resource(), "a.nii", b"planned" * 1000)
    others = [study.local(study.resource(), "b.nii", b"b")] * many
    path = Path(file.path)
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes({"shorter": content[:-1], "longer": content + b"!", "other": content[:-1] + b"!"}[damage])
    with pytest.raises(LocalFileError) as caught:
        study.upload(file, *others)
    assert caught.value.path == file.path
    assert "a.nii" not in study.held(study.resource())


def test_an_interrupted_upload_leaves_nothing_in_the_listing(study: Study) -> None:
    study.grow()
    file = study.local(study.resource(), "a.nii", bytes(3_000_000))

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study.gateway.upload(study.resource(), [file], overwrite=False, reason="a test", sent=stop)
    assert study.held(study.resource()) == {}


def test_several_gateways_see_the_same(study: Study) -> None:
    study.grow()
    file = study.local(study.resource(), "a.nii", b"x")
    study.upload(file)
    study.gateway.close()
    assert study.content(file.ref) == b"x"
