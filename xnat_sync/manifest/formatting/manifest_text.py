"""Plain data as the text of a manifest that has its normal form from the first day. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from xnat_sync.core.formats.yaml_writer import yaml_text
from xnat_sync.manifest.formatting.key_order import in_order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xnat_sync.core.formats.yaml_writer import Plain


def manifest_text(data: Mapping[str, Plain], *, schema: str | None = None) -> str:
    """A manifest as text, with the line by which an editor finds its ``schema``; `fmt` has nothing to change in it."""
    head = f"# yaml-language-server: $schema={schema}\n" if schema else ""
    return head + yaml_text(cast("Mapping[str, Plain]", in_order(data)))
