"""Read files back from the server: for a proof, or for want of a digest."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from xnat_sync.core.model.errors import NotFound, Rejected
from xnat_sync.engine.pool import gather

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import RemoteState
    from xnat_sync.engine.pool import Pool
    from xnat_sync.gateway.port import Reader


def md5_held(gateway: Reader, file: Ref) -> str | None:
    """The MD5 of the bytes that the server sends, ``None`` if they cannot be asked for.

    Raises:
        NotFound: it has none.

    """
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with gateway.download(file) as chunks:
            for chunk in chunks:
                digest.update(chunk)
    except Rejected:
        return None
    return digest.hexdigest()


def with_read(remote: RemoteState, files: Iterable[Ref], pool: Pool[Reader]) -> RemoteState:
    """A remote state in which some files carry the digest of their bytes, as far as those can be had."""
    wanted = tuple(files)
    found = gather([pool.submit(_md5_or_none, ref) for ref in wanted])
    read = {ref: replace(remote.files[ref], read_md5=md5) for ref, md5 in zip(wanted, found, strict=True)}
    return replace(remote, files={**remote.files, **read})


def _md5_or_none(gateway: Reader, file: Ref) -> str | None:
    try:
        return md5_held(gateway, file)
    except NotFound:
        return None
