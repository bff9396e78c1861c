"""Who somebody is, hidden in twelve places: found in each, and in nothing that any command writes, says or keeps.

What is an error stops every command; what is a warning goes up as its owner wants it, and still nobody repeats it.
"""

from __future__ import annotations

import gzip
import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any

NAME, BIRTH = "QUIXOTE^ALONSO", "19520713"
SECRETS = (b"QUIXOTE", b"ALONSO", b"19520713", b"1952-07-13", b"4711-0815")
MANIFEST = """
version: 1
project: {id: P, create: true}
root: data
defaults: {session: {xsi_type: "xnat:mrSessionData"}}
subjects: {S: {sessions: {E: {scans: {"1": {type: T1w, resources: {R: {files: [{from: "**", relative_to: .}]}}}}}}}}
"""


def nifti(*texts: tuple[int, str], offset: int = 352) -> bytes:
    header = bytearray(offset)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 2, 2, 2, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, offset)
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    for place, text in texts:
        header[place : place + len(text)] = text.encode()
    return bytes(header) + bytes(8)


def extended(code: int, text: str) -> bytes:
    image = bytearray(nifti((360, text), offset=512))
    image[348] = 1
    struct.pack_into("<2i", image, 352, 160, code)
    return bytes(image)


def packed(name: str, content: bytes) -> bytes:
    plain = gzip.compress(content, mtime=0)
    return plain[:3] + b"\x08" + plain[4:10] + name.encode() + b"\0" + plain[10:]


def sidecar(**said: object) -> bytes:
    return json.dumps(said).encode()


# From the place to the file that holds it, and the rule that tells.
HIDDEN: dict[str, tuple[str, bytes, str]] = {
    "a key of a sidecar": ("a.json", sidecar(PatientName=NAME), "XS501"),
    "the text of a sidecar": ("a.json", sidecar(ImageComments=f"{NAME} again"), "XS504"),
    "a text that becomes an attribute": ("a.json", sidecar(ReceiveCoilName="QUIXOTE@example.org"), "XS528"),
    "a link to a record": ("a.json", sidecar(StudyInstanceUID=f"1.2.3.4.5.6.7.8.{BIRTH}"), "XS520"),
    "the description in a header": ("a.nii", nifti((148, f"DOB: {BIRTH}")), "XS505"),
    "behind the end of a header's text": ("a.nii", nifti((148, "FSL5.0\0 ALONSO")), "XS524"),
    "a header's auxiliary file": ("a.nii", nifti((228, "/home/QUIXOTE/a")), "XS523"),
    "an extension of a header": ("a.nii", extended(6, f"patient name: {NAME}"), "XS505"),
    "DICOM in a header": ("a.nii", extended(2, NAME), "XS503"),
    "between header and voxels": ("a.nii", nifti((400, f"DOB: {BIRTH}"), offset=512), "XS505"),
    "behind the last extension": (
        "a.nii",
        nifti((348, "\1"), (352, "\x10"), (400, f"DOB: {BIRTH}"), offset=512),
        "XS505",
    ),
    "the name in a gzip header": ("a.nii.gz", packed(f"QUIXOTE_{BIRTH}.nii", nifti()), "XS523"),
    "the name in the gzip header of a table": ("a_physio.tsv.gz", packed(f"QUIXOTE_{BIRTH}.tsv", b"1\t2\n"), "XS523"),
    "a table's column": ("participants.tsv", b"participant_id\tlast_name\nS\tQUIXOTE\n", "XS506"),
    "a dump of a DICOM header": ("notes.txt", f"Patient ID: 4711-0815 {NAME}\n".encode(), "XS505"),
}
"""Contents; names, which everybody sees who sees the file, have tests of their own with the gate's."""


@pytest.mark.parametrize("place", HIDDEN)
def test_what_is_hidden_is_found_and_never_repeated(
    cli: Cli, manifest: Callable[[str], Path], tmp_path: Path, server: RunningServer, place: str
) -> None:
    name, content, rule = HIDDEN[place]
    for path, data in {"z.nii": nifti(), name: content}.items():
        (tmp_path / "data" / path).parent.mkdir(exist_ok=True)
        (tmp_path / "data" / path).write_bytes(data)
    if name.endswith(".json"):
        (tmp_path / "data/z.nii").rename(tmp_path / "data/a.nii")
    study = manifest(MANIFEST)
    validated = cli("validate", "--deep", "--format", "json", study)
    (found,) = [problem for problem in json.loads(validated.out)["problems"] if problem["rule"] == rule]
    said = []
    for command in ("validate", "plan", "apply", "verify"):
        for form in ("text", "json"):
            options = ["--out", tmp_path / f"{form}-plan.json"] if command == "plan" else []
            options += ["--yes"] if command == "apply" else []
            done = cli(command, "--debug", "--format", form, *options, study)
            said.append(done.out + done.err)
            assert done.status == (3 if found["severity"] == "error" else done.status), done.out
    if found["severity"] == "error":
        assert server.log.writes == []
    kept = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.parts[len(tmp_path.parts)] not in ("data", "xnat")
    ]
    everything = b"\0".join([*(text.encode() for text in said), *(path.read_bytes() for path in kept)])
    assert [secret for secret in SECRETS if secret.lower() in everything.lower()] == []
