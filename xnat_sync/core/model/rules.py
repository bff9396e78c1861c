"""Every rule that a manifest and its local files are held to: its id, how bad a breach is, and the remedy.

Ids are stable: XS0xx is the language, XS1xx objects and names, XS2xx files, XS3xx images and the files beside them,
XS5xx what may say who somebody is. The list in the README is checked against this table.
"""

from __future__ import annotations

from dataclasses import dataclass

from xnat_sync.core.model.errors import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. ``title`` says what a breach is, ``remedy`` what usually mends it."""

    id: str
    severity: Severity
    title: str
    remedy: str


def _rules(severity: Severity, rows: dict[str, tuple[str, str]]) -> dict[str, Rule]:
    return {
        rule: Rule(id=rule, severity=severity, title=title, remedy=remedy) for rule, (title, remedy) in rows.items()
    }


_ERRORS = {
    # The language.
    "XS001": ("YAML that cannot be read", "mend the text at the mark; an editor with YAML support shows the place"),
    "XS002": ("a tab in the indentation", "indent with spaces"),
    "XS003": ("a key that stands twice in one mapping", "keep one of the two, or give them different names"),
    "XS004": (
        "anchors that expand without measure",
        "write the content out, or use defaults",
    ),
    "XS005": ("a YAML tag", "remove the tag; the manifest knows text, lists and mappings only"),
    "XS006": ("a manifest that cannot be opened", "check the path and that it is UTF-8 text"),
    "XS007": ("a file that is not one YAML mapping", "begin with version: 1 and project:"),
    "XS008": ("a key that is not text", "write a plain word as key"),
    "XS010": ("manifests that include each other in a circle", "remove one of the includes"),
    "XS011": ("an include that matches no file", "check the pattern; it is relative to the manifest that says it"),
    "XS012": ("a manifest included by two others", "include it in one place"),
    "XS013": ("manifests of one study that disagree", "say project and server in one manifest only"),
    "XS014": ("no project", "add project: LABEL to a manifest"),
    "XS015": ("a missing or unknown version", "write version: 1 at the top"),
    "XS016": (
        "a manifest or an include that leads elsewhere",
        "keep a study's manifests in one folder, and run xnat-sync there; another folder is named by --allow-root DIR",
    ),
    "XS020": ("an unknown key", "remove it, or begin it with x- if it is a note of your own"),
    "XS021": ("a value of the wrong form", "write it as the manifest reference says"),
    "XS022": ("something beside state: absent", "remove what stands beside it, or the state"),
    "XS023": ("one thing said in two ways", "keep one of the two"),
    "XS030": ("an environment variable that is not set", "set it, or give a default: ${env:NAME:-default}"),
    "XS031": ("the environment in an identity", "write labels, IDs, types and file names out"),
    "XS032": ("credentials in the manifest", "remove them; see the README on how to log in"),
    "XS033": ("a server that is no address", "write it like https://xnat.example.org"),
    "XS034": ("a rule that cannot be ignored", "remove the entry, and mend what the rule is about"),
    "XS036": ("a manifest that cannot be laid out anew", "it stays as it is; fmt would change what it says"),
    "XS037": (
        "an environment variable that nobody named for manifests",
        "if its value may be shown, say --env NAME, or begin its name with XNAT_SYNC_VAR_",
    ),
    "XS038": ("an embedded server named by a manifest", "say --server embedded:DIR, or set XNAT_SYNC_SERVER"),
    # Objects and names.
    "XS101": ("a label that XNAT cannot keep", "use letters, digits, - and _ only, 255 characters at most"),
    "XS102": (
        "a resource label that XNAT cannot keep",
        "begin with a letter and go on with letters, digits, . - and _, 255 characters at most",
    ),
    "XS103": (
        "a DICOM resource",
        "upload DICOM through XNAT's importer; files sent straight into a DICOM resource are never anonymised",
    ),
    "XS104": ("labels that differ in upper and lower case only", "use one spelling, or two clearly different labels"),
    "XS105": ("a session label under two subjects", "a session label is unique in its project: put the subject in it"),
    "XS106": ("a scan ID that is the type of another scan", "rename the scan; XNAT finds scans by ID or by type"),
    "XS107": ("one object described in two places", "describe it in one manifest only"),
    "XS110": ("a missing xsi_type", "add xsi_type, or set it for all in defaults"),
    "XS111": ("an xsi_type that XNAT does not have here", "write the type as the server's schema spells it"),
    "XS112": (
        "an attribute that this type does not have",
        "remove it, or make it a custom variable in fields",
    ),
    "XS113": ("a value that XNAT would refuse or alter", "write a value of the attribute's kind"),
    "XS114": ("an attribute that cannot be cleared", "leave it out, or give it one of its values"),
    "XS115": ("a custom variable's name that XNAT cannot address", "use letters, digits, . - _ and spaces only"),
    # Files.
    "XS201": ("a file that does not exist", "check the path; it is relative to root"),
    "XS202": ("a pattern that matches no file", "check the pattern, or say optional: true"),
    "XS203": (
        "a pattern that matches too many files",
        "make the pattern narrower, or change expect",
    ),
    "XS204": ("a file outside of root", "move the file below root, or set root further up"),
    "XS205": (
        "something that is not a regular file",
        "name a file; the files in a folder are FOLDER/*",
    ),
    "XS206": ("a file that cannot be read", "check its permissions"),
    "XS207": ("a file whose content is not here", "fetch it: git annex get, datalad get or git lfs pull"),
    "XS208": ("two files for one place in a resource", "rename one with to:, or keep folders apart with relative_to:"),
    "XS209": (
        "paths in one resource that differ in upper and lower case only, or a file where a folder is",
        "rename one with to:",
    ),
    "XS210": ("a file name that XNAT cannot store", "rename it with to:"),
    "XS212": ("a file of another size than stated", "correct the size, or the file"),
    "XS213": ("a file of another MD5 than stated", "correct the digest, or the file"),
    "XS214": ("a root that is not a folder", "check root; it is relative to the manifest that says it"),
    "XS215": ("a pattern that cannot be used", "write a path or glob relative to root, with / between folders"),
    "XS218": (
        "a root outside of the study",
        "move the files below the manifest's folder or its git checkout, or name the folder: --allow-root DIR",
    ),
    "XS216": ("a resource that names no files", "add files:, or state: absent to delete it"),
    # Images.
    "XS301": ("an image file that is empty or too short for its header", "make or copy the file again"),
    "XS302": ("a file that is not what its name says", "rename it, or put the right file there"),
    "XS303": ("a damaged gzip file", "make or copy the file again"),
    "XS304": ("a damaged NIfTI header", "make the image again from its source"),
    "XS305": ("image dimensions that cannot be", "make the image again from its source"),
    "XS306": ("a voxel type that cannot be", "make the image again from its source"),
    "XS307": ("voxel data that begin in the wrong place", "make the image again from its source"),
    "XS308": ("a truncated image", "copy or make the file again"),
    "XS309": ("voxel sizes that are no numbers", "mend pixdim in the header"),
    "XS310": ("an image of a pair without its mate", "put the .hdr and the .img side by side"),
    # Files beside an image.
    "XS320": ("a JSON file that cannot be read", "mend its syntax, or make it again"),
    "XS321": ("a gradient table that is none", "write numbers only: one row of b-values, three rows of directions"),
    "XS322": ("a gradient table that does not fit its image", "bring the table and the image of one run together"),
    # Templates, rules that discover, and tables.
    "XS401": ("a template that is not there", "check its name, or write it into session_templates or scan_templates"),
    "XS402": ("a name in braces that stands for nothing", "write a name that the path or the rule gives a value"),
    "XS403": ("two things that would get one label", "put into the label or ID what tells the two apart"),
    "XS404": ("a table that cannot be joined", "check the file, its columns and its keys"),
    "XS405": (
        "a rule that cannot be used",
        "write a path like {subject:sub-*}/{session:ses-*}/{datatype}/{stem}.nii.gz",
    ),
    "XS406": (
        "a file in the folder of another subject or session than its name says",
        "move it to its folder, or rename it",
    ),
    "XS407": ("a rule that catches nothing, beside prune", "bring its files here, or remove the rule or the prune"),
    # What may say who somebody is.
    "XS501": ("a key that says who somebody is", "remove it: converters do (dcm2niix -ba y)"),
    "XS502": ("text burned into an image", "leave the image out, or clean its pixels"),
    "XS503": ("a DICOM header inside of a NIfTI header", "remove the extension"),
    "XS504": ("a name in DICOM's form", "remove it, or write the subject's label"),
    "XS505": ("a birth date, a record number or the like in a text", "remove it"),
    "XS506": ("a column that says who somebody is", "remove the column, or write n/a"),
}
_WARNINGS = {
    "XS108": (
        "a label in the form of an accession ID",
        "write the label; XNAT takes the ID of another subject or session for that one",
    ),
    "XS035": ("an ignore that covers nothing", "remove it"),
    "XS211": (
        "a file name that some tools cannot fetch from XNAT",
        "prefer letters, digits, . - and _; rename it with to:",
    ),
    "XS311": ("surplus bytes after the image data", "harmless for most readers; make the file again to be rid of them"),
    "XS312": ("a legal but rare form of image", "make sure that those who will read it can"),
    "XS313": ("suspicious voxel sizes", "check pixdim in the header"),
    "XS314": ("suspicious orientation", "check qform and sform in the header"),
    "XS315": ("one file of an image pair without the other in the resource", "add the mate to the same resource"),
    "XS316": ("an image that may hold its volumes as slices", "look at it; convert it again if files were missing"),
    "XS323": (
        "a repetition time that sidecar and header do not agree on",
        "check both; with gaps between volumes the sidecar is right",
    ),
    "XS324": ("gradient directions in columns where BIDS has rows", "turn the table: three rows, one column a volume"),
    "XS325": ("a JSON file that is not UTF-8", "save it as UTF-8"),
    "XS217": ("a pattern that matches fewer files than expected", "look for what is missing, or change expect"),
    "XS410": ("an unexpected number of sessions or scans", "look for what is missing or too many, or change expect"),
    "XS411": ("files that no rule takes", "add a rule for them; one with skip: true says that they stay here"),
    "XS412": ("a rule that catches nothing", "check its path and its conditions, or remove it"),
    "XS413": ("a cell of a table that XNAT cannot keep", "mend the table, or say values: what the cell means"),
    "XS520": ("a key that links to who somebody is", "remove it, or shift its date before 1925"),
    "XS521": ("a date in a name", "rename it, with to: if the local name must stay"),
    "XS522": ("a subject's number that may be a hospital's", "number subjects anew"),
    "XS523": ("a name, date or account in a header", "clear the text; gzip -n leaves the file's name out"),
    "XS524": ("text behind the end of a header's text", "clear the rest of the field"),
    "XS525": ("an image that may be a captured screen", "look at it before it leaves"),
    "XS526": ("dates that were not shifted", "shift them before 1925, or remove the column"),
    "XS527": ("an age above 89", "cap it at 89"),
    "XS528": ("an address, a telephone number or an account", "remove it"),
}
_INFOS = {
    "XS540": ("keys that describe a person, place or time", "they are usual; remove them where that matters"),
    "XS541": ("images that may show a face", "deface them where that matters"),
    "XS542": ("times in gzip headers", "gzip -n leaves them out"),
}

RULES: dict[str, Rule] = {
    **_rules(Severity.ERROR, _ERRORS),
    **_rules(Severity.WARNING, _WARNINGS),
    **_rules(Severity.INFO, _INFOS),
}
"""Every rule by id."""
