"""The two sides that a plan compares: what the manifest wants, and what the server holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from xnat_sync.core.model.attributes import SESSION_TYPES
from xnat_sync.core.model.refs import Level

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.refs import Ref

Value = TypeVar("Value")
Fields = Mapping[str, str | None]
"""Attribute name (`datatypes`) to value as text; ``None`` means *must be empty*."""


_NOTHING: Mapping[str, Any] = {}
"""What most objects have not; never changed."""
_MOST_ALIKE = 4096


class Alike:
    """Makes one of equal mappings: most scans of a study say the same few things."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, Any], ...], Mapping[str, Any]] = {}

    def of(self, values: Mapping[str, Value]) -> Mapping[str, Value]:
        """The mapping, or one like it that came before. Nobody may change it any more."""
        if len(self._known) >= _MOST_ALIKE:
            self._known.clear()
        return self._known.setdefault(tuple(values.items()), values)


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
    fields: Fields = field(default_factory=lambda: _NOTHING)
    found: Mapping[str, Found] = field(default_factory=lambda: _NOTHING)
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
class Prune:
    """What a place of the manifest says of that which nobody names there: of ``levels`` it must not exist.

    That holds for everything described below the place too, up to the next one that says something. What has a label
    that matches one of ``keep`` stays, and a session that the study names ``elsewhere``.
    """

    levels: frozenset[Level] = frozenset()
    keep: tuple[str, ...] = ()
    elsewhere: frozenset[str] = frozenset()
    origin: Origin | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Everything that one study wants. The parents of each object and file are always among ``objects``.

    ``absent`` are the things that must not exist. ``prune`` are the places that say what becomes of things that nobody
    names; ``unnamed`` are those of which that is known. ``vacant`` are the resources that are described and have no
    local file now, with the pattern that finds none.
    """

    objects: Mapping[Ref, ObjectSpec]
    files: Mapping[Ref, FileSpec]
    absent: Mapping[Ref, Origin | None] = field(default_factory=dict)
    prune: Mapping[Ref, Prune] = field(default_factory=dict)
    unnamed: frozenset[Ref] = frozenset()
    vacant: Mapping[Ref, str] = field(default_factory=dict)

    @property
    def unwanted(self) -> frozenset[Ref]:
        """Everything that is known by name and must not exist."""
        return self.unnamed.union(self.absent)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteObject:
    """One object on the server.

    ``project`` is its primary project, which differs from the ref's where it is shared; ``parent_id`` the accession ID
    of the subject or session that it lies in, empty where the server does not tell.
    """

    ref: Ref
    accession_id: str
    xsi_type: str
    fields: Mapping[str, str] = field(default_factory=dict)
    project: str = ""
    parent_id: str = field(default="", compare=False)


def is_own(held: RemoteObject) -> bool:
    """Whether an object belongs to the project in which it was found, and is not shared into it."""
    return held.project in ("", held.ref.project)


def is_imaging(held: RemoteObject, scanned: Container[Ref | None]) -> bool:
    """Whether a manifest can speak of an object: an experiment has to be an imaging session, as its scans show too.

    ``scanned`` are the sessions that have scans: a site may have session types of its own.
    """
    return held.ref.level is not Level.SESSION or held.xsi_type in SESSION_TYPES or held.ref in scanned


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


def by_ref(files: Iterable[RemoteFile], wanted: Mapping[Any, FileSpec] = _NOTHING) -> dict[Ref, RemoteFile]:
    """Files of one or several listings by what they are; of two rows for one file the first, which uploads change.

    Those that are ``wanted`` share their refs with those who want them: a third of what a listed file takes.
    """
    found: dict[Ref, RemoteFile] = {}
    for file in files:
        spec = wanted.get(file.ref)
        if spec is None:
            found.setdefault(file.ref, file)
        elif spec.ref not in found:
            found[spec.ref] = RemoteFile(
                ref=spec.ref,
                size=file.size,
                md5=file.md5,
                format=file.format,
                content=file.content,
                on_disk=file.on_disk,
            )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteState:
    """What the server holds for one project, as far as the manifest needs to know.

    ``objects`` are all subjects, sessions and scans of the project; ``files`` those of the sessions, subjects and
    project that the manifest touches; ``resources`` the resources that are known to exist without files; ``doubled``
    those that exist twice under one label; ``unlisted`` the files that lie on disk and in no catalog, where somebody
    looked; ``tied`` the subjects and sessions that nobody names and on which more hangs than is read (`hanging`);
    ``lent`` the subjects that must not exist and have experiments of other projects, ``unseen`` those that have
    experiments of their own project in no list of it. ``keeps_digests`` is ``None`` where only the listing can tell
    whether the server computes digests.
    """

    objects: Mapping[Ref, RemoteObject]
    files: Mapping[Ref, RemoteFile]
    resources: frozenset[Ref] = frozenset()
    doubled: frozenset[Ref] = frozenset()
    unlisted: frozenset[Ref] = frozenset()
    tied: frozenset[Ref] = frozenset()
    lent: frozenset[Ref] = frozenset()
    unseen: frozenset[Ref] = frozenset()
    keeps_digests: bool | None = None
