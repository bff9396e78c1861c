"""Handlers for the site: what it is, who uses it, its schemas, its data types, its preferences."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from xnat_sync.server.api.accounts import require_admin
from xnat_sync.server.api.search import run_search
from xnat_sync.server.errors import XnatError
from xnat_sync.server.http.authentication import LOGIN_PAGE
from xnat_sync.server.http.routing import Route, blocking, with_body
from xnat_sync.server.identity.lockout import EXPIRED, EXPIRED_PATH, INACTIVE_PATH
from xnat_sync.server.identity.preferences import AUTHENTICATED, DEFAULTS, PUBLIC
from xnat_sync.server.listings.display_fields import display_fields
from xnat_sync.server.objects.scans import type_noun
from xnat_sync.server.responses.render import simple_table, table_response
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import schema_text

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.http.routing import Call

SCHEMAS: Final = ("xdat", "xnat")
_REGISTERED: Final = (
    *(data_types.PROJECT, data_types.SUBJECT, "xnat:mrSessionData", "xnat:petSessionData", "xnat:petmrSessionData"),
    *("xnat:ctSessionData", "xnat:crSessionData", "xnat:qcManualAssessorData"),
)
"""Data types with an entry in the element security (init_security_000.sql)."""


def front_page(call: Call) -> Response:
    """A page that says what this is; for anonymous callers with the span that xnatpy looks for."""
    name = call.user.login
    who = 'Logged in as: <span style="color:red;">Guest</span>' if call.user.is_guest else f"Logged in as: {name}"
    return HTMLResponse(
        "<!DOCTYPE html>\n<html>\n<head><title>XNAT</title></head>\n<body>\n"
        f'<span id="user_info">{who}</span>\n'
        "<p>This is the embedded test server of xnat-sync. It speaks XNAT's REST API and has no web pages.</p>\n"
        "</body>\n</html>\n"
    )


def login_page(call: Call) -> Response:
    """Where browsers end up."""
    del call
    return HTMLResponse(LOGIN_PAGE)


def _build_info(call: Call) -> dict[str, str]:
    version = call.context.version
    return {
        "version": version,
        "buildNumber": "1",
        "buildDate": "Mon Jan 06 12:00:00 UTC 2025",
        "timestamp": "1736164800000",
        "sha": "0000000",
        "shaFull": "0" * 40,
        "isDirty": "false",
        "commit": "0000000",
        "branch": "embedded",
        "tag": version,
        "hostName": "localhost",
        "displayHostName": "never",
        "nodeId": "",
    }


def build_info(call: Call) -> Response:
    """Version and build, all strings (``XnatAppInfo``)."""
    return JSONResponse(_build_info(call))


def build_info_part(call: Call) -> Response:
    """One of them as raw text."""
    info = _build_info(call)
    if call.params["NAME"] not in info:
        raise XnatError(404)
    return PlainTextResponse(info[call.params["NAME"]])


def uptime(call: Call) -> Response:
    """How long the server has been up, in parts (``XnatAppInfo``; the names of the parts are inferred)."""
    return JSONResponse(_uptime(call))


def uptime_in_words(call: Call) -> Response:
    """The same as text."""
    return PlainTextResponse(", ".join(f"{number} {unit}" for unit, number in _uptime(call).items()))


def _uptime(call: Call) -> dict[str, str]:
    seconds = int((call.context.clock() - call.context.started).total_seconds())
    parts = {"days": seconds // 86400, "hours": seconds // 3600 % 24, "minutes": seconds // 60 % 60}
    return {**{unit: str(number) for unit, number in parts.items()}, "seconds": f"{seconds % 60}.0"}


def _may_read(call: Call, name: str) -> bool:
    return call.user.admin or name in PUBLIC or (name in AUTHENTICATED and not call.user.is_guest)


def site_config(call: Call) -> Response:
    """All preferences that the caller may read."""
    shown = {name: value for name, value in call.context.preferences.all().items() if _may_read(call, name)}
    return JSONResponse({name: _typed(value) for name, value in shown.items()})


def site_preference(call: Call) -> Response:
    """One preference as it is: 403 when not for the caller, 404 when unknown."""
    name = call.params["NAME"]
    if name not in call.context.preferences.all():
        raise XnatError(404)
    if not _may_read(call, name):
        raise XnatError(403)
    return Response(str(call.context.preferences.get(name)), media_type="application/json")


def site_preferences(call: Call) -> Response:
    """Several, separated by commas."""
    known = call.context.preferences.all()
    names = [name for name in call.params["NAMES"].split(",") if name in known and _may_read(call, name)]
    return JSONResponse({name: _typed(known[name]) for name in names})


def _typed(value: str) -> str | bool:
    return {"true": True, "false": False}.get(value, value)


def put_site_preference(call: Call, body: bytes) -> Response:
    """Administrators change a preference: the body is the value, bare or as JSON."""
    require_admin(call)
    name = call.params["NAME"]
    if name not in DEFAULTS:
        raise XnatError(404)
    call.context.preferences.set(name, _plain(body.decode("utf-8", "replace")))
    return Response(b"")


def post_site_config(call: Call, body: bytes) -> Response:
    """Administrators change several preferences by a JSON object."""
    require_admin(call)
    try:
        values = json.loads(body)
    except ValueError:
        raise XnatError(400) from None
    if not isinstance(values, dict):
        raise XnatError(400)
    for name, value in values.items():
        call.context.preferences.set(str(name), _plain(json.dumps(value)))
    return Response(b"")


def _plain(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return text.strip()
    return str(value).lower() if isinstance(value, bool) else str(value)


def list_schemas(call: Call) -> Response:
    """The names of the schemas; every one can be fetched."""
    del call
    return JSONResponse(list(SCHEMAS))


def get_schema(call: Call) -> Response:
    """A schema as XSD."""
    name = call.params.get("NAME", call.request.url.path.rpartition("/")[2]).removesuffix(".xsd")
    if call.params.get("SPACE", name) != name or name not in SCHEMAS:
        raise XnatError(404)
    return Response(schema_text(name), media_type="application/xml;charset=UTF-8")


def list_elements(call: Call) -> Response:
    """The registered data types, one row each; every row costs xnatpy a request (``SearchElementListResource``)."""
    with call.context.store.read() as db:
        rows = [
            {
                "ELEMENT_NAME": name,
                "SINGULAR": type_noun(name),
                "PLURAL": f"{type_noun(name)}s",
                "SECURED": "true",
                "COUNT": str(_count(db, name)),
            }
            for name in _registered(db)
        ]
    return table_response(call, simple_table(("ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"), rows))


def _registered(db: sqlite3.Connection) -> list[str]:
    """What every site has, and what this one holds."""
    held = db.execute("SELECT DISTINCT xsi_type FROM item WHERE kind IN ('experiment', 'assessor')")
    return [*_REGISTERED, *sorted({row["xsi_type"] for row in held} - set(_REGISTERED))]


def _count(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute("SELECT count(*) FROM item WHERE xsi_type = ?", (name,)).fetchone()[0])


def list_element_fields(call: Call) -> Response:
    """The fields of a data type that a search may use (``SearchFieldListResource``; the set is inferred)."""
    name = call.params["TYPE"]
    if not data_types.is_type(name):
        raise XnatError(404)
    name = data_types.type_name(name)
    rows = [
        {
            "FIELD_ID": field_id,
            "HEADER": path.rpartition("/")[2],
            "SUMMARY": path,
            "TYPE": "string",
            "REQUIRES_VALUE": "false",
            "DESC": "",
            "ELEMENT_NAME": name,
            "SRC": "0",
        }
        for field_id, path in display_fields(name).items()
    ]
    return table_response(call, simple_table(_FIELD_KEYS, rows))


def search(call: Call, body: bytes) -> Response:
    """Runs a stored-search document."""
    with call.context.store.read() as db:
        root, table = run_search(db, call.user, body)
    return table_response(call, table, title="Search results", root=root)


_FIELD_KEYS: Final = ("FIELD_ID", "HEADER", "SUMMARY", "TYPE", "REQUIRES_VALUE", "DESC", "ELEMENT_NAME", "SRC")


def no_plugins(call: Call) -> Response:
    """This server has none."""
    del call
    return JSONResponse({})


def no_plugin(call: Call) -> Response:
    """Nor that one."""
    raise XnatError(404)


def expired_page(call: Call) -> Response:
    """What a login with an expired password sees."""
    del call
    return HTMLResponse(f"<!DOCTYPE html>\n<html>\n<body>{EXPIRED}</body>\n</html>\n")


def inactive_page(call: Call) -> Response:
    """What the session of a disabled account sees."""
    del call
    return HTMLResponse("<!DOCTYPE html>\n<html>\n<body>Your account is not active.</body>\n</html>\n")


ROUTES = [
    Route("GET", "/", blocking(front_page), "page of its own; the user_info span is XNAT's"),
    Route("GET", "/app/template/Login.vm", blocking(login_page), "Login.vm marker; TestUserAccess"),
    Route("GET", EXPIRED_PATH, blocking(expired_page), "XnatExpiredPasswordFilter; words of its own around XNAT's"),
    Route("GET", INACTIVE_PATH, blocking(inactive_page), "XnatExpiredPasswordFilter; words of its own"),
    Route("GET", "/xapi/siteConfig/buildInfo", blocking(build_info), "XnatAppInfo"),
    Route("GET", "/xapi/siteConfig/buildInfo/{NAME}", blocking(build_info_part), "SiteConfigApi"),
    Route("GET", "/xapi/siteConfig/uptime", blocking(uptime), "SiteConfigApi; names inferred"),
    Route("GET", "/xapi/siteConfig/uptime/display", blocking(uptime_in_words), "SiteConfigApi; words inferred"),
    Route("GET", "/xapi/siteConfig", blocking(site_config), "SiteConfigApi"),
    Route("POST", "/xapi/siteConfig", with_body(post_site_config), "SiteConfigApi"),
    Route("GET", "/xapi/siteConfig/values/{NAMES}", blocking(site_preferences), "SiteConfigApi"),
    Route("GET", "/xapi/siteConfig/{NAME}", blocking(site_preference), "SiteConfigApi"),
    Route("POST", "/xapi/siteConfig/{NAME}", with_body(put_site_preference), "SiteConfigApi"),
    Route("PUT", "/xapi/siteConfig/{NAME}", with_body(put_site_preference), "SiteConfigApi (PUT inferred)"),
    Route("GET", "/xapi/schemas", blocking(list_schemas), "SchemaApi"),
    Route("GET", "/xapi/schemas/{NAME}", blocking(get_schema), "SchemaApi"),
    Route("GET", "/xapi/schemas/{SPACE}/{NAME}", blocking(get_schema), "SchemaApi"),
    *(Route("GET", f"/xapi/{name}.xsd", blocking(get_schema), "SchemaOnlyApi; TestSchemasOnlyApi") for name in SCHEMAS),
    Route("GET", "/schemas/{NAME}", blocking(get_schema), "SchemaOnlyApi; TestSchemasOnlyApi"),
    Route("GET", "/schemas/{SPACE}/{NAME}", blocking(get_schema), "SchemaOnlyApi; TestSchemasOnlyApi"),
    Route("GET", "/search/elements", blocking(list_elements), "SearchElementListResource", archive=False),
    Route("GET", "/search/elements/{TYPE}", blocking(list_element_fields), "inferred columns", archive=False),
    Route("POST", "/search", with_body(search), "SearchResource; keys as xnatpy and pyxnat read them", archive=False),
    Route("GET", "/xapi/plugins", blocking(no_plugins), "XnatPluginApi"),
    Route("GET", "/xapi/plugins/{NAME}", blocking(no_plugin), "XnatPluginApi"),
]
