from __future__ import annotations

from xnat_sync.core.model.attributes import (
    SCAN_TYPES,
    SESSION_TYPES,
    attribute_of,
    attributes_of,
    default_scan_type,
    generic_attributes,
    known_types,
)
from xnat_sync.core.model.refs import Level


def test_every_type_has_the_generic_attributes() -> None:
    for level, types in ((Level.SESSION, SESSION_TYPES), (Level.SCAN, SCAN_TYPES)):
        for xsi_type in types:
            assert generic_attributes(level).items() <= attributes_of(level, xsi_type).items()


def test_no_two_attributes_of_a_type_share_a_name_or_a_path() -> None:
    for types in (SESSION_TYPES, SCAN_TYPES):
        for xsi_type, attributes in types.items():
            assert len({attribute.name for attribute in attributes}) == len(attributes), xsi_type
            assert len({attribute.path for attribute in attributes}) == len(attributes), xsi_type


def test_types_of_other_namespaces_have_the_generic_attributes() -> None:
    assert attributes_of(Level.SESSION, "neuro:fooSessionData") == generic_attributes(Level.SESSION)


def test_the_scan_type_goes_with_the_session_type() -> None:
    assert default_scan_type("xnat:mrSessionData") == "xnat:mrScanData"
    assert default_scan_type("xnat:petmrSessionData") == "xnat:petScanData"
    assert default_scan_type("neuro:fooSessionData") is None
    assert all(default_scan_type(xsi_type) for xsi_type in known_types(Level.SESSION))


def test_custom_variables_exist_on_every_type() -> None:
    scan = attribute_of(Level.SCAN, "xnat:mrScanData", "fields.k")
    session = attribute_of(Level.SESSION, "xnat:mrSessionData", "fields.k")
    assert scan
    assert scan.path == "parameters/addParam[name=k]/addField"
    assert session
    assert session.path == "fields/field[name=k]/field"
    assert attribute_of(Level.SESSION, "xnat:mrSessionData", "tracer_name") is None
