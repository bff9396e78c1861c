"""The world around a command: its streams and its environment."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """Where a command reads and writes. Tests give their own; this is the only reader of the environment."""

    out: TextIO = field(default_factory=lambda: _tolerant(sys.stdout))
    err: TextIO = field(default_factory=lambda: _tolerant(sys.stderr))
    stdin: TextIO = field(default_factory=lambda: sys.stdin or io.StringIO())
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)


def _tolerant(stream: TextIO | None) -> TextIO:
    """A stream that spells out what its encoding lacks; for one that is closed (``2>&-``), one that goes nowhere.

    It is written line by line, so that in a file that takes both streams (``> log 2>&1``) their lines are in order.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)
    return stream or io.StringIO()
