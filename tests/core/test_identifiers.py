"""What is asked first of a text must never hide what the patterns would find."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xnat_sync.core.formats import identifiers
from xnat_sync.core.formats.identifiers import Trace, traces

LETTERS = "0123456789-/.:^@\\ +#=_()dobirthnjafepmKı"


@pytest.mark.parametrize("trace", Trace)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(data=st.data())
def test_no_text_that_a_pattern_fits_is_held_to_be_harmless(trace: Trace, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(identifiers._FORMS[trace]))
    assert not identifiers._is_harmless(text)


@settings(deadline=None)
@given(st.text(LETTERS, min_size=6, max_size=40))
def test_in_a_harmless_text_no_pattern_finds_anything(text: str) -> None:
    if identifiers._is_harmless(text):
        assert not any(form.search(text) for form in identifiers._FORMS.values())


@pytest.mark.parametrize("name", ["sub-00001_ses-01_run-02_bold.nii.gz", "sub-00001_ses-01", "scan 001"])
def test_usual_names_are_harmless(name: str) -> None:
    assert identifiers._is_harmless(name)
    assert traces(name) == frozenset()
