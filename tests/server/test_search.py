"""POST /data/search with the documents that clients send, and those clients themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

import pytest
import xnat

if TYPE_CHECKING:
    from xnat_sync.server.running import RunningServer

P = "/data/projects/P"
DOCUMENT = """<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="@x">
  <xdat:root_element_name>{root}</xdat:root_element_name>
  {fields}
  <xdat:search_where method="{method}">{criteria}</xdat:search_where>
</xdat:bundle>"""


def document(root: str, fields: dict[str, str], *criteria: tuple[str, str, str], method: str = "AND") -> str:
    """A stored search: field id → element, and criteria."""
    shown = "".join(
        f"<xdat:search_field><xdat:element_name>{element}</xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>"
        f"<xdat:sequence>{number}</xdat:sequence><xdat:type>string</xdat:type></xdat:search_field>"
        for number, (name, element) in enumerate(fields.items())
    )
    wanted = "".join(
        f'<xdat:criteria override_value_formatting="0"><xdat:schema_field>{path}</xdat:schema_field>'
        f"<xdat:comparison_type>{escape(comparison)}</xdat:comparison_type><xdat:value>{value}</xdat:value></xdat:criteria>"
        for path, comparison, value in criteria
    )
    return DOCUMENT.format(root=root, fields=shown, criteria=wanted, method=method)


@pytest.fixture
def study(http: Any) -> Any:
    http.put(P)
    http.put(f"{P}/subjects/S1?gender=female&yob=1980")
    http.put(f"{P}/subjects/S2?gender=male&yob=1990")
    http.put(f"{P}/subjects/S1/experiments/E1?xsiType=xnat:mrSessionData&date=2001-02-03&fieldStrength=3.0")
    http.put(f"{P}/subjects/S2/experiments/E2?xsiType=xnat:mrSessionData&date=2002-02-03")
    http.put(f"{P}/subjects/S1/experiments/E1/scans/1?xsiType=xnat:mrScanData&type=T1")
    return http


def run(http: Any, text: str) -> list[dict[str, str]]:
    reply = http.post("/data/search?format=json", data=text)
    assert reply.status_code == 200, reply.text
    rows: list[dict[str, str]] = reply.json()["ResultSet"]["Result"]
    return rows


def test_keys_are_lower_case_display_ids(study: Any) -> None:
    """Key columns of the root come unasked."""
    rows = run(
        study, document("xnat:subjectData", {"SUBJECT_LABEL": "xnat:subjectData", "GENDER_TEXT": "xnat:subjectData"})
    )
    assert rows[0] == {"subject_label": "S1", "gender_text": "female", "subjectid": "XNAT_S00001", "project": "P"}


@pytest.mark.parametrize(
    ("criterion", "found"),
    [
        (("xnat:subjectData/SUBJECT_LABEL", "LIKE", "%1"), ["S1"]),
        (("xnat:subjectData/label", "=", "S2"), ["S2"]),
        (("xnat:subjectData/demographics/yob", ">=", "1985"), ["S2"]),
        (("xnat:subjectData/GENDER_TEXT", "!=", "male"), ["S1"]),
        (("xnat:mrSessionData/date", "=", "02/03/2001"), ["S1"]),
        (("xnat:subjectData/GENDER_TEXT", "IN", "male,other"), ["S2"]),
        (("xnat:subjectData/group", "IS NULL", ""), ["S1", "S2"]),
    ],
)
def test_criteria(study: Any, criterion: tuple[str, str, str], found: list[str]) -> None:
    rows = run(study, document("xnat:subjectData", {"SUBJECT_LABEL": "xnat:subjectData"}, criterion))
    assert [row["subject_label"] for row in rows] == found


def test_or(study: Any) -> None:
    either = [("xnat:subjectData/label", "=", "S1"), ("xnat:subjectData/label", "=", "S2")]
    fields = {"SUBJECT_LABEL": "xnat:subjectData"}
    assert len(run(study, document("xnat:subjectData", fields, *either, method="OR"))) == 2
    assert run(study, document("xnat:subjectData", fields, *either)) == []


def test_sessions_and_scans(study: Any) -> None:
    rows = run(
        study, document("xnat:mrSessionData", {"LABEL": "xnat:mrSessionData", "SUBJECT_LABEL": "xnat:subjectData"})
    )
    assert rows[0] == {
        "label": "E1", "xnat_subjectdata_subject_label": "S1", "session_id": "XNAT_E00001",
        "subject_id": "XNAT_S00001", "project": "P",
    }  # fmt: skip
    rows = run(study, document("xnat:mrScanData", {"TYPE": "xnat:mrScanData"}))
    assert rows == [{"type": "T1", "scan_id": "1", "session_id": "XNAT_E00001"}]


def test_bad_documents(study: Any) -> None:
    assert study.post("/data/search?format=json", data="<no").status_code == 422
    assert study.post("/data/search?format=json", data=document("xnat:investigatorData", {})).status_code == 403


@pytest.mark.filterwarnings("ignore")
def test_xnatpy_query(server: RunningServer, study: Any) -> None:
    """Class.query() with filters, as the documentation shows it."""
    with xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR") as session:
        subjects = session.classes.SubjectData
        query = subjects.query().filter(subjects.demographics.gender == "female")
        assert [item.label for item in query.all()] == ["S1"]
        sessions = session.classes.MrSessionData
        query = sessions.query().filter(sessions.label.like("%E%")).filter(sessions.field_strength == "3.0")
        assert [item.label for item in query.all()] == ["E1"]
        rows = sessions.query().view(sessions.label, sessions.project).tabulate_dict()
        assert {row["label"] for row in rows} == {"E1", "E2"}
