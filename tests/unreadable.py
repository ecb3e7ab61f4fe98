"""What is waited for without end, or fills all memory, where it is read without a look."""

import os
from pathlib import Path

UNREADABLE = ("pipe", "device", "giant")


def make_unreadable(path: Path, kind: str) -> None:
    """Put one of these in the place of a file."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(20_000_000_000)  # of which the disk holds nothing
