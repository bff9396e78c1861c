"""The way into the program."""

from __future__ import annotations

import subprocess
import sys

INTERRUPTED_IMPORT = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "xnat_sync.cli.main":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finder())
from xnat_sync.__main__ import main
main()
"""


def test_an_interrupt_while_modules_are_read_is_one_like_any_other() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, "xnat-sync: interrupted\n")
