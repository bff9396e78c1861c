"""Objects and files as the plain data of an explicit manifest: nothing left to rules, templates or defaults. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xnat_sync.core.model.attributes import CUSTOM_PREFIX
from xnat_sync.core.model.refs import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.model.refs import Ref

_BELOW = {Level.SUBJECT: "subjects", Level.SESSION: "sessions", Level.SCAN: "scans", Level.RESOURCE: "resources"}


class ExplicitTree:
    """A manifest that grows, parents before children for the sake of who reads it."""

    def __init__(self, project: Ref) -> None:
        self.project: dict[str, Any] = {"id": project.label}
        self.subjects: dict[str, Any] = {}

    def add(self, ref: Ref, xsi_type: str, fields: Mapping[str, str | None]) -> None:
        """Describe an object. The types of projects and subjects go without saying."""
        body = self._body(ref)
        if ref.level >= Level.SESSION and xsi_type:
            body["xsi_type"] = xsi_type
        custom = {}
        for name, value in fields.items():
            if name.startswith(CUSTOM_PREFIX):
                custom[name.removeprefix(CUSTOM_PREFIX)] = value
            else:
                body[name] = value
        if custom:
            body["fields"] = custom

    def add_file(self, ref: Ref, entry: Any, labels: Mapping[str, str | None]) -> None:
        """Put a file into its resource, with the resource's ``format`` and ``content``."""
        resource = ref.parent
        assert resource is not None
        body = self._body(resource)
        body.update({name: value for name, value in labels.items() if value})
        body.setdefault("files", {})[ref.label] = entry

    def forbid(self, ref: Ref) -> None:
        """Say that something must not exist."""
        if ref.level is Level.FILE:
            self.add_file(ref, {"state": "absent"}, {})
        else:
            self._body(ref)["state"] = "absent"

    def note(self, ref: Ref, **said: Any) -> None:
        """Say something more of an object."""
        self._body(ref).update(said)

    def remark(self, ref: Ref, name: str, value: Any) -> None:
        """Tell of a file of an object in a note that no reader of manifests heeds."""
        self._body(ref).setdefault("x-files", {})[name] = value

    def data(self, **top: Any) -> dict[str, Any]:
        """The whole manifest; ``top`` are further keys at its top, those that are ``None`` left out."""
        said = {key: value for key, value in top.items() if value is not None}
        data: dict[str, Any] = {"version": 1, **said, "project": self.project}
        if self.subjects:
            data["subjects"] = self.subjects
        return data

    def _body(self, ref: Ref) -> dict[str, Any]:
        if ref.level is Level.PROJECT:
            return self.project
        parent = ref.parent
        assert parent is not None
        if ref.level is Level.SUBJECT:
            siblings = self.subjects
        else:
            siblings = self._body(parent).setdefault(_BELOW[ref.level], {})
        body: dict[str, Any] = siblings.setdefault(ref.label, {})
        return body


def exactly(path: str) -> str:
    """A path as a pattern that means this file and no other."""
    return "".join(f"[{character}]" if character in "*?[{}" else character for character in path)
