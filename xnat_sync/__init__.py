"""xnat-sync: make an XNAT project say what a YAML manifest says."""

__version__ = "0.1.0"
