"""Upload a study as xnatpy's documentation shows it: object by object, then file by file or folder by folder.

xnatpy_upload.py TASK.json SESSIONS file|folder
"""

import json
import os
import sys
from pathlib import Path

import xnat


def main(task, count, style):
    with xnat.connect(os.environ["XNAT_HOST"], loglevel="ERROR") as connection:
        connection.put(f"/data/projects/{task['project']}")
        project = connection.projects[task["project"]]
        for session in task["sessions"][:count]:
            subject = connection.classes.SubjectData(parent=project, label=session["subject"])
            experiment = connection.classes.MrSessionData(parent=subject, label=session["label"], date=session["date"])
            for scan in session["scans"]:
                made = connection.classes.MrScanData(
                    parent=experiment, id=scan["id"], type=scan["type"], series_description=scan["description"]
                )
                resource = connection.classes.ResourceCatalog(parent=made, label="NIFTI")
                if style == "folder":
                    resource.upload_dir(scan["folder"], method="tar_file")
                    continue
                for name in scan["files"]:
                    resource.upload(str(Path(scan["folder"]) / name), name)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2]), sys.argv[3])
