"""``xnat-sync init``: the first manifest of a study that exists as files."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

from xnat_sync.cli.exits import Exit
from xnat_sync.core.errors import UsageError
from xnat_sync.drafts.bids import draft
from xnat_sync.drafts.reading import files_below, table
from xnat_sync.drafts.text import manifest_text
from xnat_sync.report.wording import count

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Init


def init(command: Init, console: Console) -> int:
    """Write the manifest of a BIDS tree.

    Raises:
        UsageError: there is a manifest already, it cannot be written, or two things would get one label.
        LocalFileError: the tree cannot be read.

    """
    root = command.from_bids
    study = draft(files_below(root), table(root / "participants.tsv"))
    if not study.subjects:
        raise UsageError(f"no image below {root} has a BIDS name like sub-01/anat/sub-01_T1w.nii.gz")
    text = manifest_text(
        study, project=command.project or _project_of(root), root=os.path.relpath(root, command.out.parent)
    )
    try:
        with command.out.open("w" if command.force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{command.out} exists; --force overwrites it, --out names another file") from None
    except OSError as error:
        raise UsageError(f"cannot write {command.out}: {error}") from error
    sessions = [session for subject in study.subjects.values() for session in subject.sessions.values()]
    numbers = (
        count(len(study.subjects), "subject"),
        count(len(sessions), "session"),
        count(sum(len(session.scans) for session in sessions), "scan"),
    )
    console.out.write(f"{command.out}: {', '.join(numbers)}\nNext: xnat-sync validate {command.out}\n")
    return Exit.DONE


def _project_of(root: Path) -> str:
    """A project ID from the data set's name, or its folder's."""
    try:
        name = str(json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))["Name"])
    except (OSError, ValueError, KeyError, TypeError):
        name = root.resolve().name
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "PROJECT"
