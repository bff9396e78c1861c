"""From a BIDS folder to a project: ``init``, and everything after it."""

from __future__ import annotations

import gzip
import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from xnat_sync.server.running import RunningServer

    Cli = Any


def image(volumes: int = 1) -> bytes:
    """A sound NIfTI-1 image of 4 × 4 × 3 voxels."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 4, 4, 4, 3, volumes, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    return bytes(header) + bytes(96 * volumes)


TABLES = {"participants.tsv": "participant_id\tsex\tage\nsub-01\tF\t30\nsub-02\tM\t89+\n"}


def make(root: Path, names: str) -> None:
    """A BIDS tree of sound files of the given names; each JSON file and table is another one."""
    for number, name in enumerate(names.split()):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".nii"):
            path.write_bytes(image(volumes=2 if "dwi" in name else 1))
        elif name.endswith(".nii.gz"):
            path.write_bytes(gzip.compress(image(volumes=2 if "dwi" in name else 1), mtime=0))
        elif name.endswith(".bval"):
            path.write_text(f"0 {1000 + number}\n", encoding="utf-8")
        elif name.endswith(".bvec"):
            path.write_text("0 1\n1 0\n0 0\n", encoding="utf-8")
        elif name.endswith(".json"):
            path.write_text(json.dumps({"Number": number}), encoding="utf-8")
        else:
            path.write_text(TABLES.get(name, f"a\tb\n{number}\tx\n"), encoding="utf-8")


def planned(cli: Cli, root: Path, manifest: Path) -> list[tuple[str, str]]:
    """What a plan sends: the ref and the path below the root of each file."""
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("create: false", "create: true", 1), encoding="utf-8")
    done = cli("plan", "--format", "json", manifest)
    assert done.status == 0, done.out + done.err
    changes = json.loads(done.out)["changes"]
    return [
        (change["ref"], str(change["file"]["path"]).removeprefix(f"{root}/")) for change in changes if change["file"]
    ]


def test_a_bids_folder_becomes_a_project(cli: Cli, bids: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "made.yaml"
    for extra in ("phenotype/iq.tsv", "sub-01/sub-01_sessions.tsv", "sub-01/ses-01/beh/sub-01_ses-01_task-x_beh.tsv"):
        (bids / extra).parent.mkdir(exist_ok=True)
        (bids / extra).write_text("a\tb\n", encoding="utf-8")
    done = cli("init", "--from-bids", bids, "--project", "MADE", "--out", manifest)
    assert done.status == 0, done.err
    assert "3 subjects, 4 sessions, 19 scans" in done.out
    assert len(manifest.read_text(encoding="utf-8").splitlines()) < 50
    local = sorted(path.relative_to(bids).as_posix() for path in bids.rglob("*") if path.is_file())
    assert sorted(path for _, path in planned(cli, bids, manifest)) == local
    assert "XS411" not in cli("validate", manifest).out
    assert cli("apply", "--yes", manifest).status == 0
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    assert cli("verify", "--download", manifest).status == 0


LAYOUTS = {
    "inherited": (
        """README dataset_description.json participants.tsv task-rest_bold.json dwi.bval dwi.bvec T1w.json
        sub-01/anat/sub-01_T1w.nii.gz sub-01/func/sub-01_task-rest_bold.nii.gz sub-01/sub-01_task-rest_bold.json
        sub-02/func/sub-02_task-rest_bold.nii.gz sub-02/dwi/sub-02_dwi.nii.gz sub-02/dwi/sub-02_dwi.bval""",
        {
            "sub-01/sub-01/scan:anat-T1w": "T1w.json",
            "sub-01/sub-01/scan:func-task-rest_bold": "sub-01/sub-01_task-rest_bold.json task-rest_bold.json",
            "sub-02/sub-02/scan:func-task-rest_bold": "task-rest_bold.json",
            "sub-02/sub-02/scan:dwi-dwi": "dwi.bvec sub-02/dwi/sub-02_dwi.bval",
        },
    ),
    "inherited in a session": (
        """sub-01/ses-a/sub-01_ses-a_task-rest_bold.json sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.nii
        sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.json sub-01/ses-a/func/sub-01_ses-a_task-rest_events.tsv
        sub-01/ses-a/sub-01_ses-a_scans.tsv""",
        {
            "sub-01/sub-01_ses-a/scan:func-task-rest_bold": """sub-01/ses-a/func/sub-01_ses-a_task-rest_bold.json
            sub-01/ses-a/func/sub-01_ses-a_task-rest_events.tsv sub-01/ses-a/sub-01_ses-a_task-rest_bold.json"""
        },
    ),
    "runs echoes parts": (
        """sub-01/func/sub-01_task-x_run-1_echo-1_bold.nii sub-01/func/sub-01_task-x_run-1_echo-2_bold.nii
        sub-01/func/sub-01_task-x_run-2_echo-1_part-mag_bold.nii sub-01/func/sub-01_task-x_run-1_bold.json
        sub-01/func/sub-01_task-x_run-2_echo-1_part-phase_bold.nii sub-01/func/sub-01_task-x_run-1_events.tsv""",
        {
            "sub-01/sub-01/scan:func-task-x_run-1_echo-1_bold": """sub-01/func/sub-01_task-x_run-1_bold.json
            sub-01/func/sub-01_task-x_run-1_events.tsv""",
            "sub-01/sub-01/scan:func-task-x_run-1_echo-2_bold": """sub-01/func/sub-01_task-x_run-1_bold.json
            sub-01/func/sub-01_task-x_run-1_events.tsv""",
            "sub-01/sub-01/scan:func-task-x_run-2_echo-1_part-mag_bold": "",
            "sub-01/sub-01/scan:func-task-x_run-2_echo-1_part-phase_bold": "",
        },
    ),
    "pet with mr and alone": (
        """sub-01/ses-1/anat/sub-01_ses-1_T1w.nii sub-01/ses-1/pet/sub-01_ses-1_pet.nii.gz
        sub-01/ses-1/pet/sub-01_ses-1_pet.json sub-01/ses-1/pet/sub-01_ses-1_recording-manual_blood.tsv
        sub-01/ses-2/pet/sub-01_ses-2_pet.nii.gz sub-01/ses-3/anat/sub-01_ses-3_T1w.nii""",
        {
            "sub-01/sub-01_ses-1/scan:anat-T1w": "",
            "sub-01/sub-01_ses-1/scan:pet-pet": """sub-01/ses-1/pet/sub-01_ses-1_pet.json
            sub-01/ses-1/pet/sub-01_ses-1_recording-manual_blood.tsv""",
            "sub-01/sub-01_ses-2/scan:pet-pet": "",
            "sub-01/sub-01_ses-3/scan:anat-T1w": "",
        },
    ),
    "eeg beside mr": (
        """sub-01/anat/sub-01_T1w.nii sub-01/eeg/sub-01_task-x_eeg.vhdr sub-01/eeg/sub-01_task-x_eeg.vmrk
        sub-01/eeg/sub-01_task-x_eeg.eeg sub-01/eeg/sub-01_task-x_eeg.json sub-01/eeg/sub-01_task-x_channels.tsv
        sub-01/eeg/sub-01_electrodes.tsv task-x_eeg.json sub-01/sub-01_scans.tsv""",
        {
            "sub-01/sub-01/scan:anat-T1w": "",
            "sub-01/sub-01_EEG/scan:eeg-task-x_eeg": """sub-01/eeg/sub-01_electrodes.tsv
            sub-01/eeg/sub-01_task-x_channels.tsv sub-01/eeg/sub-01_task-x_eeg.eeg
            sub-01/eeg/sub-01_task-x_eeg.json sub-01/eeg/sub-01_task-x_eeg.vmrk task-x_eeg.json""",
        },
    ),
    "all that a scanner makes, sessions in a part of the subjects": (
        """README.md .bidsignore T1w.json asl.json phenotype/a.tsv phenotype/a.json
        sub-1/ses-1/anat/sub-1_ses-1_T1w.nii.gz sub-1/ses-1/anat/sub-1_ses-1_inv-1_part-mag_MP2RAGE.nii.gz
        sub-1/ses-1/anat/sub-1_ses-1_inv-1_part-phase_MP2RAGE.nii.gz sub-1/ses-1/anat/sub-1_ses-1_inv-1_MP2RAGE.json
        sub-1/ses-1/fmap/sub-1_ses-1_magnitude1.nii.gz sub-1/ses-1/fmap/sub-1_ses-1_phasediff.nii.gz
        sub-1/ses-1/fmap/sub-1_ses-1_phasediff.json sub-1/ses-1/perf/sub-1_ses-1_asl.nii.gz
        sub-1/ses-1/perf/sub-1_ses-1_m0scan.nii.gz sub-1/ses-1/perf/sub-1_ses-1_aslcontext.tsv
        sub-1/ses-1/perf/sub-1_ses-1_asllabeling.jpg sub-1/ses-1/meg/sub-1_ses-1_task-x_meg.fif
        sub-1/ses-1/meg/sub-1_ses-1_coordsystem.json sub-1/ses-1/sub-1_ses-1_scans.tsv sub-1/sub-1_sessions.tsv
        sub-2/anat/sub-2_T1w.nii.gz sub-2/anat/sub-2_T1w_defaced.nii.gz sub-2/anat/T1w.nii.gz sub-2/sub-2_scans.tsv
        sub-2/notes.txt sub-2/anat/{odd}[1].txt sub-3/beh/sub-3_task-x_events.tsv sub-3/sub-3_sessions.tsv
        derivatives/p/sub-1/anat/sub-1_T1w.nii sourcedata/x.txt code/run.sh""",
        {
            "sub-1/sub-1_ses-1/scan:anat-T1w": "T1w.json",
            "sub-1/sub-1_ses-1/scan:anat-inv-1_part-mag_MP2RAGE": "sub-1/ses-1/anat/sub-1_ses-1_inv-1_MP2RAGE.json",
            "sub-1/sub-1_ses-1/scan:anat-inv-1_part-phase_MP2RAGE": "sub-1/ses-1/anat/sub-1_ses-1_inv-1_MP2RAGE.json",
            "sub-1/sub-1_ses-1/scan:fmap-magnitude1": "",
            "sub-1/sub-1_ses-1/scan:fmap-phasediff": "sub-1/ses-1/fmap/sub-1_ses-1_phasediff.json",
            "sub-1/sub-1_ses-1/scan:perf-asl": """asl.json sub-1/ses-1/perf/sub-1_ses-1_aslcontext.tsv
            sub-1/ses-1/perf/sub-1_ses-1_asllabeling.jpg""",
            "sub-1/sub-1_ses-1/scan:perf-m0scan": "",
            "sub-1/sub-1_ses-1_MEG/scan:meg-task-x_meg": "sub-1/ses-1/meg/sub-1_ses-1_coordsystem.json",
            "sub-2/sub-2/scan:anat-T1w": "T1w.json",
        },
    ),
    "plus in labels, folders without images, derivatives": (
        """sub-a+b/anat/sub-a+b_acq-x+y_T1w.nii sub-a+b/beh/sub-a+b_task-z_beh.tsv sub-a+b/anat/odd.txt
        sub-c/beh/sub-c_task-z_beh.tsv derivatives/p/sub-a+b/anat/sub-a+b_T1w.nii sourcedata/x.txt""",
        {"sub-a-b/sub-a-b/scan:anat-acq-x-y_T1w": ""},
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_image_is_planned_once_with_the_files_that_apply(cli: Cli, tmp_path: Path, layout: str) -> None:
    names, wanted = LAYOUTS[layout]
    root = tmp_path / "bids"
    make(root, names)
    manifest = tmp_path / "xnat.yaml"
    done = cli("init", "--from-bids", root, "--project", "P", "--out", manifest)
    assert done.status == 0, done.err
    validated = cli("validate", manifest)
    assert validated.status == 0, validated.out + manifest.read_text(encoding="utf-8")
    assert "XS4" not in validated.out
    sent = planned(cli, root, manifest)
    raw = {name for name in names.split() if not name.startswith(("derivatives/", "sourcedata/", "code/"))}
    assert {path for _, path in sent} == raw
    images = [path for _, path in sent if path.endswith((".nii", ".nii.gz", ".vhdr", ".fif"))]
    assert len(images) == len(set(images))
    found: dict[str, set[str]] = {}
    for ref, path in sent:
        if "/scan:" in ref:
            scan = ref.removeprefix("P/").partition("/resource:")[0]
            found.setdefault(scan, set()).update(() if path in images else (path,))
    assert found == {scan: set(sides.split()) for scan, sides in wanted.items()}
    assert cli("apply", "--yes", manifest).status == 0
    again = cli("plan", "--detailed-exitcode", manifest)
    assert again.status == 0, again.out
    back = tmp_path / "back"
    pulled = cli("pull", "--project", "P", "--out", tmp_path / "pulled.yaml", "--files", back, "--bids")
    assert pulled.status == 0, pulled.out
    came = {path.relative_to(back).as_posix(): path.read_bytes() for path in back.rglob("*") if path.is_file()}
    assert came == {name: (root / name).read_bytes() for name in raw}


def test_sessions_have_the_type_of_what_is_in_them(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "bids", LAYOUTS["pet with mr and alone"][0])
    manifest = tmp_path / "xnat.yaml"
    assert cli("init", "--from-bids", tmp_path / "bids", "--project", "P", "--out", manifest).status == 0
    planned(cli, tmp_path / "bids", manifest)
    changes = json.loads(cli("plan", "--format", "json", manifest).out)["changes"]
    types = {change["ref"]: change["object"]["xsi_type"] for change in changes if change.get("object")}
    assert types["P/sub-01/sub-01_ses-1"] == "xnat:petmrSessionData"
    assert types["P/sub-01/sub-01_ses-2"] == "xnat:petSessionData"
    assert types["P/sub-01/sub-01_ses-3"] == "xnat:mrSessionData"
    assert types["P/sub-01/sub-01_ses-1/scan:anat-T1w"] == "xnat:mrScanData"
    assert types["P/sub-01/sub-01_ses-1/scan:pet-pet"] == "xnat:petScanData"


def test_a_manifest_is_not_overwritten_unless_told(cli: Cli, bids: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "made.yaml"
    assert cli("init", "--from-bids", bids, "--out", manifest).status == 0
    refused = cli("init", "--from-bids", bids, "--out", manifest)
    assert refused.status == 64
    assert "--force" in refused.err
    assert cli("init", "--from-bids", bids, "--out", manifest, "--force").status == 0


def test_a_folder_without_images_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = cli("init", "--from-bids", tmp_path / "empty", "--out", tmp_path / "x.yaml")
    assert done.status == 64
    assert "BIDS name" in done.err
    assert cli("init", "--from-bids", tmp_path / "none", "--out", tmp_path / "x.yaml").status == 3


@pytest.mark.parametrize(
    "name", ["participants.tsv", "sub-01/sub-01_sessions.tsv", "sub-01/sub-01_scans.tsv", "dataset_description.json"]
)
@pytest.mark.parametrize("odd", ["pipe", "device", "loop", "folder"])
def test_what_is_no_file_is_not_waited_for(cli: Cli, tmp_path: Path, name: str, odd: str) -> None:
    """Whatever lies in place of a table is told, here or by validate, and never opened to wait for its content."""
    make(tmp_path / "bids", "sub-01/anat/sub-01_T1w.nii")
    place = tmp_path / "bids" / name
    if odd == "pipe":
        os.mkfifo(place)
    elif odd == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero" if odd == "device" else place.name)
    done = cli("init", "--from-bids", tmp_path / "bids", "--out", tmp_path / "x.yaml")
    if odd == "folder":
        assert done.status == 0, done.err
    else:
        assert done.status == 3
        assert place.name in done.out + done.err


def test_two_folders_are_never_one_subject(cli: Cli, tmp_path: Path) -> None:
    make(tmp_path / "bids", "sub-a+b/anat/sub-a+b_T1w.nii sub-a-b/anat/sub-a-b_T1w.nii")
    done = cli("init", "--from-bids", tmp_path / "bids", "--out", tmp_path / "x.yaml")
    assert done.status == 64
    assert "sub-a+b and sub-a-b would both be the subject sub-a-b" in done.err


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ("sub-1/anat/sub-2_T1w.nii sub-2/anat/sub-2_T1w.nii", "1 file lies"),
        ("sub-1/ses-1/anat/sub-1_ses-2_T1w.nii sub-1/ses-1/func/sub-1_ses-2_bold.nii", "2 files lie"),
    ],
)
def test_a_file_in_the_folder_of_somebody_else_is_an_error(cli: Cli, tmp_path: Path, names: str, told: str) -> None:
    make(tmp_path / "bids", names)
    done = cli("init", "--from-bids", tmp_path / "bids", "--out", tmp_path / "x.yaml")
    assert done.status == 3
    assert f"{told} in the folder of another subject or session: 'sub-1/" in done.out


DERIVED = """README dataset_description.json
    sub-01/ses-1/anat/sub-01_ses-1_T1w.nii sub-01/ses-2/anat/sub-01_ses-2_T1w.nii
    sub-a+b/anat/sub-a+b_T1w.nii code/run.sh sourcedata/x.txt
    derivatives/prep/dataset_description.json derivatives/prep/sub-01.html derivatives/prep/logs/a/b.txt
    derivatives/prep/sub-01/ses-1/anat/sub-01_ses-1_desc-preproc_T1w.nii derivatives/prep/sub-01/figures/a.svg
    derivatives/prep/sub-01/about.txt derivatives/prep/sub-a+b/anat/sub-a+b_desc-brain_mask.nii
    derivatives/prep/sub-01/ses-9/anat/x.json derivatives/prep/sub-99/y.json
    derivatives/surf/sub-01_ses-2/mri/orig.json derivatives/other/z.txt derivatives/README"""
HOMES = {
    "project": "prep/dataset_description.json prep/sub-01.html prep/logs/a/b.txt",
    "sub-01": "prep/sub-01/figures/a.svg prep/sub-01/about.txt",
    "sub-01/sub-01_ses-1": "prep/sub-01/ses-1/anat/sub-01_ses-1_desc-preproc_T1w.nii",
    "sub-01/sub-01_ses-2": "surf/sub-01_ses-2/mri/orig.json",
    "sub-a-b/sub-a-b": "prep/sub-a+b/anat/sub-a+b_desc-brain_mask.nii",
}


def test_what_pipelines_made_comes_along_if_named(cli: Cli, tmp_path: Path) -> None:
    root, manifest = tmp_path / "bids", tmp_path / "xnat.yaml"
    make(root, DERIVED)
    names = ("--derivatives", "prep", "--derivatives", "surf/")
    done = cli("init", "--from-bids", root, *names, "--project", "P", "--out", manifest)
    assert done.status == 0, done.err
    assert done.out.splitlines()[1:-1] == [
        "not taken: code, 1 file",
        "not taken: derivatives, 1 file",
        "not taken: derivatives/other, 1 file (--derivatives other takes them)",
        "not taken: sourcedata, 1 file",
        "not taken: 2 files in derivatives/prep of sessions without an image",
    ]
    validated = cli("validate", manifest)
    assert validated.status == 0, validated.out
    assert "no rule takes 2 files: 'derivatives/prep/sub-01/ses-9/anat/x.json', 'derivatives/prep/sub-99/y.json'" in (
        validated.out
    )
    found: dict[str, set[str]] = {}
    for ref, path in planned(cli, root, manifest):
        if path.startswith("derivatives/"):
            owner, label, name = ref.partition("/resource:")[0], *ref.partition("/resource:")[2].split("/", 1)
            assert name.removeprefix("file:") == path
            assert label == path.split("/")[1]
            found.setdefault(owner.removeprefix("P").strip("/") or "project", set()).add(path)
    assert found == {owner: {f"derivatives/{name}" for name in wanted.split()} for owner, wanted in HOMES.items()}
    assert cli("apply", "--yes", manifest).status == 0
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    tree = tmp_path / "tree"
    assert cli("pull", "--project", "P", "--out", tmp_path / "p.yaml", "--files", tree, "--bids").status == 0
    back = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    taken = {name for names in HOMES.values() for name in names.split()}
    assert {path for path in back if path.startswith("derivatives/")} == {f"derivatives/{name}" for name in taken}
    assert all((tree / path).read_bytes() == (root / path).read_bytes() for path in back)


def test_what_pipelines_made_stays_out_and_is_said(cli: Cli, tmp_path: Path) -> None:
    root, manifest = tmp_path / "bids", tmp_path / "xnat.yaml"
    make(root, DERIVED)
    done = cli("init", "--from-bids", root, "--project", "P", "--out", manifest)
    assert "not taken: derivatives/prep, 9 files (--derivatives prep takes them)" in done.out.splitlines()
    assert not any(path.startswith("derivatives/") for _, path in planned(cli, root, manifest))
    assert "XS4" not in cli("validate", manifest).out
    for name, told in (("none", "there are other, prep, surf"), ("", "there are other, prep, surf")):
        done = cli("init", "--from-bids", root, "--derivatives", name, "--out", tmp_path / "no.yaml")
        assert done.status == 64
        assert told in done.err
    assert (
        cli("init", "--from-csv", root / "x.csv", "--derivatives", "prep", "--out", tmp_path / "no.yaml").status == 64
    )


def test_init_says_nothing_that_nobody_said(
    cli: Cli, bids: Path, tmp_path: Path, server: RunningServer, http: Any
) -> None:
    """What people found out about a scan since stays as it is."""
    manifest = tmp_path / "xnat.yaml"
    assert cli("init", "--from-bids", bids, "--project", "P", "--create", "--out", manifest).status == 0
    assert "quality" not in manifest.read_text(encoding="utf-8")
    assert cli("apply", "--yes", manifest).status == 0
    scans = f"{server.url}/data/projects/P/subjects/sub-02/experiments/sub-02_ses-01/scans"
    scan = http.get(f"{scans}?format=json").json()["ResultSet"]["Result"][0]["ID"]
    assert http.put(f"{scans}/{scan}?quality=unusable").status_code == 200
    assert cli("plan", "--detailed-exitcode", manifest).status == 0
    assert cli("apply", "--yes", manifest).status == 0
    held = {row["ID"]: row["quality"] for row in http.get(f"{scans}?format=json").json()["ResultSet"]["Result"]}
    assert held[scan] == "unusable"


def test_what_is_written_is_in_normal_form_and_known_to_editors(
    cli: Cli, bids: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "t.csv"
    image = next(path for path in sorted(bids.rglob("*")) if path.name.endswith((".nii", ".nii.gz")))
    table.write_text(
        "subject,subject.group,session,session_type,scan,type,file\n"
        f"S1,a: b,E1,MR,2,T1w,{image.relative_to(tmp_path)}\n",
        encoding="utf-8",
    )
    make(tmp_path / "bids/derivatives/fmriprep", "sub-01/ses-01/anat/sub-01_desc-preproc_T1w.nii.gz dataset.txt")
    ways = {
        "b.yaml": ("init", "--from-bids", bids, "--project", "P", "--create"),
        "d.yaml": ("init", "--from-bids", bids, "--project", "P", "--derivatives", "fmriprep"),
        "c.yaml": ("init", "--from-csv", table, "--project", "P"),
        "p.yaml": ("pull", "--project", "P"),
        "f.yaml": ("pull", "--project", "P", "--files", "files", "--bids"),
        "r.yaml": ("render", "b.yaml"),
    }
    for name, words in ways.items():
        done = cli(*words, "--out", name)
        assert done.status in (0, 6), done.out + done.err
        if name == "b.yaml":
            assert cli("apply", "--yes", name).status == 0
        checked = cli("fmt", "--check", name)
        assert checked.status == 0, checked.out
        first = (tmp_path / name).read_text(encoding="utf-8").partition("\n")[0]
        if words[0] == "render":
            continue
        assert first == "# yaml-language-server: $schema=.xnat-sync/manifest.v1.json"
        schema = json.loads((tmp_path / first.partition("=")[2]).read_text(encoding="utf-8"))
        assert schema["$id"].endswith("manifest.v1")
    assert (tmp_path / ".xnat-sync/.gitignore").read_text(encoding="utf-8") == "*\n"


def test_a_schema_is_put_over_an_older_one_and_over_nothing_else(cli: Cli, bids: Path, tmp_path: Path) -> None:
    words = ("init", "--from-bids", bids, "--project", "P", "--force", "--out", tmp_path / "xnat.yaml")
    assert cli(*words).status == 0
    schema = tmp_path / ".xnat-sync/manifest.v1.json"
    text = schema.read_text(encoding="utf-8")
    schema.write_text('{"$id": "urn:xnat-sync:schema:manifest.v1"}' + " " * 10**6, encoding="utf-8")
    assert cli(*words).status == 0
    assert schema.read_text(encoding="utf-8") == text
    for other in ("my notes", "link"):
        schema.unlink()
        if other == "link":
            (tmp_path / "victim").write_text("mine", encoding="utf-8")
            schema.symlink_to(tmp_path / "victim")
        else:
            schema.write_text(other, encoding="utf-8")
        assert cli(*words).status == 0
        assert "yaml-language-server" not in (tmp_path / "xnat.yaml").read_text(encoding="utf-8")
        assert schema.read_text(encoding="utf-8") in ("my notes", "mine")
