from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.model.attributes import PROJECT, SUBJECT, attributes_of
from xnat_sync.core.model.errors import UnexpectedReply
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec
from xnat_sync.gateway.port import ImageTypes
from xnat_sync.gateway.protocol import codec, columns
from xnat_sync.gateway.protocol.listings import ImageListing, SessionListing, SubjectListing

P = Ref.project_of("P")
MR = ImageTypes(session="xnat:mrSessionData", scan="xnat:mrScanData")
VALUES = st.text(min_size=1).filter(lambda text: text.strip() != "")


def columns_of(query: codec.Query) -> list[str]:
    return dict(query)["columns"].split(",")


def served(asked: list[str], values: dict[str, str]) -> dict[str, Any]:
    """A row as a server would write it that knows no short name: lower-cased paths, escaped values."""
    return {column.lower(): codec.escape(values.get(column, "")) for column in asked}


@given(st.text())
def test_what_the_server_escapes_is_unescaped(text: str) -> None:
    assert codec.unescape(codec.escape(text)) == text


@given(st.dictionaries(st.sampled_from(sorted(attributes_of(Level.SUBJECT, SUBJECT))), VALUES, min_size=1))
def test_attributes_of_a_subject_survive_the_way_there_and_back(fields: dict[str, str]) -> None:
    ref = P.child(Level.SUBJECT, "S")
    sent = dict(codec.object_query(ObjectSpec(ref=ref, xsi_type=SUBJECT), fields, exists=True))
    listing = SubjectListing(frozenset(fields))
    asked = columns_of(listing.query)
    values = {"ID": "X_S1", "label": "S", "project": "P"}
    for column in asked[3:]:
        values[column] = next(value for key, value in sent.items() if key.split("/")[-1] == column.split("/")[-1])
    (held,) = listing.decode(P, [{**served(asked, values), "URI": "/data/subjects/X_S1"}])
    assert (held.ref, held.accession_id, held.fields) == (ref, "X_S1", fields)


@given(
    st.dictionaries(st.sampled_from(sorted(attributes_of(Level.SESSION, MR.session))), VALUES),
    st.dictionaries(st.sampled_from(sorted(attributes_of(Level.SCAN, MR.scan))), VALUES),
)
def test_attributes_of_images_survive_the_way_there_and_back(session: dict[str, str], scan: dict[str, str]) -> None:
    session_ref = P.child(Level.SUBJECT, "S").child(Level.SESSION, "E")
    scan_ref = session_ref.child(Level.SCAN, "1")
    sent = {
        key.lower(): value
        for ref, xsi_type, fields in ((session_ref, MR.session, session), (scan_ref, MR.scan, scan))
        for key, value in codec.object_query(ObjectSpec(ref=ref, xsi_type=xsi_type), fields, exists=True)
    }
    listing = ImageListing(MR, frozenset(session), frozenset(scan))
    asked = columns_of(listing.query)
    values = {"label": "E", "subject_label": "S", "project": "P", "xsiType": MR.session, "xnat:mrScanData/ID": "1"}
    for name, column in {**columns.session_columns(MR.session, session)}.items():
        path = attributes_of(Level.SESSION, MR.session)[name].path
        values[column.ask] = sent[f"{MR.session}/{path}".lower()]
    for column in columns.scan_columns(MR.scan, scan).values():
        values[column.ask] = sent[column.ask.lower()]
    found = listing.decode(P, [{**served(asked, values), "URI": "/data/experiments/X_E1"}])
    assert [(held.ref, held.fields) for held in found] == [(session_ref, session), (scan_ref, scan)]


def test_the_label_is_never_sent() -> None:
    for ref, xsi_type in ((P.child(Level.SUBJECT, "S"), SUBJECT), (P, PROJECT)):
        query = codec.object_query(ObjectSpec(ref=ref, xsi_type=xsi_type), {}, exists=True)
        assert not any("label" in key.lower() or key == "ID" for key, _ in query)


def test_a_new_project_is_private_and_an_old_one_stays_as_it_is() -> None:
    spec = ObjectSpec(ref=P, xsi_type=PROJECT)
    assert codec.object_query(spec, {}, exists=False) == [("accessibility", "private")]
    assert codec.object_query(spec, {}, exists=True) == []
    assert codec.object_query(spec, {"accessibility": "public"}, exists=True) == [("accessibility", "public")]


def test_clearing_is_sent_as_xnats_word_and_only_to_what_exists() -> None:
    spec = ObjectSpec(ref=P.child(Level.SUBJECT, "S"), xsi_type=SUBJECT)
    assert codec.object_query(spec, {"group": None}, exists=True) == [("xnat:subjectData/group", "NULL")]
    assert codec.object_query(spec, {"group": None}, exists=False) == []


def test_what_a_type_does_not_have_is_not_sent() -> None:
    spec = ObjectSpec(ref=Ref.parse("P/S/E/scan:1"), xsi_type=MR.scan)
    assert codec.object_query(spec, {"kvp": "1", "typo": "2"}, exists=True) == [("xsiType", MR.scan)]


def test_short_names_of_the_servers_choice_are_understood() -> None:
    names = frozenset({"tracer_isotope", "tracer_half_life", "date", "uid"})
    listing = ImageListing(ImageTypes(session="xnat:petSessionData", scan=""), names, frozenset())
    row = {
        "xnat:petsessiondata/id": "X_E1",
        "URI": "/data/experiments/X_E1",
        "label": "E",
        "subject_label": "S",
        "date": "2024-03-01",
        "studyInstanceUID": "1.2.3",
        "tracer_isotope": "109.8",
        "xnat:petsessiondata/tracer/isotope": "F18",
    }
    (held,) = listing.decode(P, [row])
    assert held.fields == {"tracer_isotope": "F18", "tracer_half_life": "109.8", "date": "2024-03-01", "uid": "1.2.3"}
    assert held.xsi_type == "xnat:petSessionData"


def test_no_column_of_the_experiment_list_hides_other_experiments() -> None:
    listing = SessionListing(frozenset({*attributes_of(Level.SESSION, MR.session), "fields.x"}))
    for column in columns_of(listing.query):
        assert column.split("/")[0] in {
            *("ID", "label", "xsiType", "project", "subject_ID", "subject_label", "date", "time", "note", "visit_id"),
            *(columns.EXPERIMENT, columns.ASSESSOR),
        }


def test_scan_columns_are_all_of_one_type() -> None:
    listing = ImageListing(MR, frozenset(), frozenset({*attributes_of(Level.SCAN, MR.scan), "fields.x"}))
    types = {column.split("/")[0] for column in columns_of(listing.query) if "/" in column}
    assert types == {MR.scan}


def test_sessions_and_scans_say_by_accession_id_where_they_lie() -> None:
    row = {"URI": "/data/experiments/X_E1", "label": "E", "subject_label": "S", "subject_ID": "X_S1"}
    session, scan = ImageListing(None, frozenset(), frozenset()).decode(P, [{**row, "xnat:imagescandata/id": "1"}])
    (listed,) = SessionListing(frozenset()).decode(P, [row])
    assert (session.parent_id, scan.parent_id, listed.parent_id) == ("X_S1", "X_E1", "X_S1")


def test_a_scan_whose_type_the_server_hides_is_guessed_from_its_session() -> None:
    row = {"URI": "/data/experiments/X", "label": "E", "subject_label": "S", "xnat:imagescandata/id": "1"}
    _, scan = ImageListing(None, frozenset(), frozenset()).decode(P, [{**row, "xsiType": MR.session}])
    assert scan.xsi_type == MR.scan


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"ResultSet": {}}', '{"ResultSet": {"Result": [1]}}'])
def test_what_is_no_listing_is_said_so(text: str) -> None:
    with pytest.raises(UnexpectedReply):
        codec.decode_rows(text)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_json_makes_the_decoders_fail_in_another_way(value: object) -> None:
    text = json.dumps({"ResultSet": {"Result": value}, "items": [value], "duplicates": value})
    for decode in (codec.decode_duplicates, lambda text: codec.decode_project("P", text, "private")):
        with contextlib.suppress(UnexpectedReply):
            decode(text)
    try:
        rows = codec.decode_rows(text)
    except UnexpectedReply:
        return
    SubjectListing(frozenset({"group"})).decode(P, rows)
    SessionListing(frozenset({"date"})).decode(P, rows)
    ImageListing(None, frozenset({"date"}), frozenset({"type"})).decode(P, rows)
    with contextlib.suppress(UnexpectedReply):
        codec.decode_session_files(rows, {})
    codec.decode_own_files(rows, P)
    codec.decode_resources(rows, P)


def test_files_are_joined_by_uri_and_blank_cells_are_not_values() -> None:
    session = Ref.parse("P/S/E")
    base = {"Name": "b", "collection": "NIFTI", "file_format": "A &amp; B", "file_content": "", "cat_ID": "7"}
    rows = [
        {**base, "URI": "/data/experiments/X1/scans/1/resources/7/files/a/b", "Size": "3", "digest": "ABC"},
        {**base, "URI": "/data/experiments/X1/resources/8/files/b", "Size": "", "digest": ""},
        {**base, "URI": "/data/experiments/X1/assessors/A/out/resources/9/files/b", "Size": "1", "digest": ""},
    ]
    first, second = codec.decode_session_files(rows, {"X1": session})
    assert str(first.ref) == "P/S/E/scan:1/resource:NIFTI/a/b"
    assert (first.size, first.md5, first.format, first.content) == (3, "abc", "A & B", "")
    assert str(second.ref) == "P/S/E/resource:NIFTI/b"
    assert (second.size, second.md5) == (-1, None)


@pytest.mark.parametrize(
    "uri",
    [
        "/data/experiments/OTHER/resources/9/files/b",
        "/data/experiments/X1",
        "/data/projects/P/resources/9/files/b",
        "/data/projects/P/subjects/X1/resources/9/files/b",
        "",
    ],
)
def test_no_row_of_a_listing_with_strangers_is_believed(uri: str) -> None:
    own = {"URI": "/data/experiments/X1/resources/8/files/b", "collection": "NIFTI", "Size": "1"}
    with pytest.raises(UnexpectedReply):
        codec.decode_session_files([own, {**own, "URI": uri}], {"X1": Ref.parse("P/S/E")})


@pytest.mark.parametrize("owner", ["P", "P/S", "P/S/E", "P/S/E/scan:1"])
def test_rows_of_another_object_are_not_taken_for_the_one_asked_for(owner: str) -> None:
    uris = {
        "P": "/data/projects/P/resources/1/files/x",
        "P/S": "/data/projects/P/subjects/X_S/resources/1/files/x",
        "P/S/E": "/data/projects/P/subjects/X_S/experiments/X_E/resources/1/files/x",
        "P/S/E/scan:1": "/data/projects/P/subjects/X_S/experiments/X_E/scans/1/resources/1/files/x",
        "P/S/E/scan:2": "/data/projects/P/subjects/X_S/experiments/X_E/scans/2/resources/1/files/x",
    }
    rows = [{"URI": uri, "collection": key, "Size": "1"} for key, uri in uris.items()]
    assert [file.ref.parts[-2][1] for file in codec.decode_own_files(rows, Ref.parse(owner))] == [owner]


def test_an_upload_says_what_it_is() -> None:
    file = FileSpec(ref=Ref.parse("P/resource:R/x"), path="x", size=1, format="NIFTI", content="RAW")
    assert codec.upload_query([file], overwrite=True, extract=True) == [
        ("inbody", "true"),
        ("overwrite", "true"),
        ("extract", "true"),
        ("format", "NIFTI"),
        ("content", "RAW"),
    ]
    assert codec.upload_query([FileSpec(ref=file.ref, path="x", size=1)], overwrite=False, extract=False) == [
        ("inbody", "true")
    ]
