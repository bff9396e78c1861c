"""The quick verdict is that of the schema."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from xnat_sync.manifest.text.document import Data, Map, Seq
from xnat_sync.manifest.text.fast_schema import broken_part, compiled
from xnat_sync.manifest.text.schema import manifest_schema

STUDY: dict[str, Any] = {
    "version": "1",
    "project": {"id": "MOOD", "create": "true", "description": "d", "fields": {"a": "1"}, "x-note": {"any": ["thing"]}},
    "root": "data",
    "include": ["a.yaml", "b/*.yaml"],
    "x-mine": [None],
    "defaults": {
        "session": {"xsi_type": "xnat:mrSessionData"},
        "scan": {"quality": "usable", "resources": {"NIFTI": {"format": "NIFTI"}}},
        "resource": {"content": "RAW"},
    },
    "subjects": {
        "s1": {
            "gender": "female",
            "fields": {"a": "x", "b": None},
            "sessions": {
                "e1": {
                    "date": None,
                    "scans": {
                        "1": {"type": "T1w", "files": "a/*.nii.gz", "resources": {"BIDS": "a/*.json"}},
                        "2": {"files": [{"from": "b/*.nii", "to": "raw/", "optional": "true", "expect": "3"}, "c"]},
                        "3": {"state": "absent"},
                    },
                },
                "e2": {"resources": {"NOTES": {"files": {"n.txt": {"from": "n", "size": "1", "md5": "0" * 32}}}}},
            },
        },
        "s2": {"group": None, "sessions": {"e3": {"xsi_type": "xnat:petSessionData", "scans": {"1": {}}}}},
    },
}
WORDS = st.sampled_from(["", "1", "0", "true", "absent", "present", "from", "state", "x-n", "files", "a b", "0" * 32])
VALUES = st.recursive(
    st.none() | WORDS | st.just("x" * 300),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(WORDS.filter(bool), below, max_size=2),
    max_leaves=4,
)


def as_read(value: Any) -> Data:
    match value:
        case dict():
            mapping = Map()
            mapping.update({key: as_read(below) for key, below in value.items()})
            return mapping
        case list():
            items = Seq()
            items.extend(as_read(below) for below in value)
            return items
        case _:
            return value  # type: ignore[no-any-return]


def document(value: Any) -> Map:
    read = as_read(value)
    assert isinstance(read, Map)
    return read


def containers(tree: Any) -> list[Any]:
    below = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return [tree, *(found for child in below for found in containers(child))] if isinstance(tree, dict | list) else []


def without_names(schema: Any) -> Any:
    """The schema without what it says of labels, which the builder judges."""
    match schema:
        case dict():
            return {key: without_names(value) for key, value in schema.items() if key != "propertyNames"}
        case list():
            return [without_names(item) for item in schema]
        case _:
            return schema


SCHEMA = without_names(manifest_schema())
VALIDATOR = Draft202012Validator(SCHEMA)
SHAPE = compiled(manifest_schema())


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """The study with up to four changes at any place: another value, another key, something more or less."""
    tree = copy.deepcopy(STUDY)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.sampled_from(containers(tree)))
        if isinstance(at, list):
            at.append(draw(VALUES))
        elif at and draw(st.booleans()):
            key = draw(st.sampled_from(sorted(at)))
            if draw(st.booleans()):
                at[key] = draw(VALUES)
            else:
                del at[key]
        else:
            at[draw(WORDS.filter(bool) | st.sampled_from(["quality", "resources", "scans", "md5", "fields"]))] = draw(
                VALUES
            )
    return tree


def errors(value: Map) -> set[tuple[object, ...]]:
    return {(*error.absolute_path, str(error.validator), error.message) for error in VALIDATOR.iter_errors(value)}


@given(manifests())
def test_it_is_the_verdict_of_the_schema(tree: dict[str, Any]) -> None:
    assert SHAPE.fits(document(tree)) == VALIDATOR.is_valid(document(tree))


@given(manifests())
def test_the_broken_part_has_the_same_errors(tree: dict[str, Any]) -> None:
    whole = document(tree)
    part = broken_part(whole, SHAPE)

    def places(value: Map) -> set[tuple[object, ...]]:
        # The message of a closed mapping or an anyOf shows the whole instance.
        return {found[:-1] for found in errors(value)}

    assert places(part) == places(whole)


def test_of_a_broken_study_only_the_broken_is_left() -> None:
    tree = copy.deepcopy(STUDY)
    tree["subjects"]["s1"]["sessions"]["e1"]["scans"]["2"]["quality"] = []
    part = broken_part(document(tree), SHAPE)
    assert part["subjects"] == {
        "s1": {
            **tree["subjects"]["s1"],
            "fields": {},
            "sessions": {"e1": {"date": None, "scans": {"2": tree["subjects"]["s1"]["sessions"]["e1"]["scans"]["2"]}}},
        }
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date"},
        {"type": "object", "additionalProperties": False, "patternProperties": {"^y-": True}},
        {"type": "object"},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"oneOf": []},
        {"$ref": "#/$defs/a", "type": "string"},
    ],
)
def test_a_keyword_that_it_does_not_know_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        compiled({"$defs": {"a": {"type": "string"}}, **schema})
