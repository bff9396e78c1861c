"""A study from real images on the embedded server, start to end: what a newcomer runs first."""

from __future__ import annotations

import importlib.util
import json
import shutil
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.cli.embedded import ADMIN, running_on
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import wrong_place
from xnat_sync.core.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from xnat_sync.cli.console import Console
    from xnat_sync.cli.options import Demo

    Run = Callable[[Sequence[str], Console], int]

MANIFEST = """\
version: 1
project: {id: DEMO, create: true, description: "Images that nibabel ships"}
root: images
ignore:
  - {rule: XS524, reason: "nibabel's images keep remains of an older text in their headers"}
defaults:
  session: {xsi_type: "xnat:mrSessionData"}
subjects:
  sub-01:
    gender: female
    handedness: right
    sessions:
      sub-01_ses-01:
        date: 2024-03-01
        scans:
          "2":
            type: T1w
            files: sub-01/ses-01/anat/*_T1w.nii
          "4":
            type: bold
            tr: 2000
            resources:
              NIFTI: {files: "sub-01/ses-01/func/*_bold.nii", format: NIFTI, content: RAW}
              BIDS: {files: "sub-01/ses-01/func/*_bold.json", format: JSON}
      sub-01_ses-02:
        date: 2024-09-01
        scans:
          "2": {type: T1w, files: "sub-01/ses-02/anat/*_T1w.nii.gz"}
  sub-02:
    gender: male
    sessions:
      sub-02_ses-01:
        date: 2024-03-08
        scans:
          "5":
            type: dwi
            resources:
              NIFTI: {files: "sub-02/ses-01/dwi/*_dwi.nii.gz", format: NIFTI, content: RAW}
              BIDS: {files: ["sub-02/ses-01/dwi/*.json", "sub-02/ses-01/dwi/*.bv*"], format: BIDS}
"""
"""The manifest of the demo's study."""

_IMAGES = {
    "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii": "anatomical.nii",
    "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.nii": "functional.nii",
    "sub-01/ses-02/anat/sub-01_ses-02_T1w.nii.gz": "example_nifti2.nii.gz",
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.nii.gz": "example4d.nii.gz",
    "sub-03/ses-01/pet/sub-03_ses-01_pet.nii": "functional.nii",
    "sub-03/ses-02/ct/sub-03_ses-02_ct.nii": "anatomical.nii",
}
_SIDE_FILES = {
    "sub-01/ses-01/func/sub-01_ses-01_task-rest_bold.json": json.dumps({"TaskName": "rest", "RepetitionTime": 2.0}),
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.json": json.dumps({"EchoTime": 0.085}),
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.bval": "0 1000\n",
    "sub-02/ses-01/dwi/sub-02_ses-01_dwi.bvec": "0 1\n0 0\n0 0\n",
}


def demo(command: Demo, console: Console, run: Run) -> int:
    """Write a study, start the embedded server, and run the commands on it; the first status that is not 0 ends it."""
    if command.images:
        write_images(command.images)
        console.out.write(f"{len(_IMAGES)} images and their side files written below {command.images}\n")
        return Exit.DONE
    with ExitStack() as stack:
        folder = command.directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="xnat-sync-demo-")))
        write_images(folder / "images")
        manifest = folder / "study.yaml"
        manifest.write_text(MANIFEST, encoding="utf-8")
        console.out.write(f"A study of real images and its manifest:\n\n{_indented(MANIFEST)}\n")
        url = stack.enter_context(running_on(folder / "server"))
        return _commands(manifest, url, console, run)


def write_images(folder: Path) -> None:
    """Write a small study below a folder: images that nibabel ships as its test data, with side files.

    Raises:
        UsageError: nibabel came without its test data, or the folder cannot be written.

    """
    found = importlib.util.find_spec("nibabel")
    if found is None or found.origin is None:
        raise UsageError("nibabel is not installed")
    source = Path(found.origin).parent / "tests" / "data"
    try:
        for name, image in _IMAGES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / image, folder / name)
        for name, text in _SIDE_FILES.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise wrong_place(error, "cannot write the demo's images") from error


def _commands(manifest: Path, url: str, console: Console, run: Run) -> int:
    environ = {
        **console.environ,
        "XNAT_SYNC_SERVER": url,
        "XNAT_SYNC_USER": ADMIN,
        "XNAT_SYNC_PASSWORD": ADMIN,
        # A cache would say more or less of its files by how fast the machine is.
        "XDG_CACHE_HOME": "",
        "HOME": "",
    }
    inside = replace(console, environ=environ)
    steps = (["validate"], ["plan"], ["apply", "--yes"], ["verify"], ["plan"])
    for step in steps:
        console.out.write(f"$ xnat-sync {' '.join(step)} {manifest.name}\n")
        console.out.flush()
        status = run([*step, str(manifest)], inside)
        if status != Exit.DONE:
            return status
        console.out.write("\n")
    console.out.write("That was the embedded server. Your own: xnat-sync plan --server https://… MANIFEST\n")
    return Exit.DONE


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
