"""Paths and patterns into the regular files below a root, and never a file outside of it."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xnat_sync.core.formats.bids import side_files
from xnat_sync.core.model.local_port import Breach, FoundFile, Matches

if TYPE_CHECKING:
    from collections.abc import Iterator

# A path of which nothing needs to be asked but whether it is there.
_USUAL = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9_.-]*/)*[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_WILD = re.compile(r"[*?\[]")
_BRACE = re.compile(r"[{}]")
# A character that is meant as such.
_ONE_OF_ONE = re.compile(r"\[.\]")
_POINTER_SIZE = 1024
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = b"/annex/objects/"
_ANNEX_LINK = ".git/annex/objects/"


class FileFinder:
    """Finds files; folders are listed once in the finder's life."""

    def __init__(self) -> None:
        self._folders: dict[str, _Folder | None] = {}
        self._real: dict[str, str] = {}
        # Whether a folder lies in a root.
        self._judged: dict[tuple[str, str], bool] = {}
        # Folders that the pattern at hand leads into and that may not be listed.
        self._closed: dict[str, str] = {}
        # Where it has been with how much of the pattern left.
        self._walked: set[tuple[str, str, int]] = set()

    def find(self, root: str, pattern: str) -> Matches:
        """The files that a pattern names below an absolute root, as `LocalSide.find` promises.

        ``*`` and ``?`` match within a name, ``[ab]`` one of some characters, ``**`` any number of folders. A hidden
        name is matched only by a pattern that begins with a dot. ``**`` does not follow links to folders.
        """
        if _USUAL.fullmatch(pattern):
            found = self._take(root, str(pattern), plain=True)
            return Matches((found,)) if isinstance(found, FoundFile) else Matches((), (found,) if found else ())
        parts = pattern.removeprefix("./").split("/")
        wrong = _pattern_error(pattern, parts)
        if wrong:
            return Matches(breaches=(wrong,))
        plain = not _WILD.search(pattern)
        files: dict[str, FoundFile] = {}
        breaches: list[Breach] = []
        self._closed = {}
        for name in self._names(root, parts) if not plain else ["/".join(parts)]:
            found = self._take(root, name, plain=plain)
            if isinstance(found, FoundFile):
                files[name] = found
            elif found is not None:
                breaches.append(found)
        breaches += (_unlistable(name, why) for name, why in sorted(self._closed.items()))
        return Matches(files=tuple(files.values()), breaches=tuple(breaches))

    def paths(self, root: str, pattern: str) -> list[str]:
        """The names below an absolute root that a pattern matches, sorted; what cannot be listed has none.

        Nothing is opened: `find` says whether a file can be taken.
        """
        parts = pattern.removeprefix("./").split("/")
        return [] if _pattern_error(pattern, parts) else self._names(root, parts)

    def side_files(self, root: str, image: str) -> list[str]:
        """The files that apply to an image, from its folder and all above, see `bids.side_files`."""
        folders: dict[str, list[str]] = {}
        folder = image.rpartition("/")[0]
        while True:
            listed = self._list(root, f"{folder}/" if folder else "")
            if listed:
                folders[folder] = listed.files
            if not folder:
                return side_files(image, folders)
            folder = folder.rpartition("/")[0]

    def _names(self, root: str, parts: list[str]) -> list[str]:
        """The names that a pattern matches, sorted."""
        self._walked = set()
        # Any folders below any folders are any folders.
        fewer = [part for place, part in enumerate(parts) if part != "**" or parts[place - 1 : place] != ["**"]]
        return sorted(set(self._walk(root, "", fewer)))

    def _walk(self, root: str, folder: str, parts: list[str]) -> Iterator[str]:
        """The names below a folder that the rest of a pattern matches; the last part may be anything but a folder."""
        here = (folder, parts[0], len(parts))
        listed = self._list(root, folder) if here not in self._walked else None
        # Several ** lead to one place on many ways.
        self._walked.add(here)
        if listed is None:
            return
        if listed.error:
            self._closed[folder] = listed.error
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._walk_deep(root, folder, listed, rest)
            return
        if _WILD.search(part):
            matches = re.compile(fnmatch.translate(part)).match
            names = [name for name in listed.names if matches(name) and _seen(name, part)]
        else:
            names = [part] if part in listed.names else []
        for name in names:
            below = folder + name
            if rest:
                yield from self._walk(root, below + "/", rest)
            elif not listed.is_folder(name):
                yield below

    def _walk_deep(self, root: str, folder: str, listed: _Folder, rest: list[str]) -> Iterator[str]:
        # A pattern that ends in ** means every file below.
        yield from self._walk(root, folder, rest or ["*"])
        for name in listed.real_folders:
            if not name.startswith("."):
                yield from self._walk(root, f"{folder}{name}/", ["**", *rest])

    def _list(self, root: str, folder: str) -> _Folder | None:
        """The content of a folder, ``None`` if it is none or cannot be listed."""
        path = f"{root}/{folder}"
        if path not in self._folders:
            self._folders[path] = _scan(path)
        return self._folders[path]

    def _take(self, root: str, name: str, *, plain: bool) -> FoundFile | Breach | None:
        path = f"{root}/{name}"
        try:
            status = os.lstat(path)
            linked = stat.S_ISLNK(status.st_mode)
            if linked:
                status = Path(path).stat()
        except OSError as error:
            return _missing(path, name, error)
        if not self._inside(root, path, linked=linked):
            return Breach(rule="XS204", summary=f"{name!r} leads out of the root, or to what git keeps for itself")
        if stat.S_ISDIR(status.st_mode):
            return _not_regular(name, "a folder") if plain else None
        if not stat.S_ISREG(status.st_mode):
            return _not_regular(name, _kind(status.st_mode))
        unfit = _content_error(path, name, status.st_size)
        if unfit:
            return unfit
        return FoundFile(name, path, status.st_size, status.st_mtime_ns)

    def _inside(self, root: str, path: str, *, linked: bool) -> bool:
        # Folders are judged once; only a file that is itself a link needs its own way.
        if linked:
            return self._leads_into(root, os.path.realpath(path))
        place = (root, path.rpartition("/")[0])
        if place not in self._judged:
            self._judged[place] = self._leads_into(root, self._real_folder(place[1]) + "/")
        return self._judged[place]

    def _leads_into(self, root: str, real: str) -> bool:
        above = self._real_folder(root).rstrip("/") + "/"
        # A checkout's settings may hold a token; what git-annex keeps is the content of files.
        return real.startswith(above) and ("/.git/" not in real or "/annex/objects/" in real)

    def _real_folder(self, folder: str) -> str:
        if folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real[folder]


@dataclass(slots=True)
class _Folder:
    """The names in one folder, sorted; ``real_folders`` are those that are folders and not links to some."""

    path: str
    names: list[str]
    real_folders: list[str]
    files: list[str] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)
    error: str = ""

    def is_folder(self, name: str) -> bool:
        """Whether a name is a folder, links followed."""
        return name in self.folders


def _scan(path: str) -> _Folder | None:
    folder = _Folder(path=path, names=[], real_folders=[])
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                folder.names.append(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    folder.real_folders.append(entry.name)
                    folder.folders.add(entry.name)
                elif entry.is_symlink() and _leads_to_folder(entry):
                    folder.folders.add(entry.name)
                else:
                    folder.files.append(entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        folder.error = (error.strerror or str(error)).lower()
    folder.names.sort()
    folder.real_folders.sort()
    return folder


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link to itself: a name like any other, that cannot be opened.
        return False


def _seen(name: str, pattern: str) -> bool:
    return not name.startswith(".") or pattern.startswith(".")


def _pattern_error(pattern: str, parts: list[str]) -> Breach | None:
    why = ""
    hint = ""
    if "\\" in pattern or "\0" in pattern:
        why, hint = "has a backslash in it", "write / between folders"
    elif _BRACE.search(_ONE_OF_ONE.sub("", pattern)):
        why, hint = (
            "has a brace in it, which is kept for a later version",
            "write [{] for the character itself, or a list of patterns",
        )
    elif pattern.startswith("/"):
        why, hint = "is an absolute path", "write it relative to root"
    elif ".." in parts:
        why, hint = "leads upwards", "set root further up"
    elif pattern.endswith("/"):
        why, hint = "names a folder", f"write {pattern}* for the files in it, {pattern}** for all below"
    elif "" in parts or "." in parts:
        why = "has an empty part"
    elif any("**" in part and part != "**" for part in parts):
        why, hint = "has ** beside other characters", "** stands for whole folders: a/**/b"
    return Breach(rule="XS215", summary=f"the pattern {pattern!r} {why}", hint=hint) if why else None


def _unlistable(folder: str, why: str) -> Breach:
    return Breach(rule="XS206", summary=f"the folder {folder!r} cannot be listed: {why}")


def _missing(path: str, name: str, error: OSError) -> Breach:
    try:
        target = str(Path(path).readlink())
    except OSError:
        target = ""
    if _ANNEX_LINK in target.replace(os.sep, "/"):
        return Breach(rule="XS207", summary=f"the content of {name!r} is in git-annex and not here")
    if target:
        return Breach(rule="XS201", summary=f"{name!r} is a link to something that does not exist or cannot be reached")
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Breach(rule="XS201", summary=f"there is no file {name!r}", hint=_near(path))
    return Breach(rule="XS206", summary=f"{name!r} cannot be read: {(error.strerror or str(error)).lower()}")


def _near(path: str) -> str:
    """Name a file that differs in case only: the usual slip when a study moves between systems."""
    folder, _, name = path.rpartition("/")
    listed = _scan(folder)
    twins = [other for other in listed.names if other.casefold() == name.casefold()] if listed else []
    return f"did you mean {twins[0]}?" if twins else ""


def _not_regular(name: str, what: str) -> Breach:
    return Breach(rule="XS205", summary=f"{name!r} is {what}, not a regular file")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device"}
    return kinds.get(stat.S_IFMT(mode), "something else")


def _content_error(path: str, name: str, size: int) -> Breach | None:
    """Open the file, which is the only proof that it can be read, and look whether it merely points to its content."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return Breach(rule="XS206", summary=f"{name!r} cannot be read: {(error.strerror or str(error)).lower()}")
    try:
        head = os.read(descriptor, _POINTER_SIZE) if size <= _POINTER_SIZE else b""
    finally:
        os.close(descriptor)
    if head.startswith(_LFS):
        return Breach(rule="XS207", summary=f"{name!r} is a git-lfs pointer; its content is not here")
    if head.startswith(_ANNEX) and b"\n" in head:
        return Breach(rule="XS207", summary=f"{name!r} is a git-annex pointer; its content is not here")
    return None
