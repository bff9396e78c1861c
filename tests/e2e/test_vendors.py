"""Images and sidecars of three vendors become what anybody reads from XNAT: values computed by hand, read by xnatpy.

The images are made here with the sizes of real ones, the sidecars say what theirs say. ``XNAT_SYNC_TEST_DATA`` may name
the folder that the real ones lie in.
"""

from __future__ import annotations

import gzip
import json
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import xnat

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

Cli = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One image: its real file, its header, what its sidecar says, and what XNAT shall hold, by xnatpy's names."""

    real: str
    shape: tuple[int, ...]
    zooms: tuple[float, ...]
    sidecar: dict[str, Any]
    means: dict[str, Any]
    b_values: str = ""
    absent: tuple[str, ...] = field(default=("parameters.ti",))


CASES = {
    "Siemens": Case(
        real="bids/sub-01/ses-01/func/sub-01_ses-01_task-rest_echo-1_bold.nii",
        shape=(64, 64, 30, 3),
        zooms=(3, 3, 3.6, 2),
        sidecar={
            "Modality": "MR",
            "MagneticFieldStrength": 3,
            "Manufacturer": "Siemens",
            "ManufacturersModelName": "Prisma_fit",
            "StationName": "MRC35131",
            "BodyPart": "BRAIN",
            "MRAcquisitionType": "2D",
            "SeriesDescription": "me_fMRI",
            "ProtocolName": "me_fMRI",
            "ScanningSequence": "EP",
            "SequenceVariant": "SK\\SS",
            "ScanOptions": "FS",
            "SequenceName": "epfid2d2_64",
            "ImageType": ["ORIGINAL", "PRIMARY", "M", "TE1", "ND", "MOSAIC", "MAGNITUDE"],
            "AcquisitionTime": "12:22:27.257500",
            "EchoTime": 0.02,
            "RepetitionTime": 2,
            "FlipAngle": 79,
            "ReceiveCoilName": "Head_32",
            "PixelBandwidth": 2300,
            "PhaseEncodingDirection": "j",
            "ImageOrientationText": "Tra>Cor(-3.2)",
        },
        means={
            "frames": 3,
            "modality": "MR",
            "field_strength": "3.0",
            "coil": "Head_32",
            "scanner.manufacturer": "Siemens",
            "scanner.model": "Prisma_fit",
            "body_part_examined": "BRAIN",
            "series_description": "me_fMRI",
            "protocol_name": "me_fMRI",
            "start_time": "12:22:27",
            "parameters.tr": 2000,
            "parameters.te": 20,
            "parameters.flip": 79,
            "parameters.voxel_res.x": 3,
            "parameters.voxel_res.z": 3.6,
            "parameters.voxel_res.units": "mm",
            "parameters.matrix.x": 64,
            "parameters.pixel_bandwidth": 2300,
            "parameters.sequence": "epfid2d2_64",
            "parameters.scan_sequence": "EP",
            "parameters.seq_variant": "SK/SS",
            "parameters.scan_options": "FS",
            "parameters.acq_type": "2D",
            "parameters.image_type": "ORIGINAL/PRIMARY/M/TE1/ND/MOSAIC/MAGNITUDE",
            "parameters.phase_encoding_direction": "j",
            "parameters.orientation": "Tra",
        },
        absent=("parameters.ti", "parameters.partitions", "uid", "start_date", "operator"),
    ),
    "GE": Case(
        real="bids/sub-02/ses-01/dwi/sub-02_ses-01_dwi.nii",
        shape=(256, 256, 2, 7),
        zooms=(1.0156, 1.0156, 3, 1),
        sidecar={
            "Modality": "MR",
            "MagneticFieldStrength": 3,
            "Manufacturer": "GE",
            "ManufacturersModelName": "SIGNA Pioneer",
            "BodyPartExamined": "BRAIN",
            "MRAcquisitionType": "2D",
            "ProtocolName": "Brain Advanced Sequences",
            "ScanningSequence": "EP\\SE",
            "SequenceVariant": "NONE",
            "ScanOptions": "SAT_GEMS\\EDR_GEMS\\EPI_GEMS\\ACC_GEMS\\PFF\\FS",
            "AcquisitionTime": "00:14:57.000000",
            "EchoTime": 0.1236,
            "RepetitionTime": 1,
            "FlipAngle": 90,
            "PixelBandwidth": 1953.12,
        },
        means={
            "frames": 7,
            "field_strength": "3.0",
            "scanner.manufacturer": "GE",
            "scanner.model": "SIGNA Pioneer",
            "body_part_examined": "BRAIN",
            "protocol_name": "Brain Advanced Sequences",
            "start_time": "00:14:57",
            "parameters.tr": 1000,
            "parameters.te": 123.6,
            "parameters.flip": 90,
            "parameters.voxel_res.x": 1.0156,
            "parameters.voxel_res.z": 3,
            "parameters.matrix.y": 256,
            "parameters.pixel_bandwidth": 1953.12,
            "parameters.scan_sequence": "EP/SE",
            "parameters.seq_variant": "NONE",
            "parameters.scan_options": "SAT_GEMS/EDR_GEMS/EPI_GEMS/ACC_GEMS/PFF/FS",
            "parameters.diffusion.b_values": "0 1000 1000 1000 1000 1000 1000",
            "parameters.diffusion.b_max": "1000",
        },
        b_values="0 1000 1000 1000 1000 1000 1000",
    ),
    "Philips": Case(
        real="lab/fmap/Ph_801_WIP_B0_NS_e1.nii",
        shape=(64, 64, 32),
        zooms=(4, 4, 4),
        sidecar={
            "Modality": "MR",
            "MagneticFieldStrength": 3,
            "Manufacturer": "Philips",
            "ManufacturersModelName": "Achieva dStream",
            "MRAcquisitionType": "3D",
            "SeriesDescription": "B0 NS",
            "ProtocolName": "WIP B0 NS",
            "ScanningSequence": "RM",
            "SequenceName": "FFE",
            "ImageType": ["ORIGINAL", "PRIMARY", "T1", "MIXED"],
            "AcquisitionTime": "15:25:09.020000",
            "EchoTime": 0.00152,
            "RepetitionTime": 0.0038045,
            "FlipAngle": 12,
            "PixelBandwidth": 3099.81,
        },
        means={
            "frames": 1,
            "field_strength": "3.0",
            "scanner.manufacturer": "Philips",
            "scanner.model": "Achieva dStream",
            "series_description": "B0 NS",
            "start_time": "15:25:09",
            "parameters.tr": 3.8045,
            "parameters.te": 1.52,
            "parameters.flip": 12,
            "parameters.partitions": 32,
            "parameters.voxel_res.z": 4,
            "parameters.matrix.x": 64,
            "parameters.acq_type": "3D",
            "parameters.sequence": "FFE",
            "parameters.image_type": "ORIGINAL/PRIMARY/T1/MIXED",
        },
    ),
}
MANIFEST = """
version: 1
project: {id: P, create: true}
root: ROOT
defaults: {session: {xsi_type: "xnat:mrSessionData"}}
subjects:
  S: {sessions: {E: {scans: {SCANS}}}}
"""


def nifti(shape: tuple[int, ...], zooms: tuple[float, ...]) -> bytes:
    """Zeros of 16 bits, in millimetres and seconds."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *zooms, *[1.0] * (7 - len(zooms)))
    struct.pack_into("<f", header, 108, 352)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, zooms[0], 0, 0, 0, 0, zooms[1], 0, 0, 0, 0, zooms[2], 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(2 * reduce(int.__mul__, shape))


def made(folder: Path) -> tuple[Path, dict[str, str]]:
    """The images made here: the root, and the pattern of each scan's files."""
    folder.mkdir()
    for name, case in CASES.items():
        (folder / f"{name}.nii.gz").write_bytes(gzip.compress(nifti(case.shape, case.zooms), mtime=0))
        (folder / f"{name}.json").write_text(json.dumps(case.sidecar), encoding="utf-8")
        if case.b_values:
            (folder / f"{name}.bval").write_text(case.b_values, encoding="utf-8")
    return folder, {name: f"{name}.*" for name in CASES}


def real(folder: Path) -> tuple[Path, dict[str, str]]:
    """The images of the folder that the environment names."""
    assert not folder.exists()
    given = os.environ.get("XNAT_SYNC_TEST_DATA")
    if not given:
        pytest.skip("XNAT_SYNC_TEST_DATA names no folder")
    return Path(given), {name: case.real.replace(".nii", ".*") for name, case in CASES.items()}


@pytest.mark.parametrize("origin", [made, real])
def test_what_the_vendors_images_say_is_what_xnatpy_reads(
    origin: Callable[[Path], tuple[Path, dict[str, str]]],
    cli: Cli,
    manifest: Callable[[str], Path],
    server: RunningServer,
    tmp_path: Path,
) -> None:
    root, patterns = origin(tmp_path / "images")
    scans = ", ".join(f'{name}: {{files: "{pattern}"}}' for name, pattern in patterns.items())
    study = manifest(MANIFEST.replace("ROOT", str(root)).replace("SCANS", scans))
    done = cli("apply", "--yes", study)
    assert done.status == 0, done.out + done.err
    assert cli("plan", "--detailed-exitcode", study).status == 0
    with xnat.connect(server.url, user="boss", password="pass phrase&7", loglevel="ERROR") as connection:
        held = connection.projects["P"].subjects["S"].experiments["E"].scans
        for name, case in CASES.items():
            for path, value in case.means.items():
                found = reduce(getattr, path.split("."), held[name])
                wanted = pytest.approx(value) if isinstance(value, int | float) else value
                assert (str(found) if isinstance(value, str) else found) == wanted, f"{name} {path}"
            assert {path: reduce(getattr, path.split("."), held[name]) for path in case.absent} == dict.fromkeys(
                case.absent
            )


def test_nothing_is_wrong_with_real_images(cli: Cli, manifest: Callable[[str], Path], tmp_path: Path) -> None:
    """Images and sidecars of several vendors, all of a folder: no error, and of whom they show nothing but hints."""
    root, _ = real(tmp_path / "images")
    said = f"{{version: 1, project: P, root: {root}, subjects: {{S: {{resources: {{R: {{files: [ALL]}}}}}}}}}}"
    done = cli("validate", "--deep", "--format", "json", manifest(said.replace("ALL", "{from: '**', relative_to: .}")))
    assert done.status == 0
    problems = json.loads(done.out)["problems"]
    assert "error" not in {problem["severity"] for problem in problems}
    # By hand: four dates in gzip headers, two texts behind their end, a table of dates of 1925.
    assert sorted(one["rule"] for one in problems if one["rule"].startswith("XS52")) == ["XS523", "XS524", "XS526"]


PET = {
    "Modality": "PT",
    "TracerName": "FDG",
    "TracerRadionuclide": "F18",
    "InjectedRadioactivity": 185.5,
    "InjectedRadioactivityUnits": "MBq",
    "FrameTimesStart": [0, 60],
    "FrameDuration": [60, 60],
}


def test_a_tracer_belongs_to_the_session_of_its_scan(
    cli: Cli, manifest: Callable[[str], Path], server: RunningServer, tmp_path: Path
) -> None:
    """What the dose and tracer of a study are is said at its top, once for all: inherited sidecars count."""
    root = tmp_path / "images"
    for name in ("sub-1/ses-1/pet/sub-1_ses-1_pet.nii.gz", "sub-1/ses-2/pet/sub-1_ses-2_pet.nii.gz"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(gzip.compress(nifti((4, 4, 3, 2), (2, 2, 2, 60)), mtime=0))
    (root / "pet.json").write_text(json.dumps(PET), encoding="utf-8")
    own = {"InjectedRadioactivity": 201}
    (root / "sub-1/ses-2/pet/sub-1_ses-2_pet.json").write_text(json.dumps(own), encoding="utf-8")
    made = tmp_path / "xnat.yaml"
    assert cli("init", "--from-bids", root, "--project", "P", "--out", made).status == 0
    text = made.read_text(encoding="utf-8").replace("create: false", "create: true")
    study = manifest(text)
    planned = cli("plan", "--detail", study)
    assert "tracer_dose: (not set) → 185.5  from InjectedRadioactivity" in planned.out
    assert cli("apply", "--yes", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0
    with xnat.connect(server.url, user="boss", password="pass phrase&7", loglevel="ERROR") as connection:
        held = connection.projects["P"].subjects["sub-1"].experiments
        first, second = held["sub-1_ses-1"], held["sub-1_ses-2"]
        told = {"name": "FDG", "dose/units": "MBq", "isotope": "F18"}
        assert first.tracer.data == {**told, "dose": 185.5}
        assert second.tracer.data == {**told, "dose": 201}
        assert first.scans["pet-pet"].parameters.dimensions.num == 2
