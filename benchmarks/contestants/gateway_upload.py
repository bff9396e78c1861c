"""Send files with our gateway alone to a server that needs no login; prints the seconds and the processor's seconds.

gateway_upload.py URL JOBS FILE...
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from xnat_sync.core.model.refs import Level, Ref
from xnat_sync.core.model.state import FileSpec
from xnat_sync.gateway.connection.connection import XnatConnection
from xnat_sync.gateway.connection.login import Session


class Open(XnatConnection):
    """A connection that is logged in already."""

    def session(self, ended=0):
        if not hasattr(self, "_only"):
            self._only = Session(1, "token", {}, "me", self.url)
        return self._only


def main(url, jobs, paths):
    connect = Open(url, "me", "secret")

    def send(number, path):
        resource = Ref.parse(f"P/S/E/scan:{number}/resource:R")
        spec = FileSpec(ref=resource.child(Level.FILE, "x.dat"), path=path, size=Path(path).stat().st_size)
        connect().upload(resource, [spec], overwrite=False, reason="", sent=lambda count: None)

    began, processor = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(send, range(len(paths)), paths))
    print(time.perf_counter() - began, time.process_time() - processor)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])
