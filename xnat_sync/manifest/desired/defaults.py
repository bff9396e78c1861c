"""Short forms written out, and defaults that flow down: the nearest wins, mappings merge, all else replaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems

NIFTI = "NIFTI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What subjects, sessions, scans and resources have unless they say otherwise."""

    subject: Node | None = None
    session: Node | None = None
    scan: Node | None = None
    resource: Node | None = None

    def within(self, body: Node, problems: Problems) -> Defaults:
        """The defaults that hold below an object which may have ``defaults`` of its own."""
        own = body.entries().get("defaults")
        if own is None:
            return self
        said = own.entries()
        return Defaults(
            subject=_nearest(said.get("subject"), self.subject),
            session=_nearest(said.get("session"), self.session),
            scan=_nearest(written_out(said["scan"], problems) if "scan" in said else None, self.scan),
            resource=_nearest(said.get("resource"), self.resource),
        )


def _nearest(near: Node | None, far: Node | None) -> Node | None:
    return merged(near, far) if near and far else near or far


def merged(near: Node, far: Node | None) -> Node:
    """An object's body over its defaults."""
    if far is None:
        return near
    entries = {**far.entries(), **near.entries()}
    for key, join in (("fields", _over), ("resources", _resources_over)):
        if key in far.entries() and key in near.entries():
            entries[key] = join(near.entries()[key], far.entries()[key])
    return near.with_entries(entries)


def _over(near: Node, far: Node) -> Node:
    return near.with_entries({**far.labels(), **near.labels()})


def _resources_over(near: Node, far: Node) -> Node:
    entries = dict(far.labels())
    for label, resource in near.labels().items():
        default = entries.get(label)
        # To be there and to be absent do not mix: the nearest alone decides.
        mixes = default is not None and _gone(resource) == _gone(default)
        entries[label] = merged(resource_body(resource), resource_body(default)) if default and mixes else resource
    return near.with_entries(entries)


def _gone(resource: Node) -> bool:
    state = resource.entries().get("state")
    return state is not None and state.text == "absent"


def resource_body(resource: Node) -> Node:
    """A resource as a mapping: a pattern alone is short for its ``files``."""
    return resource if resource.is_map else resource.with_entries({"files": resource})


def written_out(scan: Node, problems: Problems) -> Node:
    """A scan without the short form ``files``, which stands for the files of its resource NIFTI."""
    entries = dict(scan.entries())
    files = entries.pop("files", None)
    if files is None:
        return scan
    resources = entries.get("resources")
    labels = dict(resources.labels()) if resources else {}
    if NIFTI in labels:
        line = labels[NIFTI].key_origin().line
        summary = f"files is short for the resource {NIFTI}, which stands in line {line} too"
        problems.add("XS023", summary, files.key_origin())
        return scan.with_entries(entries)
    labels[NIFTI] = files.with_entries({"files": files})
    entries["resources"] = (resources or files).with_entries(labels)
    return scan.with_entries(entries)
