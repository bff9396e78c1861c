"""The optimistic catalog check, parallel requests, lost clients, faults (ThreadAndProcessFileLock, CatalogUtils)."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from xnat_sync.server.faults import Fault, FaultKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

BINARY = {"Content-Type": "application/octet-stream"}
NIFTI = "/resources/NIFTI/files"


class SlowUpload:
    """An upload whose body is sent piece by piece over a bare socket."""

    def __init__(self, server: Any, http: Any, path: str, size: int, media_type: str = BINARY["Content-Type"]) -> None:
        self._log, self._path = server.log, path.partition("?")[0]
        self._answers = self._answered() + 1
        host, _, port = server.url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.settimeout(30)
        head = [
            f"PUT {path} HTTP/1.1",
            "Host: x",
            "Connection: close",
            f"Cookie: JSESSIONID={http.session.cookies['JSESSIONID']}",
            f"Content-Type: {media_type}",
            f"Content-Length: {size}",
        ]
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> str:
        text = b""
        while chunk := self.socket.recv(65536):
            text += chunk
        self.socket.close()
        return text.decode()

    def abort(self) -> None:
        self.socket.close()

    def is_over(self) -> bool:
        """Whether the server has finished with it: nothing of it may reach the next test."""
        return self._answered() >= self._answers

    def _answered(self) -> int:
        return sum(entry.path == self._path for entry in self._log)


@pytest.fixture
def slow(server: Any, http: Any, study: Any) -> Iterator[Callable[..., SlowUpload]]:
    uploads: list[SlowUpload] = []

    def start(path: str, size: int, **kwargs: str) -> SlowUpload:
        uploads.append(SlowUpload(server, http, path, size, **kwargs))
        return uploads[-1]

    yield start
    for upload in uploads:
        upload.abort()
        wait_for(upload.is_over)


def wait_for(condition: Callable[[], bool]) -> None:
    """Asks the disk until the server's threads have done it."""
    tick = threading.Event()
    for _ in range(2000):
        if condition():
            return
        tick.wait(0.01)
    pytest.fail("it never happened")


def test_overlapping_in_body_uploads_conflict(http: Any, put: Any, study: Any, slow: Any, on_disk: Path) -> None:
    """TestThreadAndProcessFileLock.testConcurrentWriteThrowsException: 500, and the file stays as an orphan."""
    put(f"{study.scan}{NIFTI}/first", b"x")
    upload = slow(f"{study.scan}{NIFTI}/slow", 6)
    upload.send(b"abc")
    wait_for((on_disk / "SCANS/1/NIFTI/slow").exists)
    put(f"{study.scan}{NIFTI}/quick", b"x")
    upload.send(b"def")
    reply = upload.reply()
    assert reply.startswith("HTTP/1.1 500")
    assert "<h3>Another thread or process modified " in reply
    assert "NIFTI_catalog.xml since I last read it" in reply
    assert {row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")} == {"first", "quick"}
    assert (on_disk / "SCANS/1/NIFTI/slow").read_bytes() == b"abcdef"
    assert "duplicates" in put(f"{study.scan}{NIFTI}/slow", b"new").text
    put(f"{study.scan}{NIFTI}/slow", b"again", overwrite="true")
    assert http.get(f"{study.scan}{NIFTI}/slow").content == b"again"


def test_racing_first_uploads_register_the_resource_twice(
    http: Any, put: Any, study: Any, slow: Any, on_disk: Path
) -> None:
    """No label is unique: both insert a row for one catalog, and everything is listed twice (ResourceModifierA)."""
    upload = slow(f"{study.scan}{NIFTI}/slow", 6)
    upload.send(b"abc")
    wait_for((on_disk / "SCANS/1/NIFTI/slow").exists)
    put(f"{study.scan}{NIFTI}/quick", b"x")
    upload.send(b"def")
    assert upload.reply().startswith("HTTP/1.1 500")
    assert [row["label"] for row in http.rows(f"{study.scan}/resources")] == ["NIFTI", "NIFTI"]
    assert [row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")] == ["quick", "quick"]
    http.delete(f"{study.scan}/resources/NIFTI")
    assert http.rows(f"{study.scan}/resources") == []


def test_a_form_is_spooled_before_the_catalog_is_read(http: Any, put: Any, study: Any, slow: Any, server: Any) -> None:
    """A multipart upload conflicts only during its short move (DiskFileItem)."""
    put(f"{study.scan}{NIFTI}/first", b"x")
    body = b"--x\r\nContent-Disposition: form-data; name=f; filename=slow\r\n\r\ncontent\r\n--x--\r\n"
    upload = slow(f"{study.scan}{NIFTI}/slow", len(body), media_type="multipart/form-data; boundary=x")
    upload.send(body[:-20])
    spool = server.context.cache / "uploads"
    wait_for(lambda: spool.exists() and any(spool.iterdir()))
    put(f"{study.scan}{NIFTI}/quick", b"x")
    upload.send(body[-20:])
    assert upload.reply().startswith("HTTP/1.1 200")
    assert {row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")} == {"first", "quick", "slow"}


def test_different_resources_do_not_disturb_each_other(http: Any, server: Any, study: Any) -> None:
    def upload(number: int) -> int:
        with type(http)(server.url) as client:
            client.session.cookies.update(http.session.cookies)
            path = f"{study.scan}/resources/R{number}/files"
            return max(
                int(client.put(f"{path}/{name}", data=b"x" * 1000, headers=BINARY).status_code) for name in range(5)
            )

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(upload, range(8))) == {200}
    resources = http.rows(f"{study.scan}/resources")
    assert sorted((row["label"], row["file_count"]) for row in resources) == [(f"R{n}", "5") for n in range(8)]


def test_a_stalled_upload_holds_up_nothing_else(http: Any, put: Any, study: Any, slow: Any, on_disk: Path) -> None:
    """With one body half sent, the rest of the site reads and writes; in series, it would wait for ever."""
    upload = slow(f"{study.scan}{NIFTI}/slow", 6)
    upload.send(b"abc")
    wait_for((on_disk / "SCANS/1/NIFTI/slow").exists)
    put(f"{study.scan}/resources/OTHER/files/quick", b"x")
    put(f"{study.scan2}{NIFTI}/quick", b"x")
    put(f"{study.session}/resources/NOTES/files/quick", b"x")
    assert http.put("/data/projects/P/subjects/SUB2?group=g").status_code == 201
    assert http.delete(f"{study.scan2}{NIFTI}/quick").status_code == 200
    assert http.get(f"{study.scan}/resources/OTHER/files/quick").content == b"x"
    assert not upload.is_over()
    upload.send(b"def")
    assert upload.reply().startswith("HTTP/1.1 200")
    assert http.get(f"{study.scan}{NIFTI}/slow").content == b"abcdef"


def test_many_stalled_uploads_hold_up_nothing_else(http: Any, put: Any, study: Any, slow: Any) -> None:
    """More than any client has under way at a time; a pool of threads must not be their limit."""
    uploads = [slow(f"{study.scan}/resources/R{number}/files/slow", 2) for number in range(60)]
    for upload in uploads:
        upload.send(b"a")
    put(f"{study.scan2}{NIFTI}/quick", b"x")
    assert http.get(f"{study.scan2}{NIFTI}/quick").content == b"x"
    assert not any(upload.is_over() for upload in uploads)


def test_a_client_that_goes_away_leaves_a_truncated_orphan(
    http: Any, put: Any, study: Any, slow: Any, on_disk: Path
) -> None:
    """In-body: a truncated file without an entry; plain PUT then says duplicates."""
    put(f"{study.scan}{NIFTI}/first", b"x")
    upload = slow(f"{study.scan}{NIFTI}/cut", 100)
    upload.send(b"only this")
    file = on_disk / "SCANS/1/NIFTI/cut"
    wait_for(file.exists)
    upload.abort()
    wait_for(lambda: file.read_bytes() == b"only this")
    assert {row["Name"] for row in http.rows(f"{study.scan}{NIFTI}")} == {"first"}
    assert "duplicates" in put(f"{study.scan}{NIFTI}/cut", b"new").text


def test_a_lost_overwrite_has_destroyed_the_old_bytes(
    http: Any, put: Any, study: Any, slow: Any, on_disk: Path
) -> None:
    """Old Size and digest stay in the listing; HEAD shows the true length."""
    put(f"{study.scan}{NIFTI}/a", b"old content")
    file = on_disk / "SCANS/1/NIFTI/a"
    before = file.stat().st_ino, file.stat().st_size
    upload = slow(f"{study.scan}{NIFTI}/a?overwrite=true", 100)
    upload.send(b"new")
    wait_for(lambda: file.exists() and (file.stat().st_ino, file.stat().st_size) != before)
    upload.abort()
    wait_for(lambda: file.read_bytes() == b"new")
    assert http.rows(f"{study.scan}{NIFTI}")[0]["Size"] == "11"
    assert http.head(f"{study.scan}{NIFTI}/a").headers["Content-Length"] == "3"


def test_a_lost_form_changes_nothing(http: Any, put: Any, study: Any, slow: Any, server: Any) -> None:
    put(f"{study.scan}{NIFTI}/a", b"old")
    upload = slow(f"{study.scan}{NIFTI}/a?overwrite=true", 1000, media_type="multipart/form-data; boundary=x")
    upload.send(b"--x\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nnew")
    spool = server.context.cache / "uploads"
    wait_for(lambda: spool.exists() and any(spool.iterdir()))
    upload.abort()
    wait_for(lambda: not any(spool.iterdir()))
    assert http.get(f"{study.scan}{NIFTI}/a").content == b"old"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FaultKind.CATALOG_CONFLICT, "Another thread or process modified"),
        (FaultKind.LOCK_TIMEOUT, "Unable to acquire thread and process locks"),
        (FaultKind.DISK_FULL, "No space left on device"),
    ],
)
def test_faults_on_demand(http: Any, server: Any, study: Any, on_disk: Path, kind: FaultKind, words: str) -> None:
    """Once, then all is well; what XNAT would leave on disk is left."""
    orphan = b"im" if kind is FaultKind.DISK_FULL else b"image"
    server.faults.add(Fault(kind=kind, path=r"/files/a$"))
    reply = http.put(f"{study.scan}{NIFTI}/a", data=b"image", headers=BINARY)
    assert reply.status_code == 500
    assert words in reply.text
    assert (on_disk / "SCANS/1/NIFTI/a").read_bytes() == orphan
    assert http.put(f"{study.scan}{NIFTI}/a?overwrite=true", data=b"image", headers=BINARY).text == ""
    assert http.get(f"{study.scan}{NIFTI}/a").content == b"image"


def test_digest_faults(http: Any, server: Any, put: Any, study: Any) -> None:
    server.faults.add(Fault(kind=FaultKind.WRONG_DIGEST, path="wrong"))
    server.faults.add(Fault(kind=FaultKind.BLANK_DIGEST, path="blank"))
    digests = []
    for name in ("wrong", "blank", "right"):
        put(f"{study.scan}/resources/{name}/files/a", b"image")
        digests.append(http.rows(f"{study.scan}/resources/{name}/files")[0]["digest"])
    assert digests[0] not in {"", digests[2]}
    assert digests[1] == ""


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (FaultKind.CATALOG_CONFLICT, "Another thread or process modified"),
        (FaultKind.LOCK_TIMEOUT, "Unable to acquire thread and process locks"),
    ],
)
def test_a_delete_that_fails_changes_nothing(
    http: Any, server: Any, put: Any, study: Any, kind: Any, words: str
) -> None:
    put(f"{study.scan}{NIFTI}/a", b"image")
    server.faults.add(Fault(kind=kind))
    reply = http.delete(f"{study.scan}{NIFTI}/a")
    assert reply.status_code == 500
    assert words in reply.text
    assert http.get(f"{study.scan}{NIFTI}/a").content == b"image"
    assert http.delete(f"{study.scan}{NIFTI}/a").status_code == 200
