from __future__ import annotations

import re
from urllib.parse import unquote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from xnat_sync.core.model.errors import Rejected
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.gateway.protocol import paths

SCAN = Ref.parse("P/S/E/scan:1")
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: not name.startswith("/"))
ODD_NAMES = st.text(alphabet="ab.-+ #%[]*$^()|\\?é雪😀/", min_size=1, max_size=8)


def as_xnat_stores(written: str) -> str:
    """`FileList`: the raw path, decoded only if it holds %20 or %2B."""
    return unquote_plus(written) if "%20" in written or "%2B" in written else written


def as_xnat_deletes(written: str, held: set[str]) -> set[str]:
    """`CatalogUtils.findCatEntriesWithinPath`, whichever way Java's pattern is applied."""
    text = as_xnat_stores(written)
    hit = {name for name in held if name.startswith(text)}
    if text.endswith("*"):
        pattern = text.replace("*", ".*")
        hit |= {name for name in held if re.search(pattern, name)}
    return hit


def test_a_ref_becomes_the_path_by_labels() -> None:
    file = SCAN.child(Level.RESOURCE, "NIFTI").child(Level.FILE, "a/b c+.nii")
    assert file.parent
    expected = "/data/projects/P/subjects/S/experiments/E/scans/1/resources/NIFTI/files/a/b%20c%2B.nii"
    assert paths.file_path(file.parent, paths.write_name(file.label)) == expected


@pytest.mark.parametrize("label", ["", ".", "..", "a b", "a/b", "a,b", "a%20b", "ä", "a;b", "a?b", "a#b", "a\n"])
def test_a_label_that_would_be_taken_for_another_has_no_path(label: str) -> None:
    for level in (Level.SUBJECT, Level.RESOURCE):
        with pytest.raises(Rejected):
            paths.object_path(Ref.project_of("P").child(level, label))


@pytest.mark.parametrize("label", ["123", "NULL", "null"])
def test_a_resource_is_never_addressed_by_number(label: str) -> None:
    with pytest.raises(Rejected):
        paths.object_path(SCAN.child(Level.RESOURCE, label))
    assert paths.object_path(Ref.project_of("P").child(Level.SUBJECT, label)).endswith(label)


@given(NAMES | ODD_NAMES)
def test_a_name_is_stored_as_it_is_or_does_not_fit_a_url(name: str) -> None:
    if paths.fits_url(name):
        written = paths.write_name(name)
        assert as_xnat_stores(written) == name
        assert not re.search(r"%(?!20|2B)", written)
    else:
        with pytest.raises(Rejected):
            paths.write_name(name)


@given(NAMES | ODD_NAMES)
@example("a%20b")
@example("a%2Bb")
def test_a_name_is_found_by_what_a_download_asks_for(name: str) -> None:
    written = paths.read_name(name)
    if written is not None:
        assert paths.looked_for(written) == as_xnat_stores(written)
        assert name in (as_xnat_stores(written), unquote_plus(written))
        assert not re.search(r"%25|%2F|%5C|%2E|%3B|;|\\|//", written, re.IGNORECASE)


@pytest.mark.parametrize("name", ["a.nii", "it's (1), ok!.nii", "a b+c#d.nii", "a(1)&b=c@d:e$.nii", "a%23b", "a=b%23"])
def test_what_is_looked_for_by_its_own_name_cannot_be_another(name: str) -> None:
    written = paths.read_name(name)
    assert written
    assert paths.looked_for(written) == name


@given(st.sets(NAMES | ODD_NAMES, min_size=1, max_size=6), st.data())
def test_a_delete_hits_one_file_and_no_other(names: set[str], data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(names)))
    written = paths.delete_name(target, names)
    if written is not None:
        assert as_xnat_deletes(written, names) == {target}
        assert not re.search(r"\.\.|//|[;?#\\\"<>\[\]^`{}|]|%(?!20|2B)", written)


@pytest.mark.parametrize(
    ("name", "others", "written"),
    [
        ("a.nii", ["b.nii"], "a.nii"),
        ("a.nii", ["a.nii.gz"], "a.nii$*"),
        ("a b.nii", ["b"], "a%20b.nii"),
        ("a b.nii", ["a b.nii.gz"], "a.b.nii$*"),
        ("a#b.nii", [], "a.b.nii$*"),
        ("a[#]b.nii", [], "a.+b.nii$*"),
        ("a#b", ["a[b"], None),
        ("a", ["x/a", "ab"], None),
    ],
)
def test_how_a_delete_is_spelled(name: str, others: list[str], written: str | None) -> None:
    assert paths.delete_name(name, [name, *others]) == written


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("/data/experiments/E1/resources/5/files/a.txt", ("", "", "E1", "", "", "5", "a.txt")),
        ("/data/experiments/E1/scans/1/resources/5/files/a/b%.txt", ("", "", "E1", "scans", "1", "5", "a/b%.txt")),
        ("/data/projects/P/subjects/S1/resources/5/files/x", ("P", "S1", "", "", "", "5", "x")),
        (
            "/data/projects/P/resources/5/files/x/resources/6/files/y",
            ("P", "", "", "", "", "5", "x/resources/6/files/y"),
        ),
        (
            "/data/projects/P/subjects/S1/experiments/E1/scans/1/resources/5/files/x",
            ("P", "S1", "E1", "scans", "1", "5", "x"),
        ),
        ("/data/experiments/E1/assessors/A/out/resources/5/files/x", ("", "", "E1", "assessors", "A", "5", "x")),
    ],
)
def test_the_uri_of_a_row_says_what_it_names(uri: str, expected: tuple[str, ...]) -> None:
    address = paths.parse_file_uri(uri)
    assert address
    assert (
        address.project,
        address.subject,
        address.experiment,
        address.kind,
        address.part,
        address.resource,
        address.path,
    ) == expected


@pytest.mark.parametrize("uri", ["", "/data/experiments/E1", "/somewhere/else", "/data/experiments/E1/files/x"])
def test_anything_else_is_no_file_uri(uri: str) -> None:
    assert paths.parse_file_uri(uri) is None
