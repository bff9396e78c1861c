"""A study written out: the explicit manifest that wants what rules, templates, tables and defaults want."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from xnat_sync.core.formats.manifest_tree import ExplicitTree, exactly
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.manifest.desired.prune import written_prune

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.core.model.state import FileSpec
    from xnat_sync.manifest.load import Loaded


def explicit_manifest(loaded: Loaded, folder: Path) -> dict[str, Any]:
    """The manifest as plain data, for a file in a folder; relative paths in it are meant from there."""
    desired = loaded.desired
    tree = ExplicitTree(Ref.project_of(loaded.project))
    root = os.path.commonpath([str(root) for root in loaded.roots])
    for ref in sorted(desired.objects):
        spec = desired.objects[ref]
        tree.add(ref, spec.xsi_type, spec.fields)
        if ref.level is Level.PROJECT and spec.create:
            tree.note(ref, create=True)
        if ref in loaded.from_image:
            tree.note(ref, from_image=loaded.from_image[ref])
    for ref in sorted(desired.files):
        file = desired.files[ref]
        tree.add_file(ref, _entry(file, root), {"format": file.format, "content": file.content})
    for ref in sorted(desired.absent):
        tree.forbid(ref)
    for ref, rule in sorted(desired.prune.items()):
        tree.note(ref, prune=written_prune(rule))
    for ref in sorted(desired.vacant.keys() - {file.parent for file in desired.files}):
        # Being described, it stays.
        tree.note(ref, files=[{"from": os.path.relpath(desired.vacant[ref], root), "optional": True}])
    ignores = [
        {"rule": rule, **({"files": _moved(pattern, str(own), root)} if pattern else {}), "reason": reason}
        for rule, pattern, reason, own in loaded.ignores
    ]
    return tree.data(server=loaded.server, root=os.path.relpath(root, folder), ignore=ignores or None)


def _entry(spec: FileSpec, root: str) -> Any:
    path = exactly(os.path.relpath(spec.path, root))
    return path if spec.md5 is None else {"from": path, "md5": spec.md5}


def _moved(pattern: str, own: str, root: str) -> str:
    """A pattern of one root as one of a root above it."""
    return pattern if own == root else f"{os.path.relpath(own, root)}/{pattern.removeprefix('./')}"
