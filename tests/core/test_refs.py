from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.refs import Level, Ref

labels = st.text(min_size=1, max_size=12)
paths = st.lists(labels.filter(lambda text: "/" not in text), min_size=1, max_size=3).map("/".join)


@st.composite
def refs(draw: st.DrawFn) -> Ref:
    ref = Ref.project_of(draw(labels))
    for level in (Level.SUBJECT, Level.SESSION, Level.SCAN):
        if draw(st.booleans()):
            break
        ref = ref.child(level, draw(labels))
    if draw(st.booleans()):
        ref = ref.child(Level.RESOURCE, draw(labels))
        if draw(st.booleans()):
            ref = ref.child(Level.FILE, draw(paths))
    return ref


@given(refs())
def test_text_and_back_is_identity(ref: Ref) -> None:
    assert Ref.parse(str(ref)) == ref


@given(refs(), refs())
def test_different_refs_have_different_texts(one: Ref, other: Ref) -> None:
    assert (one == other) == (str(one) == str(other))


@given(refs())
def test_parents_sort_before_children(ref: Ref) -> None:
    assert all(above < ref for above in ref.ancestors())


def test_the_text_is_what_people_expect() -> None:
    scan = Ref.project_of("P").child(Level.SUBJECT, "S").child(Level.SESSION, "E").child(Level.SCAN, "3")
    file = scan.child(Level.RESOURCE, "NIFTI").child(Level.FILE, "sub/t1.nii.gz")
    assert str(file) == "P/S/E/scan:3/resource:NIFTI/sub/t1.nii.gz"
    assert file.short == "S/E/3/NIFTI/sub/t1.nii.gz"
    assert file.at(Level.SCAN) == scan


@pytest.mark.parametrize("text", ["", "P/S/E/F", "P/scan:1"])
def test_what_is_no_ref_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"ref|scan"):
        Ref.parse(text)


def test_a_file_cannot_lie_below_a_scan() -> None:
    with pytest.raises(ValueError, match="file cannot lie below a project"):
        Ref.project_of("P").child(Level.FILE, "x")


@given(refs(), refs())
def test_refs_sort_as_their_parts_do(one: Ref, other: Ref) -> None:
    assert (one < other) == (one.parts < other.parts)
    assert (one == other) == (one.parts == other.parts)
    assert (hash(one) == hash(other)) or one != other


@given(refs())
def test_a_ref_is_its_parts(ref: Ref) -> None:
    assert Ref.of(ref.parts) == ref
    assert [above.parts for above in ref.ancestors()] == [
        ref.parts[:length] for length in range(len(ref.parts) - 1, 0, -1)
    ]
    assert ref.parent == (Ref.of(ref.parts[:-1]) if len(ref.parts) > 1 else None)
    for level in Level:
        assert ref.at(level) == next((above for above in (ref, *ref.ancestors()) if above.level is level), None)


@given(refs())
def test_a_copy_is_the_same_ref(ref: Ref) -> None:
    twin = pickle.loads(pickle.dumps(ref))
    assert (twin, twin.parts, str(twin)) == (ref, ref.parts, str(ref))
