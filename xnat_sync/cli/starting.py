"""``xnat-sync init``: the first manifest of a study that exists as files."""

from __future__ import annotations

import json
import os
import re
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.cli.editor import schema_beside
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.options import FromBids
from xnat_sync.cli.output import next_step, write_file, write_result, written_data
from xnat_sync.cli.settings import roots_to_name
from xnat_sync.core.model.errors import LocalFileError, ManifestError, Severity, UsageError
from xnat_sync.core.model.refs import Level
from xnat_sync.core.text import count, visible
from xnat_sync.importers.bids_manifest import first_clash, manifest_of
from xnat_sync.importers.bids_survey import survey
from xnat_sync.importers.csv_manifest import counts_of
from xnat_sync.importers.csv_manifest import manifest_of as manifest_of_table
from xnat_sync.importers.csv_table import read_table, xsi_type_of
from xnat_sync.importers.files import Places, files_below, headings, start_of, text_of
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.formatting.manifest_text import manifest_text
from xnat_sync.manifest.load import load_study
from xnat_sync.manifest.surroundings import Surroundings
from xnat_sync.views.problems import problems_text, summary_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import FromCsv, Init, Invocation
    from xnat_sync.core.formats.yaml_writer import Plain
    from xnat_sync.core.model.errors import Problem
    from xnat_sync.importers.csv_table import Table

_LEVELS = (Level.SUBJECT, Level.SESSION, Level.SCAN)
_ERRORS_SHOWN = 20
_TABLES = ("participants.tsv", "_sessions.tsv", "_scans.tsv")


class _Draft(NamedTuple):
    """A manifest and the folder of its files.

    And how many subjects, sessions and scans it has, what it cannot say, and what it was not asked to.
    """

    data: Mapping[str, Plain]
    root: Path
    numbers: tuple[int, int, int]
    left_out: Mapping[str, int]
    untouched: Sequence[str] = ()


def init(command: Init, invocation: Invocation, console: Console) -> int:
    """Write the manifest of a BIDS tree, or of a table.

    Raises:
        UsageError: there is a manifest already, it cannot be written, or there is nothing to write.
        LocalFileError: the tree or table cannot be read.
        ManifestError: the table has lines that make no sense.

    """
    source = command.source
    draft = _of_bids(command, source) if isinstance(source, FromBids) else _of_csv(command, source)
    text = manifest_text(_creating(draft.data, create=command.create), schema=schema_beside(command.out))
    if not command.create:
        note = "# create: true makes it if it is missing"
        text = re.sub(r"^.*create: false.*$", rf"\g<0>  {note}", text, count=1, flags=re.MULTILINE)
    remedy = "--force overwrites it, --out names another file"
    write_file(command.out, text, replace=command.force, remedy=remedy)
    left = [f"{count(number, 'line')} about {what}" for what, number in sorted(draft.left_out.items())]
    errors = _errors_of(command.out, draft.root, console)
    numbers = dict(zip(_LEVELS, draft.numbers, strict=True))
    data = written_data(command.out, numbers, [*left, *draft.untouched], errors=len(errors))
    said = ", ".join(count(number, level.noun) for level, number in numbers.items())
    lines = [f"{command.out}: {said}"]
    lines += [*(f"left out: {what}" for what in left), *(f"not taken: {what}" for what in draft.untouched)]
    text = "".join(f"{visible(line)}\n" for line in lines)
    roots = roots_to_name(command.out, [draft.root], console.environ)
    text += _outlook(command.out, errors) if errors else next_step("validate", command.out, allow_roots=roots)
    write_result(data, text, invocation, console)
    if errors:
        return Exit.NOT_VALID
    return Exit.PARTLY if draft.left_out else Exit.DONE


def _creating(data: Mapping[str, Plain], *, create: bool) -> Mapping[str, Plain]:
    """A draft that says whether the project may be made."""
    project = data["project"]
    assert isinstance(project, dict)
    return {**data, "project": {**project, "create": create}}


def _outlook(manifest: Path, errors: Sequence[Problem]) -> str:
    """What is to be done with a manifest that was written and is not valid yet."""
    more = f"… and {len(errors) - _ERRORS_SHOWN} more\n" if len(errors) > _ERRORS_SHOWN else ""
    told = problems_text(errors[:_ERRORS_SHOWN])
    return f"{told}{more}{visible(str(manifest))} is written, and not valid yet: {summary_text(errors)}\n"


def _errors_of(manifest: Path, root: Path, console: Console) -> list[Problem]:
    """What is wrong with a manifest and its files: two things with one label, an image that is none."""
    try:
        load_study([manifest], around=Surroundings(environ=console.environ, allow_roots=(root,)), local=Disk())
    except ManifestError as error:
        return [found for found in error.problems if found.severity is Severity.ERROR]
    return []


def _of_bids(command: Init, source: FromBids) -> _Draft:
    root = source.folder
    found = survey(files_below(root), source.derivatives)
    for name in source.derivatives:
        if name not in found.derived:
            others = sorted(known.partition("/")[2] for known in found.skipped if known.startswith("derivatives/"))
            hint = f"; there are {', '.join(others)}" if others else ""
            raise UsageError(f"no file is below {root / 'derivatives' / name}{hint}")
    if not found.images:
        raise UsageError(f"no image below {root} has a BIDS name like sub-01/anat/sub-01_T1w.nii.gz")
    clash = first_clash([image.subject for image in found.images] + [subject for subject, _ in found.left])
    if clash:
        raise UsageError(f"{clash[0]} and {clash[1]} would both be the subject {clash[2]}; rename one of the folders")
    tables = [path for path in (*found.project, *chain(*found.left.values())) if path.endswith(_TABLES)]
    drafted = manifest_of(
        found,
        {path: headings(root / path) for path in tables},
        project=command.project or _project_of(root),
        root=os.path.relpath(root, command.out.parent),
    )
    subjects, sessions = {image.subject for image in found.images}, {image.folder for image in found.images}
    numbers = (len(subjects), len(sessions), len(found.images))
    return _Draft(drafted.data, root, numbers, {}, _untouched(found.skipped, drafted.lost))


def _untouched(skipped: Mapping[str, int], lost: Mapping[str, int]) -> list[str]:
    """What is none of the raw data, in words."""
    lines = []
    for folder, number in sorted(skipped.items()):
        option = f" (--derivatives {folder.partition('/')[2]} takes them)" if "/" in folder else ""
        lines.append(f"{folder}, {count(number, 'file')}{option}")
    return lines + [
        f"{count(number, 'file')} in derivatives/{name} of sessions without an image"
        for name, number in sorted(lost.items())
    ]


def _of_csv(command: Init, source: FromCsv) -> _Draft:
    file = source.file
    session_type = xsi_type_of(Level.SESSION, source.session_type) if source.session_type else None
    if source.session_type and not session_type:
        raise UsageError(
            f"--session-type {source.session_type}: write a modality like MR, or a name like xnat:mrSessionData"
        )
    table = read_table(text_of(file), str(file))
    if table.problems:
        raise ManifestError(table.problems)
    project = _project_in(table, command.project, file)
    wanted = [line.cells for line in table.lines if line.cells.get("project", project) == project]
    places = Places.of(file.parent, (cells["file"] for cells in wanted if "file" in cells))
    root = os.path.relpath(places.root, command.out.parent)
    data = manifest_of_table(table, project=project, root=root, locate=places.locate, session_type=session_type)
    if table.problems:
        raise ManifestError(table.problems)
    return _Draft(data, Path(places.root), counts_of(data), table.left_out)


def _project_in(table: Table, asked: str | None, file: Path) -> str:
    """The project whose lines are wanted."""
    projects = table.projects()
    if asked is None and len(projects) != 1:
        named = f"names the projects {', '.join(projects)}" if projects else "names no project"
        raise UsageError(f"{file} {named}; say which by --project")
    if asked is not None and projects and asked not in projects:
        raise UsageError(f"{file} has no line about the project {asked}; it names {', '.join(projects)}")
    return asked or projects[0]


def _project_of(root: Path) -> str:
    """A project ID from the data set's name, or its folder's."""
    try:
        name = str(json.loads(start_of(root / "dataset_description.json").decode("utf-8-sig"))["Name"])
    except (LocalFileError, ValueError, KeyError, TypeError, RecursionError):
        name = root.resolve().name
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "PROJECT"
