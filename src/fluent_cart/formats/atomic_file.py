"""Write a file so that the file in its place is always complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile


@contextmanager
def atomic_write(file: Path) -> Iterator[Path]:
    """Yield a file to write, which only its owner can read, and then rename it to ``file``."""
    try:
        with NamedTemporaryFile(dir=file.absolute().parent, prefix=f".{file.name}.", delete=False) as made:
            unfinished = Path(made.name)
    except OSError as error:
        # The name of the temporary file would not help the reader.
        raise OSError(error.errno, error.strerror, str(file)) from None
    try:
        yield unfinished
        _sync(unfinished)
        unfinished.replace(file)
        _sync(file.absolute().parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
