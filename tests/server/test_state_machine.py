"""The server and a dictionary, driven through the same life: create, upload, overwrite, delete, rename, restart."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from xnat_sync.server.running import running

P = "/data/projects/P"
SUBJECTS = st.sampled_from(["A", "B"])
SESSIONS = st.sampled_from(["E1", "E2"])
SCANS = st.sampled_from(["1", "2"])
LABELS = st.sampled_from(["NIFTI", "NIFTI", "BIDS"])  # few, so that what one step makes the next one meets
PATHS = st.sampled_from(["a.nii", "a.nii.gz", "d/x", "d/y z"])
MISSING = 11
OWNERS = st.integers(0, MISSING)
CONTENT = st.sampled_from([1, 2, 70_000])
"""Sizes; the bytes are made from them, so that hypothesis does not print them."""
FILES = st.dictionaries(PATHS, CONTENT, min_size=1, max_size=3)

Files = dict[str, bytes]
Resources = dict[str, Files]


@dataclass
class Item:
    """A subject, session or scan as the dictionary holds it."""

    id: str
    note: str = ""
    resources: Resources = field(default_factory=dict)


@dataclass
class Session(Item):
    subject: str = ""
    scans: dict[str, Item] = field(default_factory=dict)


class Life(RuleBasedStateMachine):
    """Each rule does one thing to both and compares the answer; the invariants compare everything that is there."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._root = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self._server = ExitStack()
        self.subjects: dict[str, Item] = {}
        self.sessions: dict[str, Session] = {}
        self.issued: set[str] = set()
        self.steps = 0

    @initialize()
    def begin(self) -> None:
        self._start()
        assert self._send("PUT", P).status_code == 200
        self.put_subject("A", "x")
        self.put_session("E1", "A", "x")
        self.put_scan("E1", "1", "T1w")
        for owner in (1, 2):
            self._upload(owner, "NIFTI", {"a.nii": 1, "a.nii.gz": 2, "d/x": 3}, False, "tar")

    def _start(self) -> None:
        self._server = ExitStack()
        self.url = self._server.enter_context(running(self._root / "xnat")).url
        self.http = self._server.enter_context(requests.Session())
        self.http.trust_env = False
        login = {"username": "admin", "password": "admin"}
        assert self._send("PUT", "/data/services/auth", data=login).status_code == 200

    def teardown(self) -> None:
        self._server.close()
        self._stack.close()

    def _send(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.http.request(method, self.url + path, **options)

    def _rows(self, path: str) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = self._send("GET", path).json()["ResultSet"]["Result"]
        return rows

    def _check_new(self, accession_id: str) -> None:
        """Accession IDs are never handed out twice."""
        assert accession_id not in self.issued
        self.issued.add(accession_id)

    # --- objects ---

    @rule(label=SUBJECTS, note=st.sampled_from(["", "x", "y"]))
    def put_subject(self, label: str, note: str) -> None:
        query = {"group": note} if note else {}
        reply = self._send("PUT", f"{P}/subjects/{label}", params=query)
        held = self.subjects.get(label)
        if held is None:
            assert reply.status_code == 201
            self._check_new(reply.text)
            held = self.subjects[label] = Item(reply.text)
        assert (reply.status_code in {200, 201}, reply.text) == (True, held.id)
        held.note = note or held.note

    @rule(label=SESSIONS, subject=SUBJECTS, note=st.sampled_from(["", "x", "y"]))
    def put_session(self, label: str, subject: str, note: str) -> None:
        """Below another subject it moves there; a missing subject is made."""
        query = {"xsiType": "xnat:mrSessionData", **({"note": note} if note else {})}
        reply = self._send("PUT", f"{P}/subjects/{subject}/experiments/{label}", params=query)
        if subject not in self.subjects:
            found = next(row["ID"] for row in self._rows(f"{P}/subjects") if row["label"] == subject)
            self._check_new(found)
            self.subjects[subject] = Item(found)
        held = self.sessions.get(label)
        if held is None:
            assert reply.status_code == 201
            self._check_new(reply.text)
            held = self.sessions[label] = Session(reply.text)
        assert reply.text == held.id
        held.subject = subject
        held.note = note or held.note

    @precondition(lambda self: len(self.sessions) == 2 or self.steps % 4 == 3)
    @rule(session=SESSIONS, scan=SCANS, kind=st.sampled_from(["T1w", "T2w"]))
    def put_scan(self, session: str, scan: str, kind: str) -> None:
        held = self.sessions.get(session)
        subject = held.subject if held else "A"
        path = f"{P}/subjects/{subject}/experiments/{session}/scans/{scan}"
        reply = self._send("PUT", path, params={"xsiType": "xnat:mrScanData", "type": kind})
        if held is None:
            assert reply.status_code == 417
            return
        assert (reply.status_code, reply.content) == (200, b"")
        held.scans.setdefault(scan, Item(scan)).note = kind

    @precondition(lambda self: self.subjects)
    @rule(old=SUBJECTS, new=SUBJECTS)
    def rename_subject(self, old: str, new: str) -> None:
        if old not in self.subjects:
            return
        reply = self._send("PUT", f"{P}/subjects/{old}", params={"label": new})
        if new in self.subjects and new != old:
            assert reply.status_code == 409
            return
        assert (reply.status_code, reply.content) == (200, b"")
        self.subjects[new] = self.subjects.pop(old)
        for session in self.sessions.values():
            session.subject = new if session.subject == old else session.subject

    @precondition(lambda self: self.sessions)
    @rule(old=SESSIONS, new=SESSIONS)
    def rename_session(self, old: str, new: str) -> None:
        held = self.sessions.get(old)
        if held is None:
            return
        reply = self._send("PUT", f"{P}/subjects/{held.subject}/experiments/{old}", params={"label": new})
        if new in self.sessions and new != old:
            assert reply.status_code == 409
            return
        assert (reply.status_code, reply.content) == (200, b"")
        self.sessions[new] = self.sessions.pop(old)

    @precondition(lambda self: self.steps % 4 == 0)
    @rule(label=SUBJECTS)
    def delete_subject(self, label: str) -> None:
        reply = self._send("DELETE", f"{P}/subjects/{label}?removeFiles=true")
        assert reply.status_code == (200 if self.subjects.pop(label, None) else 404)
        self.sessions = {name: session for name, session in self.sessions.items() if session.subject != label}

    @precondition(lambda self: self.steps % 4 == 0)
    @rule(label=SESSIONS)
    def delete_session(self, label: str) -> None:
        reply = self._send("DELETE", f"{P}/experiments/{label}?removeFiles=true")
        assert reply.status_code == (200 if self.sessions.pop(label, None) else 404)

    @precondition(lambda self: self.sessions and self.steps % 4 == 1)
    @rule(session=SESSIONS, scan=SCANS)
    def delete_scan(self, session: str, scan: str) -> None:
        held = self.sessions.get(session)
        if held is None:
            return
        reply = self._send("DELETE", f"/data/experiments/{held.id}/scans/{scan}?removeFiles=true")
        assert reply.status_code == (200 if held.scans.pop(scan, None) else 404)

    # --- files ---

    def _owner(self, number: int) -> tuple[str, Item | None]:
        """One of the objects that are there, or now and then one that is not: what a step makes, later steps meet."""
        there: list[tuple[str, Item]] = [(f"{P}/subjects/{label}", item) for label, item in self.subjects.items()]
        for item in self.sessions.values():
            url = f"/data/experiments/{item.id}"
            there += [(url, item), *((f"{url}/scans/{scan}", held) for scan, held in item.scans.items())]
        if number == MISSING or not there:
            return "/data/experiments/NONE", None
        return there[number % len(there)]

    @rule(owner=OWNERS, label=LABELS, sizes=FILES, overwrite=st.booleans())
    def upload_body(self, owner: int, label: str, sizes: dict[str, int], overwrite: bool) -> None:
        self._upload(owner, label, sizes, overwrite, "body")

    @rule(owner=OWNERS, label=LABELS, sizes=FILES, overwrite=st.booleans())
    def upload_form(self, owner: int, label: str, sizes: dict[str, int], overwrite: bool) -> None:
        self._upload(owner, label, sizes, overwrite, "form")

    @rule(owner=OWNERS, label=LABELS, sizes=FILES, overwrite=st.booleans())
    def upload_tar(self, owner: int, label: str, sizes: dict[str, int], overwrite: bool) -> None:
        self._upload(owner, label, sizes, overwrite, "tar")

    def _upload(self, owner: int, label: str, sizes: dict[str, int], overwrite: bool, way: str) -> None:
        files = {path: bytes(number % 251 for number in range(size)) for path, size in sizes.items()}
        url, item = self._owner(owner)
        folder = f"{url}/resources/{label}/files"
        flag = {"overwrite": "true"} if overwrite else {}
        if way != "tar":
            path, data = next(iter(files.items()))
            files = {path: data}
            name = folder + "/" + path.replace(" ", "%20")
            if way == "body":
                reply = self._send("PUT", name, params={"inbody": "true", **flag}, data=data)
            else:
                reply = self._send("PUT", name, params=flag, files={"file": ("any name", data)})
        else:
            reply = self._send(
                "PUT", f"{folder}/x.tar", params={"inbody": "true", "extract": "true", **flag}, data=_tar(files)
            )
        if item is None:
            assert reply.status_code == 404
            return
        held = item.resources.setdefault(label, {})
        duplicates = [] if overwrite else [path for path in files if path in held]
        assert reply.status_code == 200
        assert (reply.json()["duplicates"] if reply.content else []) == duplicates
        held.update({path: data for path, data in files.items() if path not in duplicates})

    @rule(owner=OWNERS, label=LABELS, prefix=st.sampled_from(["a.nii", "a.nii.gz", "d/", "d/x", ""]))
    def delete_files(self, owner: int, label: str, prefix: str) -> None:
        url, item = self._owner(owner)
        reply = self._send("DELETE", f"{url}/resources/{label}/files/{prefix}")
        if item is None or label not in item.resources:
            assert reply.status_code == (404 if item is None else 400)
            return
        left = {path: data for path, data in item.resources[label].items() if not path.startswith(prefix)}
        assert reply.status_code == (404 if left == item.resources[label] else 200)
        item.resources[label] = left

    @rule(owner=OWNERS, label=LABELS)
    def create_resource(self, owner: int, label: str) -> None:
        url, item = self._owner(owner)
        reply = self._send("PUT", f"{url}/resources/{label}")
        if item is None:
            assert reply.status_code == 404
            return
        assert reply.status_code == (409 if label in item.resources else 200)
        item.resources.setdefault(label, {})

    @precondition(lambda self: self.steps % 4 == 2)
    @rule(owner=OWNERS, label=LABELS)
    def delete_resource(self, owner: int, label: str) -> None:
        """A missing one is 200 too."""
        url, item = self._owner(owner)
        reply = self._send("DELETE", f"{url}/resources/{label}")
        assert reply.status_code == (404 if item is None else 200)
        if item is not None:
            item.resources.pop(label, None)

    @precondition(lambda self: self.steps % 16 == 15)  # it takes as long as a hundred requests
    @rule()
    def restart(self) -> None:
        self._server.close()
        self._start()

    # --- everything ---

    @invariant()
    def the_same_subjects_and_sessions(self) -> None:
        self.steps += 1
        rows = self._rows(f"{P}/subjects?columns=label,group")
        assert {(row["label"], row["ID"], row["group"]) for row in rows} == {
            (label, item.id, item.note) for label, item in self.subjects.items()
        }
        rows = self._rows(f"{P}/experiments?columns=ID,label,subject_label,note")
        assert {(row["label"], row["ID"], row["subject_label"], row["note"]) for row in rows} == {
            (label, item.id, item.subject, item.note) for label, item in self.sessions.items()
        }

    @invariant()
    def the_same_scans(self) -> None:
        if not self.sessions:
            return
        columns = "label,xnat:imageScanData/ID,xnat:imageScanData/type"
        rows = self._rows(f"{P}/experiments?xsiType=xnat:imageSessionData&columns={columns}")
        held = {(row["label"], row["xnat:imagescandata/id"], row["xnat:imagescandata/type"]) for row in rows}
        assert {row for row in held if row[1]} == {
            (label, number, scan.note) for label, item in self.sessions.items() for number, scan in item.scans.items()
        }

    @invariant()
    def the_same_files(self) -> None:
        for label, subject in self.subjects.items():
            assert _listed(self._rows(f"{P}/subjects/{label}/files")) == _expected("", subject.resources)
        for item in self.sessions.values():
            rows = self._rows(f"/data/experiments/{item.id}/files?all=true")
            expected = _expected("", item.resources)
            for number, scan in item.scans.items():
                expected |= _expected(number, scan.resources)
            assert _listed(rows) == expected
            counts = {
                (row["cat_id"], row["label"]): int(row["file_count"] or 0)
                for row in self._rows(f"/data/experiments/{item.id}/resources?all=true")
            }
            owners = {"": item, **item.scans}
            assert counts == {
                (key, name): len(files) for key, owner in owners.items() for name, files in owner.resources.items()
            }

    @invariant()
    def the_same_bytes(self) -> None:
        """One file of each resource of a session, read."""
        if self.steps % 3:
            return
        for item in self.sessions.values():
            for name, files in item.resources.items():
                for path, data in list(files.items())[:1]:
                    url = f"/data/experiments/{item.id}/resources/{name}/files/{path.replace(' ', '%20')}"
                    assert self._send("GET", url).content == data


def _tar(files: Files) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


Listed = set[tuple[str, str, str, int, str]]


def _listed(rows: list[dict[str, str]]) -> Listed:
    """Scan (or nothing), resource, path, size and digest of each row."""
    found = set()
    for row in rows:
        owner, _, path = row["URI"].partition("/files/")
        scan = owner.partition("/scans/")[2].partition("/")[0]
        found.add((scan, row["collection"], path, int(row["Size"]), row["digest"]))
    assert len(found) == len(rows)
    return found


def _expected(scan: str, resources: Resources) -> Listed:
    return {
        (scan, label, path, len(data), hashlib.md5(data).hexdigest())
        for label, files in resources.items()
        for path, data in files.items()
    }


def test_server_and_dictionary_never_disagree() -> None:
    """Without shrinking: it would start a server hundreds of times; the steps that failed are printed all the same."""
    chosen = settings(max_examples=15, stateful_step_count=40, deadline=None, phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(Life, settings=chosen)
