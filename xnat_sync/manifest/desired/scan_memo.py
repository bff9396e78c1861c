"""Scans that are written alike are understood once: in a large study almost all of them are.

What a scan says besides the names of its files decides its type, its attributes and its resources. So what was made of
one without any complaint is made of all that say the same, in sessions of the same type and below the same defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.manifest.desired.attributes import STRUCTURE
from xnat_sync.manifest.text.document import Map

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.state import Fields, ObjectSpec
    from xnat_sync.manifest.desired.defaults import Defaults
    from xnat_sync.manifest.desired.resources import ReadResource
    from xnat_sync.manifest.text.document import Data, Node

_TEXTS = frozenset(("xsi_type", "from_image"))
"""The words of the language that stand in a scan with a text and change nothing but this scan."""
_IN_RESOURCE = frozenset(("files", "format", "content"))
_MOST = 4096

Wording = tuple[object, ...]


class Understood(NamedTuple):
    """What a scan says; of each of its resources the keys that lead from the scan to the pattern of its files."""

    xsi_type: str
    fields: Fields
    from_image: str | None
    resources: tuple[tuple[ReadResource, tuple[str, ...]], ...]


class ScansAlike:
    """What was understood of the scans that came before."""

    def __init__(self) -> None:
        self._known: dict[Wording, Understood] = {}
        self._defaults: Defaults | None = None
        self._may_know = False

    def wording(self, scan: Node, defaults: Defaults, session_type: str) -> Wording | None:
        """What `find` knows a scan by, ``None`` if it is not of the plain kind."""
        if defaults is not self._defaults:
            self._known.clear()
            self._defaults = defaults
            self._may_know = _is_plain(defaults.scan) and _is_plain(defaults.resource)
        said = wording_of(scan.value) if self._may_know and scan.is_as_written else None
        return said and (session_type, *said)

    def find(self, wording: Wording | None) -> Understood | None:
        """What was understood of a scan with this wording."""
        return self._known.get(wording) if wording else None

    def keep(
        self, wording: Wording, scan: Node, spec: ObjectSpec, from_image: str | None, read: Iterable[ReadResource]
    ) -> None:
        """Take note of what was made, without a complaint, of a scan and of its resources."""
        depth = len(scan.path)
        # The schema has no list between a scan and the files of a plain resource.
        resources = tuple((resource, tuple(map(str, resource.files.path[depth:]))) for resource in read)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[wording] = Understood(spec.xsi_type, spec.fields, from_image, resources)


def wording_of(scan: Data) -> Wording | None:
    """All that a scan says but for the patterns of its files; ``None`` if it says more than plain texts."""
    if not isinstance(scan, Map):
        return None
    said: list[object] = []
    for key, value in scan.items():
        if key == "resources" and isinstance(value, Map):
            below = _resources(value)
            if below is None:
                return None
            said += (key, *below)
        elif key == "files" and type(value) is str:
            said += (key, ...)
        elif (value is None or type(value) is str) and (key not in STRUCTURE or (value and key in _TEXTS)):
            said += (key, value)
        else:
            return None
    return tuple(said)


def _resources(resources: Map) -> list[object] | None:
    # Numbers keep what stands in a resource apart from what stands beside it.
    said: list[object] = [len(resources)]
    for label, resource in resources.items():
        if type(resource) is str:
            said += (label, ...)
        elif isinstance(resource, Map) and resource.keys() <= _IN_RESOURCE:
            said += (label, len(resource))
            for word, text in resource.items():
                if type(text) is not str:
                    return None
                said += (word, ... if word == "files" else text)
        else:
            return None
    return said


def _is_plain(default: Node | None) -> bool:
    """Whether a default says nothing but texts, and none that reaches beyond its object's attributes and labels."""
    if default is None:
        return True
    entries = default.entries().items()
    return all(node.text is not None and (key not in STRUCTURE or key in _TEXTS) for key, node in entries)
