"""What several listings of a project say together, where some of it is shared from another one."""

from __future__ import annotations

from xnat_sync.core.model.joined import joined
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteObject

MR = "xnat:mrSessionData"
SCAN = "xnat:mrScanData"


def held(ref: str, number: str, xsi_type: str = MR, **rest: object) -> RemoteObject:
    return RemoteObject(ref=Ref.parse(ref), accession_id=number, xsi_type=xsi_type, **rest)  # type: ignore[arg-type]


def subject(ref: str, number: str, project: str = "P") -> RemoteObject:
    return held(ref, number, "xnat:subjectData", project=project)


def test_a_shared_session_has_the_shares_label_and_the_owners_name() -> None:
    """As XNAT lists it: the experiments by the share's words, the images by those of the owner."""
    found = joined(
        [subject("P/GUEST", "X_S1", "OWNER")],
        [held("P/GUEST/LENT", "X_E1", project="P", parent_id="X_S1")],
        [
            held("P/S/E", "X_E1", project="OWNER", parent_id="X_S1", fields={"scanner": "a"}),
            held("P/S/E/scan:1", "1", SCAN, project="OWNER", parent_id="X_E1"),
        ],
        [held("P/LENT/ODD/scan:1", "1", SCAN, project="P", parent_id="X_E1", fields={"tr": "2"})],
    )
    assert {str(ref): one.project for ref, one in found.items()} == {
        "P/GUEST": "OWNER",
        "P/GUEST/LENT": "OWNER",
        "P/GUEST/LENT/scan:1": "OWNER",
    }
    assert found[Ref.parse("P/GUEST/LENT")].fields == {"scanner": "a"}
    assert found[Ref.parse("P/GUEST/LENT/scan:1")].fields == {"tr": "2"}


def test_two_sessions_of_one_label_are_not_taken_for_one() -> None:
    """What is shared without a label keeps its own, which a session of the project may have too."""
    found = joined(
        [subject("P/S", "X_S9", "OWNER"), subject("P/S", "X_S1")],
        [
            held("P/S/E", "X_E9", project="P", parent_id="X_S9"),
            held("P/S/E", "X_E1", project="P", parent_id="X_S1"),
            held("P/S/F", "X_E2", project="P", parent_id="X_S9"),
        ],
        [
            held("P/S/E", "X_E9", project="OWNER", parent_id="X_S9"),
            held("P/S/E/scan:1", "1", SCAN, project="OWNER", parent_id="X_E9"),
            held("P/S/E", "X_E1", project="P", parent_id="X_S1"),
            held("P/S/E/scan:1", "1", SCAN, project="P", parent_id="X_E1", fields={"type": "T1"}),
            held("P/S/F", "X_E2", project="P", parent_id="X_S9"),
        ],
    )
    assert {str(ref): (one.accession_id, one.project) for ref, one in found.items()} == {
        "P/S": ("X_S1", "P"),
        "P/X_S9": ("X_S9", "OWNER"),
        "P/S/E": ("X_E1", "P"),
        "P/X_S9/E": ("X_E9", "OWNER"),
        "P/X_S9/F": ("X_E2", "P"),
        "P/S/E/scan:1": ("1", "P"),
        "P/X_S9/E/scan:1": ("1", "OWNER"),
    }
    assert found[Ref.parse("P/S/E/scan:1")].fields == {"type": "T1"}


def test_what_appeared_between_two_listings_stands_where_it_says_itself() -> None:
    found = joined([], [], [held("P/S/E", "X_E1", project="P"), held("P/S/E/scan:1", "1", SCAN, parent_id="X_E1")])
    assert [ref.level for ref in found] == [Level.SESSION, Level.SCAN]


def test_the_type_of_a_scan_is_that_of_the_listing_that_asked_for_it() -> None:
    guess = held("P/S/E/scan:1", "1", "xnat:imageScanData", parent_id="X_E1")
    found = joined([], [held("P/S/E", "X_E1")], [guess], [held("P/S/E/scan:1", "1", SCAN, parent_id="X_E1")])
    assert found[guess.ref].xsi_type == SCAN
