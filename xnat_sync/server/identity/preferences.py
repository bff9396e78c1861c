"""Site preferences (``SiteConfigPreferences``): the few that the server itself obeys and clients read."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.server.storage.database import Store

DEFAULTS = {
    "siteId": "XNAT",
    "siteUrl": "",
    "siteHome": "/screens/QuickSearch.vm",
    "siteLogoPath": "/images/logo.png",
    "sessionTimeout": "15 minutes",
    "aliasTokenTimeout": "2 days",
    "concurrentMaxSessions": "1000",
    "uiLoginFailureMessage": (
        "Wrong user name or password, or your user already has the maximum number of user sessions open."
    ),
    "maxFailedLogins": "20",
    "maxFailedLoginsLockoutDuration": "1 hour",
    "passwordExpirationType": "Disabled",
    "passwordExpirationInterval": "1 year",
    "passwordExpirationDate": "",
    "requireLogin": "true",
    "checksums": "true",
    "uiAllowNonAdminProjectCreation": "true",
    "securityAllowNonPrivateProjects": "true",
    "security.allowProjectIdReuse": "false",
    "security.prevent-data-deletion": "false",
    "showChangeJustification": "false",
    "requireChangeJustification": "false",
    "requireEventName": "false",
    "restrictUserListAccessToAdmins": "false",
    "maintainFileHistory": "false",
    "backupDeletedToCache": "false",
    "enableCsrfToken": "true",
    "zipExtensions": "zip,jar,rar,ear,gar,mrb",
    "scanTypeMapping": "true",
}
"""Names and default values; everything is text, as in the preference table."""

PUBLIC = frozenset({"siteHome", "siteId", "siteLogoPath", "siteUrl"})
"""Readable without login (site-config-access.yaml, ``configured-urls.yaml``)."""

AUTHENTICATED = frozenset(
    {
        "checksums",
        "zipExtensions",
        "scanTypeMapping",
        "uiAllowNonAdminProjectCreation",
        "sessionTimeout",
        "requireLogin",
    }
)
"""Readable by every logged-in user; the rest is for administrators."""

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800, "year": 31557600}


class Preferences:
    """Reads and writes preferences; a value set once survives a restart. Kept in memory: every request asks."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._values: dict[str, str] = {}
        self.reload()

    def reload(self) -> None:
        """Reads all values from the store again."""
        with self._store.read() as db:
            stored = {row["name"]: row["value"] for row in db.execute("SELECT name, value FROM preference")}
        self._values = {**DEFAULTS, **stored}

    def get(self, name: str) -> str:
        """The value as text; ``KeyError`` for an unknown name."""
        return self._values[name]

    def set(self, name: str, value: str) -> None:
        """Stores a value."""
        with self._store.write() as db:
            db.execute(
                "INSERT INTO preference(name, value) VALUES (?, ?)"
                " ON CONFLICT(name) DO UPDATE SET value = excluded.value",
                (name, value),
            )
        self.reload()

    def is_on(self, name: str) -> bool:
        """Whether a switch is on."""
        return self.get(name).strip().lower() == "true"

    def seconds(self, name: str) -> int:
        """A duration such as ``15 minutes``."""
        number, _, unit = self.get(name).strip().partition(" ")
        return int(number) * _SECONDS[unit.rstrip("s")]

    def all(self) -> dict[str, str]:
        """Every known preference with its present value."""
        return dict(self._values)
