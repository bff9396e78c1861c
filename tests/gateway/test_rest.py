"""Which requests each call makes, and what it does about answers that the embedded server gives to nobody or rarely."""

from __future__ import annotations

import json
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.core.model.attributes import attributes_of
from xnat_sync.core.model.errors import Forbidden, NotFound, Rejected, ServerFault, UnexpectedReply
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec, RemoteObject, by_ref
from xnat_sync.gateway.port import ImageTypes
from xnat_sync.gateway.protocol.memory import Memory
from xnat_sync.gateway.protocol.replies import Reply
from xnat_sync.gateway.protocol.rest import LONGEST_QUERY, RestGateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from xnat_sync.gateway.connection.connection import XnatConnection
    from xnat_sync.gateway.protocol.transport import Request
    from xnat_sync.server.running import RunningServer

NOTHING: frozenset[str] = frozenset()
P = Ref.project_of("P9")
SUBJECT = P.child(Level.SUBJECT, "S")
SESSION = SUBJECT.child(Level.SESSION, "E")
SCAN = SESSION.child(Level.SCAN, "1")
RESOURCE = SCAN.child(Level.RESOURCE, "NIFTI")


class Scripted:
    """A transport that answers from a list and keeps what it was asked."""

    url = "scripted:"

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[Request] = []

    def user(self) -> str:
        return "nobody"

    def send(self, request: Request) -> Reply:
        self.asked.append(request)
        if request.open_body:
            body = request.open_body()
            if not isinstance(body, bytes):
                b"".join(body)
        return self.replies.pop(0)

    @contextmanager
    def stream(self, request: Request) -> Iterator[Iterator[bytes]]:
        self.asked.append(request)
        yield iter(())

    def close(self) -> None: ...


def listing(*rows: dict[str, Any]) -> Reply:
    return Reply(status=200, text=json.dumps({"ResultSet": {"Result": list(rows)}}))


def file_row(path: str, scan: str = "/scans/1") -> dict[str, str]:
    uri = f"/data/projects/P9/subjects/X_S/experiments/X_E{scan}/resources/7/files/{path}"
    return {"URI": uri, "collection": "NIFTI", "Size": "1", "digest": ""}


def local(folder: Path) -> FileSpec:
    (folder / "x").write_bytes(b"x")
    return FileSpec(ref=RESOURCE.child(Level.FILE, "x"), path=str(folder / "x"), size=1)


def upload(transport: Scripted, *files: FileSpec) -> None:
    RestGateway(transport).upload(RESOURCE, files, overwrite=False, reason="why", sent=lambda _: None)


def test_a_success_that_stored_nothing_is_a_missing_right(tmp_path: Path) -> None:
    silent = Reply(status=200, text="")
    with pytest.raises(Forbidden):
        upload(Scripted(silent, listing()), local(tmp_path))
    upload(Scripted(silent, listing(file_row("x"))), local(tmp_path))
    upload(Scripted(Reply(status=200, text="", headers={"content-type": "text/plain"})), local(tmp_path))


def test_an_upload_of_nothing_asks_nothing() -> None:
    upload(Scripted())


def test_an_answer_to_an_upload_that_nobody_knows_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UnexpectedReply):
        upload(Scripted(Reply(status=200, text="fine")), local(tmp_path))


def test_a_server_that_hides_scan_types_is_asked_once_with_and_then_without() -> None:
    row = {"URI": "/data/experiments/X_E", "label": "E", "subject_label": "S", "xsiType": "xnat:ctSessionData"}
    scans = listing({**row, "xnat:imagescandata/id": "1"})
    transport = Scripted(Reply(status=200, text=""), scans, scans)
    gateway = RestGateway(transport)
    for _ in range(2):
        found = {held.ref: held.xsi_type for held in gateway.images("P9", None, NOTHING, NOTHING)}
        assert found == {SESSION: "xnat:ctSessionData", SCAN: "xnat:ctScanData"}
    assert ["element_name" in request.query for request in transport.asked] == [True, False, False]


MR = ImageTypes(session="xnat:mrSessionData", scan="xnat:mrScanData")
READS: list[Callable[[RestGateway], object]] = [
    lambda gateway: gateway.images("P9", MR, NOTHING, NOTHING),
    lambda gateway: gateway.sessions("P9", NOTHING),
    lambda gateway: gateway.own_files(SUBJECT),
]


@pytest.mark.parametrize("read", READS)
def test_an_empty_answer_to_another_listing_is_no_empty_listing(read: Callable[[RestGateway], object]) -> None:
    with pytest.raises(UnexpectedReply):
        read(RestGateway(Scripted(Reply(status=200, text=""))))


def test_a_session_made_again_since_it_was_listed_is_looked_up_again() -> None:
    memory = Memory()
    memory.note(RemoteObject(ref=SESSION, accession_id="OLD", xsi_type="xnat:mrSessionData"))
    gone = Reply(status=404, text="")
    row = {"URI": "/data/experiments/NEW", "label": "E", "subject_label": "S"}
    resource = {"label": "NIFTI", "category": "scans", "cat_id": "1"}
    transport = Scripted(gone, listing(row), listing(resource))
    assert RestGateway(transport, memory).resources(SESSION) == {RESOURCE}
    assert [request.path for request in transport.asked] == [
        "/data/experiments/OLD/resources",
        "/data/projects/P9/experiments",
        "/data/experiments/NEW/resources",
    ]
    with pytest.raises(NotFound):
        RestGateway(Scripted(gone, listing()), memory).resources(SESSION)


def test_files_of_the_object_above_are_not_taken_for_those_of_a_missing_scan() -> None:
    above = file_row("x", scan="")
    assert RestGateway(Scripted(listing(above))).resource_files(RESOURCE) == ()
    assert RestGateway(Scripted(Reply(status=404, text=""))).resource_files(RESOURCE) == ()


def test_a_delete_that_would_hit_more_is_refused_before_it_is_sent() -> None:
    transport = Scripted(listing(file_row("a#"), file_row("a[")))
    with pytest.raises(Rejected):
        RestGateway(transport).delete(RESOURCE.child(Level.FILE, "a#"), reason="why")
    assert [request.method for request in transport.asked] == ["GET"]


def test_a_name_that_no_url_can_carry_is_not_asked_for() -> None:
    transport = Scripted()
    with pytest.raises(Rejected), RestGateway(transport).download(RESOURCE.child(Level.FILE, "100%.txt")):
        pass
    assert transport.asked == []


def test_who_may_not_read_preferences_still_learns_who_answers() -> None:
    build = Reply(status=200, text='{"version": "1.8.10"}')
    info = RestGateway(Scripted(build, Reply(status=403, text=""))).server()
    assert (info.version, info.checksums) == ("1.8.10", None)


def test_every_write_carries_its_reason(tmp_path: Path) -> None:
    fine = Reply(status=200, text="", headers={"content-type": "text/plain"})
    transport = Scripted(fine, listing({"URI": "/data/subjects/X_S", "label": "S"}), fine, fine)
    upload(transport, local(tmp_path))
    gateway = RestGateway(transport)
    gateway.delete(SUBJECT, reason="why")
    gateway.delete(RESOURCE, reason="why")
    writes = [request for request in transport.asked if request.method != "GET"]
    assert len(writes) == 3
    assert all("event_reason=why" in request.query for request in writes)
    assert all("event_action=" in request.query for request in writes)


# --- on the embedded server: few requests


@pytest.fixture
def gateway(server: RunningServer, connect: Callable[..., XnatConnection]) -> RestGateway:
    made = connect()()
    for ref, xsi_type in (
        (P, "xnat:projectData"),
        (SUBJECT, "xnat:subjectData"),
        (SESSION, "xnat:mrSessionData"),
        (SCAN, "xnat:mrScanData"),
    ):
        made.put_object(ObjectSpec(ref=ref, xsi_type=xsi_type), exists=False, fields={}, reason="a test")
    server.log.clear()
    return made


def test_reading_takes_few_requests(gateway: RestGateway, server: RunningServer) -> None:
    def cost(read: Callable[[], object]) -> int:
        server.log.clear()
        read()
        assert all(len(f"{entry.path}?{entry.query}") < LONGEST_QUERY for entry in server.log)
        assert server.log.writes == []
        return len(server.log)

    everything = (
        frozenset({*attributes_of(Level.SESSION, MR.session), "fields.x"}),
        frozenset({*attributes_of(Level.SCAN, MR.scan), "fields.x"}),
    )
    assert cost(gateway.server) == 2
    assert cost(lambda: gateway.project("P9")) == 2
    assert cost(lambda: gateway.subjects("P9", frozenset({"gender", "fields.x"}))) == 1
    assert cost(lambda: gateway.sessions("P9", everything[0])) == 1
    assert cost(lambda: gateway.images("P9", None, *everything)) == 1
    assert cost(lambda: gateway.images("P9", MR, *everything)) == 1
    assert cost(lambda: gateway.session_files([held.ref for held in gateway.sessions("P9", NOTHING)])) == 2
    assert cost(lambda: gateway.session_files(())) == 0
    assert cost(lambda: [gateway.own_files(owner) for owner in (P, SUBJECT, SESSION)]) == 3
    assert cost(lambda: gateway.resource_files(RESOURCE)) == 1
    assert cost(lambda: [gateway.resources(owner) for owner in (P, SUBJECT, SESSION, SCAN)]) == 4


def test_writing_takes_one_request_each(gateway: RestGateway, server: RunningServer, tmp_path: Path) -> None:
    file = local(tmp_path)
    gateway.upload(RESOURCE, [file], overwrite=False, reason="why", sent=lambda _: None)
    gateway.upload(RESOURCE, [file, local(tmp_path)], overwrite=True, reason="why", sent=lambda _: None)
    fields = {"description": "x" * 9999, "keywords": "k"}
    gateway.put_object(ObjectSpec(ref=P, xsi_type="xnat:projectData"), exists=True, fields=fields, reason="why")
    session = ObjectSpec(ref=SUBJECT.child(Level.SESSION, "NEW"), xsi_type=MR.session)
    scans = [
        ObjectSpec(ref=session.ref.child(Level.SCAN, str(n)), xsi_type=MR.scan, fields={"note": "x" * 999})
        for n in range(1, 13)
    ]
    gateway.put_session(session, scans, reason="why")
    assert [(entry.method, entry.path.rpartition("/")[2]) for entry in server.log] == [
        ("PUT", "x"),
        ("PUT", "upload.tar"),
        ("PUT", "P9"),
        ("PUT", "NEW"),
    ]
    assert all(len(entry.query) < LONGEST_QUERY for entry in server.log)


def test_a_session_that_was_made_anew_shows_its_files_to_who_asks_for_it_alone(
    gateway: RestGateway, connect: Callable[..., XnatConnection], tmp_path: Path
) -> None:
    """Somebody else deleted it and made it again while a run went on, so that its accession ID is another."""
    other = connect()()
    second = ObjectSpec(ref=SUBJECT.child(Level.SESSION, "SECOND"), xsi_type=MR.session)
    resource = second.ref.child(Level.RESOURCE, "R")
    gateway.put_object(second, exists=False, fields={}, reason="r")
    other.delete(second.ref, reason="r")
    other.put_object(second, exists=False, fields={}, reason="r")
    file = replace(local(tmp_path), ref=resource.child(Level.FILE, "x"))
    other.upload(resource, [file], overwrite=False, reason="r", sent=lambda _: None)
    with suppress(NotFound):
        assert file.ref not in by_ref(gateway.session_files([SESSION, second.ref]))
    assert set(by_ref(gateway.own_files(second.ref))) == {file.ref}
    assert file.ref in by_ref(gateway.session_files([SESSION, second.ref]))


def knowing(ids: Sequence[str]) -> Memory:
    """The memory of a run that has listed sessions with these accession IDs."""
    return Memory(accession_ids={SUBJECT.child(Level.SESSION, f"E{n}"): number for n, number in enumerate(ids)})


class Shallow(Scripted):
    """An XNAT whose stack is too small for long segments: it answers with the experiments of the whole site, and 200.

    As recorded on 1.8.11, where 178 IDs of 12 characters were listed and 179 were not; ``limit`` is in characters.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit

    def send(self, request: Request) -> Reply:
        self.asked.append(request)
        numbers = request.path.split("/")[3]
        if len(numbers) > self.limit:
            return listing(*({"ID": f"X_E{n}", "URI": f"/data/experiments/X_E{n}"} for n in range(3)))
        uri = "/data/experiments/{}/resources/7/files/x"
        return listing(*({"URI": uri.format(n), "collection": "R", "Size": "1"} for n in numbers.split(",")))


@pytest.mark.parametrize("limit", [2135, 1000, 900, 300, 25])
@pytest.mark.parametrize("size", [12, 20, 30, 60])
def test_every_session_is_listed_however_short_a_list_the_server_takes(limit: int, size: int) -> None:
    memory = knowing([f"{'X' * (size - 7)}_E{n:05}" for n in range(200)])
    transport = Shallow(max(limit, size))
    sessions = list(memory.accession_ids)
    found = {file.ref.at(Level.SESSION) for file in RestGateway(transport, memory).session_files(sessions)}
    assert found == set(sessions)
    if limit >= 1000:
        assert len(transport.asked) == -(-200 // ((1000 + 1) // (size + 1)))
        assert all(len(request.path.split("/")[3]) <= 1000 for request in transport.asked)


def test_a_limit_is_learnt_once() -> None:
    memory = knowing([f"XNAT_E{n:05}" for n in range(80)])
    transport = Shallow(480)
    gateway = RestGateway(transport, memory)
    gateway.session_files(list(memory.accession_ids))
    first = len(transport.asked)
    gateway.session_files(list(memory.accession_ids))
    assert all(len(request.path.split("/")[3]) <= 480 for request in transport.asked[first:])


def test_a_server_that_answers_with_strangers_in_any_case_is_not_believed() -> None:
    memory = knowing(["XNAT_E00001", "XNAT_E00002"])
    with pytest.raises(UnexpectedReply):
        RestGateway(Shallow(0), memory).session_files(list(memory.accession_ids))
    with pytest.raises(UnexpectedReply):
        RestGateway(Shallow(0), memory).own_files(next(iter(memory.accession_ids)))


@pytest.mark.parametrize("status", [404, 500])
def test_a_session_that_is_unknown_by_its_number_is_looked_up_again(status: int) -> None:
    """XNAT answers 500 to `GET /data/experiments/NO/files` (recorded on 1.8.11), 404 for resources."""
    row = {"URI": "/data/experiments/NEW", "label": "E0", "subject_label": "S", "project": "P9"}
    for read in (RestGateway.own_files, RestGateway.resources):
        memory = knowing(["OLD"])
        transport = Scripted(Reply(status=status, text=""), listing(row), listing())
        read(RestGateway(transport, memory), next(iter(memory.accession_ids)))
        assert ["OLD" in request.path for request in transport.asked] == [True, False, False]
        assert "/NEW/" in transport.asked[-1].path


def test_a_failure_is_one_where_the_number_is_right() -> None:
    row = {"URI": "/data/experiments/OLD", "label": "E0", "subject_label": "S", "project": "P9"}
    memory = knowing(["OLD"])
    transport = Scripted(Reply(status=500, text=""), listing(row))
    with pytest.raises(ServerFault):
        RestGateway(transport, memory).own_files(next(iter(memory.accession_ids)))
