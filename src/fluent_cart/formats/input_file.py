"""Open an input file: plain or compressed, a pipe, or standard input."""

import bz2
import gzip
import io
import lzma
import os
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

STDIO = "-"
_BUFFER = 256 * 1024
# The first bytes of each format, and the ending of its file names.
_GZIP, _BZIP2, _XZ, _ZIP = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"PK\x03\x04"
_ENDINGS = frozenset({".gz", ".bz2", ".xz", ".zip"})
# Formats that Python cannot unpack.
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"\x04\x22\x4d\x18": "lz4"}
_TAR = slice(257, 262)


class InputFileError(Exception):
    """The file cannot be unpacked. The text names the reason."""


class InputFile(NamedTuple):
    """The unpacked content of a file, which can only be read forward."""

    stream: io.BufferedReader
    # The number of bytes of the file itself, packed or not, or 0 if it is not known.
    size: int
    # Returns the number of these bytes that were read.
    position: Callable[[], int]


@contextmanager
def open_input(path: str) -> Iterator[InputFile]:
    """Open a file, or standard input for ``-``.

    Raise ``InputFileError`` for a format that cannot be unpacked.
    """
    with ExitStack() as stack:
        opened = sys.stdin.buffer if path == STDIO else stack.enter_context(Path(path).open("rb"))
        file = cast("io.BufferedReader", opened)
        name = "Standard input" if path == STDIO else path
        size = _size(file)
        source = _unpacked(file, name, stack)
        stream = file
        if source is not file:
            stream = stack.enter_context(io.BufferedReader(_Checked(source, name), _BUFFER))
        if stream.peek(_TAR.stop)[_TAR] == b"ustar":
            raise InputFileError(f"{name} is a tar archive. Unpack it, and import the file in it")
        yield InputFile(stream, size, lambda: file.tell() if size else 0)


def name_without_compression(path: str) -> str:
    """Return the name of a file after it is unpacked."""
    return path[: -len(ending)] if (ending := Path(path).suffix.lower()) in _ENDINGS else path


def _size(file: io.BufferedReader) -> int:
    status = os.fstat(file.fileno())
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def _unpacked(file: io.BufferedReader, name: str, stack: ExitStack) -> IO[bytes]:
    begin = file.peek(len(_XZ))
    for magic, form in _OTHERS.items():
        if begin.startswith(magic):
            raise InputFileError(f"{name} is compressed with {form}. Unpack it first")
    if begin.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if begin.startswith(_BZIP2):
        return bz2.BZ2File(file)
    if begin.startswith(_XZ):
        return lzma.LZMAFile(file)
    return _unzipped(file, name, stack) if begin.startswith(_ZIP) else file


def _unzipped(file: io.BufferedReader, name: str, stack: ExitStack) -> IO[bytes]:
    """Return the only file of a zip archive, whose table of contents is at its end."""
    archive: IO[bytes] = file
    if not file.seekable():
        archive = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  # the stack closes it
        shutil.copyfileobj(file, archive)
    try:
        packed = stack.enter_context(zipfile.ZipFile(archive))
        members = [member for member in packed.infolist() if _is_content(member)]
        if len(members) != 1:
            raise InputFileError(f"{name} contains {len(members)} files. Unpack it, and import one of them")
        return packed.open(members[0])
    except zipfile.BadZipFile:
        raise InputFileError(f"{name} is not complete: its compressed data is cut off or damaged") from None
    except (RuntimeError, NotImplementedError):
        raise InputFileError(f"{name} cannot be unpacked here. Unpack it first, with its password") from None


def _is_content(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is a file of the archive's owner: a Mac adds some of its own."""
    return not member.is_dir() and PurePosixPath(member.filename).parts[0] != "__MACOSX"


class _Checked(io.RawIOBase):
    """Compressed data. Damage raises one kind of error."""

    def __init__(self, source: IO[bytes], name: str) -> None:
        self._source, self._name = source, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int] | bytearray") -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            # An error of the operating system has a number.
            if getattr(error, "errno", None):
                raise
            raise InputFileError(
                f"{self._name} is not complete: its compressed data is cut off or damaged"
            ) from None
        buffer[: len(data)] = data
        return len(data)
