"""What must not be repeated: a server may send back what it was sent, in an error page or in a redirect."""

from __future__ import annotations

import base64
import html
import re
from urllib.parse import quote, quote_plus

HIDDEN = "•••"
_SHORTEST = 4
"""Shorter texts occur everywhere: taking them out would hide nothing, and spoil every sentence."""


def scrubbed(text: str, user: str, secrets: tuple[str, ...]) -> str:
    """A text without some secrets, in whatever way they are written there.

    A password that is the name of its account is no secret that could be kept.
    """
    for secret in secrets:
        if len(secret) < _SHORTEST or secret == user:
            continue
        forms = {
            form for plain in (secret, html.escape(secret), html.escape(secret, quote=False)) for form in _urls(plain)
        }
        forms |= {_basic(f"{user}:{secret}"), _basic(secret)}
        pattern = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        text = re.sub(pattern, HIDDEN, text, flags=re.IGNORECASE)
    return text


def _urls(text: str) -> tuple[str, ...]:
    return (text, quote(text), quote(text, safe=""), quote_plus(text), repr(text)[1:-1])


def _basic(text: str) -> str:
    """As a header of HTTP carries a login."""
    return base64.b64encode(text.encode()).decode().rstrip("=")
