"""What a server says must not become a use of the environment."""

from __future__ import annotations

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import RemoteFile, RemoteObject, RemoteState
from xnat_sync.manifest.from_remote import choose, manifest_of


def test_no_value_of_a_server_asks_for_the_environment() -> None:
    project = Ref.project_of("P")
    subject = project.child(Level.SUBJECT, "S")
    fields: dict[str, str] = {
        "group": "${env:XNAT_SYNC_PASSWORD}",
        "src": "$ env",
        "fields.a": "x ${env:HOME:-y}",
    }
    objects = {
        project: RemoteObject(ref=project, accession_id="P", xsi_type="xnat:projectData", fields={}),
        subject: RemoteObject(ref=subject, accession_id="X", xsi_type="xnat:subjectData", fields=fields),
    }
    file = subject.child(Level.RESOURCE, "R").child(Level.FILE, "a.txt")
    state = RemoteState(objects=objects, files={file: RemoteFile(ref=file, size=1, format="${env:HOME}", content="C")})
    pulled = choose(state, bids=False)
    data = manifest_of(pulled, state, server=None, root="files")
    assert data["subjects"]["S"] == {
        "src": "$ env",
        "resources": {"R": {"content": "C", "files": {"a.txt": "S/R/a.txt"}}},
    }
    assert pulled.left == ["custom variable a of subject S", "group of subject S", "format of resource S/R"]
