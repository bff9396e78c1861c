"""What a record in XML says of what hangs on a subject or session."""

from __future__ import annotations

import pytest

from xnat_sync.core.formats.xnat_record import Experiment, experiments_in, holds_derived, is_shared, owner_of

SUBJECT = b"""<?xml version="1.0" encoding="UTF-8"?>
<xnat:Subject ID="X_S1" project="P" label="s1" xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/">
<xnat:sharing><xnat:share label="g1" project="Q"/></xnat:sharing>
<xnat:experiments>
<xnat:experiment ID="X_E1" project="P" visit_id="1" label="e1" xsi:type="xnat:megSessionData">
<xnat:subject_ID>X_S1</xnat:subject_ID><xnat:assessors><xnat:assessor ID="X_E9" project="P"/></xnat:assessors>
</xnat:experiment>
<xnat:experiment xsi:type="xnat:mrSessionData" label="a &quot;b&quot;" project="Q" ID="X_E2"/>
</xnat:experiments></xnat:Subject>"""


def test_all_experiments_of_a_subject_are_found_with_their_project() -> None:
    assert list(experiments_in(SUBJECT)) == [Experiment("X_E1", "P"), Experiment("X_E2", "Q")]


def test_what_hangs_on_a_subject_is_seen() -> None:
    assert holds_derived(SUBJECT)
    assert is_shared(SUBJECT)


@pytest.mark.parametrize(("record", "owner"), [(SUBJECT, "P"), (b'<x:MRSession ID="1"/>', ""), (b"", ""), (b"<<", "")])
def test_the_owner_is_that_of_the_outermost_object(record: bytes, owner: str) -> None:
    assert owner_of(record) == owner


def test_nothing_hangs_on_what_says_nothing() -> None:
    for record in (b"", b'<xnat:MRSession ID="X"/>', b"\xff<"):
        assert (holds_derived(record), is_shared(record), list(experiments_in(record))) == (False, False, [])
