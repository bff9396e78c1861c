"""Whatever comes in as a manifest or as an answer: an error of ours or a value, soon, and in bounded memory."""

from __future__ import annotations

import contextlib
import random
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xnat_sync.core.model.attributes import attributes_of
from xnat_sync.core.model.errors import GatewayError, ManifestError, UnexpectedReply
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.gateway.port import ImageTypes
from xnat_sync.gateway.protocol import codec, permissions
from xnat_sync.gateway.protocol.listings import ImageListing, SessionListing, SubjectListing
from xnat_sync.gateway.protocol.replies import Reply, error_of, message_of
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.load import load_study
from xnat_sync.manifest.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = Ref.project_of("P")
S = P.child(Level.SUBJECT, "S")
E = S.child(Level.SESSION, "E")
SECONDS = 10.0
"""So long at most, on a machine with other things to do."""
BYTES = 200 << 20


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < SECONDS


# --- manifests

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "manifests").rglob("*.yaml"))
TEXTS = [path.read_bytes() for path in EXAMPLES]
PIECES = [
    *(b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", "\u2028".encode(), b"\xed\xa0\x80", b"\r", b"\n---\n", b"\n...\n"),
    *(b"&a ", b"*a", b"<<: *a", b"!!python/object:os.system ", b"!x ", b"%YAML 9.9\n", b"? ", b"- ", b": ", b"#"),
    *(b"[", b"]", b"{", b"}", b"'", b'"', b"|\n", b">-\n", b"\n" + b" " * 400, b"[" * 300, b"- " * 300, b"{a: " * 300),
    *(b"${env:HOME}", b"${", b"../../../etc/passwd", b"/etc/passwd", b"**/**/**/**/*", b"[!a", b"1e999", b"0x1F"),
    *(b"9" * 5000, b"a" * 100_000, b"null", b"~", b"yes", b"include: .", b"root: /", b"state: absent", b"files: '**'"),
]


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A manifest, or what is left of one."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(text)))
        match draw(st.sampled_from(["insert", "delete", "repeat", "flip", "cut"])):
            case "insert":
                text = text[:place] + draw(st.sampled_from(PIECES) | st.binary(max_size=9)) + text[place:]
            case "delete":
                text = text[:place] + text[place + draw(st.integers(1, 80)) :]
            case "repeat":
                text = text[:place] + text[max(0, place - draw(st.integers(1, 200))) :]
            case "flip" if place < len(text):
                text = text[:place] + bytes([text[place] ^ draw(st.integers(1, 255))]) + text[place + 1 :]
            case _:
                text = text[:place]
    return text


@given(text=spoiled())
@settings(max_examples=150)
def test_no_bytes_break_the_loader(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "fuzz.yaml"
    path.write_bytes(text)
    with bounded(), contextlib.suppress(ManifestError):
        load_study([path], around=Surroundings(environ={"HOME": "/x"}, variables=frozenset({"HOME"})), local=Disk())


WORDS = st.sampled_from(
    [
        *("version", "project", "id", "root", "subjects", "sessions", "scans", "resources", "files", "defaults", "tr"),
        *("include", "x", "1", "true", "", "absent", "state", "ignore", "rule", "from", "to", "type", "fields"),
        "xsi_type",
    ]
)
TREES = st.recursive(
    WORDS | st.none() | st.text(max_size=5) | st.sampled_from(["a/../b", "xnat:mrSessionData", "*.nii", "0", "-1"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=30,
)


def flow(tree: Any) -> str:
    """A tree as YAML in one line."""
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{flow(key)}: {flow(value)}" for key, value in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(flow, tree)) + "]"
    return "null" if tree is None else "'" + str(tree).replace("'", "''").replace("\n", " ") + "'"


@given(tree=st.dictionaries(WORDS, TREES, max_size=8))
@settings(max_examples=150)
def test_no_tree_breaks_the_schema_and_what_builds_on_it(tmp_path: Path, tree: dict[str, Any]) -> None:
    path = tmp_path / "tree.yaml"
    path.write_text(flow({"version": "1", "project": "P", "root": ".", **tree}), encoding="utf-8", errors="replace")
    with bounded(), contextlib.suppress(ManifestError):
        load_study([path], local=Disk())


def laughs(levels: int) -> str:
    lines = ['a0: &a0 ["x", "x"]']
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


HOSTILE = {
    "brackets": "[" * 200_000,
    "braces": "{a: " * 100_000,
    "dashes": "- " * 200_000,
    "deep": "".join(" " * n + "a:\n" for n in range(2000)),
    "laughs": laughs(30),
    "merged laughs": "x-a: &a {b: c}\n" + "".join(f"x-{n}: &a{n} {{<<: [*a, *a]}}\n" for n in range(2000)),
    "one long line": "version: " + "1" * 5_000_000,
    "many keys": "".join(f"x-{n}: {n}\n" for n in range(30_000)),
    "many errors": "".join(f"k{n}: {n}\n" for n in range(6_000)),
    "many subjects": "version: 1\nproject: P\nsubjects:\n" + "".join(f"  s.{n}: {{a: b}}\n" for n in range(1_000)),
    "documents": "---\na: b\n" * 50_000,
    "quotes": "a: '" + "''" * 1_000_000,
    "escapes": 'a: "' + "\\x41" * 500_000 + '"',
    "comment": "#" * 5_000_000,
    "anchors": "".join(f"&a{n} " for n in range(50_000)) + "x",
    "stars": "version: 1\nproject: P\nsubjects: {s: {resources: {R: '" + "**/" * 2000 + "no'}}}",
    "stars and more": "version: 1\nproject: P\nsubjects: {s: {resources: {R: '" + "**/*/" * 2000 + "no'}}}",
    "braces in a pattern": "version: 1\nproject: P\nsubjects: {s: {resources: {R: '" + "{a,b}" * 2000 + "'}}}",
    "brackets in a pattern": "version: 1\nproject: P\nsubjects: {s: {resources: {R: '" + "[a*?" * 400 + "'}}}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests_end_soon_and_small(tmp_path: Path, name: str) -> None:
    path = tmp_path / "hostile.yaml"
    path.write_text(HOSTILE[name], encoding="utf-8")
    tracemalloc.start()
    begun = time.monotonic()
    try:
        with pytest.raises(ManifestError):
            load_study([path], local=Disk())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < 60, "while every allocation is watched"
    assert peak < BYTES


# --- answers


def decoders() -> dict[str, Callable[[str], object]]:
    """Everything that reads an answer, as one function of its text."""
    names = frozenset(attributes_of(Level.SESSION, "xnat:mrSessionData"))
    scans = frozenset(attributes_of(Level.SCAN, "xnat:mrScanData"))
    types = ImageTypes(session="xnat:mrSessionData", scan="xnat:mrScanData")

    def reply(text: str) -> Reply:
        return Reply(status=200, text=text)

    return {
        "subjects": lambda text: SubjectListing(frozenset({"group"})).decode(P, codec.decode_rows(text)),
        "sessions": lambda text: SessionListing(names).decode(P, codec.decode_rows(text)),
        "images": lambda text: ImageListing(None, names, scans).decode(P, codec.decode_rows(text)),
        "typed images": lambda text: ImageListing(types, names, scans).decode(P, codec.decode_rows(text)),
        "session files": lambda text: codec.decode_session_files(codec.decode_rows(text), {"X_E1": E}),
        "own files": lambda text: codec.decode_own_files(codec.decode_rows(text), S),
        "disk": lambda text: codec.decode_disk(codec.decode_rows(text), E),
        "resources": lambda text: codec.decode_resources(codec.decode_rows(text), E),
        "duplicates": codec.decode_duplicates,
        "project": lambda text: codec.decode_project("P", text, text),
        "names": lambda text: permissions.names_in(reply(text)),
        "members": lambda text: permissions.members_in(reply(text), "me"),
        "message": lambda text: message_of(Reply(status=500, text=text)),
        "error": lambda text: error_of(Reply(status=500, text=text, headers={"retry-after": text[:5000]}), P),
    }


DECODERS = decoders()
FILE = (
    '{"Name":"a.nii","Size":"12","URI":"/data/experiments/X_E1/scans/1/resources/3/files/sub/a.nii","collection":'
    '"NIFTI","file_tags":"","file_format":"NIFTI","file_content":"RAW","cat_ID":"3","digest":"9e107d9d372bb6826bd8"}'
)
ROWS = [
    FILE,
    '{"Name":"SCANS/1/NIFTI/sub/a.nii","DIR":"false","Size":"12","URI":"/data/experiments/X_E1/DIR/SCANS/1"}',
    '{"ID":"X_S1","label":"S","project":"P","URI":"/data/subjects/X_S1","group":"x &amp; y","insert_date":""}',
    '{"ID":"X_E1","label":"E","subject_label":"S","project":"P","xsiType":"xnat:mrSessionData","date":"2024-01-01"}',
    '{"session_ID":"X_E1","label":"E","subject_label":"S","xnat:imagescandata/id":"1","xnat:imagescandata/type":"T1w"}',
    '{"xnat_abstractresource_id":"3","label":"NIFTI","category":"scans","cat_id":"1","file_count":"2"}',
]
ANSWERS = [
    '{"ResultSet":{"Result":[' + ",".join([row] * 3) + '], "title":"x", "totalRecords":"3"}}' for row in ROWS
] + [
    '{"items":[{"data_fields":{"ID":"P"},"children":[{"field":"fields/field","items":[{"data_fields":{"name":"a"}}]}]}]}',
    '{"duplicates":["a","b/c"]}',
    '["ALL_DATA_ADMIN","P_member"]',
    "<html><head></head><body><h3>Unable to identify &lt;x&gt;</h3></body></html>",
]
SCRAPS = [
    *('"', "{", "}", "[", "]", ",", ":", "null", "true", "1e999", "NaN", "-0", "\\ud800", "\\u0000", "\\", "</h3>"),
    *(
        "<h3>",
        "&#x110000;",
        "&#99999999999;",
        "/files/",
        "/resources/",
        "/scans/",
        "%2F",
        "..",
        "//",
        "٣",
        "²",
        "9" * 5000,
    ),
]


@st.composite
def spoiled_answers(draw: st.DrawFn) -> str:
    text = draw(st.sampled_from(ANSWERS))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(text)))
        if draw(st.booleans()):
            text = text[:place] + draw(st.sampled_from(SCRAPS) | st.text(max_size=3)) + text[place:]
        else:
            text = text[:place] + text[place + draw(st.integers(1, 40)) :]
    return text


@given(text=spoiled_answers())
@settings(max_examples=400)
def test_no_answer_breaks_a_decoder(text: str) -> None:
    for decode in DECODERS.values():
        with contextlib.suppress(UnexpectedReply):
            decode(text)


def listing(*rows: str) -> str:
    return '{"ResultSet":{"Result":[' + ",".join(rows) + "]}}"


LONG = {
    "brackets": "[" * 500_000,
    "braces": '{"ResultSet":' * 100_000,
    "deep rows": listing("[" * 100_000 + "]" * 100_000),
    "deep cells": listing('{"URI":' + '{"a":' * 50_000 + "1" + "}" * 50_000 + "}"),
    "long number": listing('{"Size":' + "9" * 100_000 + ',"URI":"/data/experiments/X_E1/resources/3/files/a"}'),
    "long digits": listing(FILE.replace('"12"', '"' + "9" * 1_000_000 + '"')),
    "other digits": listing(FILE.replace('"12"', '"²٣"')),
    "long address": listing(FILE.replace("/scans/1", "/scans/1" * 100_000)),
    "many resources": listing(FILE.replace("/resources/3", "/resources/3/files" * 50_000)),
    "long name": listing(FILE.replace("sub/a.nii", "a/" * 500_000)),
    "long place": listing('{"Name":"' + "SCANS/" * 200_000 + '","DIR":"false","Size":"1"}'),
    "dots": listing('{"Name":"RESOURCES/' + ".~" * 200_000 + '_catalog.xml","DIR":"false","Size":"1"}'),
    "headings": "<h3>" * 200_000,
    "entities": "<h3>" + "&amp;lt" * 200_000 + "</h3>",
    "spaces": " " * 2_000_000,
    "many rows": listing(*[FILE] * 20_000),
}


@pytest.mark.parametrize("name", LONG)
def test_long_answers_end_soon_and_small(name: str) -> None:
    text = LONG[name]
    for decode in DECODERS.values():
        with bounded(), contextlib.suppress(UnexpectedReply):
            decode(text)
    tracemalloc.start()
    try:
        for key in ("session files", "disk", "message"):
            with contextlib.suppress(UnexpectedReply):
                DECODERS[key](text)
        assert tracemalloc.get_traced_memory()[1] < BYTES
    finally:
        tracemalloc.stop()


def test_an_error_keeps_its_kind_whatever_it_says() -> None:
    dice = random.Random(1)
    for status in range(100, 600):
        text = "".join(chr(dice.choice((60, 104, 51, 62, 47, 38, 59, 0x10FFFF, 10))) for _ in range(200))
        assert isinstance(error_of(Reply(status=status, text=text), None), GatewayError)
