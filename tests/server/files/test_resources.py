"""Resources as such (CatalogResource, CatalogResourceList)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

NIFTI = "/resources/NIFTI"


def test_creating_is_200_and_once_more_409(http: Any, study: Any) -> None:
    for method in ("PUT", "POST"):
        reply = http.request(method, f"{study.scan}{NIFTI}{method}?req_format=qs&n=1")
        assert (reply.status_code, reply.content) == (200, b"")
        again = http.request(method, f"{study.scan}{NIFTI}{method}")
        assert again.status_code == 409
        assert "<h3>Specified resource already exists.</h3>" in again.text


def test_a_new_resource_is_empty_and_has_no_statistics(http: Any, study: Any) -> None:
    """file_count and file_size stay null; RAW for the first of a typed scan (DefaultCatalogService)."""
    http.put(f"{study.scan}{NIFTI}?format=NIFTI&description=d&tags=a,side:left&tags=b")
    http.put(f"{study.scan}/resources/BIDS?xnat:resourceCatalog/format=JSON&xnat:resourceCatalog/content=C")
    reply = http.get(f"{study.scan}/resources?format=json")
    rows = reply.json()["ResultSet"]["Result"]
    assert rows[0] == {
        "xnat_abstractresource_id": "1",
        "label": "NIFTI",
        "element_name": "xnat:resourceCatalog",
        "category": "scans",
        "cat_id": "1",
        "cat_desc": "T1w",
        "file_count": "",
        "file_size": "",
        "tags": "side=left,a,b",
        "content": "RAW",
        "format": "NIFTI",
    }
    assert (rows[1]["format"], rows[1]["content"]) == ("JSON", "C")
    assert reply.json()["ResultSet"]["title"] == "Resources"
    assert reply.json()["ResultSet"]["totalRecords"] == "2"


def test_where_the_catalogs_lie(http: Any, server: Any, study: Any) -> None:
    """DefaultCatalogService.insert*ResourceCatalog does not agree with ResourceModifierA about names and folders."""
    expected = {
        study.project: "P/resources/R/R_catalog.xml",
        study.subject: "P/subjects/SUB1/R/R_catalog.xml",
        study.session: "P/arc001/MR1/RESOURCES/R/R_catalog.xml",
        study.scan: "P/arc001/MR1/SCANS/1/R/1_catalog.xml",
        study.assessor: "P/arc001/MR1/ASSESSORS/QC/R/R_catalog.xml",
        study.reconstruction: "P/arc001/MR1/ASSESSORS/PROCESSED/R1/R/R1_catalog.xml",
    }
    for owner, catalog in expected.items():
        assert http.put(f"{owner}/resources/R").status_code == 200
        assert (server.context.archive / catalog).read_text().startswith('<?xml version="1.0" encoding="UTF-8"?>')
        assert http.put(f"{owner}/resources/R/files/a?inbody=true", data=b"x").status_code == 200
        assert http.get(f"{owner}/resources/R/files/a").content == b"x"


def test_creating_wipes_the_catalog_that_lies_there(http: Any, server: Any, put: Any, study: Any) -> None:
    """A truncating write: racing it against uploads loses entries."""
    put(f"{study.session}{NIFTI}/files/a", b"x")
    with server.context.store.write() as db:
        db.execute("DELETE FROM resource")
    http.put(f"{study.session}{NIFTI}")
    assert http.rows(f"{study.session}{NIFTI}/files") == []


def test_text_after_the_label_is_400(http: Any, study: Any) -> None:
    for method in ("PUT", "POST", "GET", "DELETE"):
        reply = http.request(method, f"{study.scan}{NIFTI}/x")
        assert reply.status_code == 400
        assert "This resource works at the catalog level only and does not accept file paths.  To work" in reply.text


def test_rights(as_user: Any, http: Any, put: Any, study: Any) -> None:
    """403 here, unlike for files."""
    put(f"{study.scan}{NIFTI}/files/a", b"x")
    collab, member = as_user("collab"), as_user("member")
    for reply in (
        collab.put(f"{study.scan}/resources/NEW"),
        collab.post(f"{study.scan}/resources?xnat:resourceCatalog/label=NEW"),
        collab.delete(f"{study.scan}{NIFTI}"),
        member.delete(f"{study.scan}{NIFTI}"),
        member.put(f"{study.project}/resources/NEW"),
    ):
        assert reply.status_code == 403
        assert "User account doesn't have permission to modify this session." in reply.text
    assert member.put(f"{study.scan}/resources/NEW").status_code == 200
    assert as_user("stranger").put(f"{study.scan_by_label}/resources/NEW").status_code == 404


def test_an_xml_body(http: Any, study: Any) -> None:
    space = 'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    headers = {"Content-Type": "text/xml"}
    body = f'<xnat:resourceCatalog {space} label="X" format="NIFTI" content="T1"/>'
    assert http.put(f"{study.scan}{NIFTI}", data=body, headers=headers).status_code == 200
    row = http.rows(f"{study.scan}/resources")[0]
    assert (row["label"], row["format"], row["content"]) == ("NIFTI", "NIFTI", "T1")
    for wrong in (f"<xnat:resource {space}/>", "<broken"):
        assert http.put(f"{study.scan}/resources/O", data=wrong, headers=headers).status_code == 422


def test_posting_to_the_list_makes_another_every_time(http: Any, study: Any) -> None:
    """No duplicate check; Location and text are the URL by number (CatalogResourceList)."""
    numbers = []
    for _ in range(2):
        reply = http.post(f"{study.scan}/resources?xsiType=xnat:resourceCatalog&xnat:resourceCatalog/label=X")
        assert reply.status_code == 200
        assert reply.headers["Location"] == reply.text
        numbers.append(reply.text.rpartition("/")[2])
    assert [row["xnat_abstractresource_id"] for row in http.rows(f"{study.scan}/resources")] == numbers
    assert http.post(f"{study.scan}/resources?xsiType=xnat:resource").status_code == 422


def test_the_catalog_document(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """XML whatever format= says, with digests, times and users."""
    put(f"{study.scan}{NIFTI}/files/sub/a.nii", b"image", content="T1")
    plain = f"{study.scan}{NIFTI}"
    for path in (f"{plain}?format=json", f"{study.scan}/resources/1"):
        reply = http.get(path)
        assert reply.headers["Content-Type"].startswith("text/xml")
        assert reply.text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog ID="NIFTI"')
        for part in (
            'URI="sub/a.nii"',
            'name="a.nii"',
            'digest="',
            'content="T1"',
            'createdBy="admin"',
            "createdTime=",
        ):
            assert part in reply.text
    assert "CATALOG_LOCATION" not in http.get(plain).text
    located = http.get(f"{study.scan}{NIFTI}?includeRootPath=true").text
    assert f'<cat:metaField name="CATALOG_LOCATION">{on_disk}/SCANS/1/NIFTI<' in located


def test_no_such_catalog(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}{NIFTI}/files/a", b"x")
    put(f"{study.scan2}{NIFTI}/files/a", b"x")
    for path in (f"{study.scan}/resources/NO", f"{study.session}/scans/ALL{NIFTI}", f"{study.scan}/resources/nifti"):
        reply = http.get(path)
        assert reply.status_code == 404
        assert "<h3>Unable to find the specified catalog.</h3>" in reply.text


def test_deleting(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """Known files and the catalog go, unknown ones stay; a missing one is 200 (CatalogResource)."""
    put(f"{study.scan}/resources/A/files/d/a", b"x")
    put(f"{study.scan}/resources/B/files/b", b"x")
    put(f"{study.scan}/resources/C/files/c", b"x")
    (on_disk / "SCANS/1/B/stray").write_bytes(b"x")
    reply = http.delete(f"{study.scan}/resources/A,B")
    assert (reply.status_code, reply.content) == (200, b"")
    assert [row["label"] for row in http.rows(f"{study.scan}/resources")] == ["C"]
    assert not (on_disk / "SCANS/1/A").exists()
    assert [path.name for path in (on_disk / "SCANS/1/B").iterdir()] == ["stray"]
    assert http.delete(f"{study.scan}/resources/A").status_code == 200
    assert http.delete("/data/experiments/NO/resources/A").status_code == 404


def test_deleting_what_will_not_go(http: Any, put: Any, study: Any, on_disk: Path) -> None:
    """207 names those that failed, 500 when it is all of them (CatalogResource)."""
    put(f"{study.scan}/resources/A/files/a", b"x")
    put(f"{study.scan}/resources/B/files/b", b"x")
    (on_disk / "SCANS/1/A/A_catalog.xml").write_text("<broken")
    reply = http.delete(f"{study.scan}/resources/A,B")
    assert reply.status_code == 207
    assert "Deleted resources as requested, but the following resources failed somehow: A<" in reply.text
    reply = http.delete(f"{study.scan}/resources/A")
    assert reply.status_code == 500
    assert "Deletion failed for all resources: A<" in reply.text


def test_a_resource_without_a_name(http: Any, study: Any) -> None:
    assert http.put(f"{study.scan}/resources/,").status_code == 400
    assert http.put(f"{study.scan}/resources/").status_code == 405


def test_a_label_is_exact_and_case_sensitive(http: Any, put: Any, study: Any) -> None:
    put(f"{study.scan}/resources/nifti/files/a", b"x")
    assert http.rows(f"{study.scan}{NIFTI}/files") == []
    assert http.put(f"{study.scan}{NIFTI}").status_code == 200


def test_labels_are_stored_raw_and_escaped(http: Any, study: Any) -> None:
    """Segments are not percent-decoded and are XML-escaped."""
    for sent in ("my%20res", "a&b"):
        assert http.put(f"{study.scan}/resources/{sent}").status_code == 200
        assert http.get(f"{study.scan}/resources/{sent}").status_code == 200
    assert [row["label"] for row in http.rows(f"{study.scan}/resources")] == ["my%20res", "a&amp;b"]


def test_listing_scopes(http: Any, put: Any, study: Any) -> None:
    """Category and cat_id by level; with all=true the session's own have none (CatalogUtils.populateTable)."""
    for owner in (study.session, study.scan, study.scan2, study.assessor, study.reconstruction, study.subject):
        put(f"{owner}/resources/R/files/a", b"x")

    def kinds(path: str) -> list[tuple[str, str, str]]:
        return [(row["category"], row["cat_id"], row["cat_desc"]) for row in http.rows(path)]

    assert kinds(f"{study.session}/resources") == [("resources", "XNAT_E00001", "")]
    assert kinds(f"{study.session}/resources?all=true") == [
        ("resources", "", ""),
        ("scans", "1", "T1w"),
        ("scans", "2", "bold/x"),
        ("reconstructions", "R1", ""),
        ("assessors", "XNAT_E00003", "xnat:qcManualAssessorData"),
    ]
    assert kinds(f"{study.session}/scans/ALL/resources") == [("scans", "1", "T1w"), ("scans", "2", "bold/x")]
    assert kinds(f"{study.subject}/resources") == [("resources", "", "")]
    assert kinds("/data/projects/P/subjects/SUB1/experiments/MR1/scans/NO/resources") == [("resources", "", "")]
    assert http.get(f"{study.session}/resources?format=csv").text.startswith("xnat_abstractresource_id,label,")


@pytest.mark.parametrize(
    "path", ["/data/projects/P/experiments/MR1/files", "/data/projects/P/experiments/MR1/scans/1/resources"]
)
def test_no_such_routes(server: Any, path: str) -> None:
    """By label without a subject there are neither scans nor the short form (XNATApplication)."""
    from xnat_sync.server.api.files import ROUTES
    from xnat_sync.server.errors import XnatError
    from xnat_sync.server.http.routing import Router

    with pytest.raises(XnatError):
        Router(ROUTES).match("GET", path)
