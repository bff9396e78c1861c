"""The ``files`` of a resource, in any of their forms, as one list of requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.manifest.text.document import FromEnvironment, Map, Seq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.manifest.text.document import Node
    from xnat_sync.manifest.text.problems import Problems


class FileRequest(NamedTuple):
    """Some local files that a resource shall have, or, without a ``pattern``, one that it must not have.

    ``name`` is the path inside the resource of exactly one file; without it each file goes by its own name into
    ``folder``, below the part of its path that follows ``relative_to``.
    """

    node: Node
    pattern: str | None
    name: str | None = None
    folder: str = ""
    relative_to: str | None = None
    optional: bool = False
    expect: int | None = None
    size: int | None = None
    md5: str | None = None
    beside: bool = False
    """The files are those that apply to the image which ``pattern`` names, by the rules of BIDS."""


def read_requests(files: Node, problems: Problems) -> Iterator[FileRequest]:
    """Every request of a ``files`` value that fits the schema; what contradicts itself is noted and left out."""
    match files.value:
        case str():
            yield FileRequest(node=files, pattern=files.text)
        case Seq():
            for item in files.sound():
                request = _listed(item, problems)
                if request:
                    yield request
        case Map():
            stray = files.labels().get("from")
            if stray is not None and stray.text is not None:
                hint = "write a list: files: [{from: …}]; a mapping has names inside the resource as keys"
                problems.add("XS021", "files has the key from", stray.key_origin(), hint=hint)
                return
            for name, item in files.labels().items():
                request = _named(name, item, problems)
                if request:
                    yield request
        case _:
            return


def _listed(item: Node, problems: Problems) -> FileRequest | None:
    if not item.is_map:
        return FileRequest(node=item, pattern=item.text)
    said = item.entries()
    if "side_files_of" in said:
        return FileRequest(node=said["side_files_of"], pattern=said["side_files_of"].text, beside=True)
    if "from" not in said:
        return None
    to = said.get("to")
    target = to.text or "" if to else ""
    if to and isinstance(to.value, FromEnvironment):
        problems.add("XS031", "a file name is taken from the environment", to.origin())
        return None
    relative_to = said["relative_to"].text if "relative_to" in said else None
    renames = bool(target) and not target.endswith("/")
    if renames and to and relative_to is not None:
        problems.add("XS023", "to renames one file, relative_to keeps the paths of many", to.key_origin())
        return None
    return FileRequest(
        node=said["from"],
        pattern=said["from"].text,
        name=target if renames else None,
        folder="" if renames else target,
        relative_to=relative_to,
        optional="optional" in said and said["optional"].text == "true",
        expect=_number(said.get("expect")),
        size=_number(said.get("size")),
        md5=_digest(said.get("md5")),
    )


def _named(name: str, item: Node, problems: Problems) -> FileRequest | None:
    if not item.is_map:
        return FileRequest(node=item, pattern=item.text, name=name)
    said = item.entries()
    if "state" in said and said["state"].text == "absent":
        for key, other in said.items():
            if key != "state":
                problems.add("XS022", f"{key} stands beside state: absent", other.key_origin())
        return FileRequest(node=item, pattern=None, name=name)
    if "from" not in said:
        if not item.has("from") and not item.has("state"):
            problems.add("XS021", f"{name} does not say from which file", item.key_origin(), hint="add from: PATH")
        return None
    return FileRequest(
        node=said["from"],
        pattern=said["from"].text,
        name=name,
        size=_number(said.get("size")),
        md5=_digest(said.get("md5")),
    )


def _number(node: Node | None) -> int | None:
    return int(node.text) if node and node.text else None


def _digest(node: Node | None) -> str | None:
    return node.text.lower() if node and node.text else None
