"""Which server, and with which login: the command line first, then the environment, then the manifest."""

from __future__ import annotations

import getpass
import importlib
import importlib.util
import shlex
import ssl
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xnat_sync.core.model.errors import NotAuthenticated, UsageError
from xnat_sync.core.text import visible
from xnat_sync.gateway.connection.credentials import exact_login_from_netrc
from xnat_sync.manifest.surroundings import Fence, Surroundings, roots_named_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from xnat_sync.cli.options import Access, Connection

EMBEDDED = "embedded:"
_VARIABLES = (("XNAT_SYNC_USER", "XNAT_SYNC_PASSWORD"), ("XNAT_USER", "XNAT_PASS"))
_NO_SERVER = (
    "no server given: say --server URL, set XNAT_SYNC_SERVER or XNAT_HOST, or write server: into the manifest"
    " (embedded:DIR is the embedded server)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """An account; both ``None`` means the entry of ``~/.netrc``. The password never shows in a ``repr``."""

    user: str | None
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An address, or ``embedded:DIR``, and who names it: a manifest may come from a stranger, a stored plan too."""

    url: str
    named_by: str = ""
    """``the manifest`` or ``the stored plan``; empty for the command line and the environment."""


def server_of(connection: Connection, environ: Mapping[str, str], other: Server | None = None) -> Server:
    """The server's address, or ``embedded:DIR``; the first found of four places, the last being a manifest or a plan.

    Raises:
        UsageError: there is none, or it is no address, or it carries a login; or it is an embedded server that only a
            manifest or a plan names.

    """
    candidates = (connection.server, environ.get("XNAT_SYNC_SERVER"), environ.get("XNAT_HOST"))
    given = next((candidate for candidate in candidates if candidate), None)
    server = Server(url=given) if given else other
    if server is None or not server.url:
        raise UsageError(_NO_SERVER)
    if server.url.startswith(EMBEDDED):
        if server.named_by:
            raise UsageError(f"{server.named_by} is for an embedded server; if you mean it, say --server {server.url}")
        if server.url == EMBEDDED:
            raise UsageError("embedded: needs the folder of the server's data, as in embedded:DIR")
        return server
    try:
        parts = urlsplit(server.url)
    except ValueError:
        raise UsageError("the server's address is no URL") from None
    if "@" in parts.netloc:
        raise UsageError("the server's address carries a login; use the environment, ~/.netrc or --user instead")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        said = parts.scheme or repr(server.url)
        raise UsageError(f"the server's address must begin with https:// or http://, not {said}")
    return replace(server, url=server.url.rstrip("/"))


def surroundings(access: Access, environ: Mapping[str, str]) -> Surroundings:
    """What manifests may use of this machine, by the command line and the environment."""
    roots = (*access.allow_roots, *roots_named_in(environ))
    return Surroundings(environ=environ, variables=frozenset(access.env), allow_roots=roots)


def roots_to_name(manifest: Path, roots: Iterable[Path], environ: Mapping[str, str]) -> list[Path]:
    """Those of some folders that a manifest may read from only if the command line names them."""
    fence = Fence([manifest], roots_named_in(environ))
    return [root for root in roots if not fence.admits(root)]


def ca_file_of(connection: Connection, environ: Mapping[str, str]) -> str | None:
    """The file with the certificates of authorities to trust, ``None`` for the usual ones.

    Raises:
        UsageError: it holds none.

    """
    given = connection.ca_file or environ.get("XNAT_SYNC_CA_FILE")
    if not given:
        return None
    try:
        ssl.create_default_context(cafile=str(given))
    except OSError as error:  # An SSLError is one.
        raise UsageError(f"{given} holds no certificates to trust: {error.strerror or error}") from None
    return str(given)


def cache_folder(environ: Mapping[str, str]) -> Path | None:
    """The folder for what may be lost, as the XDG base directory specification has it; ``None`` without a home."""
    cache = environ.get("XDG_CACHE_HOME", "")
    if not cache.startswith("/"):
        home = environ.get("HOME")
        cache = f"{home}/.cache" if home else ""
    return Path(cache) / "xnat-sync" if cache else None


def login_of(
    connection: Connection, environ: Mapping[str, str], server: Server, ask: Callable[[str], str] | None
) -> Login:
    """The login for a server; ``ask`` reads a password from the terminal, ``None`` where there is no terminal.

    Raises:
        UsageError: ``--user`` was given and no password can be had.
        NotAuthenticated: there is a login, and it is for no server that only a manifest or a plan names.

    """
    if server.named_by:
        return _login_for_named(connection.user, environ, server, ask)
    if connection.user:
        return Login(user=connection.user, password=_password(connection.user, environ, server.url, ask))
    for user, password in _VARIABLES:
        if environ.get(user) and environ.get(password):
            return Login(user=environ[user], password=environ[password])
    return Login(user=None, password=None)


def _login_for_named(
    user: str | None, environ: Mapping[str, str], server: Server, ask: Callable[[str], str] | None
) -> Login:
    """A login that is kept for exactly this server, or a password that a person gives who sees where it goes."""
    kept = exact_login_from_netrc(server.url, user)
    if kept is not None:
        return Login(user=kept[0], password=kept[1])
    if user and (stored := _keyring(user, server.url)):
        return Login(user=user, password=stored)
    if user and ask is not None:
        question = f"Password of {user} on {server.url}, which {server.named_by} names: "
        return Login(user=user, password=ask(visible(question)))
    url = shlex.quote(server.url)
    for name, secret in _VARIABLES:
        if environ.get(name) and environ.get(secret):
            raise NotAuthenticated(
                f"{server.url} is named by {server.named_by} only, and {secret} is sent to no server that a stranger"
                f" may have written there: if it is yours, set XNAT_SYNC_SERVER={url} or say --server {url}"
            )
    whose = f"{user} on " if user else ""
    raise UsageError(
        f"there is no login for {whose}{server.url}, which {server.named_by} names: set XNAT_SYNC_SERVER={url} with"
        f" XNAT_SYNC_USER and XNAT_SYNC_PASSWORD, write it into ~/.netrc as machine {urlsplit(server.url).netloc}, or"
        " say --user at a terminal"
    )


def _password(user: str, environ: Mapping[str, str], server: str, ask: Callable[[str], str] | None) -> str:
    """A password for a named account: from the environment if it names the same account, the keyring, or the person."""
    for name, secret in _VARIABLES:
        if environ.get(name) == user and environ.get(secret):
            return environ[secret]
    stored = _keyring(user, server)
    if stored:
        return stored
    if ask is None:
        raise UsageError(
            f"no password for {user}: without a terminal set XNAT_SYNC_USER and XNAT_SYNC_PASSWORD, or use ~/.netrc"
        )
    return ask(visible(f"Password of {user} on {server}: "))


def _keyring(user: str, server: str) -> str | None:
    """What the operating system's keyring knows, where the package is installed; it is no dependency of ours."""
    if importlib.util.find_spec("keyring") is None:
        return None
    found = importlib.import_module("keyring").get_password(server, user)
    return str(found) if found else None


def ask_password(prompt: str) -> str:
    """Read a password from the terminal without showing it."""
    return getpass.getpass(prompt)
