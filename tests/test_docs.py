"""The README stays true: its generated blocks are what the program says, its commands are those that CI runs.

``pytest tests/test_docs.py --update-golden`` rewrites the blocks.
"""

from __future__ import annotations

import argparse
import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.cli.console import Console
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.main import run
from xnat_sync.cli.parser import build_parser
from xnat_sync.core.model.attributes import attributes_of, known_types
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.rules import RULES
from xnat_sync.manifest.text.schema import manifest_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def walk_through() -> str:
    """What ``xnat-sync demo`` prints, with what differs from run to run made the same."""
    stream = io.StringIO()
    status = run(["demo"], Console(out=stream, err=stream, stdin=io.StringIO(), environ={}))
    assert status == Exit.DONE, stream.getvalue()
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8080", stream.getvalue())
    text = re.sub(r"in [\d.]+ s, [\d.]+ [KM]iB/s", "in 0.2 s, 2.3 MiB/s", text)
    return f"```console\n{text.strip()}\n```"


def rules() -> str:
    rows = [f"| {rule} | {entry.severity.value} | {entry.title} | {entry.remedy} |" for rule, entry in RULES.items()]
    return "\n".join(["| id | severity | what is wrong | remedy |", "|---|---|---|---|", *rows])


def exits() -> str:
    """The table as the README has it; every status of the program must be in it, and no other."""
    text = block(README.read_text(encoding="utf-8"), "exits")
    stated = [int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert stated == sorted(Exit)
    return text


def commands() -> str:
    """Every command with its options."""
    lines = ["| command | option | what it does |", "|---|---|---|"]
    (subparsers,) = [action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    for choice in subparsers._choices_actions:
        lines.append(f"| `{choice.dest}` | | {choice.help} |")
        for action in subparsers.choices[choice.dest]._actions:
            if action.dest == "help":
                continue
            name = ", ".join(action.option_strings) or str(action.metavar or action.dest)
            value = f" {action.metavar or action.dest.upper()}" if action.option_strings and action.nargs != 0 else ""
            value = f" {'/'.join(action.choices)}" if action.choices and action.option_strings else value
            lines.append(f"| | `{name}{value}` | {action.help or ''} |".replace("|PLAN", "\\|PLAN"))
    return "\n".join(lines)


def keys() -> str:
    """Every key of the manifest that is no attribute, by the level that it stands on."""
    schema = manifest_schema()
    levels = {"top": schema, **{name: schema["$defs"][name] for name in ("project", "subject", "session", "scan")}}
    levels["resource"] = next(form for form in schema["$defs"]["resource"]["anyOf"] if form.get("type") == "object")
    levels["ignore"] = schema["properties"]["ignore"]["items"]
    levels["discover"] = schema["$defs"]["discover"]["items"]
    levels["tables"] = schema["$defs"]["tables"]["items"]
    levels["files"] = schema["$defs"]["files"]["anyOf"][1]["items"]["anyOf"][1]
    lines = ["| level | key | meaning | example |", "|---|---|---|---|"]
    for level, definition in levels.items():
        for key, found in definition["properties"].items():
            if key in attribute_names(level):
                continue
            entry = resolved(found, schema)
            example = json.dumps(entry["examples"][0]) if entry.get("examples") else ""
            meaning = entry["description"].replace("|", "\\|")
            lines.append(f"| {level} | `{key}` | {meaning} | `{example}` |")
    return "\n".join(lines)


def attribute_names(level: str) -> set[str]:
    """The attributes that any type of a level has; none for what is no level of objects."""
    if level in ("project", "subject"):
        return set(attributes_of(Level[level.upper()], ""))
    if level in ("session", "scan"):
        types = known_types(Level[level.upper()])
        return {name for xsi_type in types for name in attributes_of(Level[level.upper()], xsi_type)}
    return set()


def resolved(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in entry:
        target: Any = schema
        for part in entry["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        entry = target
    return entry


def attributes() -> str:
    """Every attribute by level, those that only some types have with the types."""
    lines = [f"- **{level.noun}**: {named(attributes_of(level, ''))}" for level in (Level.PROJECT, Level.SUBJECT)]
    for level in (Level.SESSION, Level.SCAN):
        common = set(attributes_of(level, "other:type"))
        lines.append(f"- **{level.noun}**, any type: {named(common)}")
        own = {xsi_type: set(attributes_of(level, xsi_type)) - common for xsi_type in known_types(level)}
        lines.extend(f"  - `{xsi_type}`: {named(names)}" for xsi_type, names in own.items() if names)
    return "\n".join(lines)


def named(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


BLOCKS: dict[str, Callable[[], str]] = {
    "walk-through": walk_through,
    "commands": commands,
    "exits": exits,
    "keys": keys,
    "attributes": attributes,
    "rules": rules,
}


def block(text: str, name: str) -> str:
    found = re.search(f"<!-- begin: {name} -->\n(.*?)\n<!-- end: {name} -->", text, re.DOTALL)
    assert found, f"README.md has no block {name}"
    return found[1]


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_of_the_readme_is_what_the_program_says(name: str, updating: bool) -> None:
    text = README.read_text(encoding="utf-8")
    wanted = BLOCKS[name]()
    if updating:
        head, mark, rest = text.partition(f"<!-- begin: {name} -->\n")
        text = head + mark + wanted + rest[rest.index(f"\n<!-- end: {name} -->") :]
        README.write_text(text, encoding="utf-8")
    assert block(text, name) == wanted


def test_ci_runs_the_readmes_test_command() -> None:
    command = block(README.read_text(encoding="utf-8"), "test command").strip()
    assert command.endswith("python -m pytest -n auto --cov")
    assert "begin: test command" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def links(text: str) -> Iterator[str]:
    yield from re.findall(r"\]\((?!https?://|#)([^)]+)\)", text)
    yield from re.findall(r"`((?:xnat_sync|tests|schemas|examples|benchmarks)/[\w./*-]*)`", text)


def test_every_path_that_the_readme_names_exists() -> None:
    for link in links(README.read_text(encoding="utf-8")):
        assert list(ROOT.glob(link.rstrip("/"))), link


def test_every_schema_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    for path in (ROOT / "schemas").glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


def test_every_key_of_the_manifest_helps_an_editor() -> None:
    schema = manifest_schema()
    for name, entry in [*schema["$defs"].items(), *schema["properties"].items()]:
        found = resolved(entry, schema)
        assert found.get("title"), name
        assert found.get("description"), name
        assert found.get("examples"), name
