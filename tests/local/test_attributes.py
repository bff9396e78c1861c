"""A scan's attributes by its image and sidecar: hand-computed values for sidecars as three vendors' scans give them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from xnat_sync.core.model.attributes import attributes_of
from xnat_sync.core.model.local_port import LocalFile
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.values import value_error
from xnat_sync.local.inspection import inspect

if TYPE_CHECKING:
    from pathlib import Path

Make = Callable[..., bytes]
Put = Callable[[str, bytes], str]

GRID = {
    "frames": "2",
    "matrix_x": "4",
    "matrix_y": "4",
    "voxel_res_x": "2",
    "voxel_res_y": "2",
    "voxel_res_z": "2",
    "voxel_res_units": "mm",
}
SIEMENS = {
    "Modality": "MR",
    "MagneticFieldStrength": 2.89362,
    "Manufacturer": "Siemens",
    "ManufacturersModelName": "Prisma_fit",
    "StationName": "AWP45678",
    "ReceiveCoilName": "HeadNeck_64",
    "BodyPartExamined": "BRAIN",
    "ProtocolName": "rest",
    "SeriesDescription": "rest bold",
    "ScanningSequence": "EP",
    "SequenceVariant": "SK",
    "ScanOptions": "FS",
    "SequenceName": "epfid2d1_64",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"],
    "AcquisitionTime": "14:13:5.990000",
    "EchoTime": 0.03,
    "RepetitionTime": 1.5,
    "FlipAngle": 78,
    "MRAcquisitionType": "2D",
    "PixelBandwidth": 2368,
    "PhaseEncodingDirection": "j-",
    "ImageOrientationText": "Tra>Cor(-11.5)",
    "PatientName": "n/a",
    "SeriesInstanceUID": "1.2.3",
}
SIEMENS_MEANS = {
    **GRID,
    "modality": "MR",
    "field_strength": "3.0",
    "scanner_manufacturer": "Siemens",
    "scanner_model": "Prisma_fit",
    "scanner": "AWP45678",
    "coil": "HeadNeck_64",
    "body_part_examined": "BRAIN",
    "protocol_name": "rest",
    "series_description": "rest bold",
    "scan_sequence": "EP",
    "seq_variant": "SK",
    "scan_options": "FS",
    "sequence": "epfid2d1_64",
    "image_type": "ORIGINAL/PRIMARY/M/ND",
    "start_time": "14:13:05",
    "te": "30",
    "tr": "1500",
    "flip": "78",
    "acq_type": "2D",
    "pixel_bandwidth": "2368",
    "phase_encoding_direction": "j-",
    "orientation": "Tra",
}
GE = {
    "MagneticFieldStrength": 3,
    "Manufacturer": "GE",
    "PulseSequenceName": "EPI2",
    "ScanningSequence": "EP\\SE",
    "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
    "EchoTime": 0.1236,
    "RepetitionTime": 1.5,
    "InversionTime": 0.45,
    "FlipAngle": 90,
    "MRAcquisitionType": "3D",
    "PixelBandwidth": 1953.12,
}
GE_MEANS = {
    **GRID,
    "field_strength": "3.0",
    "scanner_manufacturer": "GE",
    "sequence": "EPI2",
    "scan_sequence": "EP/SE",
    "image_type": "ORIGINAL/PRIMARY/OTHER",
    "te": "123.6",
    "tr": "1500",
    "ti": "450",
    "flip": "90",
    "acq_type": "3D",
    "partitions": "3",
    "pixel_bandwidth": "1953.12",
}
PHILIPS = {
    "MagneticFieldStrength": 15000,
    "Manufacturer": "Philips",
    "BodyPart": "HEAD",
    "EchoTime": 0.0046,
    "AcquisitionTime": "9:5:3",
}
PHILIPS_MEANS = {
    **GRID,
    "field_strength": "1.5",
    "scanner_manufacturer": "Philips",
    "body_part_examined": "HEAD",
    "te": "4.6",
    "tr": "1500",
    "start_time": "09:05:03",
}


@pytest.fixture
def of_type(put: Put) -> Callable[..., dict[str, str]]:
    """The attributes that a scan of a type gets from its files."""

    def look(xsi_type: str, **contents: bytes) -> dict[str, str]:
        names = [name.replace("__", ".") for name in contents]
        files = [
            LocalFile(path=put(name, data), name=name) for name, data in zip(names, contents.values(), strict=True)
        ]
        known = attributes_of(Level.SCAN, xsi_type)
        found = {name: held.value for name, held in inspect(files).found.items() if name in known}
        assert not any(value_error(known[name], value) for name, value in found.items())
        return found

    return look


OfType = Callable[..., dict[str, str]]
MR, PET, CT = "xnat:mrScanData", "xnat:petScanData", "xnat:ctScanData"


def sidecar(values: object) -> bytes:
    return json.dumps(values).encode()


@pytest.mark.parametrize(
    ("said", "expected"),
    [(SIEMENS, SIEMENS_MEANS), (GE, GE_MEANS), (PHILIPS, PHILIPS_MEANS), ({}, {**GRID, "tr": "1500"})],
)
def test_vendors(image: Make, of_type: OfType, said: dict[str, object], expected: dict[str, str]) -> None:
    assert of_type(MR, a__nii=image(), a__json=sidecar(said)) == expected


def test_without_a_sidecar(image: Make, of_type: OfType) -> None:
    assert of_type(MR, a__nii=image()) == {**GRID, "tr": "1500"}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"units": 9}, {"voxel_res_x": "2000", "tr": "1500"}),
        ({"units": 11}, {"voxel_res_x": "0.002"}),
        ({"units": 0}, {"voxel_res_x": "2", "tr": None}),
        ({"units": 18}, {"tr": "1.5"}),
        ({"pixdim": (1, 0, 2, 2, 1.5, 1, 1, 1)}, {"voxel_res_x": None, "voxel_res_units": None}),
        ({"pixdim": (1, -2, 2, 2, 1.5, 1, 1, 1)}, {"voxel_res_x": "2"}),
        ({"pixdim": (1, 2, 2, 2, 0, 1, 1, 1)}, {"tr": None}),
        ({"dim": (3, 4, 4, 6, 1, 1, 1, 1)}, {"frames": "1", "tr": None}),
        ({"dim": (5, 4, 4, 3, 1, 2, 1, 1)}, {"frames": "2", "tr": None}),
        ({"dim": (1, 96, 1, 1, 1, 1, 1, 1)}, {"matrix_x": "96", "matrix_y": "1", "voxel_res_x": None}),
        ({"pixdim": (1, 0.9375, 0.9375, 1.2000000477, 1.5, 1, 1, 1)}, {"voxel_res_x": "0.9375", "voxel_res_z": "1.2"}),
    ],
)
def test_headers(image: Make, of_type: OfType, parts: dict[str, object], expected: dict[str, str | None]) -> None:
    found = of_type(MR, a__nii=image(**parts))
    assert {name: found.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("key", "value", "name", "expected"),
    [
        ("RepetitionTime", "2", "tr", "1500"),
        ("RepetitionTime", True, "tr", "1500"),
        ("RepetitionTime", [2], "tr", "1500"),
        ("EchoTime", None, "te", None),
        ("MagneticFieldStrength", 0.064, "field_strength", "0.064"),
        ("MagneticFieldStrength", 7, "field_strength", "7.0"),
        ("MagneticFieldStrength", -3, "field_strength", None),
        ("AcquisitionTime", "25:00:00", "start_time", None),
        ("AcquisitionTime", "noon", "start_time", None),
        ("AcquisitionTime", 140000, "start_time", None),
        ("ReceiveCoilName", "n/a", "coil", None),
        ("ReceiveCoilName", " a\n b ", "coil", "a b"),
        ("ReceiveCoilName", {"a": 1}, "coil", None),
        ("ScanningSequence", ["GR", "IR"], "scan_sequence", "GR/IR"),
        ("SequenceVariant", "NONE", "seq_variant", "NONE"),
        ("ScanOptions", "n/a", "scan_options", None),
        ("ImageType", ["ORIGINAL", "", "NONE", "ECHO", "00"], "image_type", "ORIGINAL/NONE/ECHO/00"),
        ("ImageOrientationText", "Oblique", "orientation", None),
        ("FlipAngle", 1e400, "flip", None),
    ],
)
def test_odd_values(image: Make, of_type: OfType, key: str, value: object, name: str, expected: str | None) -> None:
    assert of_type(MR, a__nii=image(), a__json=sidecar({key: value})).get(name) == expected


def test_other_types_get_what_they_have(image: Make, of_type: OfType) -> None:
    pet = of_type(PET, a__nii=image(), a__json=sidecar({"Modality": "PT"}))
    assert pet == {
        **{f"dimensions_{axis}": size for axis, size in {"x": "4", "y": "4", "z": "3", "num": "2"}.items()},
        **{f"pixel_size_{axis}": "2" for axis in "xyz"},
        "frames": "2",
        "num_frames": "2",
        "num_planes": "3",
        "modality": "PT",
    }
    ct = of_type(CT, a__nii=image(), a__json=sidecar({"KVP": 120, "ExposureTime": 0.5, "ConvolutionKernel": "H31s"}))
    assert (ct["kvp"], ct["exposure_time"], ct["convolution_kernel"]) == ("120", "500", "H31s")
    assert "tr" not in ct


def test_gradients(image: Make, of_type: OfType) -> None:
    found = of_type(MR, a__nii=image(), a__bval=b"0 1000\n", a__bvec=b"0 1\n0 0\n0 0\n")
    assert (found["diffusion_b_values"], found["diffusion_b_max"]) == ("0 1000", "1000")
    assert "diffusion_b_max" not in of_type(MR, a__nii=image(), a__bval=b"0 1000 2000\n")


def test_several_images_give_what_they_agree_on(image: Make, of_type: OfType) -> None:
    first, second = sidecar({"EchoTime": 0.01, "FlipAngle": 8}), sidecar({"EchoTime": 0.02, "FlipAngle": 8})
    found = of_type(MR, a__nii=image(), b__nii=image(), a__json=first, b__json=second)
    assert found == {**GRID, "tr": "1500", "flip": "8"}


def test_where_a_value_comes_from(image: Make, put: Put) -> None:
    files = [LocalFile(path=put("a.nii", image()), name="a.nii")]
    assert inspect(files).found["tr"].source == "the header"
    files.append(LocalFile(path=put("a.json", sidecar({"RepetitionTime": 1.5})), name="a.json"))
    assert inspect(files).found["tr"].source == "RepetitionTime"
    assert inspect([]).found == {}


@pytest.fixture
def inherited(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """The attributes of an image of MR, given files by their paths in a BIDS tree."""

    def look(**contents: bytes) -> dict[str, str]:
        files = []
        for name, data in contents.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            files.append(LocalFile(path=str(path), name=path.name))
        return {name: held.value for name, held in inspect(files).found.items()}

    return look


BOLD = "sub-1/ses-1/func/sub-1_ses-1_task-rest_bold"


def test_inherited_sidecars_merge_and_the_nearest_wins(image: Make, inherited: Callable[..., dict[str, str]]) -> None:
    found = inherited(
        **{
            f"{BOLD}.nii": image(),
            "task-rest_bold.json": sidecar({"FlipAngle": 70, "EchoTime": 0.01, "ReceiveCoilName": "Head"}),
            "sub-1/sub-1_task-rest_bold.json": sidecar({"FlipAngle": 75, "EchoTime": 0.02}),
            f"{BOLD}.json": sidecar({"FlipAngle": 79}),
            "sub-1/ses-1/func/sub-1_ses-1_task-rest_events.json": sidecar({"FlipAngle": 1, "EchoTime": 1}),
            "task-x_bold.json": sidecar({"FlipAngle": 2}),
        }
    )
    assert (found["flip"], found["te"], found["coil"]) == ("79", "20", "Head")


def test_one_sidecar_of_two_echoes_and_a_table_above(image: Make, inherited: Callable[..., dict[str, str]]) -> None:
    found = inherited(
        **{
            "sub-1/dwi/sub-1_echo-1_dwi.nii": image(),
            "sub-1/dwi/sub-1_echo-2_dwi.nii": image(),
            "dwi.bval": b"0 700\n",
            "sub-1/dwi/sub-1_dwi.bval": b"0 1000\n",
            "sub-1/dwi/sub-1_dwi.json": sidecar({"FlipAngle": 90}),
        }
    )
    assert (found["flip"], found["diffusion_b_max"]) == ("90", "1000")


def test_a_repetition_time_is_held_against_the_header_where_it_was_said(image: Make, tmp_path: Path) -> None:
    for name, data in {
        "task-x_bold.json": sidecar({"RepetitionTime": 3}),
        "sub-1/func/sub-1_task-x_bold.json": sidecar({"EchoTime": 0.02}),
        "sub-1/func/sub-1_task-x_bold.nii": image(),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    paths = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    found = inspect([LocalFile(path=str(path), name=path.name) for path in paths])
    ((index, breach),) = found.breaches
    assert (paths[index].name, breach.rule) == ("task-x_bold.json", "XS323")
