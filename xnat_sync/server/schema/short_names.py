"""The short names that a route understands for full paths (``XMLPathShortcuts``); one without a table knows none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_DEMOGRAPHICS: Final = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/"


@dataclass(frozen=True, slots=True)
class ShortNames:
    """Names that may be written, and all names that may be read (listed, filtered)."""

    writable: dict[str, str]
    readable: dict[str, str]


def _table(prefix: str, *entries: str) -> dict[str, str]:
    """``name`` or ``name=path`` → prefix + path."""
    pairs = (entry.partition("=") for entry in entries)
    return {name: prefix + (path or name) for name, _, path in pairs}


def _meta(prefix: str) -> dict[str, str]:
    return _table(
        prefix,
        "insert_date=meta/insert_date",
        "insert_user=meta/insert_user/login",
        "last_modified=meta/last_modified",
    )


def _with(writable: dict[str, str], *more: dict[str, str]) -> ShortNames:
    readable = dict(writable)
    for table in more:
        readable.update(table)
    return ShortNames(writable, readable)


PROJECT = _with(
    {
        **_table("xnat:projectData/", "ID", "secondary_ID", "name", "description", "keywords", "alias=aliases/alias"),
        **_table("xnat:projectData/PI/", "pi_firstname=firstname", "pi_lastname=lastname"),
        "note": "xnat:projectData/fields/field[name=note]/field",
    },
    _meta("xnat:projectData/"),
)

SUBJECT = _with(
    {
        **_table("xnat:subjectData/", "project", "label", "ID", "group", "src"),
        **_table("xnat:subjectData/investigator/", "pi_firstname=firstname", "pi_lastname=lastname"),
        **_table(_DEMOGRAPHICS, "dob", "yob", "age", "gender", "handedness", "ses", "education", "educationDesc"),
        **_table(_DEMOGRAPHICS, "race", "ethnicity", "weight", "height"),
        **_table(_DEMOGRAPHICS, "gestational_age", "post_menstrual_age", "birth_weight"),
    },
    _meta("xnat:subjectData/"),
)

_VALIDATION = (
    "validation_method=validation/method",
    "validation_status=validation/status",
    "validation_date=validation/date",
    "validation_notes=validation/notes",
)

_ASSESSOR = {
    **_table("xnat:experimentData/", "ID", "label", "project", "visit_id", "date", "time", "note"),
    **_table("xnat:experimentData/investigator/", "pi_firstname=firstname", "pi_lastname=lastname"),
    **_table("xnat:experimentData/", *_VALIDATION),
}
_SESSION = {
    **_ASSESSOR,
    **_table("xnat:experimentData/", "visit", "protocol"),
    **_table("xnat:subjectAssessorData/", "subject_ID"),
    **_table("xnat:imageSessionData/", "scanner", "operator", "dcmAccessionNumber", "dcmPatientId", "dcmPatientName"),
    **_table("xnat:imageSessionData/", "session_type", "modality", "UID"),
    **_table("xnat:mrSessionData/", "coil", "fieldStrength", "marker"),
    # Registered twice in XNAT, the last one (PET) wins; so does the half-life for the isotope.
    **_table("xnat:petSessionData/", "stabilization", "studyType", "patientID", "patientName"),
    **_table(
        "xnat:petSessionData/",
        "scan_start_time=start_time_scan",
        "injection_start_time=start_time_injection",
        "tracer_name=tracer/name",
        "tracer_startTime=tracer/startTime",
        "tracer_dose=tracer/dose",
        "tracer_sa=tracer/specificActivity",
        "tracer_totalmass=tracer/totalMass",
        "tracer_intermediate=tracer/intermediate",
        "tracer_isotope=tracer/isotope/half-life",
        "tracer_transmissions=tracer/transmissions",
        "tracer_transmissions_start=tracer/transmissions_starttime",
    ),
}
_EXPERIMENT_READ = {
    **_meta("xnat:experimentData/"),
    "xsiType": "xnat:experimentData/extension_item/element_name",
    "subject_label": "xnat:subjectData/label",
    "subject_project": "xnat:subjectData/project",
    "session_ID": "xnat:imageSessionData/ID",
    "session_label": "xnat:imageSessionData/label",
    "session_project": "xnat:imageSessionData/project",
}
SESSION = _with(_SESSION, _EXPERIMENT_READ)
"""For ``/projects/P/subjects/S/experiments`` and, reading, for every experiment list."""

SCAN = _with(
    {
        **_table("xnat:imageScanData/", "ID", "type", "UID", "note", "quality", "condition", "series_description"),
        **_table("xnat:imageScanData/", "documentation", "scanner", "modality", "frames", "scanTime=startTime"),
        **_table("xnat:imageScanData/", *_VALIDATION),
        **_table("xnat:mrScanData/", "coil", "fieldStrength", "marker", "stabilization"),
        **_table(
            "xnat:petScanData/parameters/",
            "orientation",
            "originalFileName",
            "systemType",
            "fileType",
            "transaxialFOV",
            "acqType",
            "facility",
            "numPlanes",
            "numFrames=frames/numFrames",
            "numGates",
            "planeSeparation",
            "binSize",
            "dataType",
        ),
    },
    {"xnat_imagescandata_id": "xnat:imageScanData/xnat_imagescandata_id"},
    _meta("xnat:imageScanData/"),
    {"xsiType": "xnat:imageScanData/extension_item/element_name"},
)

ASSESSOR = _with(_ASSESSOR, _EXPERIMENT_READ)
RECONSTRUCTION = _with(_table("xnat:reconstructedImageData/", "ID", "type", "baseScanType"))
NONE = ShortNames({}, {})
"""``ExperimentResource`` registers no table: there short names are silently ignored."""
