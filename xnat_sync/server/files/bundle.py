"""Many files as one zip or tar, made while it is sent (``ZipRepresentation``, ``RestFileUtils``)."""

from __future__ import annotations

import re
import tarfile
import zipfile
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, cast

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from starlette.responses import Response

    from xnat_sync.server.files.catalog_rows import Found
    from xnat_sync.server.http.routing import Query

CHUNK: Final = 1024 * 1024


class Bundle(Enum):
    """The kinds, by their ``format=``: media type and extension."""

    ZIP = ("application/zip", "zip")
    TAR = ("application/x-tar", "tar")
    TGZ = ("application/x-gtar", "tar.gz")

    @property
    def media_type(self) -> str:
        """The content type."""
        return self.value[0]

    @property
    def extension(self) -> str:
        """What the file name ends in, and the value of ``format=``."""
        return self.value[1]


def bundle_of(wanted: str | None) -> Bundle | None:
    """The kind that ``format=`` (or an Accept of exactly that type) asks for."""
    return next((kind for kind in Bundle if wanted is not None and wanted.lower() in kind.value), None)


@dataclass(frozen=True, slots=True)
class Packed:
    """A file and its name in the bundle."""

    name: str
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How names in a bundle are made: ``structure=``, the folder for each session, the scan types to show."""

    structure: str
    folders: Mapping[str, str]
    scan_types: Mapping[str, str]
    with_types: bool

    def name(self, found: Found, file: Path) -> str:
        """The name of one file."""
        match self.structure:
            case "legacy":
                return str(file).lstrip("/")
            case "improved":
                return self._improved(found)
            case "simplified":
                return self._default(found).replace("/resources", "").replace("/files", "")
            case _:
                return self._default(found)

    def _default(self, found: Found) -> str:
        """``<SESSION>/scans/<id>-<type>/resources/<LABEL>/files/<path>``."""
        owner = found.resource.owner
        folder, _, part = _split(owner.uri)
        if owner.category == "scans" and self.scan_types.get(owner.cat_id):
            part = f"{part}-{re.sub(r'[^A-Za-z0-9_]', '_', self.scan_types[owner.cat_id])}"
        top = self.folders.get(folder, folder)
        label = found.resource.label or str(found.resource.id)
        return "/".join(piece for piece in (top, part, "resources", label, "files", found.entry.path) if piece)

    def _improved(self, found: Found) -> str:
        """``scans/<id>_<type>/<LABEL>/<path>``; tar names go without the type."""
        owner = found.resource.owner
        part = owner.cat_id
        if part and owner.cat_desc and self.with_types:
            part = f"{part}_{re.sub(r'[/:*?<>|]', '_', owner.cat_desc)}"
        label = found.resource.label or str(found.resource.id)
        return "/".join(piece for piece in (owner.category, part, label, found.entry.path) if piece)


def _split(uri: str) -> tuple[str, str, str]:
    """The accession ID in an owner's URI, its kind, and what follows it (``scans/1``)."""
    for word in ("experiments", "subjects", "projects"):
        head, found, rest = uri.partition(f"/{word}/")
        if found:
            identity, _, part = rest.partition("/")
            return identity, head + word, part
    return uri, "", ""


def bundle_response(kind: Bundle, files: Sequence[Packed], name: str, query: Query) -> Response:
    """The bundle, sent as it is made; no length is known before."""
    pieces = _zip(files, level=_level(query)) if kind is Bundle.ZIP else _tar(files, packed=kind is Bundle.TGZ)
    headers = {"Content-Disposition": f'attachment; filename="{name}.{kind.extension}";'}
    return StreamingResponse(iterate_in_threadpool(pieces), media_type=kind.media_type, headers=headers)


def _level(query: Query) -> int:
    """``compression=8`` compresses; otherwise level 0, which unlike STORED keeps the zip streamable for Java."""
    return 6 if query.get("compression") == "8" else 0


class _Sink:
    """Collects what the packer writes until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""

    def take(self) -> bytes:
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _zip(files: Iterable[Packed], *, level: int) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for packed in files:
            info = zipfile.ZipInfo.from_file(packed.file, packed.name, strict_timestamps=False)
            info.compress_type = zipfile.ZIP_DEFLATED
            # The level of a member has no public name before Python 3.13, and its old name still works there.
            info._compresslevel = level  # type: ignore[attr-defined] # noqa: SLF001
            with (
                packed.file.open("rb") as source,
                archive.open(info, "w", force_zip64=info.file_size > 1 << 31) as target,
            ):
                while chunk := source.read(CHUNK):
                    target.write(chunk)
                    yield sink.take()
            yield sink.take()
    yield sink.take()


def _tar(files: Iterable[Packed], *, packed: bool) -> Iterator[bytes]:
    sink = _Sink()
    with tarfile.open(fileobj=cast("IO[bytes]", sink), mode="w|gz" if packed else "w|") as archive:
        for item in files:
            info = archive.gettarinfo(str(item.file), arcname=item.name)
            info.uname = info.gname = ""
            archive.addfile(info)
            stream = cast("IO[bytes]", archive.fileobj)
            with item.file.open("rb") as source:
                remaining = info.size
                while remaining and (chunk := source.read(min(CHUNK, remaining))):
                    stream.write(chunk)
                    remaining -= len(chunk)
                    yield sink.take()
            padding = -info.size % tarfile.BLOCKSIZE
            stream.write(bytes(padding))
            archive.offset += info.size + padding
            archive.members = []  # type: ignore[attr-defined] # it keeps all it has written; nobody asks again
    yield sink.take()
