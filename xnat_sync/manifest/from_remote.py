"""What a server holds as an explicit manifest. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from xnat_sync.core.formats.bids import path_in_tree
from xnat_sync.core.formats.manifest_tree import ExplicitTree, exactly
from xnat_sync.core.model.attributes import CUSTOM_PREFIX, Attribute, attribute_of
from xnat_sync.core.model.errors import UsageError
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.values import value_error, without_backslashes
from xnat_sync.manifest.desired.label_rules import (
    custom_variable_breach,
    file_name_breach,
    label_breach,
    resource_breach,
)
from xnat_sync.manifest.text.environment import uses_environment

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.state import RemoteFile, RemoteObject, RemoteState


@dataclass(slots=True)
class Pulled:
    """The part of a project that a manifest can speak of.

    ``places`` are the relative paths that its files shall have on the disk; ``left`` says in a few words what stays
    out, and why.
    """

    objects: dict[Ref, RemoteObject] = field(default_factory=dict)
    places: dict[Ref, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def narrowed(state: RemoteState, patterns: Iterable[str]) -> RemoteState:
    """The part of a project that some patterns name, with all that it lies in; everything where there are none.

    Raises:
        UsageError: a pattern names nothing.

    """
    patterns = tuple(patterns)
    if not patterns:
        return state
    for pattern in patterns:
        if not any(ref.is_named(pattern) for ref in (*state.objects, *state.files)):
            raise UsageError(f"only {pattern!r}: nothing on the server has that name (SUBJECT[/SESSION[/SCAN…]])")
    files = {ref: file for ref, file in state.files.items() if any(map(ref.is_named, patterns))}
    objects = {ref for ref in state.objects if any(map(ref.is_named, patterns))}
    kept = objects | {above for ref in (*objects, *files) for above in ref.ancestors()}
    return replace(state, objects={ref: held for ref, held in state.objects.items() if ref in kept}, files=files)


def choose(state: RemoteState, *, bids: bool) -> Pulled:
    """What can be pulled; with ``bids`` each file goes to its place in the tree that it came from."""
    found = Pulled()
    for ref in sorted(state.objects):
        parent = ref.parent
        if parent is not None and parent not in found.objects:
            continue
        breach = label_breach(ref.level, ref.label)
        if breach:
            found.left.append(f"{ref.level.noun} {ref.short}: {breach.summary}")
        else:
            held = state.objects[ref]
            values = {name: _stated(held, name, value) for name, value in sorted(held.fields.items()) if value}
            fields = {name: value for name, value in values.items() if value is not None}
            found.objects[ref] = replace(held, fields=fields)
            found.left += (
                f"{_called(name)} of {ref.level.noun} {ref.short}"
                for name, value in sorted(held.fields.items())
                if value and name not in fields and attribute_of(ref.level, held.xsi_type, name)
            )
    taken: dict[str, RemoteFile] = {}
    for ref in sorted(state.files):
        resource = ref.parent
        if resource is None or resource.parent not in found.objects:
            continue
        place, why = _place(ref, resource, bids=bids)
        other = taken.get(place)
        if place and other is not None and (other.md5, other.size) != (state.files[ref].md5, state.files[ref].size):
            place, why = "", f"another file of the project is {place} too"
        if place:
            taken.setdefault(place, state.files[ref])
            found.places[ref] = place
        else:
            found.left.append(f"file {ref.short}: {why}")
    labelled = {(ref.parent, name): value for ref in found.places for name, value in _labels(state.files[ref]).items()}
    found.left += (
        f"{name} of resource {resource.short}"
        for (resource, name), value in sorted(labelled.items())
        if resource and not _is_label(value)
    )
    return found


def _labels(file: RemoteFile) -> dict[str, str]:
    return {name: value for name, value in (("format", file.format), ("content", file.content)) if value}


def _is_label(value: str) -> bool:
    """Whether a manifest can state how a file is labelled."""
    return not uses_environment(value) and value_error(Attribute(name="", path=""), value) is None


def _called(name: str) -> str:
    return f"custom variable {name.removeprefix(CUSTOM_PREFIX)}" if name.startswith(CUSTOM_PREFIX) else name


def _place(file: Ref, resource: Ref, *, bids: bool) -> tuple[str, str]:
    """The path of a file, or nothing and the reason."""
    breach = resource_breach(resource.label) or file_name_breach(file.label)
    if breach and breach.rule != "XS211":
        return "", breach.summary
    if "${env:" in file.label:
        return "", "its name is one that a manifest would take from the environment"
    if not bids:
        return "/".join((*(label for _, label in file.parts[1:-1]), file.label)), ""
    scan = file.at(Level.SCAN)
    path: str | None = file.label
    if resource.parent is not None and resource.parent.level is not Level.PROJECT:
        session = file.at(Level.SESSION) if scan else None
        path = path_in_tree(scan.label if scan else "", file.label, session.label if session else "")
    if path is None:
        return "", "its name is not made like one of BIDS"
    return path, ""


def manifest_of(pulled: Pulled, state: RemoteState, *, server: str | None, root: str | None) -> dict[str, Any]:
    """The manifest; without a ``root`` its files are only told, in notes that no reader heeds."""
    project = min(pulled.objects)
    tree = ExplicitTree(project)
    for ref in sorted(pulled.objects):
        held = pulled.objects[ref]
        tree.add(ref, held.xsi_type, held.fields)
    for ref in sorted(pulled.places):
        file = state.files[ref]
        if root is not None:
            labels = {name: value for name, value in _labels(file).items() if _is_label(value)}
            tree.add_file(ref, exactly(pulled.places[ref]), labels)
        elif ref.parent is not None and ref.parent.parent is not None:
            tree.remark(ref.parent.parent, f"{ref.parent.label}/{ref.label}", {"size": file.size, "md5": file.md5})
    # What the server holds, and nothing that an image might say on top.
    defaults = {"scan": {"from_image": False}} if any(ref.level is Level.SCAN for ref in pulled.objects) else None
    return tree.data(server=server, root=root, defaults=defaults)


def _stated(held: RemoteObject, name: str, value: str) -> str | None:
    """Return a value as a manifest states it, ``None`` if none can: the server may hold texts that it would not take.

    What is returned can be sent to any project, and agrees with what is held here (`values.agrees`).
    """
    if name.startswith(CUSTOM_PREFIX) and custom_variable_breach(name.removeprefix(CUSTOM_PREFIX)):
        return None
    if uses_environment(value):
        # A manifest would send what stands in the environment in its place.
        return None
    attribute = attribute_of(held.ref.level, held.xsi_type, name)
    if attribute is None:
        return None
    stated = without_backslashes(attribute, value)
    return stated if value_error(attribute, stated) is None else None
