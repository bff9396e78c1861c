"""The identifier gate: what was hidden is found, what is clean is not, and no output has what was found."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from xnat_sync.cli.console import Console
from xnat_sync.cli.main import run
from xnat_sync.core.formats.identifiers import is_above_89, is_null, is_shifted, traces

if TYPE_CHECKING:
    from pathlib import Path

NAME = "QUIXOTE^ALONSO"
BIRTH = "19520713"
SECRETS = ("QUIXOTE", "ALONSO", BIRTH, "1952-07-13", "4711-0815", "529-41-7733")
MANIFEST = """
version: 1
project: P
root: data
{more}
subjects:
  {subject}:
    {attributes}
    {extra}
    sessions:
      s1_v1:
        xsi_type: xnat:mrSessionData
        scans:
          "1":
            files: [{{from: "scan/**", relative_to: scan}}]
"""


def nifti(shape: tuple[int, ...] = (4, 4, 3), *, offset: int = 352, datatype: int = 4, bits: int = 16) -> bytearray:
    header = bytearray(offset)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into("<2h", header, 70, datatype, bits)
    struct.pack_into("<8f", header, 76, 1, *[2.0] * 7)
    struct.pack_into("<f", header, 108, offset)
    header[123] = 10
    struct.pack_into("<2h", header, 252, 1, 1)
    struct.pack_into("<12f", header, 280, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0)
    header[344:348] = b"n+1\0"
    voxels = bits // 8
    for size in shape:
        voxels *= size
    return header + bytes(voxels)


def with_text(offset: int, text: str, image: bytearray | None = None) -> bytes:
    made = image or nifti()
    made[offset : offset + len(text)] = text.encode()
    return bytes(made)


def with_extension(code: int, text: str) -> bytes:
    size = (8 + len(text) + 15) // 16 * 16
    made = nifti(offset=352 + size)
    made[348] = 1
    struct.pack_into("<2i", made, 352, size, code)
    made[360 : 360 + len(text)] = text.encode()
    return bytes(made)


def wrapped(*, name: str = "", comment: str = "", mtime: int = 0) -> bytes:
    plain = gzip.compress(bytes(nifti()), mtime=0)
    flags = (8 if name else 0) | (16 if comment else 0)
    texts = b"".join(text.encode() + b"\0" for text in (name, comment) if text)
    return plain[:3] + bytes([flags]) + struct.pack("<I", mtime) + plain[8:10] + texts + plain[10:]


def sidecar(**values: object) -> bytes:
    return json.dumps(values).encode()


def captured_screen() -> bytes:
    return bytes(nifti((8, 8, 1), datatype=128, bits=24))


def analyze(text: str) -> bytes:
    header = nifti()[:348]
    struct.pack_into("<f", header, 108, 0)
    header[283 : 283 + len(text)] = text.encode()
    header[344:348] = bytes(4)
    return bytes(header)


HIDDEN: dict[str, tuple[dict[str, bytes], str]] = {
    "a sidecar's PatientName": ({"a.json": sidecar(PatientName=NAME)}, "XS501"),
    "a key that another hides": (
        {"a.json": f'{{"x": [{{"PatientName": "{NAME}", "PatientName": "n/a"}}]}}'.encode()},
        "XS501",
    ),
    "a sidecar's key in other spelling": ({"a.json": sidecar(patients_birth_date=BIRTH)}, "XS501"),
    "a nested key": ({"a.json": sidecar(Series={"Items": [{"OtherPatientIDs": ["4711-0815"]}]})}, "XS501"),
    "free text in a sidecar": ({"a.json": sidecar(ImageComments=f"repeat of {NAME}")}, "XS504"),
    "a birth date in free text": ({"a.json": sidecar(Note="DOB: 1952-07-13")}, "XS505"),
    "a record number in free text": ({"a.json": sidecar(Note="MRN: 4711-0815")}, "XS505"),
    "a social security number": ({"a.json": sidecar(Note="529-41-7733")}, "XS505"),
    "a linking UID": ({"a.json": sidecar(StudyInstanceUID=f"1.2.3.4.5.6.7.8.{BIRTH}")}, "XS520"),
    "a date of study": ({"a.json": sidecar(AcquisitionDateTime="1952-07-13T10:00:00")}, "XS520"),
    "burned-in text": ({"a.json": sidecar(BurnedInAnnotation="YES")}, "XS502"),
    "an age": ({"a.json": sidecar(PatientAge="093Y")}, "XS527"),
    "descrip": ({"a.nii": with_text(148, f"T1 {NAME}")}, "XS504"),
    "aux_file": ({"a.nii": with_text(228, BIRTH)}, "XS523"),
    "db_name": ({"a.nii": with_text(14, "/Users/QUIXOTE/a")}, "XS523"),
    "intent_name": ({"a.nii": with_text(328, "13jul1952")}, "XS523"),
    "behind the end of a text": ({"a.nii": with_text(148, "FSL5.0\0 ALONSO")}, "XS524"),
    "a comment extension": ({"a.nii": with_extension(6, f"patient name: {NAME} born {BIRTH}")}, "XS505"),
    "an AFNI history": ({"a.nii": with_extension(4, "[QUIXOTE@box: Thu Dec 29 15:05:40 1952] 3dcopy")}, "XS523"),
    "DICOM in an extension": ({"a.nii": with_extension(2, NAME)}, "XS503"),
    "the gzip header's name": ({"a.nii.gz": wrapped(name=f"QUIXOTE_ALONSO_{BIRTH}.nii")}, "XS523"),
    "the gzip header's comment": ({"a.nii.gz": wrapped(comment=NAME)}, "XS504"),
    "an Analyze header": ({"a.hdr": analyze("4711-0815"), "a.img": bytes(96)}, "XS501"),
    "a captured screen": ({"a.nii": captured_screen()}, "XS525"),
    "a table's column": ({"participants.tsv": b"participant_id\tlast_name\nsub-1\tQUIXOTE\n"}, "XS506"),
    "full names in a table": ({"participants.tsv": b"participant_id\tname\nsub-1\tAlonso Quixote\n"}, "XS506"),
    "dates in a table": ({"sub-1_scans.tsv": b"filename\tacq_time\na.nii\t1952-07-13T10:00:00\n"}, "XS526"),
    "an age in a table": ({"participants.tsv": b"participant_id\tage\nsub-1\t93\n"}, "XS527"),
    "an e-mail address": ({"participants.tsv": b"participant_id\tcontact\nsub-1\tQUIXOTE@example.org\n"}, "XS528"),
    "a dump of a DICOM header": ({"README-Series.txt": f"Patient's Name: {NAME}\n".encode()}, "XS505"),
    "a file's name": ({f"MR_{BIRTH}101500.nii": bytes(nifti())}, "XS521"),
    "a number of the state's in a file's name": ({"529-41-7733.nii": bytes(nifti())}, "XS505"),
    "a number of the state's in a damaged file's name": ({"529-41-7733.nii": bytes(nifti()[:-9])}, "XS505"),
    "a name in an odd file's name": ({"QUIXOTE^ALONSO [1].txt": b"x"}, "XS504"),
    "a folder's name": ({f"MR_{BIRTH}/a.nii": bytes(nifti())}, "XS521"),
    "a number in a folder's name": ({"sub-47110815/sub-1_T1w.nii": bytes(nifti())}, "XS522"),
    "a number in a file's name": ({"sub-47110815_T1w.nii": bytes(nifti())}, "XS522"),
}


@pytest.fixture
def validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[dict[str, str]]]]:
    """Validate a study with some files in its only scan; both forms of output are free of every secret."""
    monkeypatch.chdir(tmp_path)

    def call(
        files: dict[str, bytes], *, more: str = "", subject: str = "s1", attributes: str = "", folder: str = "scan"
    ) -> tuple[int, list[dict[str, str]]]:
        for name, content in {"scan/z.txt": b"z", **{f"{folder}/{name}": held for name, held in files.items()}}.items():
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        extra = (
            'resources: {EXTRA: {files: [{from: "extra/*", optional: true}]}}' if "resources" not in attributes else ""
        )
        text = MANIFEST.format(more=more, subject=subject, attributes=attributes, extra=extra)
        (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
        shown = []
        status = -1
        for form in ("text", "json"):
            console = Console(out=io.StringIO(), err=io.StringIO(), stdin=io.StringIO(), environ={})
            status = run(["validate", "--format", form, "study.yaml"], console)
            assert isinstance(console.out, io.StringIO)
            assert isinstance(console.err, io.StringIO)
            shown.append(console.out.getvalue())
            for secret in SECRETS:
                assert secret.lower() not in (console.out.getvalue() + console.err.getvalue()).lower()
        problems = json.loads(shown[1])["problems"]
        assert status == (3 if any(problem["severity"] == "error" for problem in problems) else 0)
        assert all(problem["rule"] in shown[0] for problem in problems)
        return status, problems

    return call


Validate = Callable[..., tuple[int, list[dict[str, str]]]]


@pytest.mark.parametrize("place", HIDDEN)
def test_what_is_hidden_in_files_is_found(validate: Validate, place: str) -> None:
    files, rule = HIDDEN[place]
    _, problems = validate(files)
    assert rule in [problem["rule"] for problem in problems]


@pytest.mark.parametrize(
    ("attributes", "subject", "rule"),
    [
        (f"fields: {{comment: '{NAME}'}}", "s1", "XS504"),
        ("fields: {patient_name: Alonso}", "s1", "XS501"),
        ("fields: {ssn: '1'}", "s1", "XS501"),
        ("initials: 529-41-7733", "s1", "XS505"),
        ("dob: 1952-07-13", "s1", "XS520"),
        ("age: 93", "s1", "XS527"),
        ("src: alonso@example.org", "s1", "XS528"),
        (f"resources: {{FS_{BIRTH}: {{files: scan/z.txt}}}}", "s1", "XS521"),
        ("", f"s_{BIRTH}", "XS521"),
        ("", "529-41-7733", "XS505"),
        ("", "47110815", "XS522"),
    ],
)
def test_what_the_manifest_itself_says(validate: Validate, attributes: str, subject: str, rule: str) -> None:
    _, problems = validate({}, attributes=attributes, subject=subject)
    assert rule in [problem["rule"] for problem in problems]


CLEAN = {
    "siemens.json": sidecar(
        Modality="MR",
        Manufacturer="Siemens",
        ProcedureStepDescription="FMRIF^QA",
        StudyDescription="Brain^Routine",
        ProtocolName="Head^Neck",
        SoftwareVersions="syngo_MR_E11",
        ImageType=["ORIGINAL", "PRIMARY", "M", "ND"],
        AcquisitionDateTime="1901-07-13T10:00:00",
        PatientName="anonymous",
        PatientID="n/a",
        DeviceSerialNumber="123-45-6789",
        InstitutionName="QUIXOTE hospital",
        ConversionSoftwareVersion="v1.0.20211006",
        WipMemBlock="N4_VE11C_LATEST_20160120",
    ),
    "ge.json": sidecar(Manufacturer="GE", SoftwareVersions="28\\LX\\MR29.1_EA_2039.g", ScanOptions="EPI_GEMS\\FS"),
    "philips.json": sidecar(Manufacturer="Philips", SeriesDescription="WIP B0 NS", RepetitionTime=0.65, PatientSex="F"),
    "dictionary.json": sidecar(age={"Description": "age", "Units": "years"}, last_name={"Description": "removed"}),
    "dataset_description.json": sidecar(Name="x", Authors=["A. Quijano"], HowToAcknowledge="write to a@example.org"),
    "participants.tsv": b"participant_id\tage\tlast_name\tgroup\nsub-1\t89+\tn/a\tpatient\nsub-2\t34\t\tcontrol\n",
    "atlas.tsv": b"index\tname\n1\tLeft Thalamus\n2\tRight Thalamus\n",
    "sub-1_scans.tsv": b"filename\tacq_time\na.nii\t1901-07-13T10:00:00\n",
    "fsl.nii": with_text(148, "FSL5.0"),
    "dcm2niix.nii": with_text(148, "TE=30;Time=134935.305;phase=1"),
    "freesurfer.nii": with_text(148, "FreeSurfer May 13 2013"),
    "sub-100307_T1w.nii": bytes(nifti()),
    "sub-emptyroom_ses-20240301_meg.txt": b"",
    "packed.nii.gz": wrapped(name="packed.nii", mtime=1_700_000_000),
    "comment.nii": with_extension(6, "made by a phantom"),
    "picture.nii": bytes(nifti((8, 8, 4), datatype=128, bits=24)),
}


def test_nothing_is_found_in_what_is_clean(validate: Validate) -> None:
    status, problems = validate(CLEAN)
    assert status == 0
    assert {problem["severity"] for problem in problems} == {"info"}
    assert sorted(problem["rule"] for problem in problems) == ["XS540", "XS542"]
    quasi = problems[0]["summary"]
    assert "in 2 files (DeviceSerialNumber, InstitutionName, PatientSex, ProcedureStepDescription" in quasi


def test_a_find_in_many_files_is_one_problem(validate: Validate) -> None:
    _, problems = validate({f"{number}.json": sidecar(PatientName=NAME) for number in range(12)})
    found = [problem for problem in problems if problem["rule"] == "XS501"]
    assert len(found) == 1
    assert found[0]["summary"].startswith("the key PatientName has a value: '0.json', '1.json', '10.json' and 9 more")


def test_a_find_can_be_ignored_with_a_reason(validate: Validate) -> None:
    files = {"a.json": sidecar(PatientID="4711-0815"), "b.json": sidecar(PatientID="4711-0815")}
    everywhere = 'ignore: [{rule: XS501, reason: "a phantom"}]'
    assert validate(files, more=everywhere) == (0, [])
    status, problems = validate(files, more='ignore: [{rule: XS501, files: "**/a.json", reason: "a phantom"}]')
    assert status == 3
    assert "'b.json'" in problems[0]["summary"]
    assert "'a.json'" not in problems[0]["summary"]
    for pattern in ("a.json", "scan", "*/*/a.json", "scan/b*/**"):
        _, problems = validate(files, more=f'ignore: [{{rule: XS501, files: "{pattern}", reason: "a phantom"}}]')
        assert "XS035" in [problem["rule"] for problem in problems]


def test_copies_without_gzip_names(validate: Validate, tmp_path: Path) -> None:
    files = {
        "a.nii.gz": wrapped(name=f"QUIXOTE_ALONSO_{BIRTH}.nii"),
        "b.nii.gz": wrapped(comment=NAME),
        "c.nii.gz": wrapped(),
    }
    status, _ = validate(files)
    assert status == 3
    console = Console(out=io.StringIO(), err=io.StringIO(), stdin=io.StringIO(), environ={})
    assert run(["validate", "--fix-gzip-names", "clean", "study.yaml"], console) == 3
    assert isinstance(console.err, io.StringIO)
    assert "2 files copied below clean" in console.err.getvalue()
    assert sorted(path.name for path in (tmp_path / "clean" / "scan").iterdir()) == ["a.nii.gz", "b.nii.gz"]
    for name in ("a.nii.gz", "b.nii.gz"):
        (tmp_path / "clean" / "scan" / name).replace(tmp_path / "data" / "scan" / name)
    assert run(["validate", "study.yaml"], console) == 0


def test_faces(validate: Validate) -> None:
    head = nifti((120, 120, 90))
    assert [problem["rule"] for problem in validate({"sub-1_T1w.nii": bytes(head)})[1]] == ["XS541"]
    defaced = sidecar(DeidentificationMethod="pydeface")
    assert validate({"sub-1_T1w.nii": bytes(head), "sub-1_T1w.json": defaced})[1] == []


def test_a_resource_of_a_subject_is_looked_into_too(validate: Validate) -> None:
    status, problems = validate({"a.json": sidecar(PatientID="4711-0815")}, folder="extra")
    assert (status, [problem["rule"] for problem in problems]) == (3, ["XS501"])


@pytest.mark.parametrize("text", ["", "n/a", "N/A", "none", "anonymous", "ANON123", "XXXX", "***", "-", "0", "removed"])
def test_null(text: str) -> None:
    assert is_null(text)
    assert not is_null(text + " Smith")


@pytest.mark.parametrize(
    "text",
    [
        "TE=30;Time=134935.305;phase=1",
        "2.5 3.5 4.5",
        "1.3.12.2",
        "A^B",
        "x^2+Y^2",
        "run-20240199",
        "99999999",
        "200.300.4000",
        "MRN is not stated",
        "patient id: unknown",
        "born to be wild",
        "5-may",
        "http://example.org/a",
    ],
)
def test_no_trace(text: str) -> None:
    assert traces(text) == frozenset()


def test_ages_and_dates() -> None:
    assert is_above_89("90")
    assert not any(map(is_above_89, ("89", "89+", "n/a", "", "1900", "034Y")))
    assert is_shifted("1924-12-31")
    assert is_shifted("n/a")
    assert not is_shifted("1925-01-01")


def test_a_name_that_must_go_is_said_by_no_other_message(
    validate: Validate,
) -> None:
    """Neither where every byte is read, nor where the manifest writes it out."""
    packed = bytearray(wrapped())
    packed[-5] ^= 1
    validate({"529-41-7733.nii.gz": bytes(packed)}, attributes="resources: {ODD: {files: scan/529-41-7733.nii.gz}}")
    for form in ("text", "json"):
        console = Console(out=io.StringIO(), err=io.StringIO(), stdin=io.StringIO(), environ={})
        assert run(["validate", "--deep", "--format", form, "study.yaml"], console) == 3
        assert isinstance(console.out, io.StringIO)
        assert "XS303" in console.out.getvalue()
        assert "7733" not in console.out.getvalue()
