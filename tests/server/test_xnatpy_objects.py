"""Unmodified xnatpy, with its classes made from the server's schemas, is a judge of the object half."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

import pytest
import xnat
from xnat.core import XNATBaseListing
from xnat.exceptions import XNATLoginFailedError, XNATObjectAlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.server.running import RunningServer

pytestmark = pytest.mark.filterwarnings("ignore")  # third-party code: only its answers are judged here


def connect(server: RunningServer, **options: Any) -> Any:
    return xnat.connect(server.url, user="admin", password="admin", loglevel="ERROR", **options)


@pytest.fixture
def session(server: RunningServer) -> Iterator[Any]:
    # xnatpy asks the listings of every session of the process on a delete, also of sessions that are closed.
    XNATBaseListing.__ALL_LISTINGS__ = []
    with connect(server) as connection:
        yield connection


def fresh(session: Any) -> Any:
    """The project without anything that xnatpy remembers of it."""
    session.clearcache()
    return session.projects["P"]


@pytest.fixture
def project(server: RunningServer, session: Any) -> Any:
    session.put("/data/projects/P")
    return session.projects["P"]


def test_connect_makes_a_class_for_every_type(session: Any) -> None:
    """Connecting parses the served schemas; sessions and scans of all modalities become classes."""
    names = dir(session.classes)
    for stem in ("Mr", "Pet", "Ct", "Meg", "Eeg", "Us", "OtherDicom", "Petmr"):
        assert f"{stem}SessionData" in names
    for stem in ("Mr", "Pet", "Ct", "Meg", "Eeg", "Us", "OtherDicom", "Sc"):
        assert f"{stem}ScanData" in names


def test_version_and_user(session: Any) -> None:
    assert session.xnat_version == "1.9.2.1"
    assert session.logged_in_user == "admin"


def test_uptime(session: Any) -> None:
    """xnatpy asks ``/data/uptime``, which is no route any more, and then the site (SiteConfigApi)."""
    assert session.xnat_uptime.keys() == {"days", "hours", "minutes", "seconds"}
    words = session.get("/xapi/siteConfig/uptime/display").text
    assert words.startswith("0 days, 0 hours, ")


def test_wrong_password(server: RunningServer) -> None:
    """The h3 text of the error page is what xnatpy reports (AuthenticationRestlet)."""
    with pytest.raises(XNATLoginFailedError, match=r"Authentication failed\."):
        xnat.connect(server.url, user="admin", password="wrong", loglevel="ERROR")


def test_documented_example(session: Any, project: Any) -> None:
    """XNATPy's documented import of a subject, an experiment and a scan."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    experiment = session.classes.MrSessionData(parent=subject, label="E1")
    scan = session.classes.MrScanData(parent=experiment, id="1", type="T1w", series_description="MPRAGE")

    project = fresh(session)
    assert [item.label for item in project.subjects.values()] == ["S1"]
    assert project.experiments["E1"].id == experiment.id
    assert experiment.scans["1"].type == "T1w"
    assert scan.series_description == "MPRAGE"
    assert session.projects["P"].subjects["S1"].experiments["E1"].scans["T1w"].id == "1"


def test_attributes_by_setters(session: Any, project: Any) -> None:
    """Every kind of attribute survives a write, and is read back by a new connection."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    subject.demographics.gender = "female"
    subject.demographics.yob = 1980
    subject.demographics.handedness = "left"
    subject.group = "control"
    experiment = session.classes.MrSessionData(parent=subject, label="E1")
    experiment.date = datetime.date(2001, 2, 3)
    experiment.time = datetime.time(12, 30, 15)
    experiment.field_strength = "3.0"
    experiment.scanner.manufacturer = "SIEMENS"
    scan = session.classes.MrScanData(parent=experiment, id="1", type="T1w")
    scan.parameters.tr = 2.5
    scan.parameters.voxel_res.x = 1.5
    scan.quality = "usable"

    subject = fresh(session).subjects["S1"]
    assert (subject.demographics.gender, subject.demographics.yob, subject.group) == ("female", 1980, "control")
    experiment = subject.experiments["E1"]
    assert experiment.date == datetime.date(2001, 2, 3)
    assert experiment.time == datetime.time(12, 30, 15)
    assert (experiment.field_strength, experiment.scanner.manufacturer) == ("3.0", "SIEMENS")
    scan = experiment.scans["1"]
    assert (scan.parameters.tr, scan.parameters.voxel_res.x, scan.quality) == (2.5, 1.5, "usable")


def test_one_put_for_many_attributes(session: Any, project: Any) -> None:
    """Constructor keywords go into the query as XPaths, unchecked."""
    subject = session.classes.SubjectData(
        parent=project, label="S1", **{"demographics[@xsi:type=xnat:demographicData]/gender": "male"}
    )
    experiment = session.classes.CtSessionData(parent=subject, label="E1")
    session.classes.CtScanData(parent=experiment, id="7", type="CT", **{"parameters/kvp": 120})
    project = fresh(session)
    assert project.subjects["S1"].demographics.gender == "male"
    assert project.experiments["E1"].scans["7"].parameters.kvp == 120


def test_custom_variables(session: Any, project: Any) -> None:
    """``fields`` are single rows by name (TestCustomVariables); those of a scan are its ``addParam``."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    subject.fields["visit"] = "baseline"
    subject.fields["site"] = "A & B"
    experiment = session.classes.MrSessionData(parent=subject, label="E1")
    experiment.fields["k"] = "v"
    scan = session.classes.MrScanData(parent=experiment, id="1", type="T1w")
    scan.fields["rater"] = "AB"
    project = fresh(session)
    assert dict(project.subjects["S1"].fields) == {"visit": "baseline", "site": "A &amp; B"}
    assert project.experiments["E1"].fields["k"] == "v"
    assert project.experiments["E1"].scans["1"].fields["rater"] == "AB"


def test_clearing_an_attribute(session: Any, project: Any) -> None:
    """``del`` sends the literal NULL."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    experiment = session.classes.MrSessionData(parent=subject, label="E1")
    experiment.note = "soon gone"
    del experiment.note
    assert fresh(session).experiments["E1"].note is None


def test_rename(session: Any, project: Any) -> None:
    subject = session.classes.SubjectData(parent=project, label="S1")
    experiment = session.classes.MrSessionData(parent=subject, label="E1")
    experiment.label = "E2"
    subject.label = "S2"
    project = fresh(session)
    assert [item.label for item in project.experiments.values()] == ["E2"]
    assert [item.label for item in project.subjects.values()] == ["S2"]


def test_delete(session: Any, project: Any) -> None:
    subject = session.classes.SubjectData(parent=project, label="S1")
    session.classes.MrSessionData(parent=subject, label="E1")
    fresh(session).experiments["E1"].delete()
    project = fresh(session)
    assert len(project.experiments) == 0
    project.subjects["S1"].delete()
    assert len(fresh(session).subjects) == 0


def test_duplicate_experiment_is_noticed(session: Any, project: Any) -> None:
    subject = session.classes.SubjectData(parent=project, label="S1")
    session.classes.MrSessionData(parent=subject, label="E1")
    with pytest.raises(XNATObjectAlreadyExistsError):
        session.classes.MrSessionData(parent=fresh(session).subjects["S1"], label="E1")


def test_tabulate(session: Any, project: Any) -> None:
    """``columns=DEFAULT`` and chosen columns."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    session.classes.MrSessionData(parent=subject, label="E1")
    rows = fresh(session).experiments.tabulate()
    assert [row.label for row in rows] == ["E1"]
    rows = session.projects["P"].subjects.tabulate(columns=("label", "gender"))
    assert [(row.label, row.gender) for row in rows] == [("S1", "")]


def test_site_level(session: Any, project: Any) -> None:
    """Users, access level, alias token, plugins, project users."""
    assert session.users["admin"].login == "admin"
    assert project.access_level == "owner"
    assert [user.login for user in project.users.values()] == ["admin"]
    assert dict(session.plugins) == {}
    token = session.services.issue_token()
    assert len(token.secret) == 64


def test_alias_token_logs_in(server: RunningServer, session: Any) -> None:
    """xnatpy sends a pair as Basic to ``GET /`` and takes the cookie from that answer."""
    token = session.services.issue_token()
    with xnat.connect(server.url, user=token.alias, password=token.secret, loglevel="ERROR") as other:
        assert other.logged_in_user == "admin"


def test_create_object_from_any_uri(session: Any, project: Any) -> None:
    """``/data``, ``/data/archive`` and ``/REST``, IDs and labels, name the same object."""
    subject = session.classes.SubjectData(parent=project, label="S1")
    experiment = session.classes.PetSessionData(parent=subject, label="E1")
    for uri in (
        f"/data/experiments/{experiment.id}",
        "/data/archive/projects/P/subjects/S1/experiments/E1",
        f"/data/projects/P/experiments/{experiment.id}",
    ):
        assert session.create_object(uri).label == "E1"
