"""What the tops of all manifests of a study must agree on: version, project and server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xnat_sync.core.model.refs import Level
from xnat_sync.manifest.desired.label_rules import label_breach
from xnat_sync.manifest.text.document import FromEnvironment, Map, Node, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.manifest.sources import Source
    from xnat_sync.manifest.text.problems import Problems

EMBEDDED = "embedded:"


def check_versions(sources: Iterable[Source], problems: Problems) -> None:
    """A manifest that nobody includes must say which language it speaks."""
    for source in sources:
        top = source.document.root()
        if source.includer is None and not top.has("version"):
            problems.add("XS015", "the manifest does not say its version", top.origin())


def project_of(sources: Sequence[Source], problems: Problems) -> str | None:
    """The project's ID, which all manifests that say one must agree on."""
    said = [node for source in sources if (node := _project_node(source))]
    if not said:
        written = any(source.document.root().has("project") for source in sources)
        if sources and not written:
            top = sources[0].document.root()
            problems.add("XS014", "no manifest says which project it describes", top.origin())
        return None
    for node in _dissenters(said):
        there = said[0].origin()
        summary = f"the project is {shown(node.text or '')} here and {shown(said[0].text or '')} in "
        problems.add("XS013", f"{summary}{there.file}:{there.line}", node.origin())
    label = str(said[0].text)
    for node in said:
        if isinstance(node.value, FromEnvironment):
            problems.add("XS031", "the project is taken from the environment", node.origin())
    breach = label_breach(Level.PROJECT, label)
    if breach:
        problems.add(breach.rule, breach.summary, said[0].origin(), hint=breach.hint)
    return label


def agreed_server(sources: Sequence[Source], problems: Problems) -> str | None:
    """The server, if a manifest names one; all that name one must agree."""
    said = [node for source in sources if (node := source.document.root().entries().get("server")) and node.text]
    if not said:
        return None
    for node in said:
        _check_server(node, problems)
    for node in _dissenters(said):
        there = said[0].origin()
        problems.add("XS013", f"the server is another in {there.file}:{there.line}", _discreet(node))
    return str(said[0].text)


def _project_node(source: Source) -> Node | None:
    node = source.document.root().entries().get("project")
    if node is not None and isinstance(node.value, Map):
        node = node.entries().get("id")
    return node if node and node.text else None


def _dissenters(said: list[Node]) -> list[Node]:
    return [node for node in said[1:] if node.text != said[0].text]


def _discreet(node: Node) -> Origin:
    """The place of an address without the line itself if that may hold a password."""
    origin = node.origin()
    return origin._replace(excerpt="") if "@" in origin.excerpt else origin


def _check_server(node: Node, problems: Problems) -> None:
    text = str(node.text)
    if text.startswith(EMBEDDED):
        # It would make a database in whatever folder the manifest names.
        problems.add("XS038", "a manifest cannot name an embedded server", node.origin())
        return
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.username is not None or parts.password is not None:
        problems.add("XS032", "the server's address has credentials in it", _discreet(node))
    elif parts.scheme not in ("http", "https") or not host or port == 0 or parts.query or parts.fragment:
        problems.add("XS033", f"{shown(node.text or '')} is not the address of a server", node.origin())
