"""Unmodified dax is a judge: its uploader, from a table and from a BIDS folder, and the listings it lives on.

Its tools run as the processes that they are (configured by a home folder and the environment), and what they sent is
compared with what the server holds, byte for byte.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from xnat_sync.server.running import RunningServer

    Run = Callable[..., str]

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 12), reason="dax 2.21 imports distutils, gone in Python 3.12")

IMAGE = bytes(range(256)) * 300
TABLE = """object_type,project_id,subject_label,session_type,session_label,\
as_label,as_type,as_description,quality,resource,fpath
scan,P,S1,MR,S1_E1,301,T1,mprage,usable,NIFTI,{0}/t1.nii.gz
scan,P,S1,MR,S1_E1,401,DTI,dti,questionable,BVAL,{0}/b.bval
scan,P,S1,MR,S1_E1,401,DTI,dti,questionable,QA,{0}/qa
scan,P,S2,PET,S2_E1,1,FDG,pet,usable,NIFTI,{0}/t1.nii.gz
"""
FILES = {"t1.nii.gz": IMAGE, "b.bval": b"0 1000", "qa/x.txt": b"x", "qa/deep/y.txt": b"y"}
BIDS = {
    "dataset_description.json": b'{"Name": "x", "BIDSVersion": "1.8.0"}',
    "participants.tsv": b"participant_id\tsex\nsub-01\tF\n",
    "sub-01/ses-01/anat/sub-01_ses-01_T1w.nii.gz": IMAGE,
    "sub-01/ses-01/anat/sub-01_ses-01_T1w.json": b"{}",
    "sub-01/ses-01/dwi/sub-01_ses-01_dwi.nii.gz": IMAGE[::-1],
    "sub-01/ses-01/dwi/sub-01_ses-01_dwi.bval": b"0 1000",
    "sub-01/ses-01/dwi/sub-01_ses-01_dwi.bvec": b"0 1\n0 0\n0 0",
}


def _write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


@pytest.fixture
def run(server: RunningServer, http: Any, tmp_path: Path) -> Run:
    """Runs a program with dax's configuration for the server; returns what it printed."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".netrc").write_text("machine 127.0.0.1 login admin password admin\n")
    (home / ".netrc").chmod(0o600)
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    login = {"XNAT_HOST": server.url, "XNAT_USER": "admin", "XNAT_PASS": "admin"}
    http.put("/data/projects/P")

    def program(*command: str) -> str:
        server.log.clear()
        variables = {**environment, **login, "HOME": str(home)}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return program


def _xnatupload(run: Run, *options: str) -> str:
    return run(str(Path(sys.executable).parent / "Xnatupload"), *options)


def _listing(run: Run, call: str) -> Any:
    """What a method of dax's interface answers."""
    script = (
        "import json\n"
        "from dax import XnatUtils\n"
        "with XnatUtils.get_interface() as xnat:\n"
        f"    print('ANSWER' + json.dumps(list(xnat.{call})))\n"
    )
    return json.loads(run(sys.executable, "-c", script).rpartition("ANSWER")[2])


def _held(http: Any, *sessions: str) -> dict[str, bytes]:
    """Every file of the sessions, as ``scan/resource/path``."""
    rows = http.rows(f"/data/experiments/{','.join(sessions)}/files?all=true")
    return {
        f"{row['URI'].split('/')[5]}/{row['collection']}/{row['URI'].partition('/files/')[2]}": http.get(
            row["URI"]
        ).content
        for row in rows
    }


@pytest.fixture
def uploaded(run: Run, tmp_path: Path) -> Path:
    """The table, after its first upload."""
    table = tmp_path / "upload.csv"
    table.write_text(TABLE.format(_write(tmp_path / "files", FILES)))
    _xnatupload(run, "-c", str(table))
    return table


def test_upload_from_a_table(http: Any, uploaded: Path) -> None:
    assert uploaded.exists()
    assert _held(http, "XNAT_E00001", "XNAT_E00002") == {
        "301/NIFTI/t1.nii.gz": IMAGE,
        "401/BVAL/b.bval": b"0 1000",
        "401/QA/x.txt": b"x",
        "401/QA/deep/y.txt": b"y",
        "1/NIFTI/t1.nii.gz": IMAGE,
    }
    rows = http.rows("/data/experiments/XNAT_E00001/scans")
    assert [(row["ID"], row["type"], row["series_description"], row["quality"]) for row in rows] == [
        ("301", "T1", "mprage", "usable"),
        ("401", "DTI", "dti", "questionable"),
    ]


def test_a_second_upload_sends_nothing(server: RunningServer, run: Run, uploaded: Path) -> None:
    said = _xnatupload(run, "-c", str(uploaded))
    assert "already exists" in said or "already found" in said
    assert [entry.path for entry in server.log.writes if entry.path != "/data/JSESSION"] == []


def test_a_forced_upload_replaces(http: Any, run: Run, uploaded: Path, tmp_path: Path) -> None:
    (tmp_path / "files" / "b.bval").write_bytes(b"0 2000 3000")
    _xnatupload(run, "-c", str(uploaded), "--force")
    assert _held(http, "XNAT_E00001")["401/BVAL/b.bval"] == b"0 2000 3000"


def test_upload_from_a_bids_folder_and_again(server: RunningServer, http: Any, run: Run, tmp_path: Path) -> None:
    """Images and gradient tables only; dax numbers the scans as it walks."""
    folder = str(_write(tmp_path / "bids", BIDS))
    _xnatupload(run, "-b", folder, "-p", "P")
    held = {name.partition("/")[2]: data for name, data in _held(http, "XNAT_E00001").items()}
    assert held == {
        "NIFTI/sub-01_ses-01_T1w.nii.gz": IMAGE,
        "NIFTI/sub-01_ses-01_dwi.nii.gz": IMAGE[::-1],
        "BVAL/sub-01_ses-01_dwi.bval": BIDS["sub-01/ses-01/dwi/sub-01_ses-01_dwi.bval"],
        "BVEC/sub-01_ses-01_dwi.bvec": BIDS["sub-01/ses-01/dwi/sub-01_ses-01_dwi.bvec"],
    }
    _xnatupload(run, "-b", folder, "-p", "P")
    assert [entry.path for entry in server.log.writes if entry.path != "/data/JSESSION"] == []


def _some(rows: Any, names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names.split()) for row in rows]


def test_listings(http: Any, run: Run, uploaded: Path) -> None:
    assert uploaded.exists()
    http.put("/data/projects/P/subjects/S1?gender=female&handedness=right&yob=1980&src=clinic")
    names = "project_id subject_id subject_label gender handedness yob src"
    assert _some(_listing(run, "get_subjects('P')"), names) == [
        ("P", "XNAT_S00001", "S1", "female", "right", "1980", "clinic"),
        ("P", "XNAT_S00002", "S2", "", "", "", ""),
    ]
    names = "session_id session_label session_type subject_label project_id"
    assert sorted(_some(_listing(run, "get_sessions('P')"), names)) == [
        ("XNAT_E00001", "S1_E1", "MR", "S1", "P"),
        ("XNAT_E00002", "S2_E1", "PET", "S2", "P"),
    ]
    names = "scan_id scan_type scan_description scan_quality scan_note"
    assert _some(_listing(run, "get_scans('P', 'S1', 'S1_E1')"), names) == [
        ("301", "T1", "mprage", "usable", "Upload with Xnatupload"),
        ("401", "DTI", "dti", "questionable", "Upload with Xnatupload"),
    ]
    rows = _listing(run, "get_scan_resources('P', 'S1', 'S1_E1', '401')")
    assert _some(rows, "label file_count") == [("BVAL", "1"), ("QA", "2")]
    names = "session_label session_type scan_id resources"
    assert sorted(_some(_listing(run, "get_project_scans('P')"), names)) == [
        ("S1_E1", "MR", "301", ["NIFTI"]),
        ("S1_E1", "MR", "401", ["BVAL", "QA"]),
        ("S2_E1", "PET", "1", ["NIFTI"]),
    ]


def test_listing_of_scans_that_are_shared_in(http: Any, run: Run, uploaded: Path) -> None:
    """The second query of dax filters the share rows of a session."""
    assert uploaded.exists()
    http.put("/data/projects/P2")
    assert http.put("/data/experiments/XNAT_E00001/projects/P2").status_code == 201
    rows = _listing(run, "get_project_scans('P2')")
    assert sorted(_some(rows, "session_label scan_id")) == [("S1_E1", "301"), ("S1_E1", "401")]
