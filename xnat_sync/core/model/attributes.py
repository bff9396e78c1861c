"""XNAT's data types, as far as a manifest can speak of them: which type has which attribute.

Read from ``xnat.xsd``, the schema that every XNAT serves at ``/xapi/schemas/xnat``. An attribute has a name of its
own in the manifest (snake case), XNAT's path relative to the object, and a kind that says which texts are legal and
when two texts mean the same (`values`). Custom variables are the attributes ``fields.NAME``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from xnat_sync.core.model.refs import Level


class Kind(enum.Enum):
    """What the text of an attribute may say."""

    TEXT = "text"
    WORDS = "words"
    """Code words of DICOM's, of which there may be several."""
    INTEGER = "integer"
    NUMBER = "number"
    """``xs:float``: 32 bits."""
    DOUBLE = "double"
    """``xs:double``: 64 bits."""
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
    *_parameters(Kind.WORDS, "image_type=imageType"),
)
_MR_SCAN = (
    *_MAGNET,
    *_GRID,
    *_parameters(Kind.TEXT, "orientation", longest=5),
    *_parameters(Kind.INTEGER, "matrix_x=matrix/x", "matrix_y=matrix/y", "partitions", "dti_acq_count=dtiAcqCount"),
    # Milliseconds and degrees: what XNAT takes from DICOM.
    *_parameters(Kind.NUMBER, "tr", "te", "ti", "flip", "delta_te=deltaTE"),
    *_parameters(Kind.DOUBLE, "pixel_bandwidth=pixelBandwidth", "echo_spacing=echoSpacing"),
    *_parameters(Kind.WORDS, "scan_sequence=scanSequence", "seq_variant=seqVariant", "scan_options=scanOptions"),
    *_parameters(
        Kind.TEXT,
        "sequence",
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
    ),
    *_parameters(Kind.WORDS, "convolution_kernel=convolutionKernel", "filter"),
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
