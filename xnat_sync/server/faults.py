"""Ordered, deterministic faults for tests: set from Python or from a file at the start, never over HTTP.

A rule names a *point*. The application asks at ``request`` and ``response``; the file half asks at its own points
(``digest``, ``catalog``, ``disk``, ``lock``). The first rule that matches and still has work to do is taken.
"""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class FaultKind(Enum):
    """What goes wrong."""

    STATUS = "status"
    DELAY = "delay"
    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    CUT_BODY = "cut-body"
    LOGIN_PAGE = "login-page"
    ANONYMOUS = "anonymous"
    ASTRAY = "astray"
    WRONG_DIGEST = "wrong-digest"
    BLANK_DIGEST = "blank-digest"
    CATALOG_CONFLICT = "catalog-conflict"
    DISK_FULL = "disk-full"
    LOCK_TIMEOUT = "lock-timeout"


POINT_OF = {
    FaultKind.STATUS: "request",
    FaultKind.DELAY: "request",
    FaultKind.DROP_BEFORE: "request",
    FaultKind.LOGIN_PAGE: "request",
    FaultKind.ANONYMOUS: "request",
    FaultKind.ASTRAY: "request",
    FaultKind.DROP_AFTER: "response",
    FaultKind.CUT_BODY: "response",
    FaultKind.WRONG_DIGEST: "digest",
    FaultKind.BLANK_DIGEST: "digest",
    FaultKind.CATALOG_CONFLICT: "catalog",
    FaultKind.DISK_FULL: "disk",
    FaultKind.LOCK_TIMEOUT: "lock",
}
"""The point at which each kind of fault acts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A rule: at calls ``first`` … ``first + times - 1`` whose method and raw path match, the ``kind`` happens.

    ``path`` is a regular expression searched in the raw path; ``times=0`` means for ever. ``to`` is what is put in the
    place of what it finds, where a request goes astray.
    """

    kind: FaultKind
    method: str = ""
    path: str = ""
    first: int = 1
    times: int = 1
    status: int = 500
    message: str = ""
    to: str = ""
    seconds: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def matches(self, point: str, method: str, path: str) -> bool:
        """Whether the rule concerns this call at this point."""
        return (
            POINT_OF[self.kind] == point
            and self.method in {"", method}
            and (not self.path or re.search(self.path, path) is not None)
        )


class Faults:
    """The rules in order, each with its own count of matching calls."""

    def __init__(self, rules: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._rules: deque[tuple[Fault, list[int]]] = deque((rule, [0]) for rule in rules)

    def add(self, rule: Fault) -> None:
        """Appends a rule."""
        with self._lock:
            self._rules.append((rule, [0]))

    def clear(self) -> None:
        """Removes all rules."""
        with self._lock:
            self._rules.clear()

    def take(self, point: str, path: str, method: str = "") -> Fault | None:
        """The fault that happens to this call, counting the call for every rule that it matches."""
        taken: Fault | None = None
        with self._lock:
            for rule, seen in self._rules:
                if not rule.matches(point, method or rule.method, path):
                    continue
                seen[0] += 1
                due = seen[0] >= rule.first and (rule.times == 0 or seen[0] < rule.first + rule.times)
                if due and taken is None:
                    taken = rule
        return taken


def load_faults(path: Path) -> Faults:
    """Rules from a JSON file: a list of objects with the keys of :class:`Fault`.

    Raises ``ValueError`` naming the rule that cannot be understood.
    """
    rules = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(rules, list):
        message = f"{path}: expected a list of fault rules"
        raise ValueError(message)  # noqa: TRY004 - one error class for all that a person can write wrongly in the file
    return Faults(_rule(number, data) for number, data in enumerate(rules, start=1))


def _rule(number: int, data: Any) -> Fault:
    known = {item.name for item in fields(Fault)}
    if not isinstance(data, dict) or not set(data) <= known:
        message = f"fault rule {number}: keys must be among {', '.join(sorted(known))}"
        raise ValueError(message)
    try:
        return Fault(**{**data, "kind": FaultKind(data.get("kind"))})
    except (TypeError, ValueError) as error:
        message = f"fault rule {number}: {error}"
        raise ValueError(message) from error
