"""``xnat-sync render`` and ``xnat-sync explain``: what a manifest says in full, and where it says it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xnat_sync.cli import options
from xnat_sync.cli.exits import Exit
from xnat_sync.cli.output import next_step, write_file, write_result, written_data
from xnat_sync.cli.settings import roots_to_name, surroundings
from xnat_sync.core.model.errors import Severity, UsageError
from xnat_sync.core.model.refs import Level
from xnat_sync.core.planning.prune import rule_at
from xnat_sync.core.text import visible
from xnat_sync.local.disk import Disk
from xnat_sync.manifest.desired.provenance import Trace, layer_of
from xnat_sync.manifest.explicit import explicit_manifest
from xnat_sync.manifest.formatting.manifest_text import manifest_text
from xnat_sync.manifest.load import Loaded, load_study
from xnat_sync.views.problems import problems_text

if TYPE_CHECKING:
    from xnat_sync.cli.console import Console
    from xnat_sync.core.model.errors import Origin
    from xnat_sync.core.model.refs import Ref
    from xnat_sync.core.model.state import Prune

EXPLANATION_FORMAT = 1


def dispatch_writing_out(
    command: options.Render | options.Explain | options.Format, invocation: options.Invocation, console: Console
) -> int:
    """Run one of the commands whose result is a manifest, or about one."""
    if isinstance(command, options.Format):
        from xnat_sync.cli.formatting import fmt

        return fmt(command, invocation, console)
    if isinstance(command, options.Render):
        return _render(command, invocation, console)
    return _explain(command, invocation, console)


def _render(command: options.Render, invocation: options.Invocation, console: Console) -> int:
    loaded = load_study(command.manifests, around=surroundings(command.access, console.environ), local=Disk())
    warnings = [found for found in loaded.problems if found.severity is Severity.WARNING]
    console.err.write(problems_text(warnings))
    folder = command.out.parent if command.out else Path()
    data = explicit_manifest(loaded, folder.resolve())
    if command.out is not None:
        write_file(command.out, manifest_text(data))
        numbers = Counter(ref.level for ref in loaded.desired.objects)
        text = f"{visible(str(command.out))} written\n"
        roots = roots_to_name(command.out, loaded.roots, console.environ)
        text += next_step("validate", command.out, allow_roots=roots) if roots else ""
        write_result(written_data(command.out, numbers), text, invocation, console)
    else:
        write_result(data, manifest_text(data), invocation, console)
    return Exit.DONE


def _explain(command: options.Explain, invocation: options.Invocation, console: Console) -> int:
    trace = Trace(command.ref)
    loaded = load_study(
        command.manifests, around=surroundings(command.access, console.environ), local=Disk(), trace=trace
    )
    if not trace.values:
        raise UsageError(f"nothing in the manifest has the name {command.ref!r} (SUBJECT[/SESSION[/SCAN]])")
    ref = min(trace.values)
    data = _explanation(ref, trace, loaded)
    write_result(data, _text(data), invocation, console)
    return Exit.DONE


def _explanation(ref: Ref, trace: Trace, loaded: Loaded) -> dict[str, Any]:
    """Everything that is wanted of one object, each with its source, as plain JSON values."""
    spec = loaded.desired.objects[ref]
    values = [
        {"name": name, "value": value, "source": layer_of(origin), "place": _place(origin)}
        for name, (value, origin) in sorted(trace.values[ref].items())
    ]
    values += [
        {"name": name, "value": found.value, "source": found.source, "place": None}
        for name, found in sorted(spec.found.items())
        if name not in spec.fields
    ]
    files = [
        {
            "name": "/".join((ref_below.parent.label, ref_below.label)) if ref_below.parent else ref_below.label,
            "path": file.path,
            "source": layer_of(file.origin) if file.origin else "",
            "place": _place(file.origin),
        }
        for ref_below, file in sorted(loaded.desired.files.items())
        if ref_below.parent is not None and ref_below.parent.parent == ref
    ]
    rule = rule_at(loaded.desired.prune, ref)
    pruned = {} if rule is None else {"prune": {**_pruned(rule), "place": _place(rule.origin)}}
    return {
        "format_version": EXPLANATION_FORMAT,
        "ref": str(ref),
        "level": ref.level.noun,
        "xsi_type": spec.xsi_type,
        "place": _place(spec.origin),
        "values": values,
        "files": files,
        **pruned,
    }


def _pruned(rule: Prune) -> dict[str, list[str]]:
    return {"delete": [f"{level.noun}s" for level in sorted(rule.levels)], "keep": list(rule.keep)}


def _place(origin: Origin | None) -> str | None:
    return f"{origin.file}:{origin.line}" if origin else None


def _text(data: dict[str, Any]) -> str:
    typed = f" ({data['xsi_type']})" if data["level"] in (Level.SESSION.noun, Level.SCAN.noun) else ""
    lines = [f"{data['level']} {data['ref']}{typed}  {data['place'] or ''}"]
    rows = [(row["name"], "null" if row["value"] is None else row["value"], row) for row in data["values"]]
    rows += [(row["name"], "← " + row["path"], row) for row in data["files"]]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for name, value, row in rows:
        source = row["source"] + (f"  {row['place']}" if row["place"] else "")
        lines.append(f"  {name:<{widths[0]}}  {value:<{min(widths[1], 60)}}  {source}")
    if "prune" in data:
        rule = data["prune"]
        kept = f", but {', '.join(rule['keep'])}" if rule["keep"] and rule["delete"] else ""
        lines.append(f"  prunes {', '.join(rule['delete']) or 'nothing'}{kept}  {rule['place'] or ''}")
    return "".join(f"{visible(line)}\n" for line in lines)
