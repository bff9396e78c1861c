"""The two sides that a plan compares: what the manifest wants, and what the server holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xnat_sync.core.errors import Origin
    from xnat_sync.core.refs import Ref

Fields = Mapping[str, str | None]
"""Attribute name (`datatypes`) to value as text; ``None`` means *must be empty*."""


class Found(NamedTuple):
    """A value that nobody wrote: it comes from an image. ``source`` says in a few words from where.

    It stands only where the server has none, or with ``over`` in place of the server's.
    """

    value: str
    source: str
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectSpec:
    """One project, subject, session or scan as the manifest wants it.

    Only the attributes in ``fields`` matter, and those in ``found`` that are not in ``fields``.
    """

    ref: Ref
    xsi_type: str
    fields: Fields = field(default_factory=dict)
    found: Mapping[str, Found] = field(default_factory=dict)
    create: bool = True
    """Whether it may be made if it is missing: only a project may say no."""
    origin: Origin | None = field(default=None, compare=False)

    @property
    def names(self) -> frozenset[str]:
        """The attributes that a comparison has to know of the server."""
        return frozenset(self.fields) | self.found.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSpec:
    """One file as the manifest wants it: ``size`` in bytes, ``md5`` in hex or ``None`` while nobody has hashed it.

    ``path`` is plain text for the shell to open; ``format`` and ``content`` are XNAT's labels for the file, ``None``
    where the manifest says nothing.
    """

    ref: Ref
    path: str
    size: int
    md5: str | None = None
    format: str | None = None
    content: str | None = None
    mtime_ns: int = field(default=0, compare=False)
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Everything that one study wants. The parents of each object and file are always among ``objects``.

    ``absent`` are the things that must not exist.
    """

    objects: Mapping[Ref, ObjectSpec]
    files: Mapping[Ref, FileSpec]
    absent: Mapping[Ref, Origin | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject:
    """One object on the server. ``project`` is its primary project, which differs from the ref's where it is shared."""

    ref: Ref
    accession_id: str
    xsi_type: str
    fields: Mapping[str, str] = field(default_factory=dict)
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file in a server's catalog: ``md5`` is ``None``, never *empty*, and ``size`` -1 where it does not say.

    ``on_disk`` is its true size, -1 if it is gone, ``None`` while nobody has looked. ``read_md5`` is that of its bytes,
    where somebody has read them since the server states none.
    """

    ref: Ref
    size: int
    md5: str | None = None
    format: str = ""
    content: str = ""
    on_disk: int | None = None
    read_md5: str | None = None

    @property
    def known_md5(self) -> str | None:
        """The digest that it is compared by."""
        return self.md5 or self.read_md5


def by_ref(files: Iterable[RemoteFile]) -> dict[Ref, RemoteFile]:
    """Files of one or several listings by what they are; of two rows for one file the first, which uploads change."""
    found: dict[Ref, RemoteFile] = {}
    for file in files:
        found.setdefault(file.ref, file)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteState:
    """What the server holds for one project, as far as the manifest needs to know.

    ``objects`` are all subjects, sessions and scans of the project; ``files`` those of the sessions, subjects and
    project that the manifest touches; ``resources`` the resources that are known to exist without files; ``doubled``
    those that exist twice under one label; ``unlisted`` the files that lie on disk and in no catalog, where somebody
    looked. ``keeps_digests`` is ``None`` where only the listing can tell whether the server computes digests.
    """

    objects: Mapping[Ref, RemoteObject]
    files: Mapping[Ref, RemoteFile]
    resources: frozenset[Ref] = frozenset()
    doubled: frozenset[Ref] = frozenset()
    unlisted: frozenset[Ref] = frozenset()
    keeps_digests: bool | None = None
