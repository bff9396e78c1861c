"""The columns of XNAT's listings: how to ask for an attribute, and under which key it comes back.

The server names a column by a short name where the list knows one for its path, and by the lower-cased path otherwise,
whatever it was asked by (`QueryOrganizerResource.formatHeaders`). So a column is looked for under all its names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from xnat_sync.core.model.attributes import (
    CUSTOM_PREFIX,
    IMAGE_SCAN,
    IMAGE_SESSION,
    SUBJECT,
    attribute_of,
    generic_attributes,
)
from xnat_sync.core.model.refs import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from xnat_sync.core.model.attributes import Attribute

EXPERIMENT = "xnat:experimentData"
ASSESSOR = "xnat:subjectAssessorData"

EXPERIMENT_NAMES = frozenset({"date", "time", "note", "acquisition_site", "visit_id", "age"})
"""The attributes that every experiment has (`xnat:experimentData`, `xnat:subjectAssessorData`), imaging or not."""

# Short names of XNAT's lists by full path (`XMLPathShortcuts`), as far as they differ from what one would guess.
_SUBJECT_SHORT = frozenset(
    {"group", "src", "gender", "handedness", "dob", "yob", "age", "education", "educationDesc", "ses", "race"}
    | {"ethnicity", "weight", "height", "gestational_age", "post_menstrual_age", "birth_weight"}
)
_EXPERIMENT_SHORT = frozenset({"date", "time", "note", "visit_id"})
_IMAGE_SHORT = frozenset(
    {"scanner", "operator", "dcmAccessionNumber", "dcmPatientId", "dcmPatientName", "session_type", "modality", "UID"}
)
_ODD_SHORT = {
    "xnat:imagesessiondata/uid": ("uid", "studyinstanceuid"),
    "xnat:mrsessiondata/coil": ("coil",),
    "xnat:mrsessiondata/fieldstrength": ("fieldstrength",),
    "xnat:mrsessiondata/marker": ("marker",),
    "xnat:petsessiondata/studytype": ("studytype",),
    "xnat:petsessiondata/stabilization": ("stabilization",),
    "xnat:petsessiondata/tracer/name": ("tracer_name",),
    "xnat:petsessiondata/tracer/dose": ("tracer_dose",),
    "xnat:petsessiondata/tracer/specificactivity": ("tracer_sa",),
    "xnat:petsessiondata/tracer/totalmass": ("tracer_totalmass",),
    # Not the isotope but its half-life.
    "xnat:petsessiondata/tracer/isotope/half-life": ("tracer_isotope",),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the text to ask by, and the lower-cased keys that it may come back under."""

    ask: str
    keys: tuple[str, ...]

    def find(self, keys: Mapping[str, str]) -> str | None:
        """The key of this column in rows that have these keys (lower case to actual), ``None`` if it is missing."""
        return next((keys[key] for key in self.keys if key in keys), None)


def _column(ask: str, *others: str) -> Column:
    return Column(ask, (ask.lower(), *others))


LABEL = _column("label", "session_label", "xnat:experimentdata/label")
XSI_TYPE = _column("xsiType", "xnat:experimentdata/extension_item/element_name")
OWNER = _column("project", "session_project", "xnat:experimentdata/project")
SUBJECT_ID = _column("subject_ID", "xnat:subjectassessordata/subject_id")
SUBJECT_LABEL = _column("subject_label", "xnat:subjectdata/label")
ACCESSION = Column("ID", ("id", "session_id", "xnat:subjectassessordata/id", "xnat:experimentdata/id"))
URI = _column("URI")


def subject_columns(names: Iterable[str]) -> dict[str, Column]:
    """The columns for some attributes of subjects."""
    found = {}
    for name, attribute in _known(Level.SUBJECT, SUBJECT, names):
        short = attribute.path.rpartition("/")[2]
        full = f"{SUBJECT}/{attribute.path}"
        found[name] = _column(short, full.lower()) if short in _SUBJECT_SHORT else _column(full)
    return found


def experiment_columns(names: Iterable[str]) -> dict[str, Column]:
    """The columns for those of some attributes that every experiment has."""
    return {
        name: _session_column(IMAGE_SESSION, attribute)
        for name, attribute in _known(Level.SESSION, IMAGE_SESSION, names)
        if name in EXPERIMENT_NAMES
    }


def session_columns(xsi_type: str | None, names: Iterable[str]) -> dict[str, Column]:
    """The columns for some attributes of imaging sessions, of one type or with ``None`` of any."""
    known = xsi_type or IMAGE_SESSION
    return {name: _session_column(known, attribute) for name, attribute in _known(Level.SESSION, known, names)}


def scan_columns(xsi_type: str | None, names: Iterable[str]) -> dict[str, Column]:
    """The columns for some attributes of scans, of one type or with ``None`` of any."""
    known = xsi_type or IMAGE_SCAN
    return {name: scan_column(known, attribute.path) for name, attribute in _known(Level.SCAN, known, names)}


def scan_column(xsi_type: str, path: str) -> Column:
    """A column of a scan in a list of sessions, which knows no short names for scans."""
    return _column(f"{xsi_type}/{path}", f"{IMAGE_SCAN}/{path}".lower())


def custom_columns(prefix: str) -> tuple[Column, Column]:
    """The columns for names and values of the custom variables of a type: one row for each variable."""
    return _column(f"{prefix}/fields/field/name"), _column(f"{prefix}/fields/field/field")


def scan_custom_columns(xsi_type: str) -> tuple[Column, Column]:
    """The same for a scan type, which keeps them among its parameters."""
    return scan_column(xsi_type, "parameters/addParam/name"), scan_column(xsi_type, "parameters/addParam/addField")


def has_custom(names: Iterable[str]) -> bool:
    """Whether any of the names is a custom variable's."""
    return any(name.startswith(CUSTOM_PREFIX) for name in names)


def _known(level: Level, xsi_type: str, names: Iterable[str]) -> list[tuple[str, Attribute]]:
    """Those of the names that are attributes of the type, custom variables left out, in a fixed order."""
    pairs = ((name, attribute_of(level, xsi_type, name)) for name in sorted(names))
    return [(name, found) for name, found in pairs if found and not name.startswith(CUSTOM_PREFIX)]


def _session_column(xsi_type: str, attribute: Attribute) -> Column:
    path = attribute.path
    home = _home(xsi_type, attribute)
    full = f"{home}/{path}".lower()
    inherited = [f"{other}/{path}".lower() for other in (xsi_type, IMAGE_SESSION, ASSESSOR, EXPERIMENT)]
    keys = tuple(dict.fromkeys((full, *inherited, *_ODD_SHORT.get(full, ()))))
    if path in _EXPERIMENT_SHORT or (path in _IMAGE_SHORT and home == IMAGE_SESSION):
        return Column(path, tuple(dict.fromkeys((path.lower(), *keys))))
    return Column(f"{home}/{path}", keys)


def _home(xsi_type: str, attribute: Attribute) -> str:
    """The type in which xnat.xsd defines an attribute of a session."""
    if attribute.name == "age":
        return ASSESSOR
    if attribute.name in EXPERIMENT_NAMES:
        return EXPERIMENT
    return IMAGE_SESSION if attribute.name in generic_attributes(Level.SESSION) else xsi_type
