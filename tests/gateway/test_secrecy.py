"""A server that repeats what it was sent is not repeated."""

from __future__ import annotations

import base64
import html
from urllib.parse import quote

import pytest

from xnat_sync.gateway.connection.redaction import HIDDEN, scrubbed

SECRET = "p&ss w<rd'%\"é"


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        html.escape(SECRET),
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(SECRET).lower(),
        base64.b64encode(f"me:{SECRET}".encode()).decode(),
        base64.b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_taken_out_in_every_form(form: str) -> None:
    text = scrubbed(f"before {form} after", "me", (SECRET,))
    assert form not in text
    assert text.startswith(f"before {HIDDEN}")
    assert text.endswith(" after")


def test_what_is_no_secret_stays() -> None:
    assert scrubbed("admin is admin, pw", "admin", ("admin", "pw", "")) == "admin is admin, pw"
