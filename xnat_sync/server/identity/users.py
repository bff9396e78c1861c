"""Accounts, passwords and alias tokens in the store."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.server.identity.lockout import FailedLogins
from xnat_sync.server.identity.permissions import GUEST_LOGIN, User
from xnat_sync.server.storage.database import next_number

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.identity.preferences import Preferences
    from xnat_sync.server.storage.database import Store

_SCRYPT_COST = 2**13


def hash_password(password: str, salt: bytes | None = None) -> str:
    """``salt$digest`` by scrypt; the plain password is stored nowhere."""
    salt = salt or secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=_SCRYPT_COST, r=8, p=1)
    return f"{salt.hex()}${digest.hex()}"


def add_user(
    db: sqlite3.Connection, login: str, password: str | None, *, admin: bool = False, now: float | None = None
) -> None:
    """Creates an account or gives an existing one this password and role; ``now`` in seconds since 1970."""
    number = next_number(db, "user")
    db.execute(
        "INSERT INTO user(login, id, password, firstname, lastname, email, admin) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(login) DO UPDATE SET password = excluded.password, admin = excluded.admin, enabled = 1",
        (
            login,
            number,
            None if password is None else hash_password(password),
            login.title(),
            login.title(),
            f"{login}@localhost",
            int(admin),
        ),
    )
    moment = int(1000 * (time.time() if now is None else now))
    db.execute(
        "INSERT INTO password_change(login, changed) VALUES (?, ?)"
        " ON CONFLICT(login) DO UPDATE SET changed = excluded.changed",
        (login, moment),
    )


def find_user(db: sqlite3.Connection, login: str) -> User | None:
    """The enabled account of that name."""
    row = db.execute("SELECT login, admin FROM user WHERE login = ? AND enabled = 1", (login,)).fetchone()
    return None if row is None else User(login=row["login"], admin=bool(row["admin"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasToken:
    """A throw-away pair that stands for a user (``AliasToken``)."""

    alias: str
    secret: str
    login: str
    expires: int


def issue_token(db: sqlite3.Connection, login: str, expires: int) -> AliasToken:
    """A new pair; ``expires`` in milliseconds since 1970."""
    token = AliasToken(alias=str(uuid.uuid4()), secret=secrets.token_hex(32), login=login, expires=expires)
    db.execute(
        "INSERT INTO alias_token(alias, secret, login, expires) VALUES (?, ?, ?, ?)",
        (token.alias, token.secret, token.login, token.expires),
    )
    return token


def token_owner(db: sqlite3.Connection, alias: str, secret: str, now: int) -> str | None:
    """The login for which the pair is valid at ``now`` (milliseconds)."""
    row = db.execute("SELECT secret, login, expires FROM alias_token WHERE alias = ?", (alias,)).fetchone()
    if row is None or row["expires"] <= now or not hmac.compare_digest(row["secret"], secret):
        return None
    return str(row["login"])


class Credentials:
    """Checks name and secret; remembers what it has proved, because scrypt on every Basic request would be slow."""

    def __init__(self, store: Store, preferences: Preferences) -> None:
        self._store = store
        self._failed = FailedLogins(preferences)
        self._key = secrets.token_bytes(32)
        self._proved: dict[str, tuple[str, str]] = {}

    def check(self, name: str, secret: str, now: int) -> User | None:
        """The user who proves to be ``name`` by password or, as alias, by token; ``None`` otherwise."""
        with self._store.read() as db:
            row = db.execute("SELECT login, password FROM user WHERE login = ? AND enabled = 1", (name,)).fetchone()
            if row is None:
                login = token_owner(db, name, secret, now)
                return None if login is None else find_user(db, login)
            if name == GUEST_LOGIN or row["password"] is None or self._failed.is_locked(name, now):
                return None
            if not self._matches(name, secret, row["password"]):
                self._failed.failed(name, now)
                return None
            self._failed.succeeded(name)
            return find_user(db, name)

    def _matches(self, name: str, secret: str, stored: str) -> bool:
        fingerprint = hmac.new(self._key, secret.encode(), hashlib.sha256).hexdigest()
        if self._proved.get(name) == (fingerprint, stored):
            return True
        salt, _, _ = stored.partition("$")
        if not hmac.compare_digest(hash_password(secret, bytes.fromhex(salt)), stored):
            return False
        self._proved[name] = (fingerprint, stored)
        return True
