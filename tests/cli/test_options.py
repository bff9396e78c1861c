from __future__ import annotations

from pathlib import Path

import pytest

from xnat_sync.cli.arguments import parse
from xnat_sync.cli.options import Apply, MakePlan, Render, Validate, Verify
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


@pytest.mark.parametrize(
    "words",
    [
        ["apply", "--force"],
        ["apply", "--allow"],
        ["apply", "--no-l"],
        ["plan", "--detail-exit"],
        ["verify", "--down"],
        ["validate", "--no"],
        ["fmt", "--che"],
        ["init", "--from-b", "x"],
        ["pull", "--proj", "P"],
        ["serve", "--di", "x"],
        ["demo", "--im", "x"],
        ["--vers"],
    ],
)
def test_no_option_has_a_short_form_that_nobody_gave_it(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)


@pytest.mark.parametrize(
    "option", [["--compare", "size"], ["--rehash"], ["--no-rehash"], ["--no-cache"], ["--check-disk"]]
)
def test_pull_takes_no_option_that_it_does_not_use(option: list[str]) -> None:
    with pytest.raises(UsageError, match="unrecognized"):
        parse(["pull", "--project", "P", *option])


@pytest.mark.parametrize(
    "words", [["schema", "--format", "json"], ["demo", "--debug"], ["demo", "--dir", "a", "--images", "b"]]
)
def test_other_commands_take_none_either(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)


@pytest.mark.parametrize("command", ["validate", "plan", "apply", "verify", "render"])
def test_what_a_manifest_may_read_is_said_several_times(command: str) -> None:
    found = parse([command, "--allow-root", "a", "--env", "A", "--allow-root", "b", "--env", "B"]).command
    assert isinstance(found, Validate | MakePlan | Apply | Verify | Render)
    assert (found.access.allow_roots, found.access.env) == ((Path("a"), Path("b")), ("A", "B"))
