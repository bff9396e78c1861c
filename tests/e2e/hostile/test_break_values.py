"""What the server keeps in another form than it was sent must not be sent for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Cli = Any
    Manifest = Callable[..., Path]


def test_fractions_of_a_second_come_to_rest(cli: Cli, manifest: Manifest) -> None:
    study = manifest("""\
version: 1
project: {id: P, create: true}
subjects:
  S:
    sessions:
      E:
        xsi_type: xnat:mrSessionData
        time: "10:15:32.1234"
        scans: {"1": {type: T1w, start_time: "23:59:59.999"}}
""")
    assert cli("apply", "--yes", study).status == 0
    assert cli("plan", "--detailed-exitcode", study).status == 0
