"""What hangs on a subject or session, read from its record in XML as the server exports it (`xnat.xsd`). Pure.

No listing tells it all: those of a project leave out the experiments of other projects below its subjects, and those of
a type that the site has not set up (recorded on 1.8.11; `ProjSubExptList` lists what `element_security` knows).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DERIVED = re.compile(rb"<[\w-]+:(?:assessor|reconstructedImage)[\s/>]")
_SHARE = re.compile(rb"<[\w-]+:share[\s/>]")
_EXPERIMENT = re.compile(rb"<[\w-]+:experiment\s([^>]*)>")
_OBJECT = re.compile(rb"<[\w-]+:\w+\s([^>]*)>")
_ATTRIBUTE = re.compile(rb"([\w:-]+)=\"([^\"]*)\"")


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment inside of a subject's record."""

    accession_id: str
    project: str


def holds_derived(record: bytes) -> bool:
    """Return whether a session, or a subject with one, has assessments or reconstructions."""
    return _DERIVED.search(record) is not None


def is_shared(record: bytes) -> bool:
    """Return whether anything in a record is shared with another project."""
    return _SHARE.search(record) is not None


def experiments_in(record: bytes) -> Iterator[Experiment]:
    """The experiments of a subject, whatever their project and type."""
    for found in _EXPERIMENT.finditer(record):
        said = _attributes(found[1])
        yield Experiment(said.get("ID", ""), said.get("project", ""))


def owner_of(record: bytes) -> str:
    """Return the project that an object belongs to; empty where its record does not say."""
    found = _OBJECT.search(record)
    return _attributes(found[1]).get("project", "") if found else ""


def _attributes(text: bytes) -> dict[str, str]:
    return {name.decode(): value.decode(errors="replace") for name, value in _ATTRIBUTE.findall(text)}
