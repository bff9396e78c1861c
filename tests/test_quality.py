"""The rules that machines hold: import contracts, types, lint, format, public names."""

from __future__ import annotations

import importlib
import pkgutil
import shutil
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

import xnat_sync
from xnat_sync.__main__ import UNUSED

ROOT = Path(__file__).parents[1]
TOOLS = {
    "import contracts": ["lint-imports"],
    "types": ["mypy"],
    "lint": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_tool_has_nothing_to_say(tool: str) -> None:
    name, *arguments = TOOLS[tool]
    program = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    assert program, f"{name} is not installed; it comes with the extra 'test'"
    done = subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def modules() -> list[str]:
    found = pkgutil.walk_packages(xnat_sync.__path__, "xnat_sync.")
    return sorted(module.name for module in found if not module.name.endswith("__main__"))


@pytest.mark.parametrize("name", modules())
def test_public_names_exist(name: str) -> None:
    with warnings.catch_warnings():
        # An old import path says where its names are now: tests/test_moved_modules.py.
        warnings.simplefilter("ignore", DeprecationWarning)
        module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is not None:
        assert list(listed) == sorted(listed)
        assert all(hasattr(module, entry) for entry in listed)
    assert module.__doc__ or module.__file__ is None or not Path(module.__file__).read_text(encoding="utf-8")


def test_the_inner_packages_have_no_code_of_their_own() -> None:
    for path in (ROOT / "xnat_sync").rglob("__init__.py"):
        if path.parent.name != "xnat_sync":
            assert path.read_text(encoding="utf-8") == "", path


@pytest.mark.parametrize("top", ["xnat_sync", "tests"])
def test_no_folder_has_more_modules_than_a_reader_can_take_in(top: str) -> None:
    for folder in {path.parent for path in (ROOT / top).rglob("*.py")}:
        assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 25, folder


def test_coverage_has_a_floor() -> None:
    """`pytest --cov`, the command of the README, fails below it."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["coverage"]
    assert settings["run"] == {"branch": True, "source": ["xnat_sync"]}
    assert settings["report"]["fail_under"] >= 95.5


def imported_by(code: str) -> set[str]:
    listing = f"import sys\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"xnat", "nibabel", "numpy", "requests", "starlette", "uvicorn", "tqdm", "jsonschema", "sqlite3", "asyncio"}


def test_help_imports_nothing_heavy() -> None:
    imported = imported_by("from xnat_sync.cli.main import run\nrun(['--help'])")
    assert not imported & {*HEAVY, "yaml", "xnat_sync.manifest.load"}


def test_a_sound_manifest_is_judged_without_anything_heavy(tmp_path: Path) -> None:
    manifest = tmp_path / "xnat.yaml"
    manifest.write_text("{version: 1, project: P, subjects: {S: {gender: female}}}", encoding="utf-8")
    imported = imported_by(f"from xnat_sync.cli.main import run\nassert run(['validate', {str(manifest)!r}]) == 0")
    assert not imported & HEAVY


def test_the_program_does_without_what_xnatpy_imports_for_nobody() -> None:
    begin = "from xnat_sync.__main__ import spare_imports\nspare_imports()\n"
    imported = imported_by(f"{begin}import xnat_sync.cli.connect")
    assert "xnat.session" in imported
    assert not any(name.startswith(f"{UNUSED}.") for name in imported)


def test_no_file_speaks_of_a_machine() -> None:
    words = ("/work/", "/root/", "/home/", "localhost:")
    for path in (*(ROOT / "xnat_sync").rglob("*.py"), ROOT / "README.md", *(ROOT / "examples").rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert not any(word in text for word in words), path
