"""A plan for people: grouped and short, what needs eyes in full, deletes last and by name."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from xnat_sync.core.model.changes import Action, FieldDiff, Plan
from xnat_sync.core.model.policy import Compare
from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.text import count, levels, size, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xnat_sync.gateway.port import ServerInfo

SHOWN = 20
"""So many changes of a kind are shown one by one; what goes beyond is counted."""


def server_text(server: ServerInfo, project: str) -> str:
    """One line that says where the plan was made."""
    digests = {True: "on", False: "off", None: "unknown"}[server.checksums]
    url, version, user = visible(server.url), visible(server.version), visible(server.user)
    return f"Server  {url} (XNAT {version}) as {user} · project {visible(project)} · digests {digests}\n"


def plan_text(plan: Plan, *, detail: bool = False) -> str:
    """The whole plan as text; with ``detail`` every change, otherwise at most `SHOWN` of a kind."""
    limit = len(plan.changes) if detail else SHOWN
    lines: list[str] = []
    if not plan.is_empty:
        lines += [_legend(plan), "", visible(plan.project)]
        sections = (
            _new_objects(plan),
            _from_images(plan, detail=detail),
            _updates(plan),
            _files(plan),
            _refreshes(plan),
            _conflicts(plan),
            _deletes(plan),
        )
        for section in sections:
            lines += _cut(list(section), limit)
    lines += _standing(plan)
    lines += _cut([[line] for line in _damage(plan)], limit)
    lines += _cut([[line] for line in _cautions(plan)], limit)
    lines += _lacks(plan)
    return "\n".join([*lines, "", _summary(plan)]) + "\n"


def _legend(plan: Plan) -> str:
    used = {action.symbol for action, number in plan.counts.items() if number}
    words = {"+": "create or upload", "~": "update or replace", "!": "conflict", "-": "delete"}
    return "  " + "   ".join(f"{symbol} {word}" for symbol, word in words.items() if symbol in used)


def _new_objects(plan: Plan) -> Iterator[list[str]]:
    """New trees by their topmost new object, so that a new subject with all its scans is one line."""
    created = {change.ref for change in plan.of(Action.CREATE)}
    tops = {ref: _top(ref, created) for ref in created}
    uploads = plan.of(Action.UPLOAD)
    inside: dict[Ref, Counter[Level]] = {top: Counter() for top in set(tops.values())}
    sizes: Counter[Ref] = Counter()
    for ref, top in tops.items():
        inside[top][ref.level] += ref != top
    for change in uploads:
        top = _top(change.ref, created)
        if top in inside:
            inside[top][Level.FILE] += 1
            sizes[top] += change.bytes_to_send
    for top in sorted(inside):
        content = levels(sorted(inside[top].items()))
        tail = f"  with {content}" if content else ""
        weight = f"  {size(sizes[top])}" if sizes[top] else ""
        yield [f"  + {top.level.noun} {visible(top.short)}{tail}{weight}"]


def _from_images(plan: Plan, *, detail: bool) -> Iterator[list[str]]:
    """What new objects take from their images, with its source; in short only how many do."""
    told = [(change, [diff for diff in change.diffs if diff.source]) for change in plan.of(Action.CREATE)]
    told = [(change, diffs) for change, diffs in told if diffs]
    if told and not detail:
        yield [f"    {count(len(told), 'scan')} with attributes from the image (--detail shows them)"]
    elif detail:
        for change, diffs in told:
            yield [
                f"    {change.ref.level.noun} {visible(change.ref.short)}",
                *(f"      {_diff(diff)}" for diff in diffs),
            ]


def _top(ref: Ref, created: set[Ref]) -> Ref:
    """The topmost ancestor of a ref that is created, the ref itself if none is."""
    above = [other for other in ref.ancestors() if other in created]
    return above[-1] if above else ref


def _updates(plan: Plan) -> Iterator[list[str]]:
    """Attribute changes, equal ones of many objects in one entry."""
    updates = plan.of(Action.UPDATE)
    by_diffs: dict[tuple[Level, tuple[FieldDiff, ...]], list[Ref]] = {}
    for change in updates:
        by_diffs.setdefault((change.ref.level, change.diffs), []).append(change.ref)
    for (level, diffs), refs in by_diffs.items():
        names = ", ".join(visible(ref.short) for ref in refs[:3])
        names += f" and {len(refs) - 3} more" if len(refs) > 3 else ""
        head = f"{level.noun} {names}" if len(refs) == 1 else f"{count(len(refs), level.noun)}: {names}"
        yield [f"  ~ {head}", *(f"      {_diff(diff)}" for diff in diffs)]


def _files(plan: Plan) -> Iterator[list[str]]:
    """New files of resources whose parents exist, by resource; then every replacement with what differs."""
    created = {change.ref for change in plan.of(Action.CREATE)}
    loose = [change for change in plan.of(Action.UPLOAD) if created.isdisjoint(change.ref.ancestors())]
    for resource, changes in groupby(loose, key=lambda change: change.ref.parent):
        group = list(changes)
        if resource is None:
            continue
        total = size(sum(change.bytes_to_send for change in group))
        names = [f"      {visible(group[0].ref.label)}"] if len(group) == 1 else []
        yield [f"  + {visible(resource.short)}  {count(len(group), 'file')}  {total}", *names]
    for change in plan.of(Action.REPLACE):
        lines = [f"      {_diff(diff)}" for diff in change.diffs]
        yield [f"  ~ {visible(change.ref.short)}  {visible(change.reason)}  {size(change.bytes_to_send)}", *lines]


def _refreshes(plan: Plan) -> Iterator[list[str]]:
    """Digests that the server has to compute, by resource."""
    for resource, changes in groupby(plan.of(Action.REFRESH), key=lambda change: change.ref.parent):
        if resource is not None:
            number = count(sum(1 for _ in changes), "file")
            yield [f"  ~ {visible(resource.short)}  the server states no digest of {number} and is to compute it"]


def _conflicts(plan: Plan) -> Iterator[list[str]]:
    for change in plan.of(Action.CONFLICT):
        yield [f"  ! {change.ref.level.noun} {visible(change.ref.short)}  {visible(change.reason)}"]


def _deletes(plan: Plan) -> Iterator[list[str]]:
    for change in plan.of(Action.DELETE):
        yield [f"  - {change.ref.level.noun} {visible(change.ref.short)}  {visible(change.reason)}"]


def _diff(diff: FieldDiff) -> str:
    before, after = (visible(value) if value is not None else "(not set)" for value in (diff.before, diff.after))
    source = f"  from {visible(diff.source)}" if diff.source else ""
    return f"{visible(diff.name)}: {before} → {after}{visible(source)}"


def _cut(entries: list[list[str]], limit: int) -> Iterator[str]:
    for entry in entries[:limit]:
        yield from entry
    if len(entries) > limit:
        yield f"    … and {len(entries) - limit} more (--detail shows all)"


_WHY_SIZE = {
    Compare.SIZE: "as asked",
    Compare.DIGEST: "the server states no digest (--compare digest reads them back)",
    Compare.READ: "the server states no digest and cannot be asked for the file",
}


def _standing(plan: Plan) -> Iterator[str]:
    """What needs no change, and how sure that is."""
    unchanged = levels(plan.unchanged.items())
    if unchanged:
        yield f"  = {unchanged} unchanged"
    if plan.by_size_only:
        why = _WHY_SIZE[plan.policy.compare]
        yield f"    {count(plan.by_size_only, 'file')} compared by size only: {why}"
    foreign = levels(plan.foreign.items())
    if foreign:
        yield f"Not in the manifest (left alone): {foreign}"


def _damage(plan: Plan) -> Iterator[str]:
    """What is not sound on the server."""
    for found in plan.damage:
        yield f"Damaged: {found.ref.level.noun} {visible(found.ref.short)} {visible(found.summary)}"


def _cautions(plan: Plan) -> Iterator[str]:
    """What may not be meant so."""
    for caution in plan.cautions:
        yield f"Warning: {caution.ref.level.noun} {visible(caution.ref.short)} {visible(caution.summary)}"


def _lacks(plan: Plan) -> Iterator[str]:
    """The rights that are missing, and what to do about it."""
    for lack in plan.lacks:
        yield f"Not possible: {visible(lack.summary)} ({count(len(lack.refs), 'change')})"
        yield f"    {visible(lack.remedy)}"


def _summary(plan: Plan) -> str:
    if plan.is_empty:
        return "Nothing to do: the server says what the manifest says."
    counts = plan.counts
    words = (
        (counts[Action.CREATE], "to create"),
        (counts[Action.UPDATE], "to update"),
        (counts[Action.UPLOAD], "to upload"),
        (counts[Action.REPLACE], "to replace"),
        (counts[Action.REFRESH], "to refresh"),
        (counts[Action.CONFLICT], "in conflict"),
    )
    parts = [f"{number:,} {word}" for number, word in words if number]
    weight = f" · {size(plan.bytes_to_send)} to send" if plan.bytes_to_send else ""
    return f"Plan: {', '.join([*parts, f'{counts[Action.DELETE]} to delete'])}{weight}"
