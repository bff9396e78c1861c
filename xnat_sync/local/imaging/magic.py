"""What a file really is, by its first bytes, where its name says *image* and its content does not."""

from __future__ import annotations

GZIP = b"\x1f\x8b"

_STARTS = (
    (GZIP, "a gzip file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "a bzip2 file"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"version https://git-lfs", "a git-lfs pointer; its content is not here"),
    (b"/annex/objects/", "a git-annex pointer; its content is not here"),
    (b"NRRD", "an NRRD image"),
    (b"\x89HDF", "an HDF5 file (MINC 2?)"),
    (b"CDF\x01", "a NetCDF file (MINC 1?)"),
    (b"!INTERFILE", "an Interfile header"),
    (b"%PDF", "a PDF document"),
)


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head)


def kind_of(head: bytes) -> str:
    """A few words for what a file's first bytes (348 are enough) look like, empty if they look like nothing known."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[128:132] == b"DICM":
        return "a DICOM file"
    if head[257:262] == b"ustar":
        return "a tar archive"
    text = head[:64].lstrip()
    if _is_text(text) and text[:1] == b"<":
        return "a web page or XML, not an image"
    if _is_text(text) and text[:1] in (b"{", b"["):
        return "JSON text"
    if head and not any(head):
        return "nothing but zero bytes"
    return ""
