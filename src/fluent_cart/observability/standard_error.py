"""Write to standard error without waiting for a reader."""

import io
import os
import select
import sys

# A pipe or a socket that is ready accepts at least this much at once, so lines of several processes stay
# whole.
PIECE_BYTES = 4096


def write_to_standard_error(piece: bytes) -> bool:
    """Write at most ``PIECE_BYTES`` if they are accepted at once, and return whether they were."""
    # Standard error is shared with other processes, which do not expect it to be non-blocking.
    _, is_ready, _ = select.select([], [sys.stderr], [], 0)
    try:
        return bool(is_ready) and bool(os.write(sys.stderr.fileno(), piece))
    except OSError:
        # The disk of the log is full, or its reader is gone. No request must fail because of this.
        return False


def write_line(line: bytes) -> bool:
    """Write a line of any length. Return whether all of it was accepted at once."""
    try:
        sys.stderr.fileno()
    except (io.UnsupportedOperation, AttributeError, ValueError):
        # An object in this process replaces standard error, so there is no reader to wait for.
        sys.stderr.write(line.decode())
        return True
    pieces = range(0, len(line), PIECE_BYTES)
    return all(write_to_standard_error(line[start : start + PIECE_BYTES]) for start in pieces)
