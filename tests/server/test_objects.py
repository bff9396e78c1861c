"""Creating, updating, clearing: the statuses, bodies and silences of XNAT's object resources."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import requests

    from xnat_sync.server.running import RunningServer

SUBJECT = "/data/projects/P/subjects/S1"
SESSION = f"{SUBJECT}/experiments/E1"
SCAN = f"{SESSION}/scans/1"


@pytest.fixture
def project(http: Any) -> Any:
    """An empty project P."""
    http.put("/data/projects/P")
    return http


@pytest.fixture
def study(project: Any) -> Any:
    """Project P, subject S1, MR session E1 with scan 1."""
    project.put(SUBJECT)
    project.put(f"{SESSION}?xsiType=xnat:mrSessionData")
    project.put(f"{SCAN}?xsiType=xnat:mrScanData&type=T1")
    return project


def answer(reply: requests.Response) -> tuple[int, str]:
    return reply.status_code, reply.text


def message(reply: requests.Response) -> str:
    """The text inside h3, as scripts scrape it."""
    return reply.text.partition("<h3>")[2].partition("</h3>")[0]


def fields(http: Any, uri: str) -> dict[str, Any]:
    data: dict[str, Any] = http.get(f"{uri}?format=json").json()["items"][0]["data_fields"]
    return data


def child(http: Any, uri: str, name: str) -> list[dict[str, Any]]:
    children = http.get(f"{uri}?format=json").json()["items"][0]["children"]
    return [item["data_fields"] for entry in children if entry["field"] == name for item in entry["items"]]


# --- projects -----------------------------------------------------------------------------------------------------


def test_project_put_never_says_anything(http: Any) -> None:
    """ProjectResource: 200 and an empty body, created or not; name and secondary ID default to the ID."""
    assert answer(http.put("/data/projects/P")) == (200, "")
    assert answer(http.put("/data/projects/P?description=d&pi_lastname=L&note=n")) == (200, "")
    assert fields(http, "/data/projects/P") == {
        "ID": "P", "name": "P", "secondary_ID": "P", "description": "d"
    }  # fmt: skip
    assert child(http, "/data/projects/P", "PI") == [{"lastname": "L"}]
    assert child(http, "/data/projects/P", "fields/field") == [{"name": "note", "field": "n"}]


def test_new_projects_are_protected_unless_told(http: Any) -> None:
    """BaseXnatProjectdata.createProject."""
    http.put("/data/projects/A")
    http.put("/data/projects/B?accessibility=private")
    assert http.get("/data/projects/A/accessibility").text == "protected"
    assert http.get("/data/projects/B/accessibility").text == "private"
    assert http.put("/data/projects/B/accessibility/public").status_code == 200
    assert http.get("/data/projects/B/accessibility").text == "public"


def test_bad_project_id_is_417(http: Any) -> None:
    reply = http.put("/data/projects/a.b")
    assert (reply.status_code, message(reply)) == (417, "Invalid character in project ID.")


def test_project_names_are_one_namespace(http: Any) -> None:
    """TestProjectValidation: IDs, names, secondary IDs and aliases, without regard to case."""
    http.put("/data/projects/P?name=Title&secondary_ID=Running&alias=Nick")
    for query in ("name=p", "name=TITLE", "secondary_ID=running", "alias=title", "name=nick", "secondary_ID=P"):
        reply = http.put(f"/data/projects/Q?{query}")
        assert reply.status_code == 409, query
        assert message(reply).startswith("Requested new project conflicts with existing projects: Invalid ")
    assert http.put("/data/projects/nick").status_code == 409


def test_project_by_alias(http: Any) -> None:
    http.put("/data/projects/P?alias=nick")
    assert fields(http, "/data/projects/nick")["ID"] == "P"


def test_project_id_in_body_must_match(http: Any) -> None:
    reply = http.put("/data/projects/P?xnat:projectData/ID=Q")
    assert reply.status_code == 417
    assert message(reply) == "The project ID for the REST call must match the value in submitted request body."


def test_deleted_project_id_is_burnt(http: Any) -> None:
    http.put("/data/projects/P")
    assert answer(http.delete("/data/projects/P")) == (200, "")
    assert http.get("/data/projects/P").status_code == 404
    reply = http.put("/data/projects/P")
    assert reply.status_code == 403
    assert message(reply) == "Project 'P' was used in a previously deleted project and cannot be reused."


def test_deleting_an_unknown_project_is_400(http: Any) -> None:
    assert http.delete("/data/projects/NONE").status_code == 400


def test_post_project(http: Any) -> None:
    """ProjectListResource: ID needed, 200 with the new URI as text and Location; 409 if it is there."""
    assert message(http.post("/data/projects")) == "Requires XNAT ProjectData ID"
    reply = http.post("/data/projects?ID=P")
    assert answer(reply) == (200, f"{http.url}/data/projects/P")
    assert reply.headers["location"] == reply.text
    assert message(http.post("/data/projects?ID=P")) == "Project already exists."


def test_project_settings(project: Any) -> None:
    """TestProjectURIs: any whole number is stored, true and false are 1 and 0, other text is 400."""
    for sent, stored in (("4", "4"), ("0", "0"), ("11", "11"), ("true", "1"), ("false", "0")):
        assert project.put(f"/data/projects/P/prearchive_code/{sent}").status_code == 200
        assert project.get("/data/projects/P/prearchive_code").text == stored
    for name, stored in (("current_arc", "arc002/sub"), ("scan_type_mapping", "false")):
        assert project.put(f"/data/projects/P/{name}/{stored}").status_code == 200
        assert project.get(f"/data/projects/P/{name}").text == stored
    reply = project.put("/data/projects/P/quarantine_code/maybe")
    assert (reply.status_code, message(reply)) == (400, "The submitted code maybe is invalid: must be an integer.")


def test_unknown_tail_of_a_project_is_400(project: Any) -> None:
    assert project.get("/data/projects/P/xyz").status_code == 400
    assert project.put("/data/projects/P/xyz").status_code == 400
    assert project.delete("/data/projects/P/xyz").status_code == 400


# --- subjects -----------------------------------------------------------------------------------------------------


def test_subject_put_creates_then_updates(project: Any) -> None:
    """SubjectResource: 201 then 200, body the bare accession ID, no Location (TestSubjectResources)."""
    first = project.put(f"{SUBJECT}?gender=female&yob=1980&group=control")
    assert answer(first) == (201, "XNAT_S00001")
    assert first.headers["content-type"].startswith("text/plain")
    assert "location" not in first.headers
    assert answer(project.put(f"{SUBJECT}?handedness=left&format=json")) == (200, "XNAT_S00001")
    assert child(project, SUBJECT, "demographics") == [{"gender": "female", "yob": 1980, "handedness": "left"}]
    assert fields(project, SUBJECT)["group"] == "control"


def test_label_on_update_returns_early(project: Any) -> None:
    """SubjectResource, SubjectAssessmentResource: an equal label means 200, nothing said, everything else dropped."""
    project.put(SUBJECT)
    assert answer(project.put(f"{SUBJECT}?label=S1&group=lost")) == (200, "")
    assert "group" not in fields(project, SUBJECT)
    project.put(f"{SESSION}?xsiType=xnat:mrSessionData")
    assert answer(project.put(f"{SESSION}?label=E1&date=2001-01-01")) == (200, "")
    assert "date" not in fields(project, SESSION)


def test_client_may_choose_the_accession_id(project: Any) -> None:
    assert answer(project.put(f"{SUBJECT}?ID=MINE_1")) == (201, "MINE_1")
    reply = project.put("/data/projects/P/subjects/S2?ID=no.good")
    assert (reply.status_code, message(reply)) == (417, "Invalid character in subject label.")
    reply = project.put(f"{SUBJECT}?ID=OTHER")
    assert (reply.status_code, message(reply)) == (400, "ID cannot be modified")


def test_subject_by_id_and_label(project: Any) -> None:
    """PUT by accession ID inside the project updates; an ID of another project's subject becomes a label."""
    project.put(SUBJECT)
    project.put("/data/projects/Q")
    assert answer(project.put("/data/projects/P/subjects/XNAT_S00001?group=g")) == (200, "XNAT_S00001")
    assert project.put("/data/projects/Q/subjects/XNAT_S00001").status_code == 201
    assert fields(project, "/data/subjects/XNAT_S00002")["label"] == "XNAT_S00001"
    # GET looks the ID up first, without looking at the project.
    assert fields(project, "/data/projects/Q/subjects/XNAT_S00001")["project"] == "P"


def test_subject_by_id_alone(project: Any) -> None:
    project.put(SUBJECT)
    assert answer(project.put("/data/subjects/XNAT_S00001?group=g")) == (200, "XNAT_S00001")
    reply = project.put("/data/subjects/NEW1")
    assert reply.status_code == 422
    assert message(reply) == "Submitted subject record must include the project attribute."


def test_lookups_are_case_sensitive(project: Any) -> None:
    project.put(SUBJECT)
    assert project.put("/data/projects/P/subjects/s1").status_code == 201


def test_post_subject(project: Any) -> None:
    reply = project.post("/data/projects/P/subjects?label=S1")
    assert answer(reply) == (200, f"{project.url}/data/projects/P/subjects/XNAT_S00001")
    reply = project.post("/data/projects/P/subjects?label=S1")
    assert (reply.status_code, message(reply)) == (409, "Subject already exists.")


def test_moving_by_project_parameter_is_409(project: Any) -> None:
    project.put(SUBJECT)
    reply = project.put(f"{SUBJECT}?project=OTHER")
    assert (reply.status_code, message(reply)) == (409, "Project must be modified through separate URI.")


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("gender=x", "'x' Must Match Pre-Defined Values...(male,female,other,unknown,M,F)"),
        ("gender=NULL", "'NULL' Must Match Pre-Defined Values"),
        ("yob=abc", "Must Be A Valid Integer"),
        ("education=31", "31"),
        ("dob=never", "Must Be A Valid Date"),
        ("height=tall", "Must Be A Valid Float"),
        (f"group={'x' * 256}", "Must Be Less Than 255 Characters : Current Length (256)"),
    ],
)
def test_invalid_values_are_400(project: Any, query: str, problem: str) -> None:
    """XFTValidator: one line per problem, and nothing is stored."""
    reply = project.put(f"{SUBJECT}?{query}")
    assert reply.status_code == 400
    assert message(reply).startswith("The content of element 'xnat:subjectData' is not complete. '")
    assert problem in message(reply)
    assert project.get(SUBJECT).status_code == 404


def test_enumerations_ignore_case_and_spaces(project: Any) -> None:
    project.put(f"{SUBJECT}?gender=%20Female&handedness=LEFT")
    assert child(project, SUBJECT, "demographics") == [{"gender": "female", "handedness": "left"}]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2001-02-03", "2001-02-03"),
        ("02/03/2001", "2001-02-03"),
        ("02.03.2001", "2001-02-03"),
        ("20010203", "2001-02-03"),
        ("2001-02-30", "2001-03-02"),
        ("2001-02-03junk", "2001-02-03"),
    ],
)
def test_dates_are_read_leniently(project: Any, sent: str, stored: str) -> None:
    """DateUtils: several forms, rolling over, not anchored."""
    project.put(f"{SESSION}?xsiType=xnat:mrSessionData&date={sent}")
    assert fields(project, SESSION)["date"] == stored


def test_empty_values(project: Any) -> None:
    """Empty: '' for text, nothing for numbers, a failure for dates (inferred)."""
    project.put(f"{SUBJECT}?group=g&yob=1980")
    project.put(f"{SUBJECT}?group=&yob=")
    assert fields(project, SUBJECT)["group"] == ""
    assert child(project, SUBJECT, "demographics") == []
    assert project.put(f"{SUBJECT}?dob=").status_code == 500


def test_null_clears(project: Any) -> None:
    """DBAction.ValueParser: the literal NULL in any case."""
    project.put(f"{SUBJECT}?group=g&yob=1980&dob=1980-01-01")
    project.put(f"{SUBJECT}?group=NULL&yob=null&dob=Null")
    assert "group" not in fields(project, SUBJECT)
    assert child(project, SUBJECT, "demographics") == []


def test_query_values_are_escaped_and_come_back_escaped(project: Any) -> None:
    """TurbineUtils.escapeParam; XML bodies are not escaped."""
    project.put(SUBJECT, params={"group": "a&b<c>\"'"})
    assert fields(project, SUBJECT)["group"] == "a&amp;b&lt;c&gt;&quot;&apos;"
    row = project.rows("/data/projects/P/subjects?columns=group")[0]
    assert row["group"] == "a&amp;b&lt;c&gt;&quot;&apos;"


def test_custom_variables_are_single_rows(project: Any) -> None:
    """TestCustomVariables: one field is created or replaced, the others stay; NULL leaves a blank row (inferred)."""
    project.put(SUBJECT, params={"xnat:subjectData/fields/field[name=a]/field": "1"})
    project.put(SUBJECT, params={"xnat:subjectData/fields/field[name=b]/field": "2"})
    project.put(SUBJECT, params={"xnat:subjectData/fields/field[name=a]/field": "3"})
    assert child(project, SUBJECT, "fields/field") == [{"name": "a", "field": "3"}, {"name": "b", "field": "2"}]
    project.put(SUBJECT, params={"xnat:subjectData/fields/field[name=a]/field": "NULL"})
    assert child(project, SUBJECT, "fields/field") == [{"name": "a"}, {"name": "b", "field": "2"}]


def test_custom_variable_by_form_body(study: Any) -> None:
    """testCustomVariablePutGet: a form on PUT, full paths only."""
    form = {"xnat:mrSessionData/fields/field[name=k]/field": "v", "date": "2001-01-01"}
    assert study.put(SESSION, data=form).status_code == 200
    assert child(study, SESSION, "fields/field") == [{"name": "k", "field": "v"}]
    assert "date" not in fields(study, SESSION)


def test_subject_xml_body(project: Any) -> None:
    """A document with an embedded session and scan; values are not escaped again."""
    body = """<?xml version="1.0" encoding="UTF-8"?>
    <xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        group="a &amp; b">
      <xnat:demographics xsi:type="xnat:demographicData"><xnat:age>12</xnat:age></xnat:demographics>
      <xnat:fields><xnat:field name="k">v</xnat:field></xnat:fields>
      <xnat:experiments><xnat:experiment xsi:type="xnat:mrSessionData" label="E1">
        <xnat:date>2001-02-03</xnat:date>
        <xnat:scans><xnat:scan ID="1" type="T1" xsi:type="xnat:mrScanData">
          <xnat:parameters><xnat:voxelRes x="1.5"/><xnat:tr>2.5</xnat:tr></xnat:parameters>
        </xnat:scan></xnat:scans>
      </xnat:experiment></xnat:experiments>
    </xnat:Subject>"""
    assert answer(project.put(SUBJECT, data=body, headers={"Content-Type": "text/xml"})) == (201, "XNAT_S00001")
    assert fields(project, SUBJECT)["group"] == "a & b"
    assert fields(project, SESSION)["date"] == "2001-02-03"
    scan = fields(project, SCAN)
    assert (scan["type"], scan["parameters/tr"], scan["parameters/voxelRes/x"]) == ("T1", 2.5, 1.5)


def test_xml_clears_only_with_allow_data_deletion(project: Any) -> None:
    """TestSubjectResources.testSubjectResourceXMLCrud: without it the old value survives."""
    project.put(f"{SUBJECT}?age=12&group=g")
    body = '<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="h"/>'
    xml = {"Content-Type": "text/xml"}
    project.put(SUBJECT, data=body, headers=xml)
    assert child(project, SUBJECT, "demographics") == [{"age": 12}]
    project.put(f"{SUBJECT}?allowDataDeletion=true", data=body, headers=xml)
    assert child(project, SUBJECT, "demographics") == []
    assert fields(project, SUBJECT)["group"] == "h"


@pytest.mark.parametrize("body", ["<xnat:Subject", '<!DOCTYPE x [<!ENTITY a "b">]><x/>', "<unknown/>"])
def test_unreadable_xml_is_422(project: Any, body: str) -> None:
    reply = project.put(SUBJECT, data=body, headers={"Content-Type": "text/xml"})
    assert reply.status_code == 422
    assert message(reply).startswith("An error occurred parsing the XML")


def test_chunked_body_is_no_content(project: Any) -> None:
    """RequestUtil.hasContent: without Content-Length the document is not read."""
    body = iter([b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="h"/>'])
    assert project.put(SUBJECT, data=body, headers={"Content-Type": "text/xml"}).status_code == 201
    assert "group" not in fields(project, SUBJECT)


# --- experiments --------------------------------------------------------------------------------------------------


def test_experiment_needs_a_type(project: Any) -> None:
    """SubjectAssessmentResource: no default type; only short names on a new label are 417."""
    reply = project.put(f"{SESSION}?date=2001-01-01")
    assert (reply.status_code, message(reply)) == (417, "Need PUT Contents")
    assert project.put(SESSION, params={"xnat:petSessionData/date": "2001-01-01"}).status_code == 201
    assert project.rows("/data/projects/P/experiments")[0]["xsiType"] == "xnat:petSessionData"


def test_unknown_type_is_400(project: Any) -> None:
    assert project.put(f"{SESSION}?xsiType=xnat:noSuchData").status_code == 400


def test_experiment_put_creates_its_subject(project: Any) -> None:
    assert answer(project.put(f"{SESSION}?xsiType=xnat:mrSessionData")) == (201, "XNAT_E00001")
    assert [row["label"] for row in project.rows("/data/projects/P/subjects")] == ["S1"]


def test_post_does_not_create_the_subject(project: Any) -> None:
    """TestSubjAssessmentResources.testInvalidSubjectValidation."""
    reply = project.post(f"{SUBJECT}/experiments?xsiType=xnat:mrSessionData&label=E1")
    assert (reply.status_code, message(reply)) == (404, "Unable to identify subject S1")
    project.put(SUBJECT)
    reply = project.post(f"{SUBJECT}/experiments?xsiType=xnat:mrSessionData&label=E1")
    assert answer(reply) == (200, f"{project.url}{SUBJECT}/experiments/XNAT_E00001")
    reply = project.post(f"{SUBJECT}/experiments?xsiType=xnat:mrSessionData&label=E1")
    assert (reply.status_code, message(reply)) == (409, "Specified experiment already exists.")


def test_put_below_another_subject_moves_the_session(study: Any) -> None:
    """SubjectAssessmentResource: labels are unique in the project, so this silently re-parents, 200."""
    study.put(f"{SESSION}?visit_id=v1")
    assert answer(study.put("/data/projects/P/subjects/S2/experiments/E1?note=n")) == (200, "XNAT_E00001")
    row = study.rows("/data/projects/P/experiments?columns=label,subject_label,visit_id")[0]
    assert (row["subject_label"], row["visit_id"]) == ("S2", "")


def test_subject_segment_is_ignored_on_get(study: Any) -> None:
    assert study.get("/data/projects/P/subjects/ANYBODY/experiments/E1?format=json").status_code == 200


def test_type_of_an_experiment_never_changes(study: Any) -> None:
    assert study.put(f"{SESSION}?xsiType=xnat:petSessionData&note=n").status_code == 200
    assert study.rows("/data/projects/P/experiments")[0]["xsiType"] == "xnat:mrSessionData"


def test_short_names_do_not_work_without_the_subject(study: Any) -> None:
    """ExperimentResource registers no table: silently ignored; full paths work."""
    uri = "/data/projects/P/experiments/E1"
    assert answer(study.put(f"{uri}?date=2001-01-01")) == (200, "XNAT_E00001")
    assert "date" not in fields(study, uri)
    assert study.put(uri, params={"xnat:experimentData/date": "2001-01-01"}).status_code == 200
    assert fields(study, uri)["date"] == "2001-01-01"


def test_project_experiment_put_by_id_makes_a_new_one(study: Any) -> None:
    """ExperimentResource looks up by label only."""
    uri = "/data/projects/P/experiments/XNAT_E00001"
    assert answer(study.put(f"{uri}?xsiType=xnat:mrSessionData&subject_ID=S1")) == (201, "XNAT_E00002")


def test_project_experiment_put_needs_a_subject(project: Any) -> None:
    assert project.put("/data/projects/P/experiments/E9?xsiType=xnat:mrSessionData").status_code == 400
    reply = project.put("/data/projects/P/experiments/E9?xsiType=xnat:mrSessionData&subject_ID=S9")
    assert reply.status_code == 201


def test_experiment_put_by_id_alone_is_422(study: Any) -> None:
    reply = study.put("/data/experiments/XNAT_E00001", params={"xnat:mrSessionData/note": "n"})
    assert reply.status_code == 422


def test_keys_of_ancestors_apply_and_of_strangers_do_not(study: Any) -> None:
    """GenericItemObject.setProperties."""
    study.put(SESSION, params={"xnat:experimentData/note": "n", "xnat:ctSessionData/operator": "o"})
    assert fields(study, SESSION)["note"] == "n"
    assert "operator" not in fields(study, SESSION)


def test_unknown_field_drops_what_follows(study: Any) -> None:
    """loadItem swallows FieldNotFoundException: what came before stays, the rest is lost, 200."""
    params = [("xnat:mrSessionData/note", "n"), ("xnat:mrSessionData/bogus", "x"), ("xnat:mrSessionData/operator", "o")]
    assert study.put(SESSION, params=params).status_code == 200
    assert fields(study, SESSION)["note"] == "n"
    assert "operator" not in fields(study, SESSION)


def test_bad_experiment_label_is_500_without_words(project: Any) -> None:
    """BaseXnatExperimentdata.preSave throws IllegalArgumentException."""
    reply = project.put(f"{SUBJECT}/experiments/a.b?xsiType=xnat:mrSessionData")
    assert reply.status_code == 500
    assert message(reply).startswith("The server encountered an unexpected condition")


def test_dots_and_ats_are_slashes(study: Any) -> None:
    study.put(SCAN, params={"xnat:mrScanData/parameters.voxelRes@x": "1.5"})
    assert fields(study, SCAN)["parameters/voxelRes/x"] == 1.5


def test_whole_session_in_one_put(project: Any) -> None:
    """XFTItem.setXMLPropertyChild: scans by index and type filter in the query."""
    first = "xnat:mrSessionData/scans/scan[0][@xsi:type=xnat:mrScanData]"
    second = "xnat:mrSessionData/scans/scan[1][@xsi:type=xnat:mrScanData]"
    params = {f"{first}/ID": "1", f"{first}/type": "T1", f"{second}/ID": "2", f"{second}/parameters/te": "3"}
    assert project.put(SESSION, params=params).status_code == 201
    assert [row["ID"] for row in project.rows(f"{SESSION}/scans")] == ["1", "2"]
    assert fields(project, f"{SESSION}/scans/2")["parameters/te"] == 3


def test_allow_data_deletion_makes_the_request_the_whole(study: Any) -> None:
    """SubjectAssessmentResource drops the template: attributes and scans that are not sent go."""
    study.put(f"{SESSION}?note=n&operator=o")
    study.put(f"{SESSION}?operator=p&allowDataDeletion=true")
    assert fields(study, SESSION)["operator"] == "p"
    assert "note" not in fields(study, SESSION)
    assert study.rows(f"{SESSION}/scans") == []


def test_no_change_leaves_no_trace(server: RunningServer, study: Any) -> None:
    """DBAction: Pre-existing item found without modifications."""
    study.put(f"{SESSION}?note=n")
    before = study.rows("/data/projects/P/experiments?columns=last_modified")
    with server.context.store.read() as db:
        workflows = db.execute("SELECT count(*) FROM workflow").fetchone()[0]
    assert answer(study.put(f"{SESSION}?note=n")) == (200, "XNAT_E00001")
    assert study.put(f"{SCAN}?type=T1").status_code == 200
    assert study.rows("/data/projects/P/experiments?columns=last_modified") == before
    with server.context.store.read() as db:
        assert db.execute("SELECT count(*) FROM workflow").fetchone()[0] == workflows


def test_accession_ids_are_never_reused(study: Any) -> None:
    study.delete(SESSION)
    assert answer(study.put(f"{SESSION}?xsiType=xnat:mrSessionData")) == (201, "XNAT_E00002")


def test_quarantining_projects(study: Any) -> None:
    study.put("/data/projects/P/quarantine_code/1")
    study.put(f"{SESSION}?note=n")
    assert study.get(f"{SESSION}/status").text == "quarantine"


def test_unknown_tails_show_the_experiment(study: Any) -> None:
    """Prefix matching: /projects/P/experiments/E/scans is no route and shows the experiment."""
    shown = study.get("/data/projects/P/experiments/E1/scans?format=json").json()
    assert shown["items"][0]["data_fields"]["ID"] == "XNAT_E00001"
    assert study.put("/data/projects/P/experiments/E1/scans/2?xsiType=xnat:mrScanData").status_code == 400
    assert study.put("/data/projects/P/experiments/NEW/scans/2?xsiType=xnat:mrScanData").status_code == 417


def test_archive_and_rest_are_the_same(study: Any) -> None:
    """XNATApplication.attachArchiveURI."""
    for prefix in ("/data", "/data/archive", "/REST", "/REST/archive"):
        assert study.get(f"{prefix}/projects/P/subjects/S1/experiments/E1/scans/1?format=json").status_code == 200


# --- scans --------------------------------------------------------------------------------------------------------


def test_scan_put_never_says_anything(study: Any) -> None:
    """ScanResource: 200 and empty, created or not; the type may be left out for an existing scan."""
    assert answer(study.put(f"{SESSION}/scans/2?xsiType=xnat:mrScanData&type=T2")) == (200, "")
    assert answer(study.put(f"{SESSION}/scans/2?quality=usable")) == (200, "")
    scan = fields(study, f"{SESSION}/scans/2")
    assert (scan["type"], scan["quality"]) == ("T2", "usable")


def test_new_scan_needs_a_concrete_type(study: Any) -> None:
    reply = study.put(f"{SESSION}/scans/2", params={"xnat:imageScanData/type": "T1"})
    assert reply.status_code == 400
    assert message(reply).startswith("Multiple scan modalities can be associated here.  Please retry")
    reply = study.put(f"{SESSION}/scans/2?type=T1")
    assert (reply.status_code, message(reply)) == (417, "Need PUT Contents")


def test_other_type_for_a_scan_is_409(study: Any) -> None:
    reply = study.put(f"{SCAN}?xsiType=xnat:ctScanData")
    assert (reply.status_code, message(reply)) == (409, "Specified xsiType differs from existing xsiType")


def test_keys_of_another_scan_type_are_silently_ignored(study: Any) -> None:
    """TestScans.testImplicitScanTypeChangeValidation."""
    assert study.put(SCAN, params={"xnat:ctScanData/note": "n"}).status_code == 200
    assert "note" not in fields(study, SCAN)


def test_only_scans_can_be_put_there(study: Any) -> None:
    reply = study.put(f"{SESSION}/scans/2?xsiType=xnat:mrSessionData")
    assert reply.status_code == 400
    assert message(reply) == (
        "Only Scan documents can be PUT to this address. Expected: xnat:imageScanData Received: xnat:mrSessionData"
    )


def test_scan_of_no_session_is_417(project: Any) -> None:
    reply = project.put(f"{SCAN}?xsiType=xnat:mrScanData")
    assert (reply.status_code, message(reply)) == (417, "Specified scan must reference a valid image session.")


def test_scan_ids(study: Any) -> None:
    """The object routes match the ID literally; a bad one dies in validation."""
    assert study.get(f"{SESSION}/scans/1,2").status_code == 404
    assert study.get(f"{SESSION}/scans/ALL").status_code == 404
    assert study.put(f"{SESSION}/scans/a.b?xsiType=xnat:mrScanData").status_code == 500


def test_post_scan(study: Any) -> None:
    """ScanList: type from the session class, smallest free number."""
    reply = study.post(f"{SESSION}/scans?type=T2")
    assert answer(reply) == (200, f"{study.url}{SESSION}/scans/2")
    assert message(study.post(f"{SESSION}/scans?ID=2")) == "Specified scan already exists."


def test_scan_parameters(study: Any) -> None:
    params = {
        "xnat:mrScanData/parameters/tr": "2400",
        "xnat:mrScanData/parameters/flip": "8.5",
        "xnat:mrScanData/parameters/fov/x": "240",
        "xnat:mrScanData/parameters/addParam[name=k]/addField": "v",
        "xnat:mrScanData/startTime": "12:30:15",
        "frames": "176",
    }
    study.put(SCAN, params=params)
    scan = fields(study, SCAN)
    assert (scan["parameters/tr"], scan["parameters/flip"], scan["parameters/fov/x"]) == (2400, 8.5, 240)
    assert (scan["startTime"], scan["frames"]) == ("12:30:15", 176)
    assert child(study, SCAN, "parameters/addParam") == [{"name": "k", "addField": "v"}]


# --- assessors and reconstructions --------------------------------------------------------------------------------


def test_assessor(study: Any) -> None:
    """TestSharing.testImageAssessorCreation 201; no rename; one namespace of labels with experiments."""
    uri = f"{SESSION}/assessors/QC1"
    assert answer(study.put(f"{uri}?xsiType=xnat:qcManualAssessorData&note=n")) == (201, "XNAT_E00002")
    assert answer(study.put(f"{uri}?note=m")) == (200, "XNAT_E00002")
    reply = study.put(f"{uri}?label=QC2")
    assert (reply.status_code, message(reply)) == (400, "Label must be modified through separate URI.")
    assert fields(study, "/data/experiments/XNAT_E00002")["note"] == "m"
    row = study.rows(f"{SESSION}/assessors")[0]
    assert (row["label"], row["session_ID"], row["session_label"]) == ("QC1", "XNAT_E00001", "E1")
    assert [item["ID"] for item in study.rows("/data/projects/P/experiments")] == ["XNAT_E00001"]
    assert study.put(f"{SESSION}/assessors/E1?xsiType=xnat:qcManualAssessorData").status_code == 409
    assert study.delete(uri).status_code == 200


def test_reconstruction(study: Any) -> None:
    """TestSharing: 200 and empty even on create."""
    uri = f"{SESSION}/reconstructions/R1"
    assert answer(study.put(f"{uri}?type=mean&baseScanType=T1")) == (200, "")
    assert answer(study.put(f"{SESSION}/reconstructions/R2?xsiType=xnat:ReconstructedImage")) == (200, "")
    assert fields(study, uri)["baseScanType"] == "T1"
    assert [row["ID"] for row in study.rows(f"{SESSION}/reconstructions")] == ["R1", "R2"]
    assert study.delete(uri).status_code == 200
    assert message(study.delete(uri)) == "Unable to find the specified reconstruction."


# --- all of them --------------------------------------------------------------------------------------------------


_NOT_IN_PROJECT = (
    "Unable to find the specified subject. The project P does not contain a subject identifiable by the ID or label X."
)
_NO_ID = (
    "Unable to find the specified subject. When searching by subject ID only, you must specify the accession number "
    "and not the subject label, which is not unique across the XNAT system. X is not a known subject accession ID."
)


@pytest.mark.parametrize(
    ("uri", "text"),
    [
        ("/data/projects/X", "Unable to find the specified experiment."),
        ("/data/projects/P/subjects/X", _NOT_IN_PROJECT),
        ("/data/subjects/X", _NO_ID),
        ("/data/experiments/X", "Unable to find the specified experiment."),
        ("/data/projects/P/experiments/X", "Unable to find the specified experiment."),
        (f"{SESSION}/scans/X", "Unable to find the specified scan."),
    ],
)
def test_what_is_missing_says_so(study: Any, uri: str, text: str) -> None:
    reply = study.get(uri)
    assert (reply.status_code, message(reply)) == (404, text)


def test_reasons_are_recorded(server: RunningServer, study: Any) -> None:
    """event_reason, event_action, event_comment go into the workflow row."""
    study.put(f"{SUBJECT}?group=g&event_reason=why&event_comment=because")
    with server.context.store.read() as db:
        row = db.execute("SELECT * FROM workflow ORDER BY id DESC").fetchone()
    assert (row["action"], row["reason"], row["comment"], row["user"]) == (
        "Modified Subject",
        "why",
        "because",
        "admin",
    )


def test_strict_sites_want_a_reason(server: RunningServer, study: Any) -> None:
    """requireChangeJustification: 500 without words on PUT, 403 with words on DELETE."""
    for name in ("showChangeJustification", "requireChangeJustification"):
        server.context.preferences.set(name, "true")
    assert study.put(f"{SUBJECT}?group=g").status_code == 500
    reply = study.delete(SUBJECT)
    assert (reply.status_code, message(reply)) == (403, "Justification required.")
    assert study.put(f"{SUBJECT}?group=g&event_reason=why").status_code == 200


def test_strict_sites_want_a_name_for_each_change(server: RunningServer, study: Any) -> None:
    """requireEventName: 500 without words on PUT, 403 with words on DELETE; a reason does not stand in for it."""
    server.context.preferences.set("requireEventName", "true")
    for uri in (f"{SUBJECT}?group=g", f"{SESSION}/scans/1?quality=usable", "/data/projects/P?name=new"):
        assert study.put(f"{uri}&event_reason=why").status_code == 500, uri
        assert study.put(f"{uri}&event_action=Sync").status_code == 200, uri
    assert study.put("/data/projects/Q?event_reason=why").status_code == 500
    assert study.put("/data/projects/Q?event_action=Sync").status_code == 200
    for uri in (f"{SESSION}/scans/1", SESSION, SUBJECT):
        reply = study.delete(f"{uri}?event_reason=why")
        assert (reply.status_code, message(reply)) == (403, "Event name required.")
        assert study.delete(f"{uri}?event_action=Sync").status_code == 200


def test_delete_removes_children(study: Any) -> None:
    """200 and empty, then 404; twice is 404."""
    assert answer(study.delete(SUBJECT)) == (200, "")
    assert study.get(SUBJECT).status_code == 404
    assert study.get("/data/experiments/XNAT_E00001").status_code == 404
    reply = study.delete(SUBJECT)
    assert (reply.status_code, message(reply)) == (404, "Unable to find the specified subject.")


def test_deleting_by_id_in_another_project_does_nothing(study: Any) -> None:
    """canDelete returns null: 200, and nothing happens."""
    study.put("/data/projects/Q")
    assert study.delete("/data/projects/Q/experiments/XNAT_E00001").status_code == 200
    assert study.get(SESSION).status_code == 200
    assert study.delete("/data/experiments/XNAT_E00001").status_code == 200
    assert study.get(SESSION).status_code == 404


def test_files_stay_unless_remove_files(server: RunningServer, study: Any) -> None:
    """Without removeFiles the rows go and the folder stays; even an empty value counts as true."""
    folder = server.context.archive / "P" / "arc001" / "E1"
    study.put(f"{SCAN}/resources/NIFTI/files/a.nii", data=b"x", headers={"Content-Type": "application/octet-stream"})
    assert (folder / "SCANS" / "1").is_dir()
    study.delete(SESSION)
    assert (folder / "SCANS" / "1").is_dir()
    study.put(f"{SESSION}?xsiType=xnat:mrSessionData")
    study.delete(f"{SESSION}?removeFiles=")
    assert not folder.exists()


def test_deleting_a_scan_with_its_files(server: RunningServer, study: Any) -> None:
    study.put(f"{SCAN}/resources/NIFTI/files/a.nii", data=b"x", headers={"Content-Type": "application/octet-stream"})
    study.delete(f"{SCAN}?removeFiles=true")
    assert not (server.context.archive / "P" / "arc001" / "E1" / "SCANS" / "1").exists()
    assert study.get(SESSION).status_code == 200


def test_parallel_creates_of_different_labels(project: Any) -> None:
    """Each gets its own accession ID."""
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: project.put(f"/data/projects/P/subjects/S{n}"), range(40)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.text for reply in replies}) == 40


def test_parallel_creates_of_one_label(project: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: project.put(f"{SESSION}?xsiType=xnat:mrSessionData"), range(8)))
    assert sorted(reply.status_code for reply in replies) == [200] * 7 + [201]
    assert len({reply.text for reply in replies}) == 1


def test_status_flags(study: Any) -> None:
    """_lock: the object refuses changes (UnmodifiableStatusException, 500) until _unlock."""
    assert study.put(f"{SESSION}?_lock=true").status_code == 200
    assert study.get(f"{SESSION}/status").text == "locked"
    assert study.put(f"{SESSION}?note=n").status_code == 500
    assert study.put(f"{SESSION}?_unlock=true").status_code == 200
    assert study.put(f"{SESSION}?note=n").status_code == 200
    study.put(f"{SESSION}?quarantine=true")
    assert study.get(f"{SESSION}/status").text == "quarantine"
    study.put(f"{SESSION}?activate=true")
    assert study.get(f"{SESSION}/status").text == "active"


def test_xml_as_a_file_in_a_form(project: Any) -> None:
    """multipart/form-data: a part whose name ends in .xml is the document."""
    body = b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" group="g"/>'
    assert project.put(SUBJECT, files={"file": ("s.xml", body)}).status_code == 201
    assert fields(project, SUBJECT)["group"] == "g"
