"""Which attributes a listing of XNAT can give: the part that every gateway, real or in memory, has to agree on."""

from __future__ import annotations

EXPERIMENT_NAMES = frozenset({"date", "time", "note", "acquisition_site", "visit_id", "age"})
"""The attributes that every experiment has (`xnat:experimentData`, `xnat:subjectAssessorData`), imaging or not."""
