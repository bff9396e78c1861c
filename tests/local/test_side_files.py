"""Side files that agree with their image, and those that do not."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from xnat_sync.core.model.local_port import LocalFile
from xnat_sync.local.inspection import inspect

Make = Callable[..., bytes]
Put = Callable[[str, bytes], str]
BVALS = b"0 1000\n"
BVECS = b"0 1\n0 0\n0 0\n"


@pytest.fixture
def rules(put: Put) -> Callable[..., list[tuple[str, str]]]:
    """Which file of a scan breaks which rule."""

    def look(**contents: bytes) -> list[tuple[str, str]]:
        names = [name.replace("__", ".") for name in contents]
        files = [
            LocalFile(path=put(name, content), name=name)
            for name, content in zip(names, contents.values(), strict=True)
        ]
        found = inspect(files).breaches
        assert all(repr(names[index]) in breach.summary for index, breach in found)
        return sorted((names[index], breach.rule) for index, breach in found)

    return look


Rules = Callable[..., list[tuple[str, str]]]


def sidecar(**values: object) -> bytes:
    return json.dumps(values).encode()


def test_all_agree(image: Make, rules: Rules) -> None:
    assert rules(a__nii=image(), a__bval=BVALS, a__bvec=BVECS, a__json=sidecar(RepetitionTime=1.5)) == []
    assert rules(a__nii=image(), b__bvals=BVALS, c__bvecs=BVECS) == []


@pytest.mark.parametrize(
    ("bval", "bvec", "expected"),
    [
        (b"0 1000 1000", BVECS, [("a.bval", "XS322")]),
        (b"0", BVECS, [("a.bval", "XS322")]),
        (b"0\n1000\n", BVECS, []),
        (BVALS, b"0 1 1\n0 0 0\n0 0 0\n", [("a.bvec", "XS322")]),
        (BVALS, b"0 0 0\n1 0 0\n", [("a.bvec", "XS324")]),
        (BVALS, b"0 0 0\n1 0 0\n0 0 1\n0 1 0\n", [("a.bvec", "XS322"), ("a.bvec", "XS324")]),
        (BVALS, b"0 1\n0 0\n", [("a.bvec", "XS321")]),
        (BVALS, b"0 1\n0 0\n0\n", [("a.bvec", "XS321")]),
        (BVALS, b"0, 1\n0, 0\n0, 0\n", [("a.bvec", "XS321")]),
        (b"zero 1000", BVECS, [("a.bval", "XS321")]),
        (b"", b"\n", [("a.bval", "XS321"), ("a.bvec", "XS321")]),
        (b"\xff\xfe0\0", BVECS, [("a.bval", "XS321")]),
    ],
)
def test_gradients(image: Make, rules: Rules, bval: bytes, bvec: bytes, expected: list[tuple[str, str]]) -> None:
    assert rules(a__nii=image(), a__bval=bval, a__bvec=bvec) == expected


def test_a_table_goes_with_the_image_of_its_name(image: Make, rules: Rules) -> None:
    three = image(dim=(4, 4, 4, 3, 2, 1, 1, 1))
    one = image(dim=(3, 4, 4, 6, 1, 1, 1, 1))
    assert rules(a__nii=three, b__nii=one, a__bval=BVALS, b__bval=b"0") == []
    assert rules(a__nii=three, b__nii=one, b__bval=BVALS) == [("b.bval", "XS322")]
    assert rules(a__nii=three, b__nii=one, c__bval=b"1 2 3") == []


@pytest.mark.parametrize(
    ("parts", "said", "expected"),
    [
        ({}, 1.5, []),
        ({}, 1.5004, []),
        ({}, 2, ["XS323"]),
        ({}, 1500, ["XS323"]),
        ({"units": 18, "pixdim": (1, 2, 2, 2, 1500, 1, 1, 1)}, 1.5, []),
        ({"units": 26, "pixdim": (1, 2, 2, 2, 1.5e6, 1, 1, 1)}, 1.5, []),
        ({"units": 18}, 1.5, ["XS323"]),
        ({"units": 2}, 2, []),
        ({"dim": (3, 4, 4, 6, 1, 1, 1, 1)}, 9, []),
        ({}, "1.5", []),
        ({}, True, []),
        ({}, None, []),
    ],
)
def test_repetition_time(
    image: Make, rules: Rules, parts: dict[str, object], said: object, expected: list[str]
) -> None:
    found = rules(a__nii=image(**parts), a__json=sidecar(RepetitionTime=said))
    assert [rule for _, rule in found] == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{}", []),
        (b"[]", []),
        (b"\xef\xbb\xbf{}", []),
        (b'{"a": NaN}', []),
        ('{"InstitutionName": "Universität"}'.encode("latin-1"), ["XS325"]),
        (b"", ["XS320"]),
        (b"{", ["XS320"]),
        (b"{'a': 1}", ["XS320"]),
        (b'{"a": 1,}', ["XS320"]),
        (b"[" * 100_000, ["XS320"]),
        (b'{"a": ' * 100_000, ["XS320"]),
        (b'{"a": 1' + b"0" * 10_000 + b"}", ["XS320"]),
        (b"\xff\xfe{\0}\0", ["XS320", "XS325"]),
    ],
)
def test_json(rules: Rules, content: bytes, expected: list[str]) -> None:
    assert [rule for _, rule in rules(a__json=content)] == expected
