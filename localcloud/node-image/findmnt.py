#!/usr/bin/python3
"""findmnt that tells of mounts which mount.nfs.sh beside it made what it would tell of NFS; all else is the real one.

Understood for those: `findmnt [-t|--types TYPES] [-n|--noheadings] [-o|--output COLUMNS] [-M|--mountpoint] DIRECTORY`,
with the columns TARGET, SOURCE, FSTYPE and OPTIONS.
"""

import os
import subprocess
import sys
from pathlib import Path

REAL = "/usr/bin/findmnt"
REGISTRY = Path("/run/localcloud-nfs")
FLAGS = {"-n", "--noheadings", "-r", "--raw", "-f", "--first-only", "-M", "--mountpoint"}
VALUES = {"-t": "types", "--types": "types", "-o": "output", "--output": "output", "-S": "source", "--source": "source"}


def real():
    os.execv(REAL, ["findmnt", *sys.argv[1:]])  # noqa: S606  (the call as it came)


def parsed():
    """Return (options, directory), or None for a call that is not understood."""
    options, directories, arguments = {}, [], []
    for argument in sys.argv[1:]:
        name, separator, value = argument.partition("=")
        arguments += [name, value] if separator and name in VALUES else [argument]
    while arguments:
        argument = arguments.pop(0)
        if argument.startswith("-") and not argument.startswith("--") and len(argument) > 2:
            arguments = [f"-{letter}" for letter in argument[1:]] + arguments
        elif argument in FLAGS:
            options[argument.lstrip("-")[0]] = True
        elif argument in VALUES and arguments:
            options[VALUES[argument]] = arguments.pop(0)
        elif argument.startswith("-"):
            return None
        else:
            directories.append(argument)
    return (options, directories[0]) if len(directories) == 1 else None


def main():
    call = parsed()
    if call is None:
        real()
    options, directory = call
    name = subprocess.run(
        ["systemd-escape", "--path", directory], stdout=subprocess.PIPE, check=True, text=True
    ).stdout.strip()
    entry = REGISTRY / name
    mounted = subprocess.run(
        [REAL, "-n", "-M", directory], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    if not entry.is_file() or mounted.returncode:
        real()
    kind, source, mount_options = entry.read_text().rstrip("\n").split("\t")
    if "types" in options and kind not in options["types"].split(","):
        sys.exit(1)
    if "source" in options and options["source"] != source:
        sys.exit(1)
    columns = {"TARGET": directory, "SOURCE": source, "FSTYPE": kind, "OPTIONS": mount_options}
    wanted = options.get("output", "TARGET,SOURCE,FSTYPE,OPTIONS").split(",")
    if not set(wanted) <= columns.keys():
        real()
    if "n" not in options:
        print(" ".join(wanted))
    print(" ".join(columns[column] for column in wanted))


main()
