"""Unmodified pyxnat is a judge: what it sends is compared with what it gets back, byte for byte."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pyxnat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.running import RunningServer

IMAGE = bytes(range(256)) * 4000
NOTE = "a & b <c> 'd' \"e\" ü"
ESCAPED = "a &amp; b &lt;c&gt; &apos;d&apos; &quot;e&quot; ü"
TREE = {"one.txt": b"1", "deep/two.nii.gz": IMAGE, "deep/er/three.json": b"{}"}


@pytest.fixture
def interface(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("http_proxy", raising=False)
    connected = pyxnat.Interface(server.url, user="admin", password="admin")
    yield connected
    connected.disconnect()
    connected._http.close()


@pytest.fixture
def project(interface: Any) -> Any:
    made = interface.select.project("P")
    assert not made.exists()
    made.create()
    return made


@pytest.fixture
def session(project: Any) -> Any:
    made = project.subject("S1").experiment("E1")
    made.create(experiments="xnat:mrSessionData", **{"xnat:mrSessionData/date": "2001-02-03"})
    return made


@pytest.fixture
def scan(session: Any) -> Any:
    made = session.scan("1")
    made.create(scans="xnat:mrScanData", **{"xnat:mrScanData/type": "T1w", "xnat:mrScanData/parameters/tr": "2300"})
    return made


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, data in TREE.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "tree"


def _downloaded(file: Any, folder: Path) -> bytes:
    return Path(file.get_copy(str(folder / "copy"))).read_bytes()


# --- Interface, select, create ------------------------------------------------------------------------------------


def test_interface_opens_one_session_and_ends_it(server: RunningServer) -> None:
    interface = pyxnat.Interface(server.url, user="admin", password="admin")
    assert interface.version()["version"] == server.context.version
    cookie = interface._http.cookies["JSESSIONID"]
    interface.select.projects().get()
    assert interface._http.cookies["JSESSIONID"] == cookie
    interface.disconnect()
    interface._http.close()
    assert [entry.method for entry in server.log][-1] == "DELETE"


def test_a_wrong_password_is_told(server: RunningServer) -> None:
    interface = pyxnat.Interface(server.url, user="admin", password="wrong")
    with pytest.raises(pyxnat.core.errors.DatabaseError, match="status code: 401"):
        interface.manage.users()
    interface._http.close()


def test_create_from_a_path_makes_the_parents(interface: Any, project: Any) -> None:
    made = interface.select("/project/P/subject/S2/experiment/E2/scan/7")
    made.create(experiments="xnat:petSessionData", scans="xnat:petScanData")
    assert made.exists()
    assert made.datatype() == "xnat:petScanData"
    assert project.subject("S2").experiment("E2").datatype() == "xnat:petSessionData"
    assert [subject.label() for subject in interface.select("/project/P/subjects")] == ["S2"]


def test_every_kind_of_object_is_created_listed_and_deleted(interface: Any, project: Any, scan: Any) -> None:
    session = project.subject("S1").experiment("E1")
    session.assessor("A1").create(assessors="xnat:qcManualAssessorData")
    session.reconstruction("R1").create(reconstructions="xnat:reconstructedImageData")
    assert session.id() == "XNAT_E00001"
    assert session.label() == "E1"
    assert session.parent().label() == "S1"
    assert [session.scans().get(), session.reconstructions().get()] == [["1"], ["R1"]]
    assert session.assessors().get() == ["XNAT_E00002"]
    assert interface.select("/projects/P/subjects/*/experiments/*").get() == ["XNAT_E00001"]
    for made in (session.assessor("A1"), session.reconstruction("R1"), scan, session, project.subject("S1"), project):
        assert made.exists()
        made.delete()
        assert not made.exists()


def test_objects_describe_themselves(project: Any, session: Any, scan: Any) -> None:
    """pyxnat asks projects and subjects by search documents whose display fields no schema path leads to."""
    subject = project.subject("S1")
    subject.attrs.set("gender", "female")
    assert repr(project).startswith("<Project Object> P `P` (protected) 1 subject 1 MR experiment (owner: admin) (")
    assert repr(subject).startswith("<Subject Object> XNAT_S00001 `S1` (project: P) (Gender: female) 1 experiment ")
    assert repr(session).startswith("<Experiment Object> XNAT_E00001 `E1` (subject: XNAT_S00001 `S1`) (project: P) 1 ")
    assert repr(scan).startswith("<Scan Object> 1 (`T1w`  frames) ")


def test_sharing(interface: Any, project: Any, session: Any) -> None:
    """Its subjects are shared as well: the page in the answer may not begin with a doctype."""
    other = interface.select.project("P2")
    other.create()
    for shared in (project.subject("S1"), session):
        assert shared.shares().get() == ["P"]
        shared.share("P2")
        assert shared.shares().get() == ["P", "P2"]
        shared.unshare("P2")
        assert shared.shares().get() == ["P"]


def test_users_and_accessibility(interface: Any, project: Any, http: Any) -> None:
    http.post("/xapi/users", json={"username": "ann", "password": "x", "firstName": "Ann", "email": "ann@a.b"})
    project.add_user("ann", "member")
    assert (project.users(), project.members(), project.owners()) == (["admin", "ann"], ["ann"], ["admin"])
    assert project.user_role("ann") == "member"
    project.remove_user("ann")
    assert project.members() == []
    assert interface.manage.users() == ["guest", "admin", "ann"]
    assert interface.manage.users.firstname("ann") == "Ann"
    assert interface.manage.users.email("ann") == "ann@a.b"
    assert project.accessibility() == b"protected"
    project.set_accessibility("private")
    assert project.accessibility() == b"private"


# --- attributes ---------------------------------------------------------------------------------------------------


def test_attributes_come_back_as_they_were_stored(project: Any, session: Any, scan: Any) -> None:
    """Query values are stored XML-escaped."""
    subject = project.subject("S1")
    subject.attrs.set("gender", "female")
    subject.attrs.set("xnat:subjectData/fields/field[name=k]/field", "v")
    assert subject.attrs.get("gender") == "female"
    assert subject.attrs.get("xnat:subjectData/fields/field[name=k]/field") == "v"
    session.attrs.mset({"xnat:experimentData/note": NOTE, "xnat:mrSessionData/fieldStrength": "3.0"})
    names = ["xnat:experimentData/note", "xnat:mrSessionData/fieldStrength", "xnat:mrSessionData/date"]
    assert session.attrs.mget(names) == [ESCAPED, "3.0", "2001-02-03"]
    scan.attrs.set("quality", "usable")
    names = ["xnat:mrScanData/type", "xnat:mrScanData/parameters/tr", "xnat:mrScanData/quality"]
    assert scan.attrs.mget(names) == ["T1w", "2300.0", "usable"]


# --- files --------------------------------------------------------------------------------------------------------


def test_parameters_of_scans_and_assessors(session: Any, scan: Any) -> None:
    """``parameters/addParam`` rows, written by name."""
    assessor = session.assessor("QC")
    assessor.create(assessors="xnat:qcManualAssessorData")
    for held in (scan, assessor):
        held.set_param("one", "1")
        held.set_param("two", "b")
        held.set_param("one", "3")
        assert (held.get_param("one"), held.get_param("two")) == ("3", "b")
        assert held.params() == ["one", "two"]


def test_a_file_there_and_back(scan: Any, tmp_path: Path) -> None:
    (tmp_path / "local.nii.gz").write_bytes(IMAGE)
    file = scan.resource("NIFTI").file("sub/image 1.nii.gz")
    file.put(str(tmp_path / "local.nii.gz"), format="NIFTI", content="T1", tags="t")
    assert file.exists()
    assert _downloaded(file, tmp_path) == IMAGE
    assert (file.size(), file.format(), file.content(), file.labels()) == (str(len(IMAGE)), "NIFTI", "T1", "t")
    assert file.last_modified().endswith(" GMT")
    held = scan.resource("NIFTI").attributes()
    assert (held["file_count"], held["file_size"]) == ("1", str(len(IMAGE)))
    assert repr(scan.resource("NIFTI")).startswith("<Resource Object> 1 `NIFTI` (1 files ")
    file.delete()
    assert not file.exists()


def test_a_second_put_needs_overwrite(scan: Any, tmp_path: Path) -> None:
    """Without it the answer is 200 with the duplicates, which pyxnat does not look at."""
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "b").write_bytes(b"new!")
    file = scan.resource("NIFTI").file("x.txt")
    file.put(str(tmp_path / "a"))
    file.put(str(tmp_path / "b"))
    assert _downloaded(file, tmp_path) == b"old"
    file.put(str(tmp_path / "b"), overwrite=True)
    assert _downloaded(file, tmp_path) == b"new!"


@pytest.mark.parametrize("level", ["project", "subject", "session", "scan"])
def test_files_at_every_level(project: Any, session: Any, scan: Any, tmp_path: Path, level: str) -> None:
    owner = {"project": project, "subject": project.subject("S1"), "session": session, "scan": scan}[level]
    (tmp_path / "a").write_bytes(IMAGE)
    owner.resource("ANY").file("x.bin").put(str(tmp_path / "a"))
    assert owner.resources().get() == ["1"]
    assert owner.resource("ANY").files().get() == ["x.bin"]
    assert _downloaded(owner.resource("ANY").file("x.bin"), tmp_path) == IMAGE


def test_put_dir_and_get(session: Any, tree: Path, tmp_path: Path) -> None:
    """It packs a folder into a zip that is unpacked on the server, and gets it back as a zip."""
    resource = session.resource("TREE")
    resource.put_dir(str(tree))
    got = tmp_path / "got"
    got.mkdir()
    names = {Path(name).relative_to(got / "TREE").as_posix(): name for name in resource.get(str(got), extract=True)}
    assert {name: Path(path).read_bytes() for name, path in names.items()} == TREE


@pytest.mark.parametrize("extract", [True, False])
def test_put_zip(session: Any, tmp_path: Path, extract: bool) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, data in TREE.items():
            archive.writestr(name, data)
    resource = session.resource("ZIP")
    resource.put_zip(str(tmp_path / "all.zip"), extract=extract)
    held = {file.attributes()["path"]: _downloaded(file, tmp_path) for file in resource.files()}
    assert held == (TREE if extract else {"all.zip": (tmp_path / "all.zip").read_bytes()})


def test_download_of_all_scans(session: Any, scan: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(IMAGE)
    scan.resource("NIFTI").file("x.nii").put(str(tmp_path / "a"))
    got = tmp_path / "got"
    got.mkdir()
    session.scans().download(str(got), type="ALL", extract=True)
    assert (got / "E1/scans/1-T1w/resources/NIFTI/files/x.nii").read_bytes() == IMAGE


# --- array and search ---------------------------------------------------------------------------------------------


@pytest.fixture
def study(interface: Any, scan: Any, project: Any) -> Any:
    """Two more subjects, one with a PET session, and a project that no answer may speak of."""
    project.subject("S2").create()
    interface.select("/project/P/subject/S3/experiment/E3/scan/1").create(
        experiments="xnat:petSessionData", scans="xnat:petScanData"
    )
    interface.select("/project/OTHER/subject/S1/experiment/E1/scan/1").create(
        experiments="xnat:mrSessionData", scans="xnat:mrScanData"
    )
    for label in ("S1", "S3"):
        project.subject(label).attrs.set("gender", "female")
    return interface


def test_array(study: Any) -> None:
    found = study.array.experiments(project_id="P", columns=["label", "subject_label"]).data
    assert [(row["label"], row["subject_label"]) for row in found] == [("E1", "S1"), ("E3", "S3")]
    assert study.array.mrsessions(project_id="P").data == [
        {
            "xnat:mrsessiondata/id": "XNAT_E00001",
            "ID": "XNAT_E00001",
            "project": "P",
            "xnat:mrsessiondata/subject_id": "XNAT_S00001",
            "URI": "/data/experiments/XNAT_E00001",
        }
    ]
    scans = study.array.scans(project_id="P", columns=["xnat:imageScanData/type"]).data
    assert [(row["session_ID"], row["xnat:imagescandata/type"]) for row in scans] == [
        ("XNAT_E00001", "T1w"),
        ("XNAT_E00002", ""),
    ]
    scans = study.array.mrscans(project_id="P", columns=["xnat:mrScanData/parameters/tr"]).data
    assert [row["xnat:mrscandata/parameters/tr"] for row in scans] == ["2300.0"]
    found = study.array.mrscans(project_id="P", constraints={"xnat:mrScanData/type": "T2w"}).data
    assert found == []
    assert [row["ID"] for row in study.array.experiments(project_id="P", subject_label="S3").data] == ["XNAT_E00002"]
    assert len(study.array.search_experiments(project_id="P", experiment_type="xnat:mrSessionData").data) == 1


SESSIONS = ["xnat:mrSessionData/SESSION_ID", "xnat:mrSessionData/DATE", "xnat:mrSessionData/PROJECT"]
IN_PROJECT = [("xnat:mrSessionData/PROJECT", "=", "P"), ("xnat:mrSessionData/DATE", ">", "2000-01-01"), "AND"]
FOUND = [{"session_id": "XNAT_E00001", "date": "2001-02-03", "project": "P"}]


def test_search(study: Any) -> None:
    assert study.select("xnat:mrSessionData", SESSIONS).where(IN_PROJECT).data == FOUND
    assert len(study.select("xnat:mrSessionData", SESSIONS).all().data) == 2
    nested = [("xnat:subjectData/PROJECT", "=", "P"), [("xnat:subjectData/GENDER_TEXT", "=", "female"), "OR"], "AND"]
    rows = study.select("xnat:subjectData", ["xnat:subjectData/SUBJECT_LABEL"]).where(nested).data
    assert [row["subject_label"] for row in rows] == ["S1", "S3"]
    subjects = study.select.project("P").subjects().where([("xnat:subjectData/GENDER_TEXT", "=", "female"), "AND"])
    assert sorted(subject.label() for subject in subjects) == ["S1", "S3"]


def test_stored_searches(study: Any, http: Any) -> None:
    """Kept under a name, listed, run, read back, shared with nobody else, removed."""
    searches = study.manage.search
    searches.save("mine", "xnat:mrSessionData", SESSIONS, IN_PROJECT, description="of 100%")
    assert searches.saved(with_description=True) == [("mine", "of 100%")]
    assert searches.get("mine").data == [{**FOUND[0], "subject_id": "XNAT_S00001"}]
    read = searches.get("mine", "query")
    assert (read["row"], read["columns"], read["users"]) == ("xnat:mrSessionData", SESSIONS, ["admin"])
    assert study.select("xnat:mrSessionData", SESSIONS).where(query="mine").data == FOUND
    http.post("/xapi/users", json={"username": "ann", "password": "x"})
    assert http.get("/data/search/saved/mine", auth=("ann", "x"), cookies={"JSESSIONID": ""}).status_code == 404
    searches.delete("mine")
    assert searches.saved() == []
    searches.save_template("t", "xnat:mrSessionData", SESSIONS, [("xnat:mrSessionData/PROJECT", "=", "name"), "AND"])
    assert searches.saved_templates() == ["t"]
    searches.delete_template("t")
    assert searches.saved_templates() == []


def test_inspection(study: Any) -> None:
    assert "xnat:mrSessionData" in study.inspect.datatypes()
    assert "xnat:subjectData/DOB" in study.inspect.datatypes("xnat:subjectData", "*")
    assert sorted(study.inspect.field_values("xnat:subjectData/SUBJECT_LABEL")) == ["S1", "S2", "S3"]
    study.manage.schemas.add("xapi/schemas/xnat")
    assert list(study.manage.schemas()) == ["xnat"]
