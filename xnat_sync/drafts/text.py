"""A study's draft as the text of a manifest, for a person to read and to go on with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from xnat_sync.core.datatypes import default_scan_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xnat_sync.drafts.bids import SessionDraft, StudyDraft, SubjectDraft


def manifest_text(study: StudyDraft, *, project: str, root: str, schema: str = "") -> str:
    """The manifest of a study whose files lie below ``root``."""
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [
        "version: 1",
        "project:",
        f"  id: {_quoted(project)}",
        "  create: false  # true makes it if it is missing",
    ]
    lines += _resource(study.loose, 2, relative_to=".")
    lines += [f"root: {_quoted(root)}", "defaults:", "  scan: {quality: usable}", "subjects:"]
    for label, subject in sorted(study.subjects.items()):
        lines += _subject(label, subject)
    return "\n".join(lines) + "\n"


def _subject(label: str, subject: SubjectDraft) -> Iterator[str]:
    yield f"  {_quoted(label)}:"
    for name, value in subject.attributes.items():
        yield f"    {name}: {_quoted(value)}"
    yield from _resource(subject.loose, 4, relative_to=subject.folder)
    yield "    sessions:"
    for session_label, session in sorted(subject.sessions.items()):
        yield f"      {_quoted(session_label)}:"
        yield from _session(session)


def _session(session: SessionDraft) -> Iterator[str]:
    yield f"        xsi_type: {_quoted(session.xsi_type)}"
    yield from _resource(session.loose, 8, relative_to=session.folder)
    yield "        scans:"
    for label, scan in sorted(session.scans.items()):
        yield f"          {_quoted(label)}:"
        yield f"            type: {_quoted(scan.type)}"
        if scan.xsi_type != default_scan_type(session.xsi_type):
            yield f"            xsi_type: {_quoted(scan.xsi_type)}"
        yield "            resources:"
        yield f"              NIFTI: {{files: {_quoted(scan.image)}, format: NIFTI, content: RAW}}"
        if scan.sides:
            files = ", ".join(map(_quoted, scan.sides))
            yield f"              BIDS: {{files: [{files}], format: BIDS}}"


def _resource(paths: Sequence[str], indent: int, relative_to: str) -> Iterator[str]:
    """A resource ``BIDS`` for files that belong to no image; the folders below ``relative_to`` are kept."""
    if not paths:
        return
    pad = " " * indent
    yield f"{pad}resources:"
    yield f"{pad}  BIDS:"
    yield f"{pad}    format: BIDS"
    yield f"{pad}    files:"
    for path in sorted(paths):
        kept = path.count("/") > (0 if relative_to == "." else relative_to.count("/") + 1)
        entry = f"{{from: {_quoted(path)}, relative_to: {_quoted(relative_to)}}}" if kept else _quoted(path)
        yield f"{pad}      - {entry}"


def _quoted(text: str) -> str:
    """Text as YAML text, whatever it looks like; JSON's quotes are YAML's."""
    plain = text.replace("-", "").replace("_", "").replace("/", "").replace(".", "")
    return text if plain.isalpha() and plain.lower() not in ("null", "true", "false", "yes", "no") else json.dumps(text)
