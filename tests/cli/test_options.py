from __future__ import annotations

import pytest

from xnat_sync.cli.arguments import parse
from xnat_sync.cli.options import MakePlan
from xnat_sync.core.model.errors import UsageError


def bwlimit(text: str) -> float | None:
    command = parse(["plan", "--bwlimit", text]).command
    assert isinstance(command, MakePlan)
    return command.connection.bwlimit


@pytest.mark.parametrize(("text", "rate"), [("10", 10), ("500K", 512_000), ("1.5m", 1_572_864), ("2G", 2 << 30)])
def test_a_rate_has_a_unit_or_none(text: str, rate: float) -> None:
    assert bwlimit(text) == rate


@pytest.mark.parametrize("text", ["0", "0K", "-3", "K", "inf", "nan", "10MB", ""])
def test_what_is_no_rate_is_refused_in_words(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no rate|expected one argument"):
        bwlimit(text)
