"""When the right password is not enough: sessions, wrong passwords, old passwords (SecurityConfig, XNAT's filters)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
import xnat
from xnat.exceptions import XNATExpiredCredentialsError

from xnat_sync.server.identity.users import add_user
from xnat_sync.server.running import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

LOGIN = ("u", "right")
ADMIN = ("admin", "admin")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def site(tmp_path: Path, clock: Clock) -> Iterator[RunningServer]:
    with running(tmp_path, clock=clock) as server:
        with server.context.store.write() as db:
            add_user(db, *LOGIN, now=clock().timestamp())
        yield server


def get(server: RunningServer, password: str = LOGIN[1], path: str = "/data/projects", **kwargs: Any) -> Any:
    return requests.get(server.url + path, auth=(LOGIN[0], password), timeout=10, **kwargs)


def test_a_user_has_so_many_sessions(site: RunningServer, clock: Clock) -> None:
    """``concurrentMaxSessions``: the new login fails, the old sessions live; those by the form do not count."""
    site.context.preferences.set("concurrentMaxSessions", "2")
    with requests.Session() as first:
        first.auth = LOGIN
        assert first.get(f"{site.url}/data/projects").status_code == 200
        assert get(site).status_code == 200
        refused = get(site)
        assert refused.status_code == 401
        assert "maximum number of user sessions open" in refused.text
        assert first.get(f"{site.url}/data/projects").status_code == 200
    form = dict(zip(("username", "password"), LOGIN, strict=True))
    assert requests.put(f"{site.url}/data/services/auth", data=form, timeout=10).status_code == 200
    clock.now += timedelta(minutes=16)
    assert get(site).status_code == 200


def test_wrong_passwords_shut_an_account_for_a_while(site: RunningServer, clock: Clock) -> None:
    """``maxFailedLogins``: then the right one does not help either, for one hour; nobody else is shut out."""
    site.context.preferences.set("maxFailedLogins", "3")
    assert [get(site, "wrong").status_code for _ in range(2)] == [401, 401]
    assert get(site).status_code == 200  # and the count begins anew
    assert {get(site, "wrong").status_code for _ in range(3)} == {401}
    assert get(site).status_code == 401
    assert requests.get(f"{site.url}/data/projects", auth=("admin", "admin"), timeout=10).status_code == 200
    clock.now += timedelta(minutes=59)
    assert get(site).status_code == 401
    clock.now += timedelta(minutes=2)
    assert get(site).status_code == 200


@pytest.mark.parametrize(
    "setting",
    [
        {"passwordExpirationType": "Interval", "passwordExpirationInterval": "30 days"},
        {"passwordExpirationType": "Date", "passwordExpirationDate": "01/15/2030"},
    ],
)
def test_an_old_password(site: RunningServer, clock: Clock, setting: dict[str, str]) -> None:
    """XnatExpiredPasswordFilter: Basic is told with 403; a session is led elsewhere, which looks like success."""
    for name, value in setting.items():
        site.context.preferences.set(name, value)
    assert get(site).status_code == 200
    clock.now += timedelta(days=31)
    refused = get(site)
    assert refused.status_code == 403
    assert "Your password has expired" in refused.text
    with requests.Session() as browser:
        form = dict(zip(("username", "password"), LOGIN, strict=True))
        assert browser.put(f"{site.url}/data/services/auth", data=form).status_code == 200
        led = browser.get(f"{site.url}/data/projects")
        assert [reply.status_code for reply in (*led.history, led)] == [302, 200]
        assert "Your password has expired" in led.text
    with pytest.raises(XNATExpiredCredentialsError):
        xnat.connect(site.url, user=LOGIN[0], password=LOGIN[1])
    with site.context.store.write() as db:
        add_user(db, *LOGIN, now=clock().timestamp())
    assert get(site).status_code == 200


def test_some_passwords_never_get_old(site: RunningServer, clock: Clock) -> None:
    """The role ``non_expiring`` (``XnatExpiredPasswordFilter.isUserNonExpiring``)."""
    site.context.preferences.set("passwordExpirationType", "Interval")
    role = f"{site.url}/xapi/users/{LOGIN[0]}/roles/non_expiring"
    assert requests.put(role, auth=LOGIN, timeout=10).status_code == 403
    for grant in (f"{site.url}/xapi/users/admin/roles/non_expiring", role):
        assert requests.put(grant, auth=ADMIN, timeout=10).status_code == 200
    clock.now += timedelta(days=400)
    assert get(site).status_code == 200
    assert get(site, path=f"/xapi/users/{LOGIN[0]}/roles").json() == ["non_expiring"]
    assert requests.delete(role, auth=ADMIN, timeout=10).status_code == 200
    assert get(site).status_code == 403


def test_a_disabled_account(site: RunningServer) -> None:
    """No login by any way, and a session that lives on is led to a page, which looks like success."""
    account = f"{site.url}/xapi/users/{LOGIN[0]}"
    form = dict(zip(("username", "password"), LOGIN, strict=True))
    token = get(site, path="/data/services/tokens/issue").json()
    with requests.Session() as session:
        assert session.put(f"{site.url}/data/services/auth", data=form).status_code == 200
        assert session.put(account, json={"enabled": False}).status_code == 403
        disabled = requests.put(account, json={"enabled": False}, auth=ADMIN, timeout=10)
        assert disabled.json()["enabled"] is False
        led = session.get(f"{site.url}/data/projects")
        assert [reply.status_code for reply in (*led.history, led)] == [302, 200]
        assert led.url == f"{site.url}/app/template/InactiveAccount.vm"
        assert get(site).status_code == 401
        assert requests.put(f"{site.url}/data/services/auth", data=form, timeout=10).status_code == 401
        by_token = (token["alias"], token["secret"])
        assert requests.get(f"{site.url}/data/auth", auth=by_token, timeout=10).status_code == 401
        assert requests.put(f"{account}/enabled/true", auth=ADMIN, timeout=10).status_code == 200
        assert session.get(f"{site.url}/data/auth").text == f"User '{LOGIN[0]}' is logged in"


def test_no_password_lies_on_disk(tmp_path: Path) -> None:
    """Neither the administrator's nor that of somebody who was made over HTTP."""
    made = {"username": "ann", "password": "made-over-http"}
    with running(tmp_path, password="of-the-administrator") as server:
        admin = ("admin", "of-the-administrator")
        assert requests.post(f"{server.url}/xapi/users", json=made, auth=admin, timeout=10).status_code == 201
        as_ann = requests.get(f"{server.url}/data/auth", auth=("ann", "made-over-http"), timeout=10)
        assert as_ann.text == "User 'ann' is logged in"
        held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"ann@localhost" in held
        assert b"made-over-http" not in held
        assert b"of-the-administrator" not in held
