"""Import paths that the documentation once gave: they still work, and say what to write instead."""

from __future__ import annotations

import importlib
import sys

import pytest

from xnat_sync import api
from xnat_sync.gateway.connection.connection import XnatConnection


@pytest.mark.parametrize(
    ("old", "instead", "names"),
    [
        ("xnat_sync.workflow", "xnat_sync.api", {name: getattr(api, name) for name in api.__all__}),
        ("xnat_sync.gateway.client", "xnat_sync.api", {"XnatConnection": XnatConnection}),
    ],
)
def test_an_old_import_works_and_warns(
    old: str, instead: str, names: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=instead):
        module = importlib.import_module(old)
    assert {name: getattr(module, name) for name in names} == names


def test_the_running_server_stays_where_it_was() -> None:
    assert importlib.import_module("xnat_sync.server.running").running
