"""The address of a server and the account on it, before anything is sent."""

from __future__ import annotations

import netrc
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from xnat_sync.core.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_USUAL_PORTS = {"http": 80, "https": 443}


def clean_url(url: str) -> str:
    """The address without a slash at the end.

    Raises:
        UsageError: it is no address of a server, or carries a login.

    """
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0 and not re.search(r"\s", url)
    except ValueError:
        has_host = False
        parts = urlsplit("")
    if parts.username or parts.password:
        raise UsageError("the server's address must not carry a login")
    if parts.scheme not in ("http", "https") or not has_host or parts.query or parts.fragment:
        raise UsageError(f"{url!r} is not the address of a server, like https://xnat.example.org")
    return url.rstrip("/")


class Endpoint(NamedTuple):
    """What a server is known by, whatever else stands in its address."""

    scheme: str
    host: str
    port: int | None

    @classmethod
    def of(cls, url: str) -> Endpoint:
        """What an address leads to: without a port the usual one; a port that makes no sense is ``None``."""
        try:
            parts = urlsplit(url)
            return cls(parts.scheme, parts.hostname or "", parts.port or _USUAL_PORTS.get(parts.scheme))
        except ValueError:
            return cls("", "", None)

    def may_become(self, other: Endpoint) -> bool:
        """Whether a login that is meant for this server may go to another that it redirects to.

        Another port may be another person's program. The one step that sites take is that from HTTP to HTTPS.
        """
        is_secured = (self.scheme, self.port, other.scheme, other.port) == ("http", 80, "https", 443)
        return self == other or (is_secured and self.host == other.host)

    def __str__(self) -> str:
        usual = self.port == _USUAL_PORTS.get(self.scheme)
        return f"{self.scheme}://{self.host}{'' if usual else f':{self.port}'}"


def login_from_netrc(url: str, user: str | None) -> tuple[str, str]:
    """The login that netrc has for the server, by host and port as xnatpy looks for it. Nobody is ever prompted.

    Raises:
        UsageError: there is none, or the file cannot be read.

    """
    host = urlsplit(url).netloc
    file = _netrc_file()
    try:
        found = netrc.netrc(str(file)).authenticators(host) if file else None
    except OSError:
        found = None
    except netrc.NetrcParseError as error:
        raise UsageError(f"{file} cannot be read: {error.msg}") from None
    if found is None or not found[2] or (user and found[0] != user):
        raise UsageError(
            f"there is no login for {f'{user} on ' if user else ''}{host}: set XNAT_SYNC_USER and XNAT_SYNC_PASSWORD"
            " (or XNAT_USER and XNAT_PASS), write it into ~/.netrc, or say --user at a terminal"
        )
    return found[0], found[2]


def exact_login_from_netrc(url: str, user: str | None = None) -> tuple[str, str] | None:
    """The login that netrc has for exactly this server, ``None`` if it has none; its ``default`` is for no server.

    For a server that only a manifest or a stored plan names. An entry may be an address (``machine
    https://xnat.example.org``); a host without a port stands for HTTPS on the usual one, and one with a port for that.

    Raises:
        UsageError: the file cannot be read.

    """
    wanted = Endpoint.of(url)
    names = {str(wanted), f"{wanted.scheme}://{wanted.host}:{wanted.port}"}
    # Where passwords are sealed nobody may make them be sent in the open.
    if (wanted.scheme, wanted.port) != ("http", 443):
        names.add(f"{wanted.host}:{wanted.port}")
    if (wanted.scheme, wanted.port) == ("https", 443):
        names.add(wanted.host)
    for name, (login, _, password) in _netrc_hosts().items():
        if name.lower().rstrip("/") in names and name != "default" and password and user in (None, login):
            return login, password
    return None


def _netrc_hosts() -> Mapping[str, tuple[str, str, str]]:
    file = _netrc_file()
    try:
        return netrc.netrc(str(file)).hosts if file else {}
    except OSError:
        return {}
    except netrc.NetrcParseError as error:
        raise UsageError(f"{file} cannot be read: {error.msg}") from None


def _netrc_file() -> Path | None:
    named = os.environ.get("NETRC")
    try:
        return Path(named) if named else Path.home() / ("_netrc" if os.name == "nt" else ".netrc")
    except RuntimeError:
        return None  # An account without a home, as containers have them.
