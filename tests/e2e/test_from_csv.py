"""``init --from-csv``: dax's table and a plain one become manifests, and dax's the objects that dax itself makes."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.server.running import RunningServer, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DAX = """object_type,project_id,subject_label,session_type,session_label,\
as_label,as_type,as_description,quality,resource,fpath
scan,DAX,S1,MR,S1_E1,301,T1,mprage,usable,NIFTI,{0}/t1.nii.gz
scan,DAX,S1,MR,S1_E1,401,DTI,"dti, 6 directions",questionable,BVAL,{0}/b.bval
scan,DAX,S1,MR,S1_E1,401,DTI,"dti, 6 directions",questionable,BVEC,{0}/b.bvec
scan,DAX,S1,MR,S1_E1,401,DTI,"dti, 6 directions",questionable,QA,{0}/qa
scan,DAX,S2,PET,S2_E1,1,FDG,pet,usable,NIFTI,{0}/t1.nii.gz
scan,DAX,S2,CT,S2_E2,1,CT,,unusable,NIFTI,{0}/one
"""
# What dax adds of its own, and no table says.
DAXES_OWN = {"date", "note"}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of the tables."""
    folder = tmp_path / "files"
    for name, data in {
        "t1.nii.gz": gzip.compress(nifti(), mtime=0),
        "b.bval": b"0 1000",
        "b.bvec": b"0 1\n0 0\n0 0",
        "qa/x.txt": b"x",
        "qa/deep/y.txt": b"y",
        "one/a b.nii.gz": gzip.compress(nifti(2), mtime=0),
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def nifti(number: int = 1) -> bytes:
    """A small image of nibabel's with another byte in it."""
    import nibabel as nib

    data = (Path(nib.__file__).parent / "tests/data/anatomical.nii").read_bytes()
    return data[:-1] + bytes([number])


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with a password that dax's configuration can hold."""
    with running(tmp_path / "archive", user="admin", password="admin") as started:
        yield started


@pytest.fixture
def ours(admin: RunningServer) -> Callable[..., tuple[int, str]]:
    """Run the command line; its status and all that it says."""

    def call(*arguments: str | Path) -> tuple[int, str]:
        said = io.StringIO()
        login = {"XNAT_SYNC_SERVER": admin.url, "XNAT_SYNC_USER": "admin", "XNAT_SYNC_PASSWORD": "admin"}
        status = run([str(one) for one in arguments], Console(out=said, err=said, stdin=io.StringIO(), environ=login))
        return status, said.getvalue()

    return call


def dax(admin: RunningServer, table: Path, home: Path) -> None:
    """Upload a table with dax, unmodified."""
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login admin password admin\n", encoding="utf-8")
    (home / ".netrc").chmod(0o600)
    login = {"XNAT_HOST": admin.url, "XNAT_USER": "admin", "XNAT_PASS": "admin", "HOME": str(home)}
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [str(Path(sys.executable).parent / "Xnatupload"), "-c", str(table)]
    done = subprocess.run(
        command, env={**environment, **login}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def held(http: requests.Session, url: str, project: str) -> dict[tuple[str, ...], Any]:
    """Everything in a project: types and attributes of its objects by labels, digests of its files by their paths."""

    def rows(path: str) -> list[dict[str, str]]:
        return list(http.get(url + path, timeout=10).json()["ResultSet"]["Result"])

    found: dict[tuple[str, ...], Any] = {}
    for row in rows(f"/data/projects/{project}/experiments?columns=label,ID,subject_label,xsiType"):
        place = (row["subject_label"], row["label"])
        found[*place] = fields(http, f"{url}/data/experiments/{row['ID']}")
        for scan in rows(f"/data/experiments/{row['ID']}/scans"):
            found[*place, scan["ID"]] = fields(http, f"{url}/data/experiments/{row['ID']}/scans/{scan['ID']}")
        for file in rows(f"/data/experiments/{row['ID']}/files?all=true"):
            scan_id, name = file["URI"].split("/")[5], file["URI"].partition("/files/")[2]
            found[*place, scan_id, file["collection"], name] = (file["digest"], file["Size"])
    return found


def fields(http: requests.Session, url: str) -> dict[str, str]:
    """The type of an object and those of its attributes that have its content, none of XNAT's bookkeeping."""
    (item,) = http.get(f"{url}?format=json", timeout=10).json()["items"]
    said = {name: str(value) for name, value in item["data_fields"].items() if value != ""}
    kept = {name: value for name, value in said.items() if "ID" not in name.upper().split("_") and name != "project"}
    return {"xsi": item["meta"]["xsi:type"], **kept}


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="dax 2.21 imports distutils, gone in Python 3.12")
def test_daxs_table_and_ours_give_the_same_objects(
    admin: RunningServer, ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    table = tmp_path / "upload.csv"
    table.write_text(DAX.format(files), encoding="utf-8")
    manifest = tmp_path / "xnat.yaml"
    status, said = ours("init", "--from-csv", table, "--out", manifest)
    assert (status, said.splitlines()[0]) == (0, f"{manifest}: 2 subjects, 3 sessions, 4 scans")
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(text.replace("id: DAX", "id: OURS").replace("create: false", "create: true"), encoding="utf-8")
    status, said = ours("apply", "--yes", manifest)
    assert status == 0, said
    assert ours("plan", "--detailed-exitcode", manifest)[0] == 0
    with requests.Session() as http:
        http.trust_env = False
        http.auth = ("admin", "admin")
        assert http.put(f"{admin.url}/data/projects/DAX", timeout=10).ok
        dax(admin, table, tmp_path / "home")
        theirs, mine = held(http, admin.url, "DAX"), held(http, admin.url, "OURS")
    assert mine.keys() == theirs.keys()
    assert len([key for key in mine if len(key) == 5]) == 7
    for key, value in theirs.items():
        if isinstance(value, dict):
            # Ours has what the image says on top.
            said_by_dax = {name: text for name, text in value.items() if name not in DAXES_OWN}
            assert {name: mine[key].get(name) for name in said_by_dax} == said_by_dax, key
        else:
            assert mine[key] == value, key


PLAIN = """subject,session,session_type,subject.gender,\
session.date,subject.fields.site,scan,type,scan.note,resource,file
A,A_1,MR,F,2024-03-01,Leeds,2,T1w,,NIFTI,files/t1.nii.gz
A,A_1,,,,,2,T1w,,BIDS,files/qa/x.txt
A,A_1,,,,,,,,NOTES,files/qa
B,B_1,xnat:petSessionData,n/a,,,1,PET,"two, words",,files/one/a b.nii.gz
C,,,m,,,,,,,
"""


def test_a_plain_table(ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path) -> None:
    assert files.is_dir()
    table, manifest = tmp_path / "study.csv", tmp_path / "xnat.yaml"
    table.write_text(PLAIN, encoding="utf-8")
    assert ours("init", "--from-csv", table, "--out", manifest)[0] == 64
    status, said = ours("init", "--from-csv", table, "--project", "P", "--out", manifest)
    assert status == 0, said
    assert manifest.read_text(encoding="utf-8") == (
        "# yaml-language-server: $schema=.xnat-sync/manifest.v1.json\n"
        "version: 1\n"
        "project: {id: P, create: false}  # create: true makes it if it is missing\n"
        "root: files\n"
        'defaults: {session: {xsi_type: "xnat:mrSessionData"}}\n'
        "subjects:\n"
        "  A:\n"
        "    gender: female\n"
        "    fields: {site: Leeds}\n"
        "    sessions:\n"
        "      A_1:\n"
        '        date: "2024-03-01"\n'
        '        resources: {NOTES: {files: [{from: "qa/**", relative_to: qa}]}}\n'
        "        scans:\n"
        '          "2": {type: T1w, resources: {NIFTI: {files: [t1.nii.gz]}, BIDS: {files: [qa/x.txt]}}}\n'
        "  B:\n"
        "    sessions:\n"
        "      B_1:\n"
        '        xsi_type: "xnat:petSessionData"\n'
        "        scans:\n"
        '          "1": {type: PET, note: "two, words", resources: {NIFTI: {files: [one/a b.nii.gz]}}}\n'
        "  C: {gender: male}\n"
    )
    status, said = ours("validate", manifest)
    assert status == 0, said


@pytest.mark.parametrize(
    ("text", "status", "told"),
    [
        ("scan,P,S,MR,E,1,T1,d,usable,NIFTI\n", 3, "t.csv:1:1"),
        (
            "scan,P,S,MR,E,,T1,d,usable,NIFTI,a\nscan,P,,,E,1,T1,d,usable,NIFTI,a\n",
            3,
            "says no subject and no session_type",
        ),
        ("scan,P,S,MR,E,1,T1,d,usable,NIFTI,a\nscan,P,S,MR,E,1,T2,d,usable,BIDS,b\n", 3, "is another in line 1"),
        ("scan,P,S,MR,E,1,T1,d,usable,N,a\nscan,Q,S,MR,F,1,T1,d,usable,N,a\n", 64, "names the projects P, Q"),
        ("subjct,session\nA,B\n", 3, "'subjct' is no heading"),
        ("subject,subject.gender\nA,robot\n", 3, "cannot be the gender"),
        ("subject,scan\nA,1\n", 3, "says no session"),
        ("subject,type\nA,T1w\n", 3, "says no scan"),
        ("subject,scan,type\nA,1,T1w\n", 3, "says no session"),
        ("", 3, "no heading is subject"),
        ('subject\n"A', 3, "the table cannot be read: unexpected end of data"),
        ("subject\nA", 64, "names no project"),
        ("subject,session,session_type\nA,A_1,XY\n", 3, "'XY' is no type of a session"),
        ("subject,session,scan,scan_type\nA,A_1,1,robt\n", 3, "t.csv:2:1  error XS111"),
        ("subject,session,file,file\nA,A_1,a,b\n", 3, "2 columns have the heading 'file'"),
        ("subject,session\nA,A_1,stray\n", 3, "a cell has no heading above it"),
        ("subject,subject.src\nA,${env:HOME}\n", 3, "from the environment"),
    ],
)
def test_lines_that_make_no_sense_are_told(
    ours: Callable[..., tuple[int, str]], tmp_path: Path, text: str, status: int, told: str
) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    found, said = ours("init", "--from-csv", tmp_path / "t.csv", "--out", tmp_path / "m.yaml")
    assert (found, told in said) == (status, True), said
    assert "robot" not in said
    assert not (tmp_path / "m.yaml").exists()


def test_what_no_manifest_can_say_is_told(ours: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    lines = "scan,P,S,MR,E,1,T1,d,usable,NIFTI,a.nii\nassessor,P,S,MR,E,P-x-S-x-E-x-FS,FS,,,DATA,/x\n"
    (tmp_path / "t.csv").write_text(lines, encoding="utf-8")
    (tmp_path / "a.nii").write_bytes(nifti())
    status, said = ours("init", "--from-csv", tmp_path / "t.csv", "--out", tmp_path / "m.yaml")
    assert status == 6, said
    assert "left out: 1 line about an assessor" in said
    assert ours("init", "--from-csv", tmp_path / "none.csv", "--out", tmp_path / "n.yaml")[0] == 3


OPEN = """subject,session,scan,type,scan.tr,session.modality,resource,format,file
A,A_1,1,T1w,2300,,NIFTI,NIFTI,files/t1.nii.gz
A,A_1,2,T2w,,,NIFTI,NIFTI,files/one/a b.nii.gz
B,B_1,1,FDG,,PT,NIFTI,NIFTI,files/t1.nii.gz
"""


def drafted(ours: Callable[..., tuple[int, str]], folder: Path, text: str, *options: str) -> tuple[int, str, str]:
    """The status, what was said and the manifest that became of a table."""
    (folder / "t.csv").write_text(text, encoding="utf-8")
    out = folder / "m.yaml"
    status, said = ours("init", "--from-csv", folder / "t.csv", "--project", "P", "--out", out, "--force", *options)
    return status, said, out.read_text(encoding="utf-8") if out.exists() else ""


def test_types_follow_from_what_the_table_says(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    """`tr` is an attribute of MR scans alone, and a modality says it; a session that says nothing needs an option."""
    assert files.is_dir()
    status, said, text = drafted(ours, tmp_path, OPEN)
    assert status == 0, said
    assert 'defaults: {session: {xsi_type: "xnat:mrSessionData"}}' in text
    assert 'B_1:\n        xsi_type: "xnat:petSessionData"' in text
    assert ours("validate", tmp_path / "m.yaml")[0] == 0
    more = OPEN + "C,C_1,1,CT,,,,,files/t1.nii.gz\nC,C_2,1,CT,,,,,files/t1.nii.gz\n"
    (tmp_path / "m.yaml").unlink()
    status, said, text = drafted(ours, tmp_path, more)
    assert (status, text) == (3, "")
    assert "t.csv:5:1  error XS110  2 sessions have no type: C/C_1, C/C_2" in said
    assert "--session-type" in said
    for name in ("CT", "xnat:ctSessionData"):
        status, said, text = drafted(ours, tmp_path, more, "--session-type", name)
        assert status == 0, said
        assert text.count("ctSessionData") == 1
        assert ours("validate", tmp_path / "m.yaml")[0] == 0
    status, said, _ = drafted(ours, tmp_path, more, "--session-type", "robot")
    assert (status, "--session-type robot" in said) == (64, True)


def test_types_that_contradict_each_other_need_a_word(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    assert files.is_dir()
    lines = "A,A_1,1,MR,files/t1.nii.gz\nA,A_1,2,PET,files/t1.nii.gz\n"
    head = "subject,session,scan,scan_type,file\n"
    status, said, _ = drafted(ours, tmp_path, head + lines)
    assert (status, "1 session has no type: A/A_1" in said) == (3, True)
    status, said, text = drafted(ours, tmp_path, head + lines, "--session-type", "PETMR")
    assert status == 0, said
    assert '"1": {xsi_type: "xnat:mrScanData", ' in text
    assert ours("validate", tmp_path / "m.yaml")[0] == 0


def test_a_type_of_another_server_needs_scans_of_one_too(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    assert files.is_dir()
    head, line = "subject,session,session_type,scan,file", "A,A_1,lab:motorSessionData,1,files/b.bval"
    status, said, _ = drafted(ours, tmp_path, f"{head}\n{line}\n")
    assert (status, "no type of scan goes with lab:motorSessionData" in said) == (3, True)
    status, said, _ = drafted(ours, tmp_path, f"{head},scan_type\n{line},lab:motorScanData\n")
    assert status == 0, said


def test_what_would_not_be_valid_is_said_by_the_line(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    (files / "none").mkdir()
    lines = [
        "subject,session,session_type,scan,scan.tr,file",
        "A,A_1,CT,1,2300,files/t1.nii.gz",
        "A,A_1,CT,2,,files/lost.nii.gz",
        "A,A_1,CT,3,,files/none",
    ]
    status, said, text = drafted(ours, tmp_path, "\n".join(lines))
    assert (status, text) == (3, "")
    assert "t.csv:2:1  error XS112  xnat:ctScanData has no tr" in said
    assert "t.csv:3:1  error XS201  there is no file 'files/lost.nii.gz'" in said
    assert "t.csv:4:1  error XS202  no file is in the folder 'files/none'" in said


def test_what_only_the_whole_study_shows_is_said_too(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    (files / "page.nii.gz").write_bytes(b"<!DOCTYPE html>")
    lines = "A,E,MR,1,files/page.nii.gz\nB,E,MR,1,files/t1.nii.gz\n"
    status, said, text = drafted(ours, tmp_path, "subject,session,session_type,scan,file\n" + lines)
    assert status == 3
    assert "XS105" in said
    assert "XS302" in said
    assert "m.yaml is written, and not valid yet: 2 errors" in said
    assert "subjects:" in text


def test_headings_and_lines_are_read_as_people_write_them(
    ours: Callable[..., tuple[int, str]], files: Path, tmp_path: Path
) -> None:
    """A plain table may begin with scan; spreadsheets leave empty columns; a line may be several."""
    assert files.is_dir()
    text = 'scan,subject,session,session_type,scan.note,file,,\n1,A,A_1,MR,"two\nlines",files/t1.nii.gz,,\n,,,,,,,\n'
    status, said, manifest = drafted(ours, tmp_path, text)
    assert status == 0, said
    assert "two\\nlines" in manifest
    status, said, _ = drafted(ours, tmp_path, text + "2,A,A_1,n/a,,files/gone.nii,,\n")
    assert (status, "t.csv:5:1  error XS201" in said) == (3, True)
