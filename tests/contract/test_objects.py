"""What every gateway promises about projects, subjects, sessions and scans."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.attributes import (
    CUSTOM_PREFIX,
    EVERY_CUSTOM,
    Attribute,
    Kind,
    attribute_of,
    attributes_of,
    generic_attributes,
)
from xnat_sync.core.model.errors import AlreadyExists, GatewayError, NotFound, Rejected
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import ObjectSpec
from xnat_sync.core.model.values import agrees, value_error
from xnat_sync.gateway.port import ImageTypes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.contract.conftest import Study
    from xnat_sync.core.model.state import RemoteObject

NOTHING: frozenset[str] = frozenset()
PAIRS = [
    ImageTypes(session="xnat:mrSessionData", scan="xnat:mrScanData"),
    ImageTypes(session="xnat:petSessionData", scan="xnat:petScanData"),
    ImageTypes(session="xnat:ctSessionData", scan="xnat:ctScanData"),
    ImageTypes(session="xnat:petmrSessionData", scan="xnat:mrScanData"),
]


def sample(attribute: Attribute, turn: int = 0) -> str:
    """A legal value of an attribute; another one for another turn."""
    samples: Mapping[Kind, tuple[str, ...]] = {
        Kind.TEXT: (f"{attribute.name} & <b> \"q\" 'a' ü, é+ 100%" if attribute.longest > 100 else "<ü", "other"),
        Kind.INTEGER: ("2", "3"),
        Kind.WORDS: ("ORIGINAL/PRIMARY/M", "FS"),
        # More digits than a float has.
        Kind.NUMBER: ("2000.1234567", "1.5e-7"),
        Kind.DOUBLE: ("0.00058000012345", "1e39"),
        Kind.DATE: ("2024-03-01", "1999-12-31"),
        Kind.TIME: ("09:30:05", "23:59:59"),
        Kind.CHOICE: (attribute.choices or ("", ""))[:2],
    }
    return samples[attribute.kind][turn]


def assert_same(level: Level, xsi_type: str, wanted: Mapping[str, str | None], held: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        attribute = attribute_of(level, xsi_type, name)
        assert attribute
        if value is None:
            assert name not in held
        else:
            assert name in held, f"{name} is not set"
            assert agrees(attribute, value, held[name]), f"{name}: {held[name]!r} is not {value!r}"


def by_ref(found: tuple[RemoteObject, ...]) -> dict[Ref, RemoteObject]:
    assert len({held.ref for held in found}) == len(found)
    return {held.ref: held for held in found}


def test_a_new_project_is_private_and_named_after_itself(study: Study) -> None:
    held = study.gateway.project(study.project.label)
    assert held
    assert held.ref == study.project
    assert held.fields["accessibility"] == "private"
    assert held.fields["secondary_id"] == study.project.label


def test_all_attributes_of_a_project_come_back(study: Study) -> None:
    attributes = attributes_of(Level.PROJECT, "xnat:projectData")
    label = study.project.label
    # Names and secondary IDs of projects are unique on the whole server.
    wanted = {
        name: f"{label} {sample(attribute)}" if attribute.longest > 100 else sample(attribute)
        for name, attribute in attributes.items()
    }
    wanted["accessibility"] = "protected"
    study.put(study.project, wanted, exists=True)
    held = study.gateway.project(label)
    assert held
    assert_same(Level.PROJECT, "xnat:projectData", wanted, held.fields)


def test_an_absent_project_is_none_and_its_lists_are_not_found(study: Study) -> None:
    assert study.gateway.project("NOBODY") is None
    with pytest.raises(NotFound):
        study.gateway.subjects("NOBODY", NOTHING)
    with pytest.raises(NotFound):
        study.gateway.sessions("NOBODY", NOTHING)
    with pytest.raises(NotFound):
        study.gateway.images("NOBODY", None, NOTHING, NOTHING)


def test_an_empty_project_lists_nothing(study: Study) -> None:
    label = study.project.label
    assert study.gateway.subjects(label, frozenset({"gender"})) == ()
    assert study.gateway.sessions(label, frozenset({"date"})) == ()
    assert study.gateway.images(label, None, frozenset({"scanner"}), frozenset({"type"})) == ()
    assert study.gateway.images(label, PAIRS[0], NOTHING, frozenset({"tr"})) == ()


def test_all_attributes_of_a_subject_come_back_and_can_be_changed(study: Study) -> None:
    attributes = attributes_of(Level.SUBJECT, "xnat:subjectData")
    names = frozenset(attributes)
    for turn in (0, 1):
        wanted = {name: sample(attribute, turn) for name, attribute in attributes.items()}
        study.put(study.subject(), wanted, exists=turn > 0)
        held = study.find(study.subject(), *names)
        assert held
        assert held.accession_id
        assert held.project == study.project.label
        assert_same(Level.SUBJECT, "xnat:subjectData", wanted, held.fields)


def test_attributes_that_are_not_asked_for_are_not_given(study: Study) -> None:
    study.put(study.subject(), {"gender": "female", "group": "control"})
    held = study.find(study.subject(), "group")
    assert held
    assert held.fields == {"group": "control"}


ODD_TEXTS = [
    " a blank before and behind ",
    "two\nlines and\ta tab",
    "from\r\nWindows",
    "&amp; &lt; &#38; &quot;%26quot; %20",
    "\"'`<x>",
    "汉字 \U0001f9e0 e\u0301 \u00e9 \u202e\u200b",
    "x" * 255,
    "'" * 42,
    "'); DROP TABLE xnat_subjectData; --",
    "[{]}",
    "1e5",
    "${x}",
]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_text_comes_back_as_it_was_sent_at_every_level(study: Study, text: str) -> None:
    """So often changed beside it as it may be."""
    study.grow()
    assert value_error(Attribute(name="x", path="x"), text) is None
    named = {
        study.project: ("keywords", "fields.a"),
        study.subject(): ("group", "fields.a"),
        study.session(): ("note", "scanner", "fields.a"),
        study.scan(): ("note", "series_description"),
    }
    for ref, names in named.items():
        study.put(ref, dict.fromkeys(names, text), exists=True)
        study.put(ref, {"description" if ref == study.project else "fields.b": "beside"}, exists=True)
    label = study.project.label
    every = frozenset(name for names in named.values() for name in names)
    gateway = study.gateway
    root = gateway.project(label)
    assert root
    found: dict[Ref, dict[str, str]] = {root.ref: dict(root.fields)}
    for held in (*gateway.subjects(label, every), *gateway.sessions(label, every)):
        found.setdefault(held.ref, {}).update(held.fields)
    for held in gateway.images(label, PAIRS[0], every, every):
        found.setdefault(held.ref, {}).update(held.fields)
    for ref, names in named.items():
        for name in names:
            attribute = attribute_of(ref.level, "xnat:mrScanData", name) or Attribute(name=name, path=name)
            assert agrees(attribute, text, found[ref][name]), f"{name} of {ref}: {found[ref][name]!r}"


@pytest.mark.parametrize("level", [Level.SUBJECT, Level.SESSION, Level.SCAN])
def test_what_another_client_sent_with_backslashes_still_agrees_with_itself(study: Study, level: Level) -> None:
    """XNAT holds each of them twice, and twice as often after each change of a subject or session."""
    ref = study.grow().at(level)
    assert ref
    name = {Level.SUBJECT: "group", Level.SESSION: "note", Level.SCAN: "image_type"}[level]
    study.put(ref, {name: "A\\B"}, exists=True)
    for text in "xyz":
        study.put(ref, {"fields.beside": text}, exists=True)
    wanted = frozenset({name})
    read = study.gateway.images(study.project.label, PAIRS[0], wanted, wanted) if level > Level.SUBJECT else ()
    (held,) = (held for held in (*read, study.find(study.subject(), name)) if held and held.ref == ref)
    attribute = attribute_of(level, held.xsi_type, name)
    assert attribute
    assert agrees(attribute, "A\\B", held.fields[name])
    assert not agrees(attribute, "AB", held.fields[name])


def test_attributes_of_a_subject_can_be_cleared(study: Study) -> None:
    attributes = attributes_of(Level.SUBJECT, "xnat:subjectData")
    clearable = {name for name, attribute in attributes.items() if attribute.clearable}
    study.put(study.subject(), {name: sample(attributes[name]) for name in clearable})
    study.put(study.subject(), dict.fromkeys(clearable), exists=True)
    held = study.find(study.subject(), *clearable)
    assert held
    assert held.fields == {}


def test_a_choice_cannot_be_cleared(study: Study) -> None:
    study.put(study.subject(), {"gender": "female"})
    with pytest.raises(Rejected):
        study.put(study.subject(), {"gender": None}, exists=True)


def test_clearing_on_a_new_object_is_nothing_to_do(study: Study) -> None:
    study.put(study.subject(), {"gender": None, "group": None, "yob": "1980"})
    held = study.find(study.subject(), "gender", "group", "yob")
    assert held
    assert held.fields == {"yob": "1980"}


def test_an_update_leaves_other_attributes_alone(study: Study) -> None:
    study.put(study.subject(), {"gender": "female", "yob": "1980", "fields.a": "1"})
    study.put(study.subject(), {"yob": "1981"}, exists=True)
    held = study.find(study.subject(), "gender", "yob", "fields.a")
    assert held
    assert held.fields == {"gender": "female", "yob": "1981", "fields.a": "1"}


def test_custom_variables_of_a_project_come_back_and_can_be_cleared(study: Study) -> None:
    study.put(study.project, {"fields.ethics": "2024 & <117>", "fields.phase": "2", "keywords": "k"}, exists=True)
    held = study.gateway.project(study.project.label)
    assert held
    assert held.fields["fields.ethics"] == "2024 & <117>"
    assert held.fields["keywords"] == "k"
    study.put(study.project, {"fields.ethics": None}, exists=True)
    held = study.gateway.project(study.project.label)
    assert held
    assert "fields.ethics" not in held.fields
    assert held.fields["fields.phase"] == "2"


@pytest.mark.parametrize("level", [Level.SUBJECT, Level.SESSION])
def test_custom_variables_come_back_can_be_changed_and_cleared(study: Study, level: Level) -> None:
    study.put(study.subject(), {"group": "control"})
    ref = study.subject() if level is Level.SUBJECT else study.session()
    plain = "group" if level is Level.SUBJECT else "note"
    wanted: dict[str, str | None] = {"fields.iq": "112", "fields.site": "A & <B>", plain: "x"}
    study.put(ref, wanted, exists=level is Level.SUBJECT)
    names = (*wanted, "fields.none")
    held = study.find(ref, *names)
    assert held
    assert held.fields == wanted
    study.put(ref, {"fields.iq": "99", "fields.site": None}, exists=True)
    held = study.find(ref, *names)
    assert held
    assert held.fields == {"fields.iq": "99", plain: "x"}


def test_all_custom_variables_come_where_nobody_knows_their_names(study: Study) -> None:
    study.grow()
    every = frozenset({EVERY_CUSTOM, "note"})
    for ref in (study.subject(), study.session(), study.scan()):
        study.put(ref, {"fields.a": "1", "fields.b c": "2"}, exists=True)
    gateway, label = study.gateway, study.project.label
    types = ImageTypes(session="xnat:mrSessionData", scan="xnat:mrScanData")
    found = by_ref((*gateway.subjects(label, every), *gateway.sessions(label, every)))
    images = gateway.images(label, types, frozenset(), every)
    found |= by_ref(tuple(held for held in images if held.ref.level is Level.SCAN))
    for ref in (study.subject(), study.session(), study.scan()):
        assert found[ref].fields == {"fields.a": "1", "fields.b c": "2"}


def test_custom_variables_do_not_multiply_objects(study: Study) -> None:
    for label in ("S1", "S2"):
        study.put(study.subject(label), {f"fields.k{number}": str(number) for number in range(4)})
    found = by_ref(study.gateway.subjects(study.project.label, frozenset({"fields.k0"})))
    assert set(found) == {study.subject("S1"), study.subject("S2")}
    assert found[study.subject("S1")].fields["fields.k0"] == "0"


def test_every_experiment_is_listed_with_type_subject_and_id(study: Study) -> None:
    study.put(study.subject())
    study.put(study.subject("S2"))
    study.put(study.session(), {"date": "2024-01-02", "scanner": "passed over"})
    study.put(study.session("E2", "S2"), xsi_type="xnat:petSessionData")
    found = by_ref(study.gateway.sessions(study.project.label, frozenset({"date", "scanner"})))
    assert {ref: held.xsi_type for ref, held in found.items()} == {
        study.session(): "xnat:mrSessionData",
        study.session("E2", "S2"): "xnat:petSessionData",
    }
    assert found[study.session()].fields == {"date": "2024-01-02"}
    assert len({held.accession_id for held in found.values()}) == 2


@pytest.mark.parametrize("types", PAIRS, ids=lambda types: types.session)
def test_all_attributes_of_sessions_and_scans_come_back(study: Study, types: ImageTypes) -> None:
    session_attributes = attributes_of(Level.SESSION, types.session)
    scan_attributes = attributes_of(Level.SCAN, types.scan)
    study.put(study.subject())
    for turn in (0, 1):
        session_fields = {name: sample(attribute, turn) for name, attribute in session_attributes.items()}
        scan_fields = {name: sample(attribute, turn) for name, attribute in scan_attributes.items()}
        study.put(study.session(), session_fields, xsi_type=types.session, exists=turn > 0)
        study.put(study.scan(), scan_fields, xsi_type=types.scan, exists=turn > 0)
        found = by_ref(
            study.gateway.images(study.project.label, types, frozenset(session_fields), frozenset(scan_fields))
        )
        assert set(found) == {study.session(), study.scan()}
        assert found[study.session()].xsi_type == types.session
        assert found[study.scan()].xsi_type == types.scan
        assert_same(Level.SESSION, types.session, session_fields, found[study.session()].fields)
        assert_same(Level.SCAN, types.scan, scan_fields, found[study.scan()].fields)


def test_the_general_listing_has_all_images_with_what_all_types_share(study: Study) -> None:
    study.put(study.subject())
    wanted: dict[Ref, dict[str, str]] = {}
    for label, types in zip("ABC", PAIRS[:3], strict=True):
        session = study.session(label)
        shared = {name: sample(attribute) for name, attribute in generic_attributes(Level.SESSION).items()}
        wanted[session] = shared
        study.put(session, shared, xsi_type=types.session)
        for number in ("1", "2"):
            scan = study.scan(number, label)
            wanted[scan] = {name: sample(attribute) for name, attribute in generic_attributes(Level.SCAN).items()}
            study.put(scan, wanted[scan], xsi_type=types.scan)
    session_names = frozenset(generic_attributes(Level.SESSION)) | {"field_strength", "fields.x"}
    scan_names = frozenset(generic_attributes(Level.SCAN)) | {"tr", "fields.x"}
    found = by_ref(study.gateway.images(study.project.label, None, session_names, scan_names))
    assert set(found) == set(wanted)
    for ref, fields in wanted.items():
        assert_same(ref.level, found[ref].xsi_type, fields, found[ref].fields)
    scan_types = {ref.parent: held.xsi_type for ref, held in found.items() if ref.level is Level.SCAN}
    assert sorted(scan_types.values()) == sorted(types.scan for types in PAIRS[:3])


def test_a_scan_of_another_type_than_its_session_is_known_for_what_it_is(study: Study) -> None:
    study.put(study.subject())
    study.put(study.session(), xsi_type="xnat:petmrSessionData")
    study.put(study.scan("1"), xsi_type="xnat:petScanData")
    study.put(study.scan("2"), {"tr": "2"}, xsi_type="xnat:mrScanData")
    found = by_ref(study.gateway.images(study.project.label, None, NOTHING, frozenset({"type"})))
    assert found[study.scan("1")].xsi_type == "xnat:petScanData"
    assert found[study.scan("2")].xsi_type == "xnat:mrScanData"
    typed = by_ref(study.gateway.images(study.project.label, PAIRS[3], NOTHING, frozenset({"tr"})))
    assert set(typed) == {study.session(), study.scan("2")}


def test_a_session_without_scans_is_listed(study: Study) -> None:
    study.put(study.subject())
    study.put(study.session(), {"scanner": "Prisma"})
    found = study.gateway.images(study.project.label, None, frozenset({"scanner"}), frozenset({"type"}))
    assert [(held.ref, held.fields) for held in found] == [(study.session(), {"scanner": "Prisma"})]


def test_images_without_any_attribute_are_listed(study: Study) -> None:
    study.grow()
    found = study.gateway.images(study.project.label, None, NOTHING, NOTHING)
    assert {held.ref for held in found} == {study.session(), study.scan()}
    only = study.gateway.images(
        study.project.label, ImageTypes(session="xnat:mrSessionData", scan=""), frozenset({"field_strength"}), NOTHING
    )
    assert {held.ref for held in only} == {study.session()}


def test_attributes_of_sessions_and_scans_can_be_cleared(study: Study) -> None:
    types = PAIRS[0]
    session_attributes = attributes_of(Level.SESSION, types.session)
    scan_attributes = attributes_of(Level.SCAN, types.scan)
    study.put(study.subject())
    for exists in (False, True):
        study.put(
            study.session(),
            {name: None if exists else sample(attribute) for name, attribute in session_attributes.items()},
            exists=exists,
        )
        study.put(
            study.scan(),
            {name: None if exists else sample(attribute) for name, attribute in scan_attributes.items()},
            exists=exists,
        )
    found = by_ref(
        study.gateway.images(study.project.label, types, frozenset(session_attributes), frozenset(scan_attributes))
    )
    assert found[study.session()].fields == {}
    assert found[study.scan()].fields == {}


def test_custom_variables_of_scans_come_back(study: Study) -> None:
    study.grow()
    study.put(study.scan(), {"fields.motion": "low", "fields.noise": "7", "tr": "3"}, exists=True)
    study.put(study.scan("2"))
    names = frozenset({"fields.motion", "fields.noise", "tr"})
    found = by_ref(study.gateway.images(study.project.label, PAIRS[0], NOTHING, names))
    fields = dict(found[study.scan()].fields)
    assert float(fields.pop("tr")) == 3
    assert fields == {"fields.motion": "low", "fields.noise": "7"}
    assert found[study.scan("2")].fields == {}


def test_long_attributes_arrive_whole(study: Study) -> None:
    description = "ä&" * 1600
    study.put(study.project, {"description": description, "keywords": "k"}, exists=True)
    held = study.gateway.project(study.project.label)
    assert held
    assert held.fields["description"] == description
    assert held.fields["keywords"] == "k"


def test_putting_twice_is_the_same_as_once(study: Study) -> None:
    study.grow()
    before = study.gateway.sessions(study.project.label, NOTHING)
    study.grow()
    assert study.gateway.sessions(study.project.label, NOTHING) == before


def test_a_session_makes_its_subject(study: Study) -> None:
    study.put(study.session(subject="NEW"))
    assert study.find(study.subject("NEW"))


def test_a_session_label_belongs_to_one_session_of_the_project(study: Study) -> None:
    study.put(study.subject("S1"))
    study.put(study.subject("S2"))
    study.put(study.session("E1", "S1"))
    study.put(study.session("E1", "S2"))
    found = study.gateway.sessions(study.project.label, NOTHING)
    assert [held.ref for held in found] == [study.session("E1", "S2")]


def test_a_missing_parent_is_not_found(study: Study) -> None:
    nowhere = Ref.project_of("NOBODY")
    with pytest.raises(NotFound):
        study.put(nowhere.child(Level.SUBJECT, "S"))
    study.put(study.subject())
    with pytest.raises(NotFound):
        study.put(study.scan(session="NOBODY"))


@pytest.mark.parametrize(
    ("level", "name", "value"),
    [
        (Level.SUBJECT, "yob", "soon"),
        (Level.SUBJECT, "gender", "yes"),
        (Level.SUBJECT, "group", "x" * 256),
        (Level.SESSION, "date", "yesterday"),
        (Level.SCAN, "frames", "many"),
    ],
)
def test_a_value_that_the_server_cannot_take_is_rejected(study: Study, level: Level, name: str, value: str) -> None:
    study.grow()
    ref = {Level.SUBJECT: study.subject(), Level.SESSION: study.session(), Level.SCAN: study.scan()}[level]
    with pytest.raises(Rejected):
        study.put(ref, {name: value}, exists=True)


def test_an_attribute_that_a_type_does_not_have_is_dropped_alone(study: Study) -> None:
    study.grow()
    study.put(study.scan(), {"kvp": "1", "tr": "2", "a_typo": "3"}, exists=True)
    found = by_ref(study.gateway.images(study.project.label, PAIRS[0], NOTHING, frozenset({"tr", "kvp"})))
    assert float(found[study.scan()].fields["tr"]) == 2


def test_a_label_that_xnat_cannot_address_is_rejected(study: Study) -> None:
    for label in ("a b", "a.b", "a/b", "ä", ".."):
        with pytest.raises(Rejected):
            study.put(study.subject(label))
        with pytest.raises(Rejected):
            study.put(study.session(label))


def test_the_type_of_a_scan_does_not_change(study: Study) -> None:
    study.grow()
    with pytest.raises(AlreadyExists):
        study.put(study.scan(), xsi_type="xnat:ctScanData", exists=True)


def test_a_scan_needs_a_type_of_its_own(study: Study) -> None:
    study.grow()
    with pytest.raises(Rejected):
        study.put(study.scan("2"), xsi_type="xnat:imageScanData")


@pytest.mark.parametrize("level", [Level.SCAN, Level.SESSION, Level.SUBJECT])
def test_deleting_takes_all_below_and_nothing_beside(study: Study, level: Level) -> None:
    study.grow()
    study.put(study.subject("S2"))
    study.put(study.session("E2", "S2"))
    study.put(study.scan("9"))
    study.upload(study.local(study.resource(), "a.nii", b"a"))
    target = study.scan().at(level)
    assert target
    study.gateway.delete(target, reason="a test")
    study.gateway.delete(target, reason="absent is done")
    label = study.project.label
    found = (*study.gateway.subjects(label, NOTHING), *study.gateway.images(label, None, NOTHING, NOTHING))
    left = {held.ref for held in found}
    own = {study.subject(), study.session(), study.scan(), study.scan("9")}
    kept = {ref for ref in own if target not in (ref, *ref.ancestors())}
    assert left == {*kept, study.subject("S2"), study.subject("S2").child(Level.SESSION, "E2")}


def test_a_session_is_not_deleted_under_a_wrong_subject(study: Study) -> None:
    study.grow()
    study.put(study.subject("S2"))
    study.gateway.delete(study.session("E1", "S2"), reason="a test")
    assert study.find(study.session("E1", "S1"))


def test_a_deleted_session_can_be_made_again(study: Study) -> None:
    study.grow()
    study.upload(study.local(study.resource(), "a.nii", b"a"))
    first = study.find(study.session())
    study.gateway.delete(study.session(), reason="a test")
    study.grow()
    second = study.find(study.session())
    assert first
    assert second
    assert first.accession_id != second.accession_id
    assert study.gateway.resources(study.session()) == frozenset()
    assert study.gateway.session_files([second.ref]) == ()


def test_a_deleted_project_is_gone_and_its_label_burnt(study: Study) -> None:
    study.grow()
    study.gateway.delete(study.project, reason="a test")
    study.gateway.delete(study.project, reason="absent is done")
    assert study.gateway.project(study.project.label) is None
    with pytest.raises(GatewayError):
        study.put(study.project)


def test_the_server_says_who_it_is(study: Study) -> None:
    info = study.gateway.server()
    assert info.checksums is True
    assert info.version
    assert info.user
    assert CUSTOM_PREFIX == "fields."


def test_a_session_is_put_together_with_its_scans(study: Study) -> None:
    study.put(study.subject())
    session = ObjectSpec(ref=study.session(), xsi_type="xnat:mrSessionData", fields=samples(Level.SESSION, PAIRS[0]))
    scans = [
        ObjectSpec(ref=study.scan(str(number)), xsi_type="xnat:mrScanData", fields=samples(Level.SCAN, PAIRS[0], turn))
        for number, turn in enumerate((0, 1, 0, 1, 1, 0, 0, 0, 1, 0, 1, 1), start=1)
    ]
    study.gateway.put_session(session, scans, reason="a test")
    label = study.project.label
    names = frozenset(session.fields), frozenset(scans[0].fields)
    held = by_ref(study.gateway.images(label, PAIRS[0], *names))
    for spec in scans:
        assert_same(Level.SCAN, spec.xsi_type, spec.fields, held[spec.ref].fields)
    whole = {**held[session.ref].fields, **by_ref(study.gateway.sessions(label, names[0]))[session.ref].fields}
    assert_same(Level.SESSION, session.xsi_type, session.fields, whole)
    assert len(held) == 1 + len(scans)


def test_a_session_that_appeared_meanwhile_keeps_what_it_has(study: Study) -> None:
    study.grow()
    study.put(study.scan("7"), {"type": "T2w"})
    session = ObjectSpec(ref=study.session(), xsi_type="xnat:mrSessionData", fields={"note": "new"})
    scans = [ObjectSpec(ref=study.scan("9"), xsi_type="xnat:mrScanData", fields={"type": "bold", "note": None})]
    for _ in range(2):
        study.gateway.put_session(session, scans, reason="a test")
    held = by_ref(study.gateway.images(study.project.label, None, frozenset({"note"}), frozenset({"type"})))
    assert {ref.label: found.fields.get("type") for ref, found in held.items() if ref.level is Level.SCAN} == {
        "1": None,
        "7": "T2w",
        "9": "bold",
    }


def test_a_session_with_a_scan_that_is_refused_is_not_made(study: Study) -> None:
    study.put(study.subject())
    session = ObjectSpec(ref=study.session(), xsi_type="xnat:mrSessionData")
    scans = [
        ObjectSpec(ref=study.scan("1"), xsi_type="xnat:mrScanData"),
        ObjectSpec(ref=study.scan("2"), xsi_type="xnat:mrScanData", fields={"frames": "many"}),
    ]
    with pytest.raises(Rejected):
        study.gateway.put_session(session, scans, reason="a test")
    assert study.gateway.sessions(study.project.label, NOTHING) == ()


@pytest.mark.parametrize("label", ["1.5", "a b", "ü", "1/2", "a&b"])
def test_a_scan_that_has_no_address_is_refused_in_a_session_too(study: Study, label: str) -> None:
    study.put(study.subject())
    session = ObjectSpec(ref=study.session(), xsi_type="xnat:mrSessionData")
    with pytest.raises(Rejected):
        study.gateway.put_session(session, [ObjectSpec(ref=study.scan(label), xsi_type="xnat:mrScanData")], reason="x")
    assert study.gateway.sessions(study.project.label, NOTHING) == ()


def samples(level: Level, types: ImageTypes, turn: int = 0) -> dict[str, str | None]:
    """A value for every attribute of a type, custom variables among them."""
    xsi_type = types.session if level is Level.SESSION else types.scan
    found: dict[str, str | None] = {
        name: sample(attribute, turn) for name, attribute in attributes_of(level, xsi_type).items()
    }
    return {**found, "fields.site": f"x & {turn}", "fields.batch": "b"}


def test_a_record_is_the_whole_object(study: Study) -> None:
    study.put(study.subject(), {"group": "controls"})
    study.put(study.session(), {"note": "kept"})
    assert b"controls" in study.gateway.record(study.subject())
    assert b"kept" in study.gateway.record(study.session())
    with pytest.raises(NotFound):
        study.gateway.record(study.subject("NOBODY"))
