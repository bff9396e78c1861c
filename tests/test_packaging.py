"""What people install: a wheel with the schemas, the types and the server's schemas in it."""

from __future__ import annotations

import zipfile
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


def test_the_wheel_has_what_the_program_reads(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (ROOT / "schemas").glob("*.json"):
        assert f"xnat_sync/schemas/{path.name}" in names
    for path in (ROOT / "xnat_sync").rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not any(name.startswith(("tests/", "examples/")) for name in names)
