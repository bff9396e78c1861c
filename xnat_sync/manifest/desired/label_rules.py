"""Which labels and file names XNAT can keep, and what its names do to each other."""

from __future__ import annotations

import functools
import re

from xnat_sync.core.model.local_port import Breach
from xnat_sync.core.model.refs import Level
from xnat_sync.core.planning.prune import DICOM
from xnat_sync.manifest.text.document import shown

LONGEST_LABEL = 255
LONGEST_NAME = 255

_OTHER = "choose another label"
# The same few scan IDs and resources stand in every session.
_KNOWN = functools.lru_cache(maxsize=4096)

# `XftStringUtils.isValidId`; XNAT applies it to some labels only and fails later on the others.
_LABEL = re.compile(r"[A-Za-z0-9_-]+")
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
# A file name of which nothing more needs to be asked but its ending.
_USUAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_CUSTOM = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_. -]*[A-Za-z0-9_.-])?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# How Python shows a byte of a file's name that is not UTF-8.
_LONE = re.compile(r"[\ud800-\udfff]")
# The first six are refused by XNAT's own page (`FileViewer.js`); no URL carries the others as they are.
_AWKWARD = re.compile(r"[\[\]%#{};?\"<>^`|]")


@_KNOWN
def label_breach(level: Level, label: str) -> Breach | None:
    """What is wrong with the label of a project, subject, session or scan."""
    if not _LABEL.fullmatch(label):
        strange = re.sub(r"[A-Za-z0-9_-]", "", label)
        what = f"has {shown(strange[0])} in it" if strange else "is empty"
        return Breach(rule="XS101", summary=f"the {level.noun} label {shown(label)} {what}")
    if len(label) > LONGEST_LABEL:
        return Breach(rule="XS101", summary=f"the {level.noun} label {shown(label)} is {len(label)} characters long")
    if label.upper() == "NULL":
        summary = f"the {level.noun} label {label} is XNAT's word for clearing a value"
        return Breach(rule="XS101", summary=summary, hint=_OTHER)
    if level is Level.SCAN and label == "ALL":
        # `XNATTemplate` takes it as a list of IDs.
        return Breach(rule="XS101", summary="the scan ID ALL is XNAT's word for all scans", hint=_OTHER)
    return None


# `IDGenerator` writes the site's ID, S or E, and a number of at least five digits.
_ACCESSION_ID = re.compile(r"[A-Za-z][A-Za-z0-9_-]*_[SE][0-9]{5,}")


def is_like_an_accession_id(level: Level, label: str) -> bool:
    """Return whether a subject or session has a label like the IDs that XNAT gives, which most likely is one."""
    return level in (Level.SUBJECT, Level.SESSION) and _ACCESSION_ID.fullmatch(label) is not None


@_KNOWN
def resource_breach(label: str) -> Breach | None:
    """What is wrong with the label of a resource.

    XNAT looks a resource up by its number where the label is all digits (`XNATCatalogTemplate`), and drops one
    with a quote or SQL in it without a word.
    """
    if label.upper() == DICOM:
        return Breach(rule="XS103", summary=f"the resource {label} would hold DICOM that XNAT never anonymises")
    if label.upper() == "NULL":
        summary = f"the resource label {label} is XNAT's word for clearing a value"
        return Breach(rule="XS102", summary=summary, hint=_OTHER)
    if not _RESOURCE.fullmatch(label) or len(label) > LONGEST_LABEL:
        return Breach(rule="XS102", summary=f"{shown(label)} cannot be the label of a resource")
    return None


def custom_variable_breach(name: str) -> Breach | None:
    """What is wrong with the name of a custom variable: it stands inside ``fields/field[name=…]`` of a path."""
    if _CUSTOM.fullmatch(name) and len(name) <= LONGEST_LABEL:
        return None
    return Breach(rule="XS115", summary=f"{shown(name)} cannot be the name of a custom variable")


def file_name_breach(name: str) -> Breach | None:
    """What is wrong with a path inside a resource: something that XNAT cannot store, or a warning.

    XNAT keeps names that end in ``_catalog.xml`` and begin with ``.~lock-`` for itself (`CatalogUtils`).
    """
    if _USUAL.fullmatch(name) and not name.lower().endswith("_catalog.xml"):
        return None
    parts = name.split("/")
    what = ""
    if _LONE.search(name):
        what = "is not UTF-8 on this disk"
    elif "\\" in name or _CONTROL.search(name):
        what = "has a backslash or a control character in it"
    elif "" in parts or "." in parts or ".." in parts:
        what = "is not a plain relative path"
    elif any(part.lower().endswith("_catalog.xml") for part in parts):
        what = "ends like XNAT's own catalog files"
    elif any(part.startswith(".~lock-") for part in parts):
        what = "begins like XNAT's own lock files"
    elif len(name) > LONGEST_NAME // 4 and any(len(part.encode()) > LONGEST_NAME for part in parts):
        what = f"is longer than {LONGEST_NAME} bytes"
    if what:
        return Breach(rule="XS210", summary=f"the file name {shown(name)} {what}")
    return _awkward_breach(name)


def _awkward_breach(name: str) -> Breach | None:
    awkward = _AWKWARD.search(name)
    if awkward:
        return Breach(rule="XS211", summary=f"the file name {shown(name)} has {awkward.group()} in it")
    if not name.isascii():
        return Breach(rule="XS211", summary=f"the file name {shown(name)} has a letter beyond ASCII in it")
    if any(part != part.strip() for part in name.split("/")):
        return Breach(rule="XS211", summary=f"the file name {shown(name)} begins or ends with a space")
    return None
