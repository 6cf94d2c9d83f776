"""Standard error, to which nothing is written that would have to wait for a reader."""

import io
import os
import select
import sys

# A pipe or a socket that is ready takes at least this much at once. Lines of several processes stay whole.
PIECE_BYTES = 4096


def write_to_standard_error(piece: bytes) -> bool:
    """Write at most ``PIECE_BYTES`` if they are taken at once, and return whether they were."""
    # Standard error is shared with other processes, and those do not expect a mode in which writes fail.
    _, is_ready, _ = select.select([], [sys.stderr], [], 0)
    try:
        return bool(is_ready) and bool(os.write(sys.stderr.fileno(), piece))
    except OSError:
        # The disk that the log is on is full, or its reader is gone: no reason to fail a request.
        return False


def write_line(line: bytes) -> bool:
    """Write a line of any length; return whether all of it was taken at once."""
    try:
        sys.stderr.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        # Something in this process stands in for standard error, so there is no reader to wait for.
        sys.stderr.write(line.decode())
        return True
    pieces = range(0, len(line), PIECE_BYTES)
    return all(write_to_standard_error(line[start : start + PIECE_BYTES]) for start in pieces)
