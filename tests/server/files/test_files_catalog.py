"""The catalog file: what is written, what is read back, and the optimistic check (CatalogUtils)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.server.storage.catalog import (
    Catalog,
    CatalogChangedError,
    Catalogs,
    CatalogUnreadableError,
    Entry,
    Stamp,
    parse,
    render,
)

if TYPE_CHECKING:
    from pathlib import Path

FULL = Entry(
    path="anat/a & b <1>.nii.gz",
    size="12",
    digest="d41d8cd98f00b204e9800998ecf8427e",
    format="NIFTI",
    content='T1 "RAW"',
    description="two\nlines",
    tags=("one", "two"),
    fields=(("side", "left"),),
    created=Stamp(user="admin", time="2024-01-02T03:04:05", event="7"),
    modified=Stamp(user="bob", time="2024-01-03T03:04:05", event="8"),
)
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))
entries = st.builds(
    Entry,
    path=texts.filter(bool),
    size=st.integers(0, 10**12).map(str),
    digest=st.sampled_from(["", "d41d8cd98f00b204e9800998ecf8427e"]),
    format=texts,
    content=texts,
    description=texts,
    tags=st.lists(texts).map(tuple),
)


def test_a_catalog_reads_back_as_it_was_written() -> None:
    catalog = Catalog(id="NIFTI", project="P", audit="1:x=Added:1", entries={FULL.path: FULL})
    assert parse(render(catalog)) == catalog


@given(st.lists(entries))
def test_every_catalog_reads_back_as_it_was_written(listed: list[Entry]) -> None:
    catalog = Catalog(id="R").with_entries(listed)
    assert parse(render(catalog)) == catalog


def test_the_document_begins_as_clients_expect() -> None:
    """xnatpy knows a catalog by its first characters; the size is a SIZE meta field (CatalogUtils)."""
    text = render(Catalog(id="NIFTI", entries={"a": Entry(path="a", size="3")})).decode()
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog')
    assert '<cat:metaField name="SIZE">3</cat:metaField>' in text
    assert 'ID="a" URI="a" name="a" cachePath="a"' in text


def test_the_old_name_of_the_size_field_is_understood() -> None:
    data = render(Catalog(id="R", entries={"a": Entry(path="a", size="3")})).replace(b'"SIZE"', b'"size_in_bytes"')
    assert parse(data).entries["a"].size == "3"


def test_fields_come_before_tags_in_the_tag_column() -> None:
    """file_tags = meta fields as name=value, then tags (CatalogUtils.getEntryDetails)."""
    assert FULL.tag_text == "side=left,one,two"


def test_control_characters_cannot_break_the_document() -> None:
    catalog = Catalog(id="R", entries={"a": Entry(path="a", content="x\x00\x1fy", tags=("\x0b",))})
    assert parse(render(catalog)).entries["a"].content == "xy"


def test_an_entry_is_found_by_its_decoded_path() -> None:
    """Exact first, then the URL-decoded form (CatalogUtils.getEntryByURI)."""
    catalog = Catalog(id="R").with_entries([Entry(path="a#b.nii"), Entry(path="c%23d.nii")])
    assert catalog.find("a%23b.nii") == Entry(path="a#b.nii")
    assert catalog.find("c%23d.nii") == Entry(path="c%23d.nii")
    assert catalog.find("e.nii") is None


def test_a_write_after_another_write_is_refused(tmp_path: Path) -> None:
    """CatalogUtils.writeCatalogToFile compares the MD5 of the file with that of the read."""
    path = tmp_path / "R_catalog.xml"
    catalogs = Catalogs()
    before = catalogs.create(path, Catalog(id="R"))
    catalogs.write(path, before.catalog.with_entries([Entry(path="first")]), expected=before.md5)
    with pytest.raises(CatalogChangedError, match=r"Another thread or process modified .*R_catalog\.xml"):
        catalogs.write(path, before.catalog.with_entries([Entry(path="second")]), expected=before.md5)
    assert list(catalogs.read(path).catalog.entries) == ["first"]


def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "R_catalog.xml"
    snapshot = Catalogs().create(path, Catalog(id="R", entries={FULL.path: FULL}))
    assert snapshot.md5 == hashlib.md5(path.read_bytes()).hexdigest()
    assert Catalogs().read(path) == snapshot


def test_a_change_from_outside_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "R_catalog.xml"
    catalogs = Catalogs()
    catalogs.create(path, Catalog(id="R"))
    path.write_bytes(render(Catalog(id="R", entries={"a": FULL})))
    assert list(catalogs.read(path).catalog.entries) == [FULL.path]


@pytest.mark.parametrize("content", [None, b""])
def test_a_lost_or_empty_catalog_starts_anew(tmp_path: Path, content: bytes | None) -> None:
    """After a crash during the rewrite XNAT begins a new empty catalog (CatalogUtils.getCatalog)."""
    path = tmp_path / "NIFTI_catalog.xml"
    if content is not None:
        path.write_bytes(content)
    assert Catalogs().read(path).catalog == Catalog(id="NIFTI")


@pytest.mark.parametrize("content", [b"<cat:Catalog", b"not xml", b"<other/>"])
def test_a_broken_catalog_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "R_catalog.xml"
    path.write_bytes(content)
    with pytest.raises(CatalogUnreadableError, match="No catalog bean stored in"):
        Catalogs().read(path)


def test_no_half_written_catalog_is_ever_in_place(tmp_path: Path) -> None:
    """Stricter than XNAT, which rewrites in place: the new file is renamed over the old one."""
    path = tmp_path / "R_catalog.xml"
    catalogs = Catalogs()
    first = catalogs.create(path, Catalog(id="R"))
    inode = path.stat().st_ino
    with path.open("rb") as reader:
        catalogs.write(path, first.catalog.with_entries([FULL]), expected=first.md5)
        assert hashlib.md5(reader.read()).hexdigest() == first.md5
    assert path.stat().st_ino != inode
