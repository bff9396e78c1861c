"""XNAT's data types, as far as a manifest can speak of them: which type has which attribute, and how values compare.

Read from ``xnat.xsd``, the schema that every XNAT serves at ``/xapi/schemas/xnat``. An attribute has a name of its
own in the manifest (snake case), XNAT's path relative to the object, and a kind that says which texts are legal and
when two texts mean the same. Custom variables are the attributes ``fields.NAME``.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import date, time
from typing import assert_never

from xnat_sync.core.model.refs import Level


class Kind(enum.Enum):
    """What the text of an attribute may say."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    TIME = "time"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One attribute: its name in the manifest, XNAT's path, and its rule.

    ``longest`` is the length that the server's column takes (`GenericWrapperField`: 255 unless the schema says more).
    ``clearable`` is false for enumerations, which refuse XNAT's ``NULL`` with 400 (`XFTValidator`).
    """

    name: str
    path: str
    kind: Kind = Kind.TEXT
    choices: tuple[str, ...] = ()
    longest: int = 255
    low: float | None = None
    high: float | None = None

    @property
    def clearable(self) -> bool:
        """Whether the server can empty it."""
        return self.kind is not Kind.CHOICE


def _attributes(kind: Kind, *pairs: str, below: str = "", longest: int = 255) -> tuple[Attribute, ...]:
    """Attributes of one kind from ``name`` or ``name=path`` texts, their paths below a prefix."""
    split = (pair.partition("=") for pair in pairs)
    return tuple(
        Attribute(name=name, path=below + (path or name), kind=kind, longest=longest) for name, _, path in split
    )


_DEMOGRAPHICS = "demographics[@xsi:type=xnat:demographicData]/"


PROJECT = "xnat:projectData"
SUBJECT = "xnat:subjectData"
IMAGE_SESSION = "xnat:imageSessionData"
IMAGE_SCAN = "xnat:imageScanData"

_PROJECT = (
    *_attributes(Kind.TEXT, "name", "secondary_id=secondary_ID", "keywords"),
    *_attributes(Kind.TEXT, "description", longest=10000),
    *_attributes(Kind.TEXT, "pi_firstname=PI/firstname", "pi_lastname=PI/lastname", longest=25),
    Attribute(name="accessibility", path="accessibility", kind=Kind.CHOICE, choices=("private", "protected", "public")),
)
_SUBJECT_ATTRIBUTES = (
    *_attributes(Kind.TEXT, "group", "src", "initials"),
    *_attributes(Kind.DATE, "dob", below=_DEMOGRAPHICS),
    *_attributes(Kind.INTEGER, "yob", "age", below=_DEMOGRAPHICS),
    Attribute(
        name="gender",
        path=_DEMOGRAPHICS + "gender",
        kind=Kind.CHOICE,
        choices=("male", "female", "other", "unknown", "M", "F"),
    ),
    Attribute(
        name="handedness",
        path=_DEMOGRAPHICS + "handedness",
        kind=Kind.CHOICE,
        choices=("left", "right", "ambidextrous", "unknown"),
    ),
    *_attributes(Kind.INTEGER, "ses", below=_DEMOGRAPHICS),
    Attribute(name="employment", path=_DEMOGRAPHICS + "employment", kind=Kind.INTEGER, low=0, high=3),
    Attribute(name="education", path=_DEMOGRAPHICS + "education", kind=Kind.INTEGER, low=0, high=30),
    *_attributes(Kind.TEXT, "education_desc=educationDesc", "race", "ethnicity", below=_DEMOGRAPHICS),
    *_attributes(
        Kind.NUMBER, "weight", "height", "gestational_age", "post_menstrual_age", "birth_weight", below=_DEMOGRAPHICS
    ),
)
_SESSION = (
    *_attributes(Kind.DATE, "date"),
    *_attributes(Kind.TIME, "time"),
    *_attributes(Kind.TEXT, "note", longest=2500),
    *_attributes(Kind.TEXT, "acquisition_site", "visit_id", "operator", "session_type", "modality", "uid=UID"),
    *_attributes(Kind.TEXT, "scanner", "scanner_manufacturer=scanner/manufacturer", "scanner_model=scanner/model"),
    *_attributes(
        Kind.TEXT,
        "dcm_accession_number=dcmAccessionNumber",
        "dcm_patient_id=dcmPatientId",
        "dcm_patient_name=dcmPatientName",
    ),
    *_attributes(Kind.NUMBER, "age"),
)
_MAGNET = _attributes(Kind.TEXT, "coil", "field_strength=fieldStrength", "marker", "stabilization")
_TRACER = (
    *_attributes(Kind.TEXT, "study_type=studyType", "tracer_name=tracer/name", "tracer_isotope=tracer/isotope"),
    *_attributes(
        Kind.TEXT,
        "tracer_dose_units=tracer/dose/units",
        "tracer_total_mass_units=tracer/totalMass/units",
        "blood_glucose_units",
    ),
    *_attributes(
        Kind.NUMBER,
        "tracer_dose=tracer/dose",
        "tracer_specific_activity=tracer/specificActivity",
        "tracer_total_mass=tracer/totalMass",
        "tracer_half_life=tracer/isotope/half-life",
        "blood_glucose",
    ),
)
_SCAN = (
    *_attributes(
        Kind.TEXT, "type", "quality", "condition", "series_description", "series_class", "modality", "operator"
    ),
    *_attributes(Kind.TEXT, "note", longest=2500),
    *_attributes(Kind.TEXT, "documentation", longest=1000),
    *_attributes(
        Kind.TEXT,
        "scanner",
        "scanner_manufacturer=scanner/manufacturer",
        "scanner_model=scanner/model",
        "scanner_software_version=scanner/softwareVersion",
    ),
    *_attributes(Kind.INTEGER, "frames"),
    *_attributes(Kind.TIME, "start_time=startTime"),
    *_attributes(Kind.DATE, "start_date"),
    *_attributes(
        Kind.TEXT,
        "protocol_name=protocolName",
        "body_part_examined=bodyPartExamined",
        "requested_procedure_description=requestedProcedureDescription",
        "uid=UID",
    ),
)


def _parameters(kind: Kind, *pairs: str, longest: int = 255) -> tuple[Attribute, ...]:
    return _attributes(kind, *pairs, below="parameters/", longest=longest)


_GRID = (
    *_parameters(Kind.NUMBER, "voxel_res_x=voxelRes/x", "voxel_res_y=voxelRes/y", "voxel_res_z=voxelRes/z"),
    *_parameters(Kind.TEXT, "voxel_res_units=voxelRes/units", "subject_position=subjectPosition"),
    # Whole numbers in xnat.xsd: XNAT itself fills them with pixels, not millimetres.
    *_parameters(Kind.INTEGER, "fov_x=fov/x", "fov_y=fov/y"),
    *_parameters(Kind.TEXT, "image_type=imageType"),
)
_MR_SCAN = (
    *_MAGNET,
    *_GRID,
    *_parameters(Kind.TEXT, "orientation", longest=5),
    *_parameters(Kind.INTEGER, "matrix_x=matrix/x", "matrix_y=matrix/y", "partitions", "dti_acq_count=dtiAcqCount"),
    # Milliseconds and degrees: what XNAT takes from DICOM.
    *_parameters(Kind.NUMBER, "tr", "te", "ti", "flip", "delta_te=deltaTE"),
    *_parameters(Kind.NUMBER, "pixel_bandwidth=pixelBandwidth", "echo_spacing=echoSpacing"),
    *_parameters(
        Kind.TEXT,
        "sequence",
        "scan_sequence=scanSequence",
        "seq_variant=seqVariant",
        "scan_options=scanOptions",
        "acq_type=acqType",
        "phase_encoding_direction=phaseEncodingDirection",
        "diffusion_b_values=diffusion/bValues",
        "diffusion_b_max=diffusion/bMax",
    ),
)
_PET_SCAN = (
    *_parameters(Kind.TEXT, "original_file_name=originalFileName", "facility"),
    *_parameters(
        Kind.INTEGER,
        "orientation",
        "system_type=systemType",
        "file_type=fileType",
        "acq_type=acqType",
        "num_planes=numPlanes",
        "num_frames=frames/numFrames",
        "num_gates=numGates",
        "data_type=dataType",
        "dimensions_x=dimensions/x",
        "dimensions_y=dimensions/y",
        "dimensions_z=dimensions/z",
        "dimensions_num=dimensions/num",
    ),
    *_parameters(
        Kind.NUMBER,
        "transaxial_fov=transaxialFOV",
        "plane_separation=planeSeparation",
        "bin_size=binSize",
        "pixel_size_x=pixelSize/x",
        "pixel_size_y=pixelSize/y",
        "pixel_size_z=pixelSize/z",
    ),
)
_CT_SCAN = (
    *_GRID,
    *_parameters(Kind.TEXT, "orientation"),
    *_parameters(
        Kind.NUMBER,
        "kvp",
        "exposure_time=exposureTime",
        "gantry_tilt=gantryTilt",
        "table_height=tableHeight",
        "xray_tube_current=xrayTubeCurrent",
        "exposure",
        "pitch_factor=pitchFactor",
        "ct_dose_index=ctDIvol",
    ),
    *_parameters(Kind.INTEGER, "acquisition_number=acquisitionNumber"),
    *_parameters(
        Kind.TEXT,
        "rescale_intercept=rescale/intercept",
        "rescale_slope=rescale/slope",
        "convolution_kernel=convolutionKernel",
        "filter",
    ),
    Attribute(name="rotation_direction", path="parameters/rotationDirection", kind=Kind.CHOICE, choices=("CW", "CC")),
)

_OWN_SESSION = {
    "mr": _MAGNET,
    "pet": (*_TRACER, *_attributes(Kind.TEXT, "stabilization")),
    "petmr": (*_TRACER, *_MAGNET),
}
_OWN_SCAN = {"mr": _MR_SCAN, "pet": _PET_SCAN, "ct": _CT_SCAN}

# Stems that have both a session and a scan type in xnat.xsd: `xnat:mrSessionData`, `xnat:mrScanData`.
_STEMS = (
    *("mr", "pet", "ct", "cr", "dx", "mg", "io", "us", "ecg", "hd", "eps", "xa", "rf", "xa3D", "dx3DCraniofacial"),
    *("nm", "sr", "rg", "es", "esv", "gm", "gmv", "sm", "xc", "xcv", "op", "opt", "otherDicom", "meg", "eeg"),
)
_SESSION_ONLY = ("petmr", "rt")
_SCAN_ONLY = ("rtImage", "sc", "seg", "mrs", "voiceAudio")
# The scan type that a session's scans have unless the manifest says another.
_DEFAULT_SCAN = {"petmr": "pet", "rt": "rtImage"}

SESSION_TYPES: dict[str, tuple[Attribute, ...]] = {
    f"xnat:{stem}SessionData": (*_SESSION, *_OWN_SESSION.get(stem, ())) for stem in (*_STEMS, *_SESSION_ONLY)
}
"""Every imaging session type of xnat.xsd with the attributes that a manifest may give it."""

SCAN_TYPES: dict[str, tuple[Attribute, ...]] = {
    f"xnat:{stem}ScanData": (*_SCAN, *_OWN_SCAN.get(stem, ())) for stem in (*_STEMS, *_SCAN_ONLY)
}
"""Every scan type of xnat.xsd with the attributes that a manifest may give it."""

_GENERIC: dict[Level, tuple[Attribute, ...]] = {
    Level.PROJECT: _PROJECT,
    Level.SUBJECT: _SUBJECT_ATTRIBUTES,
    Level.SESSION: _SESSION,
    Level.SCAN: _SCAN,
}
_TYPED = {Level.SESSION: SESSION_TYPES, Level.SCAN: SCAN_TYPES}
_BY_TYPE: dict[tuple[Level, str], dict[str, Attribute]] = {
    (level, xsi_type): {attribute.name: attribute for attribute in attributes}
    for level, types in _TYPED.items()
    for xsi_type, attributes in types.items()
}
_BY_LEVEL = {level: {attribute.name: attribute for attribute in attributes} for level, attributes in _GENERIC.items()}

CUSTOM_PREFIX = "fields."
EVERY_CUSTOM = f"{CUSTOM_PREFIX}*"
"""Asks a listing for all custom variables; no variable has this name."""


def attributes_of(level: Level, xsi_type: str) -> dict[str, Attribute]:
    """The attributes of a type by name; those of every session or scan for a type that xnat.xsd does not know."""
    return _BY_TYPE.get((level, xsi_type), _BY_LEVEL[level])


def generic_attributes(level: Level) -> dict[str, Attribute]:
    """The attributes that every type of a level has, by name."""
    return _BY_LEVEL[level]


def attribute_of(level: Level, xsi_type: str, name: str) -> Attribute | None:
    """One attribute by name, ``None`` if the type has none such. Custom variables exist on every type.

    A scan has no ``fields`` in xnat.xsd; its custom variables are the ``addParam`` list of its parameters.
    """
    if name.startswith(CUSTOM_PREFIX):
        key = name.removeprefix(CUSTOM_PREFIX)
        path = f"parameters/addParam[name={key}]/addField" if level is Level.SCAN else f"fields/field[name={key}]/field"
        return Attribute(name=name, path=path)
    return attributes_of(level, xsi_type).get(name)


def known_types(level: Level) -> tuple[str, ...]:
    """The xsi types that a session or a scan can have, in XNAT's own namespace."""
    return tuple(_TYPED[level])


def default_scan_type(session_type: str) -> str | None:
    """The scan type that goes with a session type, ``None`` for a session type that xnat.xsd does not know."""
    stem = session_type.removeprefix("xnat:").removesuffix("SessionData")
    scan = f"xnat:{_DEFAULT_SCAN.get(stem, stem)}ScanData"
    return scan if session_type in SESSION_TYPES and scan in SCAN_TYPES else None


_INTEGER = re.compile(r"[+-]?[0-9]+")


def parse_number(text: str) -> float | None:
    """The value of a decimal number, ``None`` if the text is none; infinities and NaN are none."""
    try:
        value = float(text)
    except ValueError:
        return None
    legal = text.isascii() and "_" not in text and text.strip() == text
    return value if legal and value - value == 0 else None


def parse_date(text: str) -> date | None:
    """The date that ``yyyy-MM-dd`` says, ``None`` if the text is no such date."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def parse_time(text: str) -> time | None:
    """The time of day that ``HH:mm:ss`` says, with or without a fraction, ``None`` if the text is no such time."""
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?", text)
    if not found:
        return None
    hour, minute, second, fraction = found.groups(default="0")
    try:
        return time(int(hour), int(minute), int(second), int(fraction.ljust(6, "0")[:6]))
    except ValueError:
        return None


def value_error(attribute: Attribute, text: str) -> str | None:
    """What is wrong with a value, in words, ``None`` if the server will take it."""
    match attribute.kind:
        case Kind.TEXT:
            return _text_error(attribute, text)
        case Kind.INTEGER:
            return _integer_error(attribute, text)
        case Kind.NUMBER:
            return _bounds_error(attribute, text) if parse_number(text) is not None else "is not a number"
        case Kind.DATE:
            return None if parse_date(text) else "is not a date like 2024-03-01"
        case Kind.TIME:
            return None if parse_time(text) else "is not a time like 09:30:00"
        case Kind.CHOICE:
            legal = text.strip().lower() in {choice.lower() for choice in attribute.choices}
            return None if legal else f"is none of {', '.join(attribute.choices)}"
        case _:
            assert_never(attribute.kind)


def _bounds_error(attribute: Attribute, text: str) -> str | None:
    value = float(text)
    if attribute.low is not None and value < attribute.low:
        return f"is below {attribute.low:g}"
    if attribute.high is not None and value > attribute.high:
        return f"is above {attribute.high:g}"
    return None


_MANY_DIGITS = 100
"""More than zeros in front could explain; Python refuses to read thousands."""


def _integer_error(attribute: Attribute, text: str) -> str | None:
    if not _INTEGER.fullmatch(text):
        return "is not a whole number"
    if len(text) > _MANY_DIGITS or not -(2**31) <= int(text) < 2**31:
        # `XFTValidator` parses it as a Java integer, and the column has 32 bits.
        return "is beyond what XNAT keeps, -2147483648 to 2147483647"
    return _bounds_error(attribute, text)


# XNAT keeps texts XML-escaped and measures them so (`TurbineUtils.escapeParam`): how many characters each one grows by.
_ESCAPED_LENGTH = {"&": 4, "<": 3, ">": 3, '"': 5, "'": 5}
_MOST_ESCAPED = 1 + max(_ESCAPED_LENGTH.values())


def _text_error(attribute: Attribute, text: str) -> str | None:
    if not text:
        return "is empty (write null to clear it)"
    length = len(text)
    if length * _MOST_ESCAPED > attribute.longest:
        length += sum(text.count(character) * more for character, more in _ESCAPED_LENGTH.items())
    if length > attribute.longest:
        return f"is {length} characters long as XNAT keeps it; XNAT takes {attribute.longest}"
    if text.strip().upper() == "NULL":
        return "is XNAT's word for clearing a value (write null without quotes to clear it)"
    if "<" in text and re.search(r"<[^>]*script", text, re.IGNORECASE):
        return "contains a <script> tag, which XNAT refuses"
    return None


def same_value(attribute: Attribute, wanted: str, held: str) -> bool:
    """Whether two texts of an attribute mean the same: numbers by value, enumerations without case, times by moment."""
    match attribute.kind:
        case Kind.TEXT:
            return wanted == held
        case Kind.INTEGER | Kind.NUMBER:
            return _same(parse_number(wanted), parse_number(held))
        case Kind.DATE:
            return _same(parse_date(wanted), parse_date(held))
        case Kind.TIME:
            return _same(_second(wanted), _second(held))
        case Kind.CHOICE:
            return wanted.strip().lower() == held.strip().lower()
        case _:
            assert_never(attribute.kind)


def _second(text: str) -> time | None:
    """A time of day as far as XNAT keeps it: whatever fraction was sent, listings end in ``.000`` (`XFTTable`)."""
    found = parse_time(text)
    return found and found.replace(microsecond=0)


def _same(wanted: object, held: object) -> bool:
    return wanted is not None and wanted == held
