"""Every example manifest is validated, planned, applied, verified, and planned again to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xnat

from xnat_sync.cli.demo import write_images

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

Cli = Any
EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFESTS = sorted([*EXAMPLES.glob("manifests/*.yaml"), *EXAMPLES.glob("manifests/*/study.yaml")])
PASSWORD = "pass phrase&7"


@pytest.fixture(scope="session", autouse=True)
def _images() -> None:
    """What ``xnat-sync demo --images examples/images`` writes."""
    write_images(EXAMPLES / "images")


@pytest.mark.parametrize("path", MANIFESTS, ids=[str(path.relative_to(EXAMPLES)) for path in MANIFESTS])
def test_an_example_applies_and_then_there_is_nothing_to_do(cli: Cli, server: RunningServer, path: Path) -> None:
    assert cli("validate", path).status == 0
    assert cli("plan", "--detailed-exitcode", path).status == 2
    applied = cli("apply", "--yes", path)
    assert applied.status == 0, applied.out
    assert cli("verify", "--download", path).status == 0
    server.log.clear()
    again = cli("apply", "--yes", path)
    assert again.status == 0
    assert "Nothing to do" in again.out
    assert server.log.writes == []


def test_there_are_examples() -> None:
    assert len(MANIFESTS) >= 4


def test_attributes_are_what_xnatpy_reads(cli: Cli, server: RunningServer) -> None:
    assert cli("apply", "--yes", EXAMPLES / "manifests" / "attributes.yaml").status == 0
    with xnat.connect(server.url, user="boss", password=PASSWORD, loglevel="ERROR") as connection:
        project = connection.projects["ATTRIBUTES"]
        subject = project.subjects["sub-01"]
        assert subject.demographics.gender == "female"
        assert subject.demographics.yob == 1980
        assert subject.fields["motivation"] == "high"
        assert subject.fields["consent version"] == "010"
        session = project.experiments["sub-01_ses-01"]
        assert session.field_strength == "3.0"
        assert session.scanner.manufacturer == "Siemens"
        assert session.age == pytest.approx(43.2)
        scan = session.scans["2"]
        assert scan.parameters.tr == pytest.approx(2300)
        assert scan.parameters.voxel_res.z == pytest.approx(1.2)
        assert scan.fields["rater"] == "AB"
        pet = project.experiments["sub-03_ses-01"]
        assert pet.tracer.name == "FDG"
        assert project.experiments["sub-03_ses-02"].scans["1"].parameters.kvp == pytest.approx(120)
