"""The plan: what has to change on the server, as a value.

A `Plan` holds everything that carrying it out needs, so that a plan that was printed, stored and read again does
exactly what it says.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from xnat_sync.core.model import json_values
from xnat_sync.core.model.defects import Damage
from xnat_sync.core.model.policy import Compare, SyncPolicy
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec, ObjectSpec

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN_FORMAT = 2


class Action(enum.Enum):
    """What a change does, with the symbol that stands for it in a plan."""

    CREATE = "create"
    UPDATE = "update"
    UPLOAD = "upload"
    REPLACE = "replace"
    REFRESH = "refresh"
    """Have the server compute the digest of a file of which it states none; nothing is sent."""
    DELETE = "delete"
    CONFLICT = "conflict"

    @property
    def symbol(self) -> str:
        """One character: ``+ ~ - !``."""
        return _SYMBOLS[self]


_SYMBOLS = {
    Action.CREATE: "+",
    Action.UPLOAD: "+",
    Action.UPDATE: "~",
    Action.REPLACE: "~",
    Action.REFRESH: "~",
    Action.DELETE: "-",
    Action.CONFLICT: "!",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDiff:
    """One attribute that differs: ``None`` means *not set*.

    ``source`` says where a value comes from that the manifest does not state; it makes no difference.
    """

    name: str
    before: str | None
    after: str | None
    source: str = field(default="", compare=False)

    def to_data(self) -> dict[str, str | None]:
        """Plain JSON values."""
        said = {"name": self.name, "before": self.before, "after": self.after}
        return {**said, "source": self.source} if self.source else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing to do, why, and all that is needed to do it.

    ``wanted`` is the object or file as the manifest wants it, ``None`` for a delete. ``diffs`` say what differs;
    ``held`` is what the server held when the plan was made (accession ID, or size and digest of a file).
    """

    action: Action
    ref: Ref
    reason: str
    diffs: tuple[FieldDiff, ...] = ()
    wanted: ObjectSpec | FileSpec | None = None
    held: str = ""
    pruned: bool = False
    """Whether a delete is one that nobody said by name: the manifest says ``prune`` of the place."""

    @property
    def bytes_to_send(self) -> int:
        """The size of the file that this change sends, in bytes; 0 for everything else."""
        sends = self.action in (Action.UPLOAD, Action.REPLACE)
        return self.wanted.size if sends and isinstance(self.wanted, FileSpec) else 0

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "action": self.action.value,
            "ref": str(self.ref),
            "level": self.ref.level.noun,
            "reason": self.reason,
            "held": self.held,
            "diffs": [diff.to_data() for diff in self.diffs],
            "object": _object_data(self.wanted) if isinstance(self.wanted, ObjectSpec) else None,
            "file": _file_data(self.wanted) if isinstance(self.wanted, FileSpec) else None,
            **({"pruned": True} if self.pruned else {}),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Change:
        """The inverse of `to_data`; malformed data is a ``ValueError``, ``KeyError`` or ``TypeError``."""
        ref = Ref.parse(json_values.text(data, "ref"))
        wanted: ObjectSpec | FileSpec | None = None
        if data["object"] is not None:
            wanted = _object_from(ref, data["object"])
        elif data["file"] is not None:
            wanted = _file_from(ref, data["file"])
        return cls(
            action=Action(data["action"]),
            ref=ref,
            reason=json_values.text(data, "reason"),
            diffs=tuple(map(_diff_from, data["diffs"])),
            wanted=wanted,
            held=json_values.text(data, "held"),
            pruned=json_values.flag(data, "pruned"),
        )


def _diff_from(data: Mapping[str, Any]) -> FieldDiff:
    return FieldDiff(
        name=json_values.text(data, "name"),
        before=json_values.text_or_nothing(data, "before"),
        after=json_values.text_or_nothing(data, "after"),
        source=json_values.text(data, "source", default=""),
    )


def _object_from(ref: Ref, data: Mapping[str, Any]) -> ObjectSpec:
    return ObjectSpec(
        ref=ref,
        xsi_type=json_values.text(data, "xsi_type"),
        fields=json_values.mapping(data, "fields", json_values.is_text_or_nothing),
        create=json_values.flag(data, "create"),
    )


def _file_from(ref: Ref, data: Mapping[str, Any]) -> FileSpec:
    return FileSpec(
        ref=ref,
        path=json_values.text(data, "path"),
        size=json_values.number(data, "size"),
        md5=json_values.text_or_nothing(data, "md5"),
        format=json_values.text_or_nothing(data, "format"),
        content=json_values.text_or_nothing(data, "content"),
    )


def _policy_data(policy: SyncPolicy) -> dict[str, Any]:
    return {"compare": policy.compare.value, "only": list(policy.only), "disk": policy.disk}


def _policy_from(data: Mapping[str, Any]) -> SyncPolicy:
    return SyncPolicy(
        compare=Compare(data["compare"]), only=json_values.texts(data, "only"), disk=json_values.flag(data, "disk")
    )


def _counts_from(data: Mapping[str, Any], key: str) -> dict[Level, int]:
    return {Level[name.upper()]: count for name, count in json_values.mapping(data, key, json_values.is_number).items()}


def _without_path(change: dict[str, Any]) -> dict[str, Any]:
    return {**change, "file": {**change["file"], "path": ""}} if change["file"] else change


def _object_data(spec: ObjectSpec) -> dict[str, Any]:
    return {"xsi_type": spec.xsi_type, "fields": dict(spec.fields), "create": spec.create}


def _file_data(spec: FileSpec) -> dict[str, Any]:
    return {"path": spec.path, "size": spec.size, "md5": spec.md5, "format": spec.format, "content": spec.content}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A problem of a plan: what the account may not do, what to do about it, and the changes that need it."""

    summary: str
    remedy: str
    refs: tuple[Ref, ...]

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"summary": self.summary, "remedy": self.remedy, "refs": [str(ref) for ref in self.refs]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution:
    """Something of a plan that can be done, and is most likely not what was meant."""

    ref: Ref
    summary: str

    def to_data(self) -> dict[str, str]:
        """Plain JSON values."""
        return {"ref": str(self.ref), "level": self.ref.level.noun, "summary": self.summary}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Caution:
        """The inverse of `to_data`."""
        return cls(ref=Ref.parse(data["ref"]), summary=data["summary"])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The difference between a manifest and a server, sorted by ref.

    ``unchanged`` counts by level what is already as wanted; ``by_size_only`` counts those files among them of which the
    server states no digest, so that only their size is known to agree; ``foreign`` counts what the server holds beside
    the manifest and what is left alone. ``context`` are the unchanged parents of what changes: they must exist.
    """

    project: str
    changes: tuple[Change, ...]
    policy: SyncPolicy = field(default_factory=SyncPolicy)
    unchanged: Mapping[Level, int] = field(default_factory=dict)
    by_size_only: int = 0
    foreign: Mapping[Level, int] = field(default_factory=dict)
    context: tuple[ObjectSpec, ...] = ()
    server: str = ""
    """The server's address as the user gave it, for a plan that is stored."""
    damage: tuple[Damage, ...] = ()
    """What is not sound on the server, mended by changes or not. It makes no difference."""
    cautions: tuple[Caution, ...] = ()
    lacks: tuple[Lack, ...] = ()
    """The rights that the account is known to lack for it. Not read back from a stored plan: another may apply it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.changes

    @property
    def counts(self) -> Mapping[Action, int]:
        """How many changes of each action, every action present."""
        found = Counter(change.action for change in self.changes)
        return {action: found[action] for action in Action}

    @property
    def bytes_to_send(self) -> int:
        """The sum of the sizes of all files to send, in bytes."""
        return sum(change.bytes_to_send for change in self.changes)

    def of(self, *actions: Action) -> tuple[Change, ...]:
        """The changes of some actions, in order."""
        return tuple(change for change in self.changes if change.action in actions)

    @cached_property
    def fingerprint(self) -> str:
        """A short text that is equal for two plans that do the same on one server.

        Neither the counts beside the changes matter, nor where the local files lie: a checkout may move. It notices
        accidents; whoever changes a plan by intention can compute it too.
        """
        data = {
            "project": self.project,
            "server": self.server,
            "policy": _policy_data(self.policy),
            "changes": [_without_path(change.to_data()) for change in self.changes],
            "context": self._context_data(),
        }
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]

    def to_data(self) -> dict[str, Any]:
        """Plain JSON values, described by ``schemas/plan.v2.json``."""
        return {
            "format_version": PLAN_FORMAT,
            "project": self.project,
            "server": self.server,
            "fingerprint": self.fingerprint,
            "policy": _policy_data(self.policy),
            "summary": {
                **{action.value: count for action, count in self.counts.items()},
                "bytes_to_send": self.bytes_to_send,
                "unchanged": {level.noun: count for level, count in self.unchanged.items()},
                "by_size_only": self.by_size_only,
                "foreign": {level.noun: count for level, count in self.foreign.items()},
            },
            "changes": [change.to_data() for change in self.changes],
            "context": self._context_data(),
            "damage": [damage.to_data() for damage in self.damage],
            "problems": [lack.to_data() for lack in self.lacks],
            "warnings": [caution.to_data() for caution in self.cautions],
        }

    def _context_data(self) -> list[dict[str, Any]]:
        return [{"ref": str(spec.ref), "xsi_type": spec.xsi_type} for spec in self.context]

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Plan:
        """The inverse of `to_data`.

        Raises:
            ValueError: the data is not a plan of this format, or was changed by hand.

        """
        try:
            if data["format_version"] != PLAN_FORMAT:
                raise ValueError(f"it has format {_shown(data['format_version'])}, not {PLAN_FORMAT}; plan again")
            plan = cls(
                project=json_values.text(data, "project"),
                server=json_values.text(data, "server"),
                changes=tuple(Change.from_data(change) for change in data["changes"]),
                policy=_policy_from(data["policy"]),
                damage=tuple(map(Damage.from_data, data.get("damage", ()))),
                cautions=tuple(map(Caution.from_data, data.get("warnings", ()))),
                unchanged=_counts_from(data["summary"], "unchanged"),
                by_size_only=json_values.number(data["summary"], "by_size_only"),
                foreign=_counts_from(data["summary"], "foreign"),
                context=tuple(
                    ObjectSpec(
                        ref=Ref.parse(json_values.text(entry, "ref")),
                        xsi_type=json_values.text(entry, "xsi_type"),
                        create=False,
                    )
                    for entry in data["context"]
                ),
            )
            stated = data["fingerprint"]
            if any(change.ref.project != plan.project for change in plan.changes):
                raise ValueError("not a plan: it is about more than one project")
        except KeyError as error:
            raise ValueError(f"not a plan: it lacks {error.args[0]}") from error
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a plan: {error}") from error
        if stated != plan.fingerprint:
            raise ValueError("the plan was changed after it was made (its fingerprint does not fit); plan again")
        return plan


def _shown(value: object) -> str:
    return str(value) if json_values.is_number(value) else "of another kind"
