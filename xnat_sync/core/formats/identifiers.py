"""What in a text, a key or a file name may say who somebody is. Pure; no caller ever prints what was found.

Keys are those of DICOM as dcm2niix and BIDS spell them; which of them dcm2niix leaves out by default (``-ba y``) is the
border between what identifies and what merely describes.
"""

from __future__ import annotations

import enum
import functools
import re


class Trace(enum.Enum):
    """What a text holds, in the words of a message."""

    PERSON = "a name like FAMILY^GIVEN"
    BIRTH = "a date of birth"
    RECORD = "a patient's name or number"
    SOCIAL = "something like a social security number"
    DATE = "a date"
    ACCOUNT = "a user's folder or account"
    EMAIL = "an e-mail address"
    PHONE = "something like a telephone number"
    UID = "a DICOM UID"


STRONG = {Trace.PERSON: "XS504", Trace.BIRTH: "XS505", Trace.RECORD: "XS505", Trace.SOCIAL: "XS505"}
"""What is an error wherever it stands, with the rule."""
CONTACTS = frozenset((Trace.ACCOUNT, Trace.EMAIL, Trace.PHONE))

_NULL = re.compile(r"(?:n/?a|none|null|unknown|anon\w*|removed|redacted|x{3,}|\*{3,}|-+|[0.]+|)", re.IGNORECASE)
_YEAR = r"(?:19[2-9]\d|20[0-4]\d)"
_DAY = r"(?:0[1-9]|1[0-2]){0}(?:0[1-9]|[12]\d|3[01])"
_MONTHS = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
# Every repetition has a bound, or a beginning that cannot lie inside of it: no text takes more than linear time.
_PATTERNS = {
    Trace.PERSON: r"(?<![A-Za-z0-9^])[A-Z][A-Za-z'-]{1,64}\^[A-Z][A-Za-z]",
    Trace.BIRTH: r"(?i)\b(?:dob|d\.o\.b|date of birth|birth ?date|born(?: on)?)\b[^A-Za-z0-9]{0,5}\d",
    Trace.RECORD: (
        r"(?i)\b(?:mrn|medical record(?: number| no)?|nhs ?(?:no|number)|patient'?s?[ _]?(?:id|no|number|name))\b"
        r"\.?\s{0,8}[:=#]\s{0,8}(?P<value>[A-Za-z0-9^*/-]+)"
    ),
    Trace.SOCIAL: r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])",
    Trace.DATE: (
        rf"(?<!\d){_YEAR}{_DAY.format('')}(?:\d{{6}})?(?!\d)|(?<!\d){_YEAR}[-_/.]{_DAY.format('[-_/.]')}(?!\d)"
        rf"|(?i:(?<![A-Za-z\d])(?:0?[1-9]|[12]\d|3[01])[-_ ]?{_MONTHS}[-_ ]?(?:\d\d|{_YEAR})(?![A-Za-z\d]))"
        rf"|(?i:(?<![A-Za-z\d]){_MONTHS} {{1,2}}\d{{1,2}}(?:,? |(?: \d\d:\d\d:\d\d )){_YEAR}(?!\d))"
    ),
    Trace.ACCOUNT: r"/(?:home|Users)/[A-Za-z0-9._-]+|\\Users\\[A-Za-z0-9._-]+|\[[\w.-]{1,64}@[\w.-]{1,64}:",
    Trace.EMAIL: r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,}",
    Trace.PHONE: (
        r"(?<![\w.+-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{2,4}\) ?|\d{3}[ -])\d{3}[ -]\d{4}(?![\w.-])"
        r"|(?<![\w.+])\+\d{1,3}[ .-]\(?\d{2,4}\)?[ .-]\d{3,4}[ .-]?\d{2,4}(?![\w.])"
    ),
    Trace.UID: r"(?<![\d.])[0-2](?:\.\d+){7,}",
}
_FORMS = {trace: re.compile(pattern) for trace, pattern in _PATTERNS.items()}
# Without any of these no pattern fits.
_HINT = re.compile(r"\d{3}|[\^@\\/:=#]|\d\W?[A-Za-z]{3}", re.ASCII)
# Nor without one of these in ASCII: the marks, or in small letters the words.
_MARK = re.compile(r"[\^@\\/:=#+]|\d[-. ]\d|(?:19[2-9]|20[0-4])\d")
_WORD = re.compile(r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|dob|d\.o\.b|birth|born")
_SOFTWARE = re.compile(
    r"\s*(?:freesurfer|fsl|spm|ants|afni|dcm2nii|mricro|nibabel|itk|minc|mrtrix|brainvoyager|niftyreg|bioimage|slicer)",
    re.IGNORECASE,
)


def is_null(text: str) -> bool:
    """Whether a text says that there is nothing to say."""
    return _NULL.fullmatch(text.strip()) is not None


_NONE: frozenset[Trace] = frozenset()
_LONGEST_KEPT = 60


def traces(text: str) -> frozenset[Trace]:
    """What a text holds. A date behind a program's name is that program's."""
    if len(text) < 6 or _is_harmless(text):
        return _NONE
    # What is no name of its own stands in thousands of files.
    return _searched(text) if len(text) > _LONGEST_KEPT else _kept(text)


def _searched(text: str) -> frozenset[Trace]:
    if not _HINT.search(text) or is_null(text):
        return _NONE
    found = {trace for trace, form in _FORMS.items() if (match := form.search(text)) and _says(trace, match)}
    if Trace.DATE in found and _SOFTWARE.match(text):
        found.discard(Trace.DATE)
    return frozenset(found)


_kept = functools.lru_cache(maxsize=4096)(_searched)


def _is_harmless(text: str) -> bool:
    """Whether surely no pattern fits: true of most names of a study, at a tenth of what asking them all costs."""
    return text.isascii() and _MARK.search(text) is None and _WORD.search(text.lower()) is None


def without(text: str, trace: Trace) -> str:
    """A text with every place that a trace was found in blotted out."""
    return _FORMS[trace].sub("…", text)


def _says(trace: Trace, match: re.Match[str]) -> bool:
    return trace is not Trace.RECORD or not is_null(match["value"])


_PEOPLE = ("performing", "requesting", "referring", "scheduledperforming", "consulting", "attending")
_DIRECT_KEYS = frozenset(
    (
        *(f"patient{word}" for word in ("name", "id", "birthdate", "birthtime", "birthname", "mothersbirthname")),
        *(f"patients{word}" for word in ("name", "id", "birthdate", "birthtime", "birthname", "address")),
        *("patientmotherbirthname", "patientaddress", "patienttelephonenumbers", "patientcomments"),
        *("otherpatientids", "otherpatientnames", "otherpatientidssequence", "issuerofpatientid", "patientreligion"),
        *("medicalrecordlocator", "militaryrank", "branchofservice", "physiciansofrecord", "operatorsname"),
        *(f"{role}physician{end}" for role in _PEOPLE for end in ("", "name", "sname", "sidentificationsequence")),
        *("physiciansreadingstudy", "nameofphysiciansreadingstudy", "operatorname", "operatoridentificationsequence"),
        *("responsibleperson", "responsibleorganization", "additionalpatienthistory", "occupation", "admissionid"),
        *("ssn", "socialsecuritynumber", "mrn", "medicalrecordnumber", "dateofbirth", "birthdate", "firstname"),
        *("lastname", "surname", "givenname", "familyname", "fullname", "countryofresidence", "regionofresidence"),
        *(
            "personname",
            "personaddress",
            "persontelephonenumbers",
            "nationalid",
            "nhsnumber",
            "insuranceplanidentification",
        ),
    )
)
_LINK_KEYS = frozenset(
    (
        *(
            "studyinstanceuid",
            "seriesinstanceuid",
            "sopinstanceuid",
            "frameofreferenceuid",
            "mediastoragesopinstanceuid",
        ),
        *("accessionnumber", "studyid", "requestedprocedureid", "scheduledprocedurestepid", "performedprocedurestepid"),
        *("acquisitiondatetime", "acquisitiondate", "studydate", "seriesdate", "contentdate", "instancecreationdate"),
        *("performedprocedurestepstartdate", "scheduledprocedurestepstartdate", "admittingdate", "scandate"),
    )
)
_QUASI_KEYS = frozenset(
    (
        *("patientage", "patientsex", "patientsize", "patientweight", "institutionname", "institutionaddress"),
        *("institutionaldepartmentname", "stationname", "deviceserialnumber", "imagecomments"),
        *("procedurestepdescription", "studydescription", "acquisitiontime"),
    )
)
_DIRECT_COLUMNS = frozenset(
    (
        *("firstname", "lastname", "surname", "givenname", "familyname", "fullname", "dob", "dateofbirth", "birthdate"),
        *(
            "birthday",
            "mrn",
            "medicalrecordnumber",
            "ssn",
            "socialsecuritynumber",
            "patientid",
            "patientname",
            "address",
        ),
        *("streetaddress", "phone", "phonenumber", "telephone", "mobile", "email", "emailaddress", "zip", "zipcode"),
        *("postcode", "postalcode", "initials", "nhsnumber"),
    )
)
_DATE_COLUMNS = frozenset(
    ("acqtime", "scandate", "dateofscan", "visitdate", "sessiondate", "date", "examdate", "testdate")
)
_LETTERS = re.compile(r"[^a-z0-9]")


@functools.lru_cache(maxsize=4096)
def plain(key: str) -> str:
    """A key or column name without case and punctuation, as the lists here have them."""
    return _LETTERS.sub("", key[:100].casefold())


def key_rule(key: str) -> str | None:
    """The rule that a key with a value breaks, by the key alone."""
    word = plain(key)
    if word in _DIRECT_KEYS:
        return "XS501"
    if word in _LINK_KEYS:
        return "XS520"
    return "XS540" if word in _QUASI_KEYS else None


def column_rule(column: str) -> str | None:
    """The rule that a column of a table about participants breaks, by its name alone."""
    word = plain(column)
    if word in _DIRECT_COLUMNS:
        return "XS506"
    return "XS526" if word in _DATE_COLUMNS else None


def names_exam(key: str) -> bool:
    """Whether a key holds ``Region^Exam``, which looks like a person's name (Siemens)."""
    word = plain(key)
    return "description" in word or "protocol" in word or "procedure" in word


def is_shifted(text: str) -> bool:
    """Whether a date was moved before 1925, as BIDS marks dates that mean nothing; true of what is no date."""
    found = re.match(r"\s*(\d{4})", text)
    return found is None or int(found[1]) < 1925


_FULL_NAME = re.compile(r"[A-Z][a-z'-]+,? [A-Z][a-z'-]+")
_LONG_SUBJECT = re.compile(r"(?:^|[/_])(?:sub-)?\d{7,}(?=$|[/_.])")


def is_full_name(text: str) -> bool:
    """Whether a text looks like two capitalised words."""
    return _FULL_NAME.fullmatch(text.strip()) is not None


def has_long_number(label: str) -> bool:
    """Whether a subject's label, or a name that begins with one, is a number as hospitals give them: 7 digits and more.

    Public data sets number their subjects with at most 6.
    """
    return _LONG_SUBJECT.search(label) is not None


def is_above_89(text: str) -> bool:
    """Whether an age singles somebody out; ``89+`` and ``90+`` are caps, no ages."""
    try:
        return 89 < float(text) < 200
    except ValueError:
        return False
