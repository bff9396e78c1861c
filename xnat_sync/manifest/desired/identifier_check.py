"""The identifier gate: what may say who somebody is, gathered over a study and told once for each kind and place.

No message has the text that was found, nor a line of the manifest that could have it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xnat_sync.core.formats.identifiers import (
    CONTACTS,
    STRONG,
    Trace,
    column_rule,
    has_long_number,
    is_above_89,
    is_null,
    is_shifted,
    key_rule,
    names_exam,
    traces,
    without,
)
from xnat_sync.core.model.attributes import CUSTOM_PREFIX
from xnat_sync.core.model.errors import Severity
from xnat_sync.core.model.local_port import Clue
from xnat_sync.core.model.refs import Level
from xnat_sync.core.model.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import FileSpec, ObjectSpec
    from xnat_sync.manifest.desired.ignores import Ignores
    from xnat_sync.manifest.text.problems import Problems

_SHOWN = 3
_EMPTY_ROOM = "sub-emptyroom"


@dataclass(slots=True)
class _Group:
    """All finds of one kind at one place; names are in the order in which they were found, each once."""

    origin: Origin | None
    ref: Ref | None
    names: dict[str, None] = field(default_factory=dict)
    count: int = 0


class Gate:
    """Gathers clues, passes over those that the manifest ignores, and tells the rest as problems."""

    def __init__(self, problems: Problems, ignores: Ignores) -> None:
        self._problems = problems
        self._ignores = ignores
        self._groups: dict[tuple[str, str], _Group] = {}
        self._described: dict[str, dict[Ref, None]] = {}
        self._words: dict[str, dict[str, None]] = {}
        self._resources: set[Ref] = set()
        self._concealed: dict[str, str] = {}

    def take_file(self, spec: FileSpec, found: Sequence[Clue]) -> None:
        """Take what a file's content gives away, its name with the folders of its resource, and the resource's."""
        own = _name_clues(spec.ref.label)
        self._take_resource(spec)
        if not own and not found:
            return
        if any(RULES[clue.rule].severity is Severity.ERROR for clue in own):
            # No message about anything else names it either: it must get another name first.
            for label in (spec.ref.label, spec.path):
                base = label.rpartition("/")[2]
                self._concealed[base] = next((clue.name for clue in _name_clues(base) if clue.name), base)
        # A name that is a clue itself is not repeated beside another.
        safe = next((clue.name for clue in own), None) or spec.ref.label.rpartition("/")[2]
        for clue in (*found, *own):
            if not self._ignores.covers(clue.rule, spec.path):
                self._add(clue, safe, spec.origin, spec.ref.parent if own else spec.ref)

    def _take_resource(self, spec: FileSpec) -> None:
        """Take what the label of a file's resource gives away, once for each resource."""
        clues = _label_clues(Level.RESOURCE, spec.ref[Level.RESOURCE])
        resource = spec.ref.parent if clues else None
        if resource is None or resource in self._resources:
            return
        self._resources.add(resource)
        for clue in clues:
            if not self._ignores.covers(clue.rule, None):
                self._add(clue, f"resource {clue.name}", spec.origin, resource.parent)

    def take_object(self, spec: ObjectSpec) -> None:
        """Take what an object's label and attributes give away."""
        named = _label_clues(spec.ref.level, spec.ref.label)
        said = _attribute_clues(spec)
        if not named and not said:
            return
        safe = next((clue.name for clue in named if clue.name), spec.ref.label)
        for clue in (*named, *said):
            if not self._ignores.covers(clue.rule, None):
                self._add(clue, f"{spec.ref.level.noun} {safe}", spec.origin, spec.ref.parent if named else spec.ref)

    def tell(self) -> None:
        """Note everything as problems: errors and warnings by kind and place, what merely describes as one line."""
        self._problems.conceal(self._concealed)
        for (rule, what), group in self._groups.items():
            names = [repr(name) for name in group.names]
            more = group.count - min(len(names), _SHOWN)
            listed = ", ".join(names[:_SHOWN]) + (f" and {more:,} more" if more else "")
            self._problems.add(rule, f"{what}: {listed}", group.origin, ref=group.ref)
        for rule, refs in self._described.items():
            words = sorted(self._words[rule])
            listed = f" ({', '.join(words)})" if words else ""
            files = "1 file" if len(refs) == 1 else f"{len(refs):,} files"
            self._problems.add(rule, f"{RULES[rule].title} in {files}{listed}", None)

    def _add(self, clue: Clue, name: str, origin: Origin | None, ref: Ref | None) -> None:
        if RULES[clue.rule].severity is Severity.INFO:
            if ref:
                self._described.setdefault(clue.rule, {})[ref] = None
            words = self._words.setdefault(clue.rule, {})
            words.update({clue.what: None} if clue.what else {})
            return
        place = origin._replace(excerpt="", path=()) if origin else None
        group = self._groups.setdefault((clue.rule, clue.what), _Group(place, ref))
        group.names[name] = None
        group.count += 1


def _name_clues(name: str) -> Sequence[Clue]:
    """What a file's name gives away. BIDS itself asks for a date in the name of an empty-room recording."""
    base = name.rpartition("/")[2]
    found = traces(name)
    numbered = (name.startswith("sub-") or base.startswith("sub-")) and has_long_number(name)
    if not found and not numbered:
        return ()
    clues: list[Clue] = []
    for trace in sorted(found, key=lambda trace: trace.name):
        if trace in STRONG:
            clues.append(Clue(rule=STRONG[trace], what=f"a file name holds {trace.value}", name=without(name, trace)))
        elif trace is Trace.DATE and not base.startswith(_EMPTY_ROOM):
            clues.append(Clue(rule="XS521", what="a file name holds a date", name=without(name, trace)))
    if numbered:
        clues.append(Clue(rule="XS522", what="a file name begins with a long number", name="sub-…"))
    return clues


# The labels of scans and resources are the same few in every session.
@functools.lru_cache(maxsize=4096)
def _label_clues(level: Level, label: str) -> Sequence[Clue]:
    if level is Level.PROJECT:
        return ()
    found = traces(label)
    if not found and level is not Level.SUBJECT:
        return ()
    clues: list[Clue] = []
    if Trace.DATE in found and not label.startswith(_EMPTY_ROOM):
        what = f"a {level.noun}'s label holds a date"
        clues.append(Clue(rule="XS521", what=what, name=without(label, Trace.DATE)))
    if Trace.SOCIAL in found:
        what = f"a {level.noun}'s label holds {Trace.SOCIAL.value}"
        clues.append(Clue(rule=STRONG[Trace.SOCIAL], what=what, name=without(label, Trace.SOCIAL)))
    if level is Level.SUBJECT and has_long_number(label):
        clues.append(Clue(rule="XS522", what="a subject's label is a long number", name="…"))
    return clues


def gives_away(name: str, value: str) -> bool:
    """Whether an attribute's value may say who somebody is: one that an image says is not taken over then."""
    found = traces(value)
    return bool(found & (STRONG.keys() | CONTACTS)) and not (found <= {Trace.PERSON} and names_exam(name))


def _attribute_clues(spec: ObjectSpec) -> Sequence[Clue]:
    has_contacts = spec.ref.level is Level.PROJECT
    clues: list[Clue] = []
    for name, value in spec.fields.items():
        if value is not None:
            clues += _value_clues(name, value, has_contacts=has_contacts)
    return clues


# Most scans of a study have the same few values.
@functools.lru_cache(maxsize=4096)
def _value_clues(name: str, value: str, *, has_contacts: bool) -> tuple[Clue, ...]:
    """What one attribute gives away; a project has people to write to."""
    if is_null(value):
        return ()
    clues: list[Clue] = []
    if name.startswith(CUSTOM_PREFIX):
        clues += _custom_clues(name.removeprefix(CUSTOM_PREFIX))
    elif name == "dob" and not is_shifted(value):
        clues.append(Clue(rule="XS520", what="the attribute dob says a date of birth"))
    elif name == "age" and is_above_89(value):
        clues.append(Clue(rule="XS527", what="the attribute age is above 89"))
    for trace in sorted(traces(value), key=lambda trace: trace.name):
        if trace is Trace.PERSON and names_exam(name):
            continue
        if trace in STRONG:
            clues.append(Clue(rule=STRONG[trace], what=f"the attribute {name} holds {trace.value}"))
        elif trace in CONTACTS and not has_contacts:
            clues.append(Clue(rule="XS528", what=f"the attribute {name} holds {trace.value}"))
    return tuple(clues)


def _custom_clues(name: str) -> Iterator[Clue]:
    rule = key_rule(name)
    if rule in ("XS501", "XS520"):
        yield Clue(rule=rule, what=f"the custom variable {name} has a value")
    elif column_rule(name) == "XS506":
        yield Clue(rule="XS501", what=f"the custom variable {name} has a value")
