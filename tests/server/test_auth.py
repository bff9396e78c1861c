"""Every way in and out, as AuthenticationRestlet, UserSession, UserAuth and AliasTokenRestlet answer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from xnat_sync.server.running import running

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from xnat_sync.server.running import RunningServer


def get(server: RunningServer, path: str, **kwargs: Any) -> requests.Response:
    return requests.get(server.url + path, timeout=10, **kwargs)


def put(server: RunningServer, path: str, **kwargs: Any) -> requests.Response:
    return requests.put(server.url + path, timeout=10, **kwargs)


def test_login_answers_the_session_id_and_sets_the_cookie(server: RunningServer) -> None:
    """AuthenticationRestlet: text/plain body = cookie; HttpOnly, never Secure on plain http."""
    reply = put(server, "/data/services/auth", data={"username": "admin", "password": "admin"})
    assert (reply.status_code, len(reply.text)) == (200, 32)
    assert reply.headers["content-type"].startswith("text/plain")
    cookie = next(value for value in reply.raw.headers.getlist("set-cookie") if value.startswith("JSESSIONID"))
    assert cookie == f"JSESSIONID={reply.text}; Path=/; HttpOnly"


@pytest.mark.parametrize(
    "form",
    [{"j_username": "admin", "j_password": "admin"}, {"username": "localdb/admin", "password": "admin"}],
)
def test_login_by_other_names(server: RunningServer, form: dict[str, str]) -> None:
    assert requests.post(server.url + "/data/services/auth", data=form, timeout=10).status_code == 200


def test_wrong_login_is_401_with_the_sentence(server: RunningServer) -> None:
    reply = put(server, "/data/services/auth", data={"username": "admin", "password": "no"})
    assert reply.status_code == 401
    assert "<h3>Authentication failed.</h3>" in reply.text


def test_login_keeps_the_session_that_the_client_carries(server: RunningServer) -> None:
    """No session-fixation rotation (AuthenticationRestlet.succeed)."""
    with requests.Session() as client:
        before = client.get(server.url + "/data/JSESSION").text
        form = {"username": "admin", "password": "admin"}
        assert client.put(server.url + "/data/services/auth", data=form).text == before
        assert client.get(server.url + "/data/auth").text == "User 'admin' is logged in"


def test_basic_opens_a_session_per_request_without_cookie(server: RunningServer) -> None:
    """XnatBasicAuthenticationFilter: a new session for each cookie-less request, none when the cookie is the user's."""
    first = get(server, "/data/JSESSION", auth=("admin", "admin"))
    second = get(server, "/data/JSESSION", auth=("admin", "admin"))
    assert first.text != second.text
    kept = get(server, "/data/JSESSION", auth=("admin", "admin"), cookies={"JSESSIONID": first.text})
    assert kept.text == first.text


def test_wrong_basic_is_401_even_on_open_urls(server: RunningServer) -> None:
    reply = get(server, "/data/JSESSION", auth=("admin", "no"))
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Basic realm=")


def test_malformed_basic_is_500(server: RunningServer) -> None:
    """A header without a colon is a ServletException."""
    assert get(server, "/data/projects", headers={"Authorization": "Basic bm9jb2xvbg=="}).status_code == 500


def test_jsession_of_nobody_is_the_trap(server: RunningServer) -> None:
    """configured-urls.yaml: 200 and the id of a fresh anonymous session; /data/auth tells the truth."""
    with requests.Session() as client:
        reply = client.get(server.url + "/data/JSESSION")
        assert reply.status_code == 200
        assert client.cookies["JSESSIONID"] == reply.text
        assert client.get(server.url + "/data/auth").status_code == 401


def test_post_jsession(server: RunningServer) -> None:
    reply = requests.post(server.url + "/data/JSESSION", auth=("admin", "admin"), timeout=10)
    assert len(reply.text) == 32


def test_logout_is_exactly_200(server: RunningServer, http: Any) -> None:
    reply = http.delete("/data/JSESSION")
    assert (reply.status_code, reply.text) == (200, "")
    assert http.get("/data/auth").status_code == 401


def test_script_agents_get_401_browsers_the_login_page(server: RunningServer) -> None:
    """XnatAuthenticationEntryPoint: by User-Agent."""
    assert get(server, "/data/projects").status_code == 401
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64)"}
    moved = get(server, "/data/projects", headers=browser, allow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (302, "/app/template/Login.vm")
    page = get(server, "/data/projects", headers=browser)
    assert page.status_code == 200
    assert page.text.startswith("<!DOCTYPE html>")
    assert "<!-- BEGIN xnat-templates/screens/Login.vm -->" in page.text


def test_the_realm_is_the_site(server: RunningServer, http: Any) -> None:
    """XnatAuthenticationEntryPoint; off the data paths also scripts are sent to the login page."""
    http.post("/xapi/siteConfig/siteId", data="Lab")
    assert get(server, "/data/projects").headers["www-authenticate"] == 'Basic realm="Lab"'
    led = get(server, "/anything", allow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (302, "/app/template/Login.vm")


def test_login_as_a_browser_does(server: RunningServer) -> None:
    """XnatAuthenticationFilter answers redirects, whatever comes of it."""
    with requests.Session() as browser:
        form = {"username": "admin", "password": "wrong"}
        refused = browser.post(f"{server.url}/login", data=form, allow_redirects=False)
        assert refused.status_code == 302
        assert refused.headers["location"].startswith("/app/template/Login.vm")
        done = browser.post(f"{server.url}/login", data={**form, "password": "admin"})
        assert [reply.status_code for reply in (*done.history, done)] == [302, 200]
        assert browser.get(f"{server.url}/data/auth").text == "User 'admin' is logged in"


def test_expiration_cookie_has_quotes(server: RunningServer, http: Any) -> None:
    """XnatExpiredPasswordFilter sets it on every response; LegacyCookieProcessor quotes it because of the comma."""
    for reply in (http.get("/data/projects"), get(server, "/data/projects"), get(server, "/nowhere")):
        cookies = reply.raw.headers.getlist("set-cookie")
        value = next(cookie for cookie in cookies if cookie.startswith("SESSION_EXPIRATION_TIME"))
        assert re.fullmatch(r'SESSION_EXPIRATION_TIME="\d{13},900000"; Version=1; Path=/', value)


def test_sessions_expire_after_the_timeout_and_use_prolongs_them(tmp_path: Path) -> None:
    """SiteConfigPreferences.sessionTimeout, default 15 minutes."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    with running(tmp_path, clock=lambda: now) as server, requests.Session() as client:
        form = {"username": "admin", "password": "admin"}
        client.put(server.url + "/data/services/auth", data=form)
        now += timedelta(minutes=14)
        assert client.get(server.url + "/data/auth").status_code == 200
        now += timedelta(minutes=14)
        assert client.get(server.url + "/data/auth").status_code == 200
        now += timedelta(minutes=16)
        assert client.get(server.url + "/data/auth").status_code == 401
        # The heartbeat URL hides it: an anonymous session answers (see the trap above).
        assert client.get(server.url + "/data/JSESSION").status_code == 200


def test_revoking_all_sessions_from_python(server: RunningServer, http: Any) -> None:
    server.context.sessions.revoke_all()
    assert http.get("/data/projects").status_code == 401


def test_alias_token_life(server: RunningServer, http: Any) -> None:
    """AliasTokenRestlet: issue, use by Basic, validate, invalidate, 404 afterwards."""
    token = http.get("/data/services/tokens/issue").json()
    pair = (token["alias"], token["secret"])
    assert get(server, "/data/auth", auth=pair).text == "User 'admin' is logged in"
    assert http.get(f"/data/services/tokens/validate/{pair[0]}/{pair[1]}").json() == {"valid": "admin"}
    assert http.get(f"/data/services/tokens/validate/{pair[0]}/wrong").json() == {}
    assert http.get(f"/data/services/tokens/invalidate/{pair[0]}/{pair[1]}").json() == {"result": "OK"}
    assert http.get(f"/data/services/tokens/invalidate/{pair[0]}").status_code == 404
    assert get(server, "/data/auth", auth=pair).status_code == 401


def test_alias_tokens_expire(tmp_path: Path) -> None:
    """aliasTokenTimeout, default 2 days."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    with running(tmp_path, clock=lambda: now) as server:
        token = get(server, "/data/services/tokens/issue", auth=("admin", "admin")).json()
        now += timedelta(days=1)
        assert get(server, "/data/auth", auth=(token["alias"], token["secret"])).status_code == 200
        now += timedelta(days=2)
        assert get(server, "/data/auth", auth=(token["alias"], token["secret"])).status_code == 401


def test_tokens_of_others_are_for_administrators(server: RunningServer, http: Any) -> None:
    http.post("/xapi/users", json={"username": "ann", "password": "a"})
    assert http.get("/data/services/tokens/issue/user/ann").json()["xdatUserId"] == "ann"
    ann = ("ann", "a")
    assert get(server, "/data/services/tokens/issue/user/admin", auth=ann).status_code == 403
    assert get(server, "/data/services/tokens/show/user/admin", auth=ann).status_code == 403
    held = get(server, "/data/services/tokens/show", auth=ann).json()
    assert held == http.get("/data/services/tokens/show/user/ann").json()
    assert [token["xdatUserId"] for token in held] == ["ann"]
    mine = http.get("/data/services/tokens/issue").json()
    pair = f"{mine['alias']}/{mine['secret']}"
    assert get(server, f"/data/services/tokens/validate/{pair}", auth=ann).status_code == 403
    assert get(server, f"/data/services/tokens/invalidate/{pair}", auth=ann).status_code == 403


def test_operations_on_tokens_that_there_are_not(http: Any) -> None:
    """AliasTokenRestlet: 400 for another word and for nobody's name, 404 for an alias that nobody has."""
    assert http.get("/data/services/tokens/renew").status_code == 400
    assert http.get("/data/services/tokens/issue/user/nobody").status_code == 400
    assert http.get("/data/services/tokens/validate/00000000-0000-0000-0000-000000000000/x").status_code == 404
    assert http.post("/data/services/tokens/issue").status_code == 405


def test_open_site_lets_guests_read_but_gives_no_tokens(server: RunningServer, http: Any) -> None:
    """requireLogin=false; TestAliasTokenService: 401 closed, 403 open."""
    assert get(server, "/data/services/tokens/issue").status_code == 401
    http.put("/data/projects/OPEN?accessibility=public")
    http.put("/data/projects/HIDDEN?accessibility=private")
    http.post("/xapi/siteConfig", json={"requireLogin": False})
    rows = get(server, "/data/projects").json()["ResultSet"]["Result"]
    assert [row["ID"] for row in rows] == ["OPEN"]
    assert get(server, "/data/services/tokens/issue").status_code == 403
    assert get(server, "/data/auth").text == "User 'guest' is logged in"
    assert put(server, "/data/projects/X").status_code == 403


def test_passwords_are_not_stored(tmp_path: Path) -> None:
    with running(tmp_path, password="correct-horse"):
        pass
    assert not [path for path in tmp_path.iterdir() if path.is_file() and b"correct-horse" in path.read_bytes()]


def test_killing_sessions_of_a_user(server: RunningServer, http: Any) -> None:
    """UsersApi: DELETE /xapi/users/active/{u} returns the killed ids."""
    http.post("/xapi/users", json={"username": "ann", "password": "a"})
    session = get(server, "/data/JSESSION", auth=("ann", "a")).text
    assert http.get("/data/user/ann/sessions").json() == {"ann": 1}
    assert http.delete("/xapi/users/active/ann").json() == [session]
    assert get(server, "/data/auth", cookies={"JSESSIONID": session}).status_code == 401


def test_logging_in_and_out_is_no_write(server: RunningServer, http: Any) -> None:
    http.get("/data/projects")
    http.delete("/data/JSESSION")
    assert server.log.writes == []


def test_browsers_need_a_csrf_token_and_scripts_do_not(server: RunningServer, http: Any) -> None:
    """SecureAction.isCsrfTokenOk; JSESSION?CSRF=true hands it out."""
    browser = {"User-Agent": "Mozilla/5.0"}
    session, _, token = http.get("/data/JSESSION?CSRF=true").text.partition("; XNAT_CSRF=")
    assert len(session) == 32
    assert http.put("/data/projects/A", headers=browser).status_code == 403
    assert http.put(f"/data/projects/A?XNAT_CSRF={token}", headers=browser).status_code == 200
    assert http.put("/data/projects/B").status_code == 200


def test_logins_are_for_administrators(server: RunningServer, http: Any) -> None:
    http.post("/xapi/users", json={"username": "ann", "password": "x"})
    assert http.get("/data/user").json() == ["guest", "admin", "ann"]
    assert get(server, "/data/user", auth=("ann", "x")).status_code == 403
