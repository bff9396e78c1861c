"""What a scan's attributes are by its image and its sidecars, in XNAT's names and units.

XNAT fills these from DICOM, so times are milliseconds; BIDS and dcm2niix have seconds. Values are the texts that XNAT
itself would write (`MRScanAttributes` and `ImageScanAttributes` of dicom-xnat-mx). What identifies is left out: UIDs,
dates, operators.
"""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any

from xnat_sync.core.formats.identifiers import is_null
from xnat_sync.core.model.state import Found
from xnat_sync.core.model.values import WORD_SEPARATOR
from xnat_sync.local.imaging.side_files import repetition_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from xnat_sync.local.imaging.header import ImageFacts

_HEADER = "the header"
# A header that says no unit means millimetres: a sixth of all real ones say none.
_MILLIMETRES = {"mm": 1.0, "": 1.0, "m": 1000.0, "um": 0.001}


def image_attributes(facts: ImageFacts, sidecar: Any, b_values: Sequence[float]) -> dict[str, Found]:
    """Every attribute that header, sidecar and gradient table tell, for whatever type the scan has."""
    header = _from_header(facts.shape, facts.zooms, facts.space_unit, repetition_seconds(facts))
    found = {**header, **_from_gradients(b_values)}
    if isinstance(sidecar, dict):
        found |= _from_sidecar(sidecar)
        if "partitions" in found and sidecar.get("MRAcquisitionType") != "3D":
            del found["partitions"]
    else:
        found.pop("partitions", None)
    return found


def common(several: Sequence[Mapping[str, Found]]) -> dict[str, Found]:
    """What all images of a scan agree on."""
    if not several:
        return {}
    first, *others = several
    if not others:
        return dict(first)
    return {name: one for name, one in first.items() if all(other.get(name) == one for other in others)}


@functools.lru_cache(maxsize=4096)
def _found(value: str, source: str) -> Found:
    """A value that is held once, however many scans have it."""
    return Found(value, source)


def _number(value: float) -> str:
    return f"{value:.10g}"


# The scans of a study are made by a few protocols, and so are their headers.
@functools.lru_cache(maxsize=1024)
def _from_header(
    shape: tuple[int, ...], zooms: tuple[float, ...], space_unit: str, repetition: float | None
) -> Mapping[str, Found]:
    sizes = (*shape, 1, 1, 1)[:3]
    count = str(math.prod(shape[3:]))
    values = {"frames": count, "num_frames": count, "dimensions_num": count}
    values |= {"matrix_x": str(sizes[0]), "matrix_y": str(sizes[1]), "partitions": str(sizes[2])}
    values |= {"num_planes": str(sizes[2])}
    values |= {f"dimensions_{axis}": str(size) for axis, size in zip("xyz", sizes, strict=True)}
    factor = _MILLIMETRES.get(space_unit)
    edges = [abs(zoom) for zoom in zooms[:3]]
    if factor and len(edges) == 3 and all(0 < zoom < math.inf for zoom in edges):
        for axis, zoom in zip("xyz", edges, strict=True):
            values[f"voxel_res_{axis}"] = values[f"pixel_size_{axis}"] = f"{zoom * factor:.6g}"
        values["voxel_res_units"] = "mm"
    if repetition:
        values["tr"] = f"{repetition * 1000:.6g}"
    return {name: Found(value, _HEADER) for name, value in values.items()}


def _from_gradients(b_values: Sequence[float]) -> dict[str, Found]:
    if not b_values:
        return {}
    joined = " ".join(map(_number, b_values))
    source = "the b-values"
    return {"diffusion_b_values": _found(joined, source), "diffusion_b_max": _found(_number(max(b_values)), source)}


def _plain_number(value: Any) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if usable else None


def _as_is(value: Any) -> str | None:
    number = _plain_number(value)
    return None if number is None else _number(number)


def _thousandfold(value: Any) -> str | None:
    number = _plain_number(value)
    return None if number is None else _number(number * 1000)


def _text(value: Any) -> str | None:
    text = " ".join(str(value).split()) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
    return None if is_null(text) else text


def _joined(value: Any) -> str | None:
    """One or several code words; ``NONE`` and ``00`` are words of DICOM's too.

    Not joined by a backslash as in DICOM: XNAT doubles each one whenever it saves it (`values`).
    """
    items = value if isinstance(value, list) else [value]
    parts = [part for item in items if isinstance(item, str) for part in item.split("\\")]
    words = [" ".join(part.split()) for part in parts]
    joined = WORD_SEPARATOR.join(word for word in words if word)
    return None if joined.lower() in ("", "n/a") else joined


def _tesla(value: Any) -> str | None:
    """The field in Tesla, to the half as XNAT rounds it: 2.89 is a 3.0 (`MagneticFieldStrength`)."""
    number = _plain_number(value)
    if number is None or number <= 0:
        return None
    tesla = number / 10000 if number >= 500 else number
    rounded = round(tesla * 2) / 2
    return f"{rounded:.1f}" if rounded else _number(tesla)


def _time_of_day(value: Any) -> str | None:
    """A time as XNAT takes it; dcm2niix writes ``9:5:3.500000``."""
    found = re.fullmatch(r"\s*(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d*)?\s*", value) if isinstance(value, str) else None
    if not found:
        return None
    hour, minute, second = map(int, found.groups())
    return f"{hour:02d}:{minute:02d}:{second:02d}" if hour < 24 and minute < 60 and second < 60 else None


def _plane(value: Any) -> str | None:
    plane = value[:3] if isinstance(value, str) else ""
    return plane if plane in ("Sag", "Cor", "Tra") else None


# XNAT's attribute from the first of these keys that has a usable value.
_SIDECAR: tuple[tuple[str, tuple[str, ...], Callable[[Any], str | None]], ...] = (
    ("tr", ("RepetitionTime",), _thousandfold),
    ("te", ("EchoTime",), _thousandfold),
    ("ti", ("InversionTime",), _thousandfold),
    ("flip", ("FlipAngle",), _as_is),
    ("field_strength", ("MagneticFieldStrength",), _tesla),
    ("coil", ("ReceiveCoilName",), _text),
    ("sequence", ("SequenceName", "PulseSequenceName"), _text),
    ("image_type", ("ImageType",), _joined),
    ("scan_sequence", ("ScanningSequence",), _joined),
    ("seq_variant", ("SequenceVariant",), _joined),
    ("scan_options", ("ScanOptions",), _joined),
    ("acq_type", ("MRAcquisitionType",), _joined),
    ("pixel_bandwidth", ("PixelBandwidth",), _as_is),
    ("phase_encoding_direction", ("PhaseEncodingDirection",), _text),
    ("orientation", ("ImageOrientationText",), _plane),
    ("series_description", ("SeriesDescription",), _text),
    ("protocol_name", ("ProtocolName",), _text),
    ("body_part_examined", ("BodyPart", "BodyPartExamined"), _text),
    ("modality", ("Modality",), _text),
    ("start_time", ("AcquisitionTime",), _time_of_day),
    ("scanner", ("StationName",), _text),
    ("scanner_manufacturer", ("Manufacturer",), _text),
    ("scanner_model", ("ManufacturersModelName",), _text),
    # Of the session: a scan has no tracer of its own in XNAT.
    ("tracer_name", ("TracerName",), _text),
    ("tracer_isotope", ("TracerRadionuclide",), _text),
    ("tracer_dose", ("InjectedRadioactivity",), _as_is),
    ("tracer_dose_units", ("InjectedRadioactivityUnits",), _text),
    ("kvp", ("KVP",), _as_is),
    ("exposure_time", ("ExposureTime",), _thousandfold),
    ("xray_tube_current", ("XRayTubeCurrent",), _as_is),
    ("exposure", ("XRayExposure",), _as_is),
    ("convolution_kernel", ("ConvolutionKernel",), _text),
)


def _from_sidecar(sidecar: Mapping[str, Any]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for name, keys, convert in _SIDECAR:
        for key in keys:
            value = convert(sidecar[key]) if key in sidecar else None
            if value is not None:
                found[name] = _found(value, key)
                break
    return found
