"""Patterns of paths that catch parts of them: ``{subject:sub-*}/{session:ses-*}/{datatype}/{stem}.nii.gz``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CAPTURE = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WHOLE = "int"


@dataclass(frozen=True, slots=True)
class PathPattern:
    """A pattern in both its forms: the glob that finds files, and the expression that takes their paths apart."""

    glob: str
    expression: re.Pattern[str]

    @classmethod
    def of(cls, text: str) -> PathPattern:
        """A pattern from its text. A name that comes again must have caught the same.

        Raises:
            ValueError: the text is no such pattern; says why.

        """
        globs: list[str] = []
        parts: list[str] = []
        names: set[str] = set()
        end = 0
        for found in _CAPTURE.finditer(text):
            between = text[end : found.start()]
            globs.append(between)
            parts.append(_expression(between))
            name, shape = found[1], found[2]
            if not _NAME.fullmatch(name):
                raise ValueError(f"{found.group()!r} has no name to catch under")
            globs.append(_glob_of(shape))
            parts.append(f"(?P={name})" if name in names else f"(?P<{name}>{_shape(shape)})")
            names.add(name)
            end = found.end()
        rest = text[end:]
        globs.append(rest)
        parts.append(_expression(rest))
        glob = "".join(globs)
        if "{" in glob or "}" in glob:
            raise ValueError("has a brace that is not closed, or one inside another")
        # Stars beside other characters are one star: that finds more than the expression lets pass, never less.
        folders = [part if part == "**" else re.sub(r"\*+", "*", part) for part in glob.split("/")]
        return cls("/".join(folders), _compiled(parts))

    def match(self, path: str) -> dict[str, str] | None:
        """What a path has in the places that have names, ``None`` if it does not fit."""
        found = self.expression.fullmatch(path)
        return found.groupdict() if found else None


def _compiled(parts: list[str]) -> re.Pattern[str]:
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error as error:
        raise ValueError(str(error)) from error


def _glob_of(shape: str | None) -> str:
    return "*" if shape in (None, "", _WHOLE) else str(shape)


def _shape(shape: str | None) -> str:
    if shape == _WHOLE:
        return "[0-9]+"
    return _expression(shape) if shape else "[^/]+"


def _expression(glob: str) -> str:
    """The regular expression of a glob."""
    made = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", glob, re.DOTALL):
        match part:
            case "**/":
                made += "(?:[^/]+/)*"
            case "**":
                made += ".*"
            case "*":
                made += "[^/]*"
            case "?":
                made += "[^/]"
            case _ if len(part) > 1:
                made += part.replace("[!", "[^")
            case _:
                made += re.escape(part)
    return made
