"""The closed choices that steer a comparison, and how much is asked at a time where nobody says."""

from __future__ import annotations

import enum
from dataclasses import dataclass

DEFAULT_JOBS = 6
"""Requests at a time: fewer leave a slow link idle (``benchmarks.jobs``).

More are a burden on the server, which reads and writes a catalog for every upload (`CatalogUtils`); one that answers
429 or 503 gets fewer anyway.
"""


class Compare(enum.Enum):
    """How two files are held to be the same."""

    DIGEST = "digest"
    """Same size, and same MD5 wherever the server states one."""
    READ = "read"
    """The same, and where the server states no digest its file is read."""
    SIZE = "size"
    """Same size; the content is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPolicy:
    """How to compare, and what to look at: ``only`` are patterns over `Ref.short`, none meaning everything.

    ``disk`` asks for the sizes of the files on the server's disk too: catalogs may say what is not so.
    """

    compare: Compare = Compare.DIGEST
    only: tuple[str, ...] = ()
    disk: bool = False
