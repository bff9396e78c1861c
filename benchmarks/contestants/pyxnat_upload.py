"""Upload a study with pyxnat, as its documentation shows it.

pyxnat_upload.py TASK.json SESSIONS
"""

import json
import os
import sys
from pathlib import Path

import pyxnat


def main(task, count):
    connection = pyxnat.Interface(os.environ["XNAT_HOST"], os.environ["XNAT_USER"], os.environ["XNAT_PASS"])
    project = connection.select.project(task["project"])
    if not project.exists():
        project.create()
    for session in task["sessions"][:count]:
        subject = project.subject(session["subject"])
        subject.create()
        experiment = subject.experiment(session["label"])
        experiment.create(experiments="xnat:mrSessionData", **{"xnat:mrSessionData/date": session["date"]})
        for scan in session["scans"]:
            made = experiment.scan(scan["id"])
            fields = {"type": scan["type"], "series_description": scan["description"]}
            made.create(scans="xnat:mrScanData", **{f"xnat:mrScanData/{key}": text for key, text in fields.items()})
            for name in scan["files"]:
                made.resource("NIFTI").file(name).put(str(Path(scan["folder"]) / name))
    connection.disconnect()


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]))
