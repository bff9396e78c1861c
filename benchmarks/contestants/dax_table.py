"""The table that dax's Xnatupload reads, one line for each file.

dax_table.py TASK.json SESSIONS TABLE.csv
"""

import json
import sys
from pathlib import Path

COLUMNS = (
    "object_type,project_id,subject_label,session_type,session_label,"
    "as_label,as_type,as_description,quality,resource,fpath"
)


def lines(task, count):
    yield COLUMNS
    for session in task["sessions"][:count]:
        for scan in session["scans"]:
            for name in scan["files"]:
                above = f"scan,{task['project']},{session['subject']},MR,{session['label']}"
                what = f"{scan['id']},{scan['type']},{scan['description']},usable,NIFTI"
                yield f"{above},{what},{scan['folder']}/{name}"


if __name__ == "__main__":
    text = "\n".join(lines(json.loads(Path(sys.argv[1]).read_text()), int(sys.argv[2])))
    Path(sys.argv[3]).write_text(text + "\n")
