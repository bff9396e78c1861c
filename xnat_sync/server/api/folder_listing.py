"""The real folder of a session (``DIRResource``): the only REST view of files that no catalog names."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from xnat_sync.server.storage.archive import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

COLUMNS: Final = ("Name", "DIR", "Size", "URI")


@dataclass(frozen=True, slots=True)
class Listed:
    """A file or folder, and the folder that its name is relative to."""

    path: Path
    root: Path


def matches(session: Path, tail: str) -> list[Path]:
    """What a path below ``DIR`` means; each part may be a glob. The session itself for an empty one."""
    found = [session]
    for part in tail.strip("/").split("/") if tail.strip("/") else []:
        found = [child for folder in found for child in _children(folder) if fnmatchcase(child.name, part)]
    return found


def listing(places: Iterable[Path], *, recursive: bool) -> Iterator[Listed]:
    """The files and folders directly in these places, or all files below them."""
    for place in places:
        if not place.is_dir():
            yield Listed(place, place)
        elif recursive:
            yield from (Listed(file, place) for _, file in walk(place))
        else:
            yield from (Listed(child, place) for child in _children(place))


def row(listed: Listed, session: Path, experiment: str) -> dict[str, str]:
    """A row of the listing; folders end in a slash."""
    is_folder = listed.path.is_dir()
    end = "/" if is_folder else ""
    name = "" if listed.path == listed.root else f"{listed.path.relative_to(listed.root).as_posix()}{end}"
    place = f"{listed.path.relative_to(session).as_posix()}{end}"
    return {
        "Name": name,
        "DIR": "true" if is_folder else "false",
        "Size": str(listed.path.stat().st_size),
        "URI": f"/data/experiments/{experiment}/DIR/{place}",
    }


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(child for child in folder.iterdir() if not child.is_symlink())
