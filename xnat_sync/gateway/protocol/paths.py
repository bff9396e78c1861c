"""Addresses: from a ref to the path of a REST request, and from the URI in a listing's row back to what it names.

XNAT takes path segments as they stand, without decoding them (Restlet 1.1 `Template`), so labels outside a small
alphabet cannot be addressed at all. The path of a file is decoded only if it holds ``%20`` or ``%2B`` (`FileList`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_plus

from xnat_sync.core.model.errors import Rejected
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.url_labels import has_address

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOLDERS = {
    Level.PROJECT: "/data/projects/",
    Level.SUBJECT: "/subjects/",
    Level.SESSION: "/experiments/",
    Level.SCAN: "/scans/",
    Level.RESOURCE: "/resources/",
    Level.FILE: "/files/",
}
_URL_SAFE_NAME = re.compile(r"[A-Za-z0-9._~ +-]+")
_DOTS_ONLY = re.compile(r"\.+")
_RAW = "&=,()'!@:$"
"""Characters that a URL carries as they are. A star too, but where no file has the name it asks for a listing."""

LOGIN = "/data/services/auth"
AUTH = "/data/auth"
JSESSION = "/data/JSESSION"
BUILD_INFO = "/xapi/siteConfig/buildInfo"
CHECKSUMS = "/xapi/siteConfig/checksums"
REFRESH = "/data/services/refresh/catalog"
PROJECT_CREATION = "/xapi/siteConfig/uiAllowNonAdminProjectCreation"


def object_path(ref: Ref) -> str:
    """The path of an object or a resource, by labels from the project down.

    Raises:
        Rejected: a label holds a character that XNAT would take for another one.

    """
    return "".join(_FOLDERS[level] + _segment(ref, level, label) for level, label in ref.parts)


def numbered_path(ref: Ref, accession_id: str) -> str:
    """The path of a subject, session or scan by an accession ID, for a scan that of its session.

    A GET or DELETE takes a label for an ID where it is one (`SubjAssessmentResource`).
    """
    numbered = Ref.of(
        (level, accession_id if level is min(ref.level, Level.SESSION) else label) for level, label in ref.parts
    )
    return object_path(numbered)


def files_path(resource: Ref) -> str:
    """The path that lists a resource's files."""
    return object_path(resource) + "/files"


def file_path(resource: Ref, written_name: str) -> str:
    """The path of something in a resource, its name written by `write_name`, `read_name` or `delete_name`."""
    return object_path(resource) + _FOLDERS[Level.FILE] + written_name


def accessibility_path(project: Ref) -> str:
    """The path of a project's accessibility."""
    return object_path(project) + "/accessibility"


def groups_path(user: str) -> str:
    """The path that lists the groups of an account."""
    return f"/xapi/users/{quote(user, safe='')}/groups"


def roles_path(user: str) -> str:
    """The path that lists the roles of an account."""
    return f"/xapi/users/{quote(user, safe='')}/roles"


def members_path(project: Ref) -> str:
    """The path that lists the accounts in a project's groups."""
    return object_path(project) + "/users"


def list_path(project: Ref, level: Level) -> str:
    """The path that lists the subjects, or the experiments, of a project."""
    return object_path(project) + _FOLDERS[level].rstrip("/")


def sessions_files_path(accession_ids: Iterable[str]) -> str:
    """The path that lists the files of several experiments at once."""
    return f"/data/experiments/{','.join(accession_ids)}/files"


def resources_path(owner: Ref, accession_id: str) -> str:
    """The path that lists an object's resources.

    By accession ID, since XNAT answers for a session that it cannot find by label with the resources of its subject
    (`XNATTemplate`). ``accession_id`` is that of the session for a scan.
    """
    match owner.level:
        case Level.PROJECT:
            return object_path(owner) + "/resources"
        case Level.SUBJECT:
            return f"/data/subjects/{accession_id}/resources"
        case Level.SESSION:
            return f"/data/experiments/{accession_id}/resources"
        case Level.SCAN:
            return f"/data/experiments/{accession_id}/scans/{_segment(owner, Level.SCAN, owner.label)}/resources"
        case _:
            raise ValueError(f"a {owner.level.noun} has no resources")


def disk_path(accession_id: str) -> str:
    """The path that lists the folder of an experiment."""
    return f"/data/experiments/{accession_id}/DIR"


def archive_uri(resource: Ref) -> str:
    """How a refresh names a resource (`RefreshCatalog`)."""
    return "/archive" + object_path(resource).removeprefix("/data")


_HOUSEKEEPING = re.compile(r"(?:.*/)?(?:[^/]*_catalog\.xml|\.~[^/]*)", re.DOTALL)
_ON_DISK = re.compile(r"(?:SCANS/(?P<scan>[^/]+)|RESOURCES)/(?P<resource>[^/]+)/(?P<path>.+)", re.DOTALL)


def parse_disk_name(name: str, session: Ref) -> Ref | None:
    """The file that lies under a name in a session's folder; ``None`` for catalogs, locks and other things."""
    found = _ON_DISK.fullmatch(name)
    if found is None or _HOUSEKEEPING.fullmatch(found["path"]):
        return None
    owner = session.child(Level.SCAN, found["scan"]) if found["scan"] else session
    return owner.child(Level.RESOURCE, found["resource"]).child(Level.FILE, found["path"])


def _segment(ref: Ref, level: Level, label: str) -> str:
    if not has_address(level, label):
        raise Rejected(f"XNAT has no address for a {level.noun} named {label!r}", ref=ref)
    return label


def fits_url(name: str) -> bool:
    """Whether a file that is sent under this name by URL is stored under this name and no other."""
    parts = name.split("/")
    return all(_URL_SAFE_NAME.fullmatch(part) and not _DOTS_ONLY.fullmatch(part) for part in parts)


def write_name(name: str) -> str:
    """A name that `fits_url`, as a request that stores it has to spell it: ``%20`` and ``%2B`` are decoded."""
    if not fits_url(name):
        raise Rejected(f"a URL cannot carry the file name {name!r}")
    return quote(name, safe="/~")


def read_name(name: str) -> str | None:
    """A name as a download has to spell it; ``None`` if the server's firewall lets no such URL through.

    The server compares with the stored name as it stands and then with the decoded one (`CatalogUtils.getEntryByURI`),
    so a spelling that is not `looked_for` under the name itself finds another file where one is stored under that text.
    """
    # A stored "a%23b" came by URL from some other client, and is asked for by the same text; but a text with %20 or %2B
    # is decoded before anything is compared (`FileList`).
    already_written = re.fullmatch(rf"(?:[A-Za-z0-9._~/{_RAW}-]|%(?!20|25|2B|2F|5C|2E|3B)[0-9A-F]{{2}})*", name)
    if "%" in name and already_written:
        return name
    parts = name.split("/")
    if any(not part or _DOTS_ONLY.fullmatch(part) for part in parts) or re.search(r"[%;\\\x00-\x1f]", name):
        return None
    return quote(name, safe="/~" + _RAW)


def looked_for(written: str) -> str:
    """The name that the server looks for first, asked for a written one (`FileList`)."""
    return unquote_plus(written) if re.search("%20|%2B", written) else written


def delete_name(name: str, others: Iterable[str]) -> str | None:
    """A name as a delete has to spell it so that it hits no other file; ``None`` if there is no such spelling.

    XNAT deletes every file whose path begins with the text (`CatalogUtils.findCatEntriesWithinPath`), so ``a.nii``
    would take ``a.nii.gz`` along. A text that ends in ``*`` is a regular expression instead, in which ``$`` marks the
    end; characters that a URL cannot carry are written as ``.`` there.
    """
    rest = [other for other in others if other != name]
    if fits_url(name) and not any(other.startswith(name) for other in rest):
        return write_name(name)
    if re.search(r"[\x00-\x1f\x7f\x85\u2028\u2029]", name):
        return None  # Java's dot is no end of line.
    pattern = re.sub(r"[^A-Za-z0-9_/~-]+", lambda found: _any(found.group()), name)
    # Java may match the whole path or search in it: safe only where both find just this file.
    clash = any(re.search(pattern + "$", other) for other in rest)
    sendable = not pattern.startswith("/") and "//" not in pattern and "." not in pattern.split("/")
    return pattern + "$*" if sendable and not clash else None


def _any(text: str) -> str:
    """A pattern for a run of characters, which Java counts in UTF-16 units; two dots in a row do not pass its gate."""
    return "." if len(text) == 1 and ord(text) <= 0xFFFF else ".+"


@dataclass(frozen=True, slots=True)
class FileAddress:
    """What the URI of a file's row says: accession IDs, the scan, the resource's number, and the path inside it."""

    project: str
    subject: str
    experiment: str
    kind: str
    part: str
    resource: str
    path: str


_FILE_URI = re.compile(
    r"(?:/(?:data|REST))?(?:/archive)?"
    r"(?:/projects/(?P<project>[^/]+))?(?:/subjects/(?P<subject>[^/]+))?(?:/experiments/(?P<experiment>[^/]+))?"
    r"(?:/(?P<kind>scans|assessors|reconstructions)/(?P<part>[^/]+)(?:/(?:in|out))?)?"
    r"/resources/(?P<resource>[^/]+)/files/(?P<path>.+)",
    re.DOTALL,
)


def parse_file_uri(uri: str) -> FileAddress | None:
    """The inverse of what the server writes into the ``URI`` column; ``None`` for anything else."""
    found = _FILE_URI.fullmatch(uri)
    return FileAddress(**{key: value or "" for key, value in found.groupdict().items()}) if found else None


def last_segment(uri: str) -> str:
    """The accession ID at the end of an object's URI."""
    return uri.rstrip("/").rpartition("/")[2]
