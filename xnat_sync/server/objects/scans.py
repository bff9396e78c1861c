"""What a session consists of: scans and reconstructions (``ScanResource``, ``ReconResource``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.server.errors import XnatError
from xnat_sync.server.identity.permissions import Right, can
from xnat_sync.server.objects.embedded_resources import save_resources
from xnat_sync.server.objects.lookup import by_id, find_part, get
from xnat_sync.server.objects.records import ID_ALPHABET, insert, merge
from xnat_sync.server.schema import data_types
from xnat_sync.server.schema.data_types import IMAGE_SCAN, RECONSTRUCTION, is_a
from xnat_sync.server.xml_tree import escape

if TYPE_CHECKING:
    import sqlite3

    from xnat_sync.server.objects.records import Change
    from xnat_sync.server.objects.submission import Draft

FORBIDDEN = "Specified user account has insufficient create/edit privileges for sessions in this project."
# On POST the type of a scan may follow from the session, for these three only.
_SCAN_OF_SESSION = {
    "xnat:mrSessionData": "xnat:mrScanData",
    "xnat:petSessionData": "xnat:petScanData",
    "xnat:ctSessionData": "xnat:ctScanData",
}


def require_session_edit(change: Change, session: sqlite3.Row | None, what: str) -> sqlite3.Row:
    """The session that a part goes into: there, an imaging session, and editable."""
    if change.user.is_guest:
        raise XnatError(403, "No authenticated user found.")
    if session is None or not is_a(session["xsi_type"], data_types.IMAGE_SESSION):
        raise XnatError(417, f"Specified {what} must reference a valid image session.")
    if not can(change.db, change.user, session, Right.EDIT):
        raise XnatError(403, FORBIDDEN)
    return session


def put_scan(
    change: Change, session: sqlite3.Row, scan_id: str, draft: Draft | None, *, project: str | None = None
) -> None:
    """Creates or updates one scan; only what is sent is written.

    The scan then belongs to ``project``, that of the URL, even if the session is only shared into it (inferred).
    """
    draft = _require_scan(draft)
    wanted = draft.get("ID") or escape(scan_id)
    existing = find_part(change.db, "scan", session, wanted)
    if existing is None and draft.xsi_type == IMAGE_SCAN:
        raise XnatError(
            400,
            "Multiple scan modalities can be associated here.  Please retry with the specification of a particular "
            "modality (i.e. ?xsiType=xnat:mrScanData).",
        )
    changed = save_scan(change, session, wanted, existing, draft)
    saved = find_part(change.db, "scan", session, wanted)
    if saved is not None:
        changed = merge(change, saved, {}, project=project or session["project"]) or changed
    if changed:
        change.record(session["id"], session["xsi_type"], f"Modified {type_noun(session['xsi_type'])}")


def post_scan(change: Change, session: sqlite3.Row, draft: Draft | None) -> str:
    """Creates only; without an ID the smallest free positive number is taken."""
    draft = _require_scan(draft)
    scan_id = draft.get("ID") or _free_number(change.db, session)
    if find_part(change.db, "scan", session, scan_id) is not None:
        raise XnatError(409, "Specified scan already exists.")
    save_scan(change, session, scan_id, None, draft)
    change.record(session["id"], session["xsi_type"], f"Modified {type_noun(session['xsi_type'])}")
    return scan_id


def default_scan_type(session: sqlite3.Row) -> str | None:
    """The type of a posted scan that does not name one."""
    return _SCAN_OF_SESSION.get(session["xsi_type"])


def _require_scan(draft: Draft | None) -> Draft:
    if draft is None:
        raise XnatError(417, "Need PUT Contents")
    if not is_a(draft.xsi_type, IMAGE_SCAN):
        message = f"Only Scan documents can be PUT to this address. Expected: {IMAGE_SCAN} Received: {draft.xsi_type}"
        raise XnatError(400, message)
    return draft


def _free_number(db: sqlite3.Connection, session: sqlite3.Row) -> str:
    taken = {
        row["id"] for row in db.execute("SELECT id FROM item WHERE parent = ? AND kind = 'scan'", (session["pk"],))
    }
    number = 1
    while str(number) in taken:
        number += 1
    return str(number)


def save_scan(change: Change, session: sqlite3.Row, scan_id: str, existing: sqlite3.Row | None, draft: Draft) -> bool:
    """Writes one scan of a session that may be edited; says whether anything changed."""
    if existing is not None and not is_a(existing["xsi_type"], draft.xsi_type):
        raise XnatError(409, "Specified xsiType differs from existing xsiType")
    change.require_justification(session["xsi_type"])
    for name in ("ID", "image_session_ID", "project"):
        draft.pop(name)
    draft.require_valid()
    if existing is not None:
        changed = merge(change, existing, draft.fields)
        return save_resources(change, existing, draft.children.get("file", [])) or changed
    if not ID_ALPHABET.fullmatch(scan_id):
        raise XnatError(500)
    row = insert(
        change,
        kind="scan",
        id=scan_id,
        project=session["project"],
        parent=session["pk"],
        xsi_type=draft.xsi_type,
        fields=draft.fields,
    )
    save_resources(change, row, draft.children.get("file", []))
    return True


def save_scan_in_place(change: Change, session: sqlite3.Row, draft: Draft) -> bool:
    """Writes the stored scan that a place such as ``scans/scan[0]`` means.

    Its row is found by its key, so that another ``ID`` renames it (``DBAction``; inferred).
    """
    row = get(change.db, draft.stored or 0)
    wanted = draft.get("ID")
    changed = save_scan(change, session, row["id"], row, draft)
    if wanted and wanted != row["id"]:
        if find_part(change.db, "scan", session, wanted) is not None:
            raise XnatError(500)  # the unique pair of session and ID
        changed = merge(change, get(change.db, row["pk"]), {}, id=wanted) or changed
    return changed


def put_reconstruction(change: Change, session: sqlite3.Row, recon_id: str, draft: Draft | None) -> None:
    """Creates or updates a reconstruction; its ID is looked up in the whole site."""
    if draft is None:
        raise XnatError(417, "Need PUT Contents")
    recon = draft.get("ID") or escape(recon_id)
    existing = by_id(change.db, ("reconstruction",), recon)
    change.require_justification(session["xsi_type"])
    draft.pop("ID")
    draft.require_valid()
    if existing is not None:
        merge(change, existing, draft.fields)
    else:
        insert(
            change,
            kind="reconstruction",
            id=recon,
            project=session["project"],
            parent=session["pk"],
            xsi_type=RECONSTRUCTION,
            fields=draft.fields,
        )
    change.record(session["id"], session["xsi_type"], f"Modified {type_noun(session['xsi_type'])}")


def type_noun(xsi_type: str) -> str:
    """``MR Session`` for ``xnat:mrSessionData``, as workflow names and displays say it."""
    stem = xsi_type.removeprefix("xnat:").removesuffix("Data")
    for ending in ("Session", "Scan"):
        if stem.endswith(ending):
            modality = stem.removesuffix(ending)
            shown = modality.upper() if modality.islower() else modality[:1].upper() + modality[1:]
            return f"{shown} {ending}"
    return stem[:1].upper() + stem[1:]
