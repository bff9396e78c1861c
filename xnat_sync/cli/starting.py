"""``xnat-sync init``: the first manifest of a study that exists as files."""

from __future__ import annotations

import json
import os
import re
from itertools import chain
from typing import TYPE_CHECKING

from xnat_sync.cli.exits import Exit
from xnat_sync.core.errors import UsageError
from xnat_sync.core.yamltext import yaml_text
from xnat_sync.drafts.bids import survey
from xnat_sync.drafts.reading import files_below, headings
from xnat_sync.drafts.rules import manifest_of
from xnat_sync.report.wording import count

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Init

_TABLES = ("participants.tsv", "_sessions.tsv", "_scans.tsv")


def init(command: Init, console: Console) -> int:
    """Write the manifest of a BIDS tree.

    Raises:
        UsageError: there is a manifest already, or it cannot be written.
        LocalFileError: the tree cannot be read.

    """
    root = command.from_bids
    found = survey(files_below(root))
    if not found.images:
        raise UsageError(f"no image below {root} has a BIDS name like sub-01/anat/sub-01_T1w.nii.gz")
    tables = [path for path in (*found.project, *chain(*found.left.values())) if path.endswith(_TABLES)]
    data = manifest_of(
        found,
        {path: headings(root / path) for path in tables},
        project=command.project or _project_of(root),
        root=os.path.relpath(root, command.out.parent),
    )
    note = "# create: true makes it if it is missing"
    text = re.sub(r"^.*create: false.*$", rf"\g<0>  {note}", yaml_text(data), count=1, flags=re.MULTILINE)
    try:
        with command.out.open("w" if command.force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise UsageError(f"{command.out} exists; --force overwrites it, --out names another file") from None
    except OSError as error:
        raise UsageError(f"cannot write {command.out}: {error}") from error
    numbers = (
        count(len({image.subject for image in found.images}), "subject"),
        count(len({image.folder for image in found.images}), "session"),
        count(len(found.images), "scan"),
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
