"""What is alike is held once."""

from __future__ import annotations

from dataclasses import replace

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import Alike, FileSpec, RemoteFile, by_ref


def file_ref() -> Ref:
    """A new one each time."""
    return Ref.project_of("P").child(Level.RESOURCE, "R").child(Level.FILE, "a.txt")


def test_equal_mappings_become_one_and_others_stay_apart() -> None:
    alike = Alike()
    first = alike.of({"type": "bold", "quality": None})
    assert alike.of({"type": "bold", "quality": None}) is first
    assert alike.of({"type": "bold"}) == {"type": "bold"}
    assert list(alike.of({"quality": None, "type": "bold"})) == ["quality", "type"]


def test_it_does_not_grow_for_ever() -> None:
    alike = Alike()
    found = [alike.of({"number": str(number)}) for number in range(10_000)]
    assert [values["number"] for values in found] == [str(number) for number in range(10_000)]
    assert len(alike._known) < 5_000


def test_listed_files_share_the_refs_of_wanted_ones() -> None:
    wanted = FileSpec(ref=file_ref(), path="/a", size=1)
    held = RemoteFile(ref=file_ref(), size=2, md5="0" * 32, format="F", content="C", on_disk=3)
    found = by_ref([held, replace(held, size=4)], {wanted.ref: wanted})
    assert found == {wanted.ref: held}
    (ref,) = found
    assert ref is found[ref].ref is wanted.ref


def test_of_two_rows_the_first_counts() -> None:
    held = RemoteFile(ref=file_ref(), size=2)
    assert by_ref([held, replace(held, size=4)]) == {held.ref: held}
