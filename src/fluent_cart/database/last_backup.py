"""When the last backup was made: the age of the newest file in the folder of backups."""

from pathlib import Path

ENDING = ".backup"


def last_backup(folder: str) -> float | None:
    """Return when the newest backup was written, in seconds since 1970; None if there is none."""
    times = [file.stat().st_mtime for file in Path(folder).glob(f"*{ENDING}")]
    return max(times, default=None)
