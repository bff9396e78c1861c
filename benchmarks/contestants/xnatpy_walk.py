"""Look at everything of some subjects of a project with xnatpy: attributes, and each file's size and digest.

xnatpy_walk.py PROJECT SUBJECTS
"""

import itertools
import os
import sys

import xnat


def main(label, count):
    files = 0
    with xnat.connect(os.environ["XNAT_HOST"], loglevel="ERROR") as connection:
        for subject in itertools.islice(connection.projects[label].subjects.values(), count):
            for experiment in subject.experiments.values():
                assert experiment.label
                assert experiment.date
                for scan in experiment.scans.values():
                    assert scan.type
                    assert scan.series_description
                    for resource in scan.resources.values():
                        for file in resource.files.values():
                            assert file.digest
                            assert file.size
                            files += 1
    print(files)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
