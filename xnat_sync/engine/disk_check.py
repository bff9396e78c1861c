"""Hold what catalogs say against the files on the server's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import Rejected
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.engine.pool import Pool, gather

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from xnat_sync.core.model.state import RemoteFile
    from xnat_sync.gateway.port import Reader

GONE = -1


def sizes_on_disk(
    wanted: Collection[Ref], sessions: Collection[Ref], files: Mapping[Ref, RemoteFile], pool: Pool[Reader]
) -> tuple[dict[Ref, int], frozenset[Ref]]:
    """The true sizes of those wanted files that are catalogued, and the files that lie on disk and in no catalog.

    A session's folder is listed by one request. What is not seen there is asked for by itself: the folder of a resource
    need not have its name. So are the files of subjects and projects, which cannot be listed. A file whose name no URL
    can carry is left out.
    """
    listings = [pool.submit(lambda gateway, ref: gateway.disk_files(ref), ref) for ref in sessions]
    disk = {ref: size for listing in gather(listings) for ref, size in listing.items()}
    catalogued = [ref for ref in wanted if ref in files]
    unseen = [ref for ref in catalogued if ref not in disk]
    answers = gather([pool.submit(_size, ref) for ref in unseen])
    asked = {ref: size for ref, size in zip(unseen, answers, strict=True) if size is not None}
    seen = {ref: disk[ref] for ref in catalogued if ref in disk}
    resources = {ref.parent for ref in wanted if ref.at(Level.SESSION)}
    return seen | asked, frozenset(ref for ref in disk if ref not in files and ref.parent in resources)


def _size(gateway: Reader, file: Ref) -> int | None:
    try:
        size = gateway.disk_size(file)
    except Rejected:
        return None
    return GONE if size is None else size
