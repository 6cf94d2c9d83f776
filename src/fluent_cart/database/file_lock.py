"""A lock that the processes of one machine take in turn."""

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows, where SQLite's own lock has to be enough
    fcntl = None  # type: ignore[assignment]


class FileLock:
    """An advisory lock on a side file.

    The kernel wakes waiting processes in about the order in which they came.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, blocking: bool = True) -> bool:
        """Acquire the lock. Return False if another process holds it and the call must not block."""
        if self._descriptor is None:
            # Python closes these files in child processes by itself, and Windows has no flag for it.
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if fcntl:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX if blocking else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def release(self) -> None:
        """Let the next process have the lock."""
        if fcntl and self._descriptor is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def close(self) -> None:
        """Close the descriptor, which also releases the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
