"""When the right password is not enough: too many wrong ones before, one that is too old, an account put to rest."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.identity.preferences import Preferences

EXPIRED: Final = "Your password has expired. Please try again after changing your password."
EXPIRED_PATH: Final = "/app/template/XDATScreen_UpdateUser.vm"
INACTIVE_PATH: Final = "/app/template/InactiveAccount.vm"
NON_EXPIRING: Final = "non_expiring"
"""The role whose holders may keep their passwords."""


class FailedLogins:
    """Counts wrong passwords (``XnatAuthenticationEventPublisher``): after ``maxFailedLogins`` the door is shut.

    Kept in memory, so a restart opens the door again. A right password in time clears the count.
    """

    def __init__(self, preferences: Preferences) -> None:
        self._preferences = preferences
        self._lock = threading.Lock()
        self._failed: dict[str, tuple[int, int]] = {}

    def is_locked(self, login: str, now: int) -> bool:
        """Whether the account is shut at ``now`` (milliseconds); a limit of 0 or less shuts none."""
        limit = int(self._preferences.get("maxFailedLogins"))
        with self._lock:
            count, last = self._failed.get(login, (0, 0))
            if limit <= 0 or count < limit:
                return False
            if now < last + 1000 * self._preferences.seconds("maxFailedLoginsLockoutDuration"):
                return True
            del self._failed[login]
            return False

    def failed(self, login: str, now: int) -> None:
        """Another wrong password."""
        with self._lock:
            self._failed[login] = (self._failed.get(login, (0, 0))[0] + 1, now)

    def succeeded(self, login: str) -> None:
        """A right one."""
        with self._lock:
            self._failed.pop(login, None)


def password_expired(db: sqlite3.Connection, preferences: Preferences, login: str, now: int) -> bool:
    """Whether the password is older than the site allows (``XnatExpiredPasswordFilter``)."""
    row = db.execute(
        "SELECT changed FROM password_change WHERE login = :login"
        " AND NOT EXISTS (SELECT 1 FROM role WHERE login = :login AND role = :exempt)",
        {"login": login, "exempt": NON_EXPIRING},
    ).fetchone()
    if row is None:
        return False
    match preferences.get("passwordExpirationType").lower():
        case "interval":
            return bool(now >= row["changed"] + 1000 * preferences.seconds("passwordExpirationInterval"))
        case "date":
            day = datetime.strptime(preferences.get("passwordExpirationDate"), "%m/%d/%Y").replace(tzinfo=UTC)
            return bool(row["changed"] < day.timestamp() * 1000 <= now)
        case _:
            return False
