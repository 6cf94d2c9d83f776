"""Find the time of the last backup: that of the newest file in the folder of backups."""

from pathlib import Path

ENDING = ".backup"


def last_backup(folder: str) -> float | None:
    """Return the time of the newest backup in seconds since 1970, or None without one."""
    times = [file.stat().st_mtime for file in Path(folder).glob(f"*{ENDING}")]
    return max(times, default=None)
