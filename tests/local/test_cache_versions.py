"""When a cache's version must be raised: the code behind it has changed since the version was last raised."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

from xnat_sync.local.cache import inspection_cache
from xnat_sync.manifest.text import document_cache

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parents[1] / "golden" / "cache_versions.json"
VERSIONS = {"inspection": inspection_cache.CACHE_VERSION, "documents": document_cache.CACHE_VERSION}


def behind_inspection() -> list[Path]:
    """Every module of this package that looking into a file may run through."""
    listing = "print(*(module.__file__ for name, module in sys.modules.items() if 'xnat_sync.' in name))"
    code = f"import sys, xnat_sync.local.inspection\n{listing}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(name) for name in done.stdout.split()]


def behind_documents() -> list[Path]:
    """What makes a tree of a text, and bytes of the tree. Messages and rules are not kept."""
    folder = Path(document_cache.__file__).parent
    return [folder / f"{name}.py" for name in ("document", "document_cache", "fast_parser", "parser")]


def code_of(text: str) -> str:
    """The words of a module that can change what it does: no imports, docstrings, comments or line ends."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if doc or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            left_out.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = (line for number, line in enumerate(lines, 1) if number not in left_out and "_VERSION = " not in line)
    return " ".join("\n".join(kept).split())


def digest_of(modules: list[Path]) -> str:
    """One digest of some modules, whatever they are called and wherever they are."""
    codes = (code_of(path.read_text(encoding="utf-8")) for path in modules)
    parts = (hashlib.sha256(code.encode()).hexdigest() for code in codes if code)
    return hashlib.sha256("".join(sorted(parts)).encode()).hexdigest()


def test_the_version_is_raised_with_the_code(updating: bool) -> None:
    now = {
        name: {"version": VERSIONS[name], "code": digest_of(modules)}
        for name, modules in {"inspection": behind_inspection(), "documents": behind_documents()}.items()
    }
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    changed = {name for name in now if now[name]["code"] != recorded.get(name, {}).get("code")}
    due = {name for name in changed if now[name]["version"] == recorded.get(name, {}).get("version")}
    assert not due, f"raise CACHE_VERSION of {due}: their code has changed; then run pytest --update-golden"
    if updating:
        RECORDED.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    assert now == json.loads(RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ('"""Doc."""\nimport os\n\nX = 1  # why\n', True),
        ("from a import (\n    b,\n)\nX = 1\n", True),
        ("X = 2\n", False),
        ("X = 1\nY = 2\n", False),
    ],
)
def test_only_what_can_act_counts(text: str, same: bool) -> None:
    assert (code_of(text) == code_of("X = 1\n")) is same


def test_all_that_looks_is_known() -> None:
    """The list is found by importing: a module that `inspect` reaches is in it by itself."""
    assert {"header.py", "inspection.py", "sidecar.py"} <= {path.name for path in behind_inspection()}
