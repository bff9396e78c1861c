"""The schema as people and editors use it, held against the code that reads manifests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from xnat_sync.core.model.attributes import attributes_of, generic_attributes, known_types
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.rules import RULES
from xnat_sync.manifest.desired.attributes import STRUCTURE
from xnat_sync.manifest.text.schema import manifest_schema, schema_text

CHECKOUT = Path(__file__).parents[2] / "schemas" / "manifest.v1.json"


def places(schema: Any) -> list[dict[str, Any]]:
    """Every description of a value in the schema."""
    if not isinstance(schema, dict):
        return []
    found = [schema] if "title" in schema or "type" in schema or "enum" in schema else []
    for key in ("properties", "$defs"):
        for below in schema.get(key, {}).values():
            found += places(below)
    for key in ("additionalProperties", "items"):
        found += places(schema.get(key))
    for below in schema.get("anyOf", []):
        found += places(below)
    return found


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(manifest_schema())


def test_the_packaged_text_is_that_of_the_checkout() -> None:
    assert json.loads(schema_text()) == json.loads(CHECKOUT.read_text(encoding="utf-8"))


def test_everything_is_described() -> None:
    found = places(manifest_schema())
    assert len(found) > 150
    for schema in found:
        assert schema.get("title"), schema
        assert schema.get("description", "").endswith("."), schema
        assert schema.get("examples"), schema


def test_the_examples_fit() -> None:
    root = manifest_schema()
    for schema in places(root):
        if "$defs" in schema:
            continue
        validator = Draft202012Validator({**schema, "$defs": root["$defs"]})
        for example in schema["examples"]:
            assert list(validator.iter_errors(example)) == []


@pytest.mark.parametrize("level", [Level.PROJECT, Level.SUBJECT, Level.SESSION, Level.SCAN])
def test_it_knows_the_attributes_that_the_code_knows(level: Level) -> None:
    typed = level in (Level.SESSION, Level.SCAN)
    known = [attributes_of(level, name) for name in known_types(level)] if typed else [generic_attributes(level)]
    names = {name for attributes in known for name in attributes}
    defs = manifest_schema()["$defs"]
    assert defs[level.noun]["properties"].keys() - STRUCTURE == names
    if level is not Level.PROJECT:
        assert defs[f"defaults.{level.noun}"]["properties"].keys() - STRUCTURE == names


def test_an_editor_that_reads_numbers_and_booleans_is_content() -> None:
    manifest = {
        "version": 1,
        "project": {"id": 7, "create": True},
        "subjects": {
            "s1": {
                "yob": 1980,
                "group": 3,
                "fields": {"a": 1.5, "b": False},
                "sessions": {
                    "e1": {
                        "xsi_type": "xnat:mrSessionData",
                        "age": None,
                        "scans": {"1": {"tr": 2.5, "files": [{"from": "a", "optional": True, "expect": 2, "size": 1}]}},
                    }
                },
            }
        },
    }
    assert list(Draft202012Validator(manifest_schema()).iter_errors(manifest)) == []


def test_rules_are_sentences_of_one_form() -> None:
    for rule in RULES.values():
        assert rule.title[0].islower() or rule.title.split()[0].isupper()
        assert not rule.title.endswith(".")
        assert rule.remedy
        assert not rule.remedy.endswith(".")
