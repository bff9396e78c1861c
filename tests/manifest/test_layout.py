"""The normal form of a manifest: the same data, the same comments, and nothing left to do the second time."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xnat_sync.core.formats.yaml_writer import yaml_text
from xnat_sync.manifest.formatting.formatter import WIDTH, normal_form
from xnat_sync.manifest.text.parser import parse

ROOT = Path(__file__).parents[2]


def formed(text: str) -> str:
    """The normal form, which must read as the same data and be its own normal form."""
    after, problems = normal_form(text, "study.yaml")
    assert after is not None, problems
    read, again = parse(text, "a")[0], parse(after, "b")[0]
    assert read
    assert again
    assert again.data == read.data
    assert normal_form(after, "study.yaml")[0] == after
    return after


def laid_out(text: str) -> str:
    return formed(textwrap.dedent(text).lstrip("\n"))


def test_words_stand_in_order_and_labels_as_they_were() -> None:
    before = """
        subjects:
          B: {sessions: {B_1: {scans: {"2": {files: a, type: T1w}}, date: 2024-03-01}}, gender: male}
          A: {gender: female}
        scan_templates: {"*": {resources: {NIFTI: {format: NIFTI, files: "{path}"}}, type: "{suffix}"}}
        discover: [{scan: {extends: "{suffix}", id: "{name}"}, path: "{subject}/{stem}.nii"}]
        x-mine: 1
        project: {create: true, resources: {BIDS: a}, id: P}
        version: 1
    """
    after = """
        version: 1
        x-mine: 1
        project: {id: P, create: true, resources: {BIDS: a}}
        discover: [{path: "{subject}/{stem}.nii", scan: {id: "{name}", extends: "{suffix}"}}]
        scan_templates: {"*": {type: "{suffix}", resources: {NIFTI: {files: "{path}", format: NIFTI}}}}
        subjects:
          B: {gender: male, sessions: {B_1: {date: 2024-03-01, scans: {"2": {type: T1w, files: a}}}}}
          A: {gender: female}
    """
    assert laid_out(before) == textwrap.dedent(after).lstrip("\n")


def test_comments_stay_with_what_they_are_about() -> None:
    before = """
        # The study.

        # whose
        subjects:   # all of them

            # the first
            sub-01:  # moved
                sessions:
                    A:
                        # what it has
                        scans:
                            "2": {type: T1w}   # good
                            # end of scans
                        # about the date
                        date: 2024-03-01
                # end of sub-01
            # end of subjects
        project: P# no comment
        include: [ a.yaml,  # one
          # two
          b.yaml ]  # three
        version: 1
        # last
    """
    after = """
        # The study.

        # whose
        version: 1
        project: P# no comment
        include:  # three
          - a.yaml  # one
          # two
          - b.yaml
        subjects:  # all of them
          # the first
          sub-01:  # moved
            sessions:
              A:
                # about the date
                date: 2024-03-01
                # what it has
                scans:
                  "2": {type: T1w}  # good
                  # end of scans
            # end of sub-01
          # end of subjects
        # last
    """
    assert laid_out(before) == textwrap.dedent(after).lstrip("\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # Labels that another reader would take for something else are quoted, values where they would not come back.
        ("001: {010: a, 2: b, 12:30: c, NO: d, 2024-01-05: e, null: f, 1e3: g, sub-01: h}", None),
        ("version: 1\nx-a: 001\nx-b: 12:30\nx-c: NO\nx-d: 1.5\nx-e: true\nx-f: 2024-03-01\nx-g: -3\nx-h: 0x1F\n", None),
        # Quotes are double where that needs no escapes.
        ("x-a: 'b'\n", 'x-a: "b"\n'),
        ("x-a: 'say \"b\"'\n", "x-a: 'say \"b\"'\n"),
        ("x-a: 'it''s'\n", 'x-a: "it\'s"\n'),
        ('x-a: "tab\\t"\n', 'x-a: "tab\\t"\n'),
        ('x-a: "null"\n', 'x-a: "null"\n'),
        # Nothing is null.
        ("x-a:\nx-b: ~\nx-c: [a, , b]\n".replace(" ,", ""), "x-a: null\nx-b: null\nx-c: [a, b]\n"),
        ("x-a: {b, c: }\n", "x-a: {b: null, c: null}\n"),
        # Texts over several lines.
        ("x-a: one\n   two\n\n   three\nx-b: c\n", "x-a: one\n  two\n\n  three\nx-b: c\n"),
        ('x-a: "one\n      two \\\n   three"\n', 'x-a: "one\n  two \\\n  three"\n'),
        ("x-a: |\n     one\n       two\n\n\nx-b: c\n", "x-a: |\n  one\n    two\n\nx-b: c\n"),
        ("x-a: >2-\n    one\n   two\nx-b: c\n", "x-a: >2-\n    one\n   two\nx-b: c\n"),
        ("x-a: |+\n one\n\n\nx-b: c\n", "x-a: |+\n  one\n\n\nx-b: c\n"),
        ("x-a: |\n one", "x-a: |-\n  one\n"),
        ("x-a: |+\n\n\n", "x-a: |+\n\n\n"),
        ("x-a: |- # why\n one\n", "x-a: |-  # why\n  one\n"),
        ("x-a: # why\n  |\n one\n", "# why\nx-a: |\n  one\n"),
        ("x-a: {b\n  c}\n", "x-a: {b c: null}\n"),
        (f"{'x' * WIDTH}: {{}}\n", f"{'x' * WIDTH}: {{}}\n"),
        # Anchors, merges, tags.
        ("x-a: &a {b: 1}\nversion: 1\nx-c: {<<: *a, d: 2}\n", None),
        ("x-a: &a\n    b: 1\nx-c:\n - *a\n -   &d e\n - &f\n   g: h\n", None),
        ("&k x-a: b\nx-c: {*k : d}\n", None),
        ("x-a: !!str 1\nx-b: !!str\nx-c: !!null\n", 'x-a: !!str 1\nx-b: !!str ""\nx-c: null\n'),
        # An anchor above its use goes before the order of words.
        ("project: &p P\nversion: 1\nserver: *p\n", "project: &p P\nversion: 1\nserver: *p\n"),
        # Lists.
        ("x-a:\n- b: 1\n  c: 2\n- - d\n  - e\n-\n  # why\n  f: 1\n", None),
        ("x-a:\n- b\n# about x-c\nx-c: d\n", "x-a:\n  - b\n# about x-c\nx-c: d\n"),
        ("x-a: [ # none\n  ]\nx-b: {\n # nothing\n}\n", "x-a: []  # none\n# nothing\nx-b: {}\n"),
        (
            "x-a:\n  # why\n  [b, {c: d}]\nx-e:\n-\n  # and\n  {f: g}\n",
            "# why\nx-a: [b, {c: d}]\nx-e:\n  # and\n  - {f: g}\n",
        ),
        # The frame of the file.
        ("# c\n\nversion: 1\nx-a: |+\n  b\n", "# c\n\nversion: 1\nx-a: |+\n  b\n"),
        ("\ufeffversion: 1", "version: 1\n"),
        ("version: 1\r\n# a\r\nx-b: |\r\n  c\r\n\r\n\r\n", "version: 1\n# a\nx-b: |\n  c\n"),
        ("\n\n# a\n\n\n\n# b\n--- # c\n\n\nversion: 1\n...\n# d\n", None),
        ("%YAML 1.1\n---\nversion: 1\n", "%YAML 1.1\n---\nversion: 1\n"),
        ("{version: 1, project: P}", "version: 1\nproject: P\n"),
        ("{}", "{}\n"),
        ("{} # a\n# b\n", None),
        ("&a\nversion: 1\n", "&a\nversion: 1\n"),
        ("? version\n: 1\n? project # why\n:\n  # and\n  P\n", "version: 1\n# and\nproject: P  # why\n"),
        ("x-a: 'b'   # one\nx-c:   # two\n  d # three\n", 'x-a: "b"  # one\n# three\nx-c: d  # two\n'),
    ],
)
def test_one_form_for_everything(before: str, after: str | None) -> None:
    found = formed(before)
    if after is not None:
        assert found == after


def test_labels_and_values_that_others_would_misread() -> None:
    before = "subjects:\n  001: {fields: {010: NO, 2: 1.5, 12:30: 12:30, a: 2024-03-01, null: null}}\n"
    after = 'subjects:\n  "001": {fields: {"010": "NO", "2": 1.5, "12:30": "12:30", a: 2024-03-01, "null": null}}\n'
    assert formed(before) == after


def test_what_is_too_long_for_a_line_stands_in_several() -> None:
    words = ", ".join(f"word-{number}" for number in range(20))
    found = formed(f"x-a: [{words}]\nx-b: {{c: [{words[:90]}]}}\n")
    assert found.startswith("x-a:\n  - word-0\n  - word-1\n")
    assert max(map(len, found.splitlines())) <= WIDTH


def test_what_this_program_writes_is_in_normal_form() -> None:
    text = yaml_text({"version": 1, "project": {"id": "P", "create": True}, "subjects": {"1": {"gender": "male"}}})
    assert formed(text) == text


@pytest.mark.parametrize("path", sorted(ROOT.glob("examples/**/*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_in_normal_form(path: Path) -> None:
    assert formed(path.read_text(encoding="utf-8")) == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/cases/manifests/**/*.yaml")), ids=lambda path: path.name)
def test_a_form_is_the_same_data_or_none(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", errors="replace")
    if normal_form(text, path.name)[0] is not None:
        formed(text)


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "- a\n", "", "a: *b\n", "? [a]\n: b\n"])
def test_what_cannot_be_read_has_no_form(text: str) -> None:
    after, problems = normal_form(text, "study.yaml")
    assert after is None
    assert problems


# ---------------------------------------------------------------------- any manifest

SCALARS = st.sampled_from(
    [
        *("a", "sub-01", "NO", "001", "12:30", "~", "", "1.5", "'q'", "'it''s'", '"d\\t"', "a b", "a#d", "x: y"[:1]),
        *("'*.nii'", '"{path}"', "!!str 1", "&A b", "null"),
    ]
)
KEYS = st.sampled_from(
    ["version", "project", "subjects", "sessions", "scans", "x-a", "001", "NO", "'k'", "fields", "type", "files", "z"]
)
NOISE = st.lists(st.sampled_from(["", "", "# c", "      # far", "  # near", "#"]), max_size=2)
BESIDE = st.sampled_from(["", "", "", " # beside", "   #b"])


@st.composite
def blocks(draw: st.DrawFn, column: int, depth: int) -> list[str]:
    """The lines of a mapping or list that begins in a column, with comments and empty lines everywhere."""
    step = draw(st.integers(1, 5))
    is_map = depth == 0 or draw(st.booleans())
    keys = draw(st.lists(KEYS, min_size=1, max_size=4, unique=True)) if is_map else [""] * draw(st.integers(1, 3))
    lines: list[str] = []
    for key in keys:
        lines += draw(NOISE)
        head = " " * column + (f"{key}:" if is_map else "-")
        kind = draw(
            st.sampled_from(["scalar", "scalar", "flow", "text", "block", "block"] if depth < 3 else ["scalar"])
        )
        if kind == "block":
            lines += [head + draw(BESIDE), *draw(blocks(column + step, depth + 1))]
        elif kind == "text":
            sign = draw(st.sampled_from(["|", ">", "|-", "|+", ">+", "| # why"]))
            pad = " " * (column + step)
            lines += [f"{head} {sign}", f"{pad}one", *draw(st.sampled_from([[], [""], [f"{pad}  two"], ["", ""]]))]
        elif kind == "flow":
            lines += [f"{head} {draw(FLOWS)}{draw(BESIDE)}"]
        else:
            lines += [f"{head} {draw(SCALARS)}{draw(BESIDE)}"]
    return lines + draw(NOISE)


@st.composite
def brackets(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    values = draw(st.lists(inner, max_size=3))
    sign = draw(st.sampled_from([", ", " ,", ", # c\n            ", ",\n\n            "]))
    if draw(st.booleans()):
        return "[" + sign.join(values) + "]"
    keys = draw(st.lists(KEYS, min_size=len(values), max_size=len(values), unique=True))
    return "{ " + sign.join(f"{key}: {value}" for key, value in zip(keys, values, strict=True)) + " }"


FLOWS = st.recursive(SCALARS.filter(lambda text: text), brackets, max_leaves=6)


@given(blocks(0, 0), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_manifest_keeps_its_data_and_comments(lines: list[str], end: str, closed: bool) -> None:
    text = end.join(lines) + (end if closed else "")
    read, problems = parse(text, "study.yaml")
    if read is None or problems:
        return
    after = formed(text)
    assert Counter(comments(after)) == Counter(comments(text))


def comments(text: str) -> list[str]:
    """What looks like a comment in the texts of this test."""
    return [
        found for line in text.splitlines() for found in ("# beside", "#b", "# c", "# far", "# near") if found in line
    ]
