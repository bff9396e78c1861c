"""The fixture that projects other than this one use: in a pytest run of its own, with the words of the README."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

README = Path(__file__).parents[2] / "README.md"


def test_the_documented_fixture_works(pytester: pytest.Pytester) -> None:
    text = README.read_text(encoding="utf-8")
    begin, end = text.index("    # conftest.py"), text.index("The fixture needs the extra")
    conftest, test = textwrap.dedent(text[begin:end]).split("# test_upload.py")
    pytester.makeconftest(conftest)
    pytester.makepyfile(test_upload=f"import xnat\n{test}")
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_each_test_has_an_empty_server(pytester: pytest.Pytester) -> None:
    pytester.makeconftest('pytest_plugins = ["xnat_sync.testing.pytest_plugin"]')
    pytester.makepyfile(
        """
        import pytest
        import requests

        @pytest.mark.parametrize("again", [1, 2])
        def test_it(xnat_server, again):
            with requests.Session() as http:
                http.auth = ("admin", "admin")
                listed = http.get(f"{xnat_server.url}/data/projects", params={"format": "json"}).json()
                assert listed["ResultSet"]["Result"] == []
                assert http.put(f"{xnat_server.url}/data/projects/P").ok
                assert xnat_server.log.writes
        """
    )
    pytester.runpytest_subprocess("-q", "-p", "no:cacheprovider").assert_outcomes(passed=2)
