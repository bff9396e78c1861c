"""The manifest of a BIDS tree: a few rules that discover what is there, and words for what no rule can say."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from xnat_sync.core.formats.bids import IMAGES, path_in_tree
from xnat_sync.core.formats.manifest_tree import exactly
from xnat_sync.importers.bids_survey import COMPANIONS
from xnat_sync.importers.derivatives import Derived

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from xnat_sync.core.formats.yaml_writer import Plain
    from xnat_sync.importers.bids_survey import Image, Survey

_HEADINGS = {
    "gender": ("sex", "gender"),
    "age": ("age",),
    "handedness": ("handedness", "hand", "dominant_hand"),
    "group": ("group",),
    "weight": ("weight",),
    "height": ("height",),
}
_ORDER = ("pet", "ct", "mr", "eeg", "meg")
_DATA = {"eeg": "EEG", "meg": "MEG"}
_SIDES: dict[str, Plain] = {"files": [{"side_files_of": "{path}"}], "format": "BIDS"}


class Drafted(NamedTuple):
    """A manifest, and how many files of each pipeline it cannot take: those of sessions without an image."""

    data: dict[str, Plain]
    lost: Mapping[str, int]


def manifest_of(found: Survey, columns: Mapping[str, Sequence[str]], *, project: str, root: str) -> Drafted:
    """The manifest; ``columns`` are those of the tables of the data set, by their paths."""
    writer = _Writer(found, columns)
    return Drafted(writer.manifest(project, root), writer.derived.lost)


def first_clash(folders: Iterable[str]) -> tuple[str, str, str] | None:
    """Two folders of subjects that XNAT's letters make one, with their label."""
    known: dict[str, str] = {}
    for folder in sorted(set(folders)):
        other = known.setdefault(_label(folder), folder)
        if other != folder:
            return other, folder, _label(folder)
    return None


class _Writer:
    """Knows which sessions hold which kinds of images."""

    def __init__(self, found: Survey, columns: Mapping[str, Sequence[str]]) -> None:
        self._found = found
        self._columns = columns
        self._kinds: dict[tuple[str, str], set[str]] = defaultdict(set)
        for image in found.images:
            self._kinds[image.folder].add(image.kind)
        self._usual = _usual_type(self._kinds)
        endings = {image.ending for image in found.images}
        self._strays = any(path.endswith(tuple(endings)) for paths in found.left.values() for path in paths)
        # A session of XNAT has one type: what does not go with the rest has sessions of its own.
        self._apart = {
            kind for kind in _DATA if any(kind in kinds and kinds != {kind} for kinds in self._kinds.values())
        }
        self._types = self._count_types()
        self._lonely = {visits: self._lonely_folders(visits=visits) for visits in (True, False)}
        self.derived = Derived(found.derived, [folder for folder in self._kinds if self._has_session(*folder)])

    def manifest(self, project: str, root: str) -> dict[str, Plain]:
        own: dict[str, Plain] = {"id": project, "create": False}
        resources = self.derived.resources("project")
        if self._found.project:
            resources = {"BIDS": {"files": _project_files(self._found.project), "format": "BIDS"}, **resources}
        if resources:
            own["resources"] = resources
        data: dict[str, Plain] = {
            "version": 1,
            "project": own,
            "root": root,
            "defaults": {"session": {"xsi_type": f"xnat:{self._usual}SessionData"}},
            "discover": [*self._rules(), *({"path": path, "skip": True} for path in self._skipped())],
            "scan_templates": self._templates(),
        }
        tables = self._tables()
        if tables:
            data["tables"] = tables
        subjects = self._subjects()
        if subjects:
            data["subjects"] = subjects
        return data

    def _skipped(self) -> list[str]:
        """The patterns of what stays out; with no pipeline taken, of all that will ever be."""
        if not self._found.derived:
            return [f"{top}/**" for top in dict.fromkeys(folder.partition("/")[0] for folder in self._found.skipped)]
        return [f"{exactly(name)}/{'*' if name == 'derivatives' else '**'}" for name in self._found.skipped]

    # ------------------------------------------------------------------ rules

    def _rules(self) -> list[Plain]:
        rules: list[Plain] = []
        for kind in _ORDER:
            for visits in (True, False):
                images = [image for image in self._found.images if image.kind == kind and bool(image.visit) == visits]
                if images:
                    rules.append(self._rule(kind, images, visits=visits))
        return rules

    def _rule(self, kind: str, images: list[Image], *, visits: bool) -> Plain:
        folder = "{subject:sub-*}/{session:ses-*}" if visits else "{subject:sub-*}"
        paths = [f"{folder}/{{datatype}}/{{stem}}{ending}" for ending in sorted({image.ending for image in images})]
        datatypes = sorted({image.datatype for image in images})
        where: dict[str, Plain] = {"datatype": datatypes, **({"suffix": datatypes} if kind in _DATA else {})}
        if self._strays:
            # Only a name that is made like those of BIDS says a subject.
            where["sub"] = "?*"
        rule: dict[str, Plain] = {"path": paths[0] if len(paths) == 1 else paths, "where": where}
        subject = self.derived.resources("subject")
        if self._has_table("sessions", visits=False):
            subject = {**_resource([_optional("{subject}/{subject}_sessions.tsv")]), **subject}
        if subject:
            rule["subject"] = {"label": "{subject}", "resources": subject}
        label = "{subject}_{session}" if visits else "{subject}"
        session: dict[str, Plain] = {"label": f"{label}_{kind.upper()}" if kind in self._apart else label}
        session_type = self._session_type(kind, visits=visits)
        if session_type != self._usual:
            session["xsi_type"] = f"xnat:{session_type}SessionData"
        if kind not in self._apart:
            left = self._patterns(visits=visits)
            resources = (_resource(left) if left else {}) | self.derived.resources("visit" if visits else "session")
            if resources:
                session["resources"] = resources
        if len(session) > 1 or kind in self._apart:
            rule["session"] = session
        scan: dict[str, Plain] = {"id": "{datatype}-{name}", "extends": "{suffix}"}
        if any(self._type_of(kinds) == "petmr" for kinds in self._kinds.values()) and kind == "mr":
            scan["xsi_type"] = "xnat:mrScanData"
        rule["scan"] = scan
        return rule

    def _session_type(self, kind: str, *, visits: bool) -> str:
        """The type that most of the sessions with a kind of images have."""
        if kind in self._apart:
            return kind
        types = self._types[kind, visits]
        return max(sorted(types), key=lambda name: types[name])

    def _count_types(self) -> dict[tuple[str, bool], Counter[str]]:
        """How many sessions are of each type, by a kind of images in them and whether they have a folder."""
        counted: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
        for (_, visit), kinds in self._kinds.items():
            for kind in kinds:
                counted[kind, bool(visit)][self._type_of(kinds)] += 1
        return counted

    def _type_of(self, kinds: set[str]) -> str:
        together = kinds - self._apart or kinds
        return "petmr" if {"pet", "mr"} <= together else min(together, key=_ORDER.index)

    def _templates(self) -> dict[str, Plain]:
        templates: dict[str, Plain] = {}
        kinds = {image.kind for image in self._found.images}
        bold = [image for image in self._found.images if image.path.endswith(tuple(f"_bold{end}" for end in IMAGES))]
        if bold and all("_task-" in image.path for image in bold):
            templates["bold"] = {"type": "bold {task}"}
        images: dict[str, Plain] = {"NIFTI": {"files": "{path}", "format": "NIFTI", "content": "RAW"}, "BIDS": _SIDES}
        templates["*"] = {"type": "{suffix}", "resources": images if kinds - _DATA.keys() else {"BIDS": _SIDES}}
        for datatype in sorted({image.datatype for image in self._found.images if image.kind in _DATA}):
            beside = [_optional(f"{{folder}}/{{stem}}{ending}") for ending in COMPANIONS]
            own: dict[str, Plain] = {datatype.upper(): {"files": ["{path}", *beside], "content": "RAW"}}
            if kinds - _DATA.keys():
                own["NIFTI"] = None
            templates[datatype] = {"resources": own}
        return templates

    # ------------------------------------------------------------------ what belongs to no image

    def _has_table(self, kind: str, *, visits: bool) -> bool:
        """Whether there is a table of sessions or scans, in a session folder or in a subject's own."""
        return any(
            _is_table(path, kind)
            for (_, visit), paths in self._found.left.items()
            if bool(visit) == visits
            for path in paths
        )

    def _patterns(self, *, visits: bool) -> list[Plain]:
        """Patterns for the files of sessions that belong to no image, as far as all sessions can share them."""
        folder = "{subject}/{session}" if visits else "{subject}"
        patterns: list[Plain] = []
        if self._has_table("scans", visits=visits):
            patterns.append(_optional(f"{folder}/{folder.replace('/', '_')}_scans.tsv"))
        patterns += [
            {"from": f"{folder}/{name}/**", "relative_to": ".", "optional": True}
            for name in sorted(self._lonely[visits])
        ]
        return patterns

    def _lonely_folders(self, *, visits: bool) -> set[str]:
        """The folders within sessions that nowhere hold an image or a file that belongs to one."""
        depth = 2 if visits else 1
        taken = {image.datatype for image in self._found.images} | {
            side.split("/")[depth] for side in self._found.sides if side.count("/") > depth
        }
        names = {
            path.split("/")[depth]
            for (subject, visit), paths in self._found.left.items()
            if bool(visit) == visits and (subject, visit) in self._kinds
            for path in paths
            if path.count("/") > depth
        }
        return {name for name in names - taken if not name.startswith("ses-")}

    def _subjects(self) -> dict[str, Plain]:
        """What no rule can say: files of a single session or subject, and types that few sessions have."""
        files: dict[str, list[Plain]] = defaultdict(list)
        tables: dict[str, list[str]] = defaultdict(list)
        sessions: dict[str, dict[str, dict[str, Plain]]] = defaultdict(lambda: defaultdict(dict))
        for (subject, visit), paths in sorted(self._found.left.items()):
            tables[_label(subject)] += [path for path in paths if _is_table(path, "sessions")]
            alone = self._alone((subject, visit), paths)
            placed = [_placed(path) for path in alone]
            if alone and self._has_session(subject, visit):
                sessions[_label(subject)][_session_label(subject, visit)]["resources"] = _resource(placed)
            else:
                files[_label(subject)] += placed
        for (subject, visit), kinds in sorted(self._kinds.items()):
            wanted = self._type_of(kinds)
            first = min((kind for kind in kinds if kind not in self._apart), key=_ORDER.index, default="")
            if first and self._session_type(first, visits=bool(visit)) != wanted:
                session = sessions[_label(subject)][_session_label(subject, visit)]
                session["xsi_type"] = f"xnat:{wanted}SessionData"
        discovered = {_label(subject) for subject, _ in self._kinds}
        for label, paths in tables.items():
            # A list goes over that of the rule, and no rule discovers a subject without images.
            if files[label] or label not in discovered:
                files[label] += map(_placed, paths)
        subjects: dict[str, Plain] = {}
        for label in sorted(files.keys() | sessions.keys()):
            body: dict[str, Plain] = {"resources": _resource(files[label])} if files[label] else {}
            if sessions[label]:
                body["sessions"] = sessions[label]
            if body:
                subjects[label] = body
        return subjects

    def _has_session(self, subject: str, visit: str) -> bool:
        """Whether a folder's own session is there, and not only ones that were set apart."""
        kinds = self._kinds.get((subject, visit), set())
        return bool(kinds - self._apart)

    def _alone(self, folder: tuple[str, str], paths: Sequence[str]) -> list[str]:
        """The files of a folder that must be named; all of them if one must, for a list goes over that of the rule."""
        own = [path for path in paths if not _is_table(path, "sessions")]
        covered = [f"/{name}/" for name in self._lonely[bool(folder[1])]]
        if self._has_session(*folder) and all(_is_table(path, "scans") or _is_below(path, covered) for path in own):
            return []
        return own

    # ------------------------------------------------------------------ tables

    def _tables(self) -> list[Plain]:
        tables: list[Plain] = []
        people = _mapped(self._columns.get("participants.tsv", ()), _HEADINGS)
        if people and "participant_id" in self._columns["participants.tsv"]:
            tables.append({"file": "participants.tsv", "key": "participant_id", "set": people})
        visits = self._common("_sessions.tsv", "session_id")
        dates = _mapped(visits, {"age": ("age",), "date": ("acq_time",)})
        if dates:
            name = "{subject}/{subject}_sessions.tsv"
            tables.append({"file": name, "level": "session", "key": "session_id", "set": dates})
        times = _mapped(self._common("_scans.tsv", "filename"), {"start_time": ("acq_time",)})
        if times:
            match = "{datatype}/{file}"
            held = {visits for visits in (True, False) if self._has_table("scans", visits=visits)}
            names = sorted({_scans_table(image) for image in self._found.images if bool(image.visit) in held})
            tables += [
                {"file": name, "level": "scan", "key": "filename", "match": match, "set": times} for name in names
            ]
        return tables

    def _common(self, ending: str, key: str) -> list[str]:
        """The columns that all tables of a kind have; none where one has no key."""
        found = [columns for path, columns in self._columns.items() if path.endswith(ending)]
        if not found or any(key not in columns for columns in found):
            return []
        return [column for column in found[0] if all(column in columns for columns in found)]


def _usual_type(kinds: Mapping[tuple[str, str], set[str]]) -> str:
    found = {kind for several in kinds.values() for kind in several}
    return next((kind for kind in ("mr", "pet", "ct", "eeg", "meg") if kind in found), "mr")


def _scans_table(image: Image) -> str:
    if image.visit:
        return "{subject}/{session}/{subject}_{session}_scans.tsv"
    return "{subject}/{subject}_scans.tsv"


def _mapped(columns: Sequence[str], wanted: Mapping[str, Sequence[str]]) -> dict[str, Plain]:
    folded = {column.strip().lower(): column for column in reversed(columns)}
    return {
        name: next(folded[heading] for heading in headings if heading in folded)
        for name, headings in wanted.items()
        if any(heading in folded for heading in headings)
    }


def _resource(files: list[Plain]) -> dict[str, Plain]:
    return {"BIDS": {"files": files, "format": "BIDS"}}


def _optional(pattern: str) -> Plain:
    return {"from": pattern, "optional": True}


def _project_files(paths: Sequence[str]) -> list[Plain]:
    top = [path for path in paths if "/" not in path]
    folders = sorted({path.partition("/")[0] for path in paths if "/" in path})
    return [*map(exactly, top), *({"from": f"{exactly(folder)}/**", "relative_to": "."} for folder in folders)]


def _placed(path: str) -> Plain:
    """A file of a session or subject: by its name where that tells its place in the tree, else by its whole path."""
    if path_in_tree("", path.rpartition("/")[2]) == path:
        return exactly(path)
    return {"from": exactly(path), "relative_to": "."}


def _is_below(path: str, folders: Sequence[str]) -> bool:
    return any(folder in path for folder in folders)


def _is_table(path: str, kind: str) -> bool:
    """Whether a file is the table of a subject's sessions or a session's scans, in its place."""
    home = path.rpartition("/")[0]
    return path == f"{home}/{home.replace('/', '_')}_{kind}.tsv"


def _session_label(subject: str, visit: str) -> str:
    return _label(f"{subject}_{visit}" if visit else subject)


def _label(text: str) -> str:
    return text.replace("+", "-")
