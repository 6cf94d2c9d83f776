"""Files are read as people have them: compressed, through a pipe, from standard input."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fluent_cart.formats.input_file import InputFileError, name_without_compression, open_input

CONTENT = b"INSERT INTO wp_users VALUES (1);\n" * 5000


def zipped(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("shop")
        archive.writestr("__MACOSX/._shop.sql", b"of a Mac")
        for name in names or ("shop/shop.sql",):
            archive.writestr(name, content)
    return file.getvalue()


def tarred(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("shop.sql")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zip": zipped,
}


def read(path: str) -> bytes:
    with open_input(path) as file:
        return file.stream.read()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.mark.parametrize("packer", PACKERS)
def test_compressed_file_is_unpacked_by_its_content(path: Path, packer: str) -> None:
    path.write_bytes(packed := PACKERS[packer](CONTENT))
    with open_input(str(path)) as file:
        assert file.stream.read() == CONTENT
        assert file.size == len(packed)
        # The end of a zip archive is read first.
        assert file.position() == (file.size if packer != "zip" else pytest.approx(file.size, rel=0.5))


@pytest.mark.parametrize("packer", PACKERS)
def test_pipe_is_read_like_a_file(path: Path, packer: str) -> None:
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_bytes(PACKERS[packer](CONTENT)))
    writer.start()
    with open_input(str(path)) as file:
        assert file.stream.read() == CONTENT
        assert file.position() == file.size == 0
    writer.join()


@pytest.mark.parametrize("packer", ["gz", "bz2", "xz", "zip"])
def test_damaged_file_is_rejected(path: Path, packer: str) -> None:
    packed = PACKERS[packer](os.urandom(100_000))
    path.write_bytes(packed[:50_000])
    with pytest.raises(InputFileError, match="is not complete: its compressed data is cut off or damaged"):
        read(str(path))
    path.write_bytes(packed[:50_000] + bytes(1000) + packed[51_000:])
    with pytest.raises(InputFileError, match="is not complete: its compressed data is cut off or damaged"):
        read(str(path))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x28\xb5\x2f\xfd rest", r"is compressed with zstd\. Unpack it first"),
        (b"7z\xbc\xaf\x27\x1c rest", "is compressed with 7z"),
        (b"Rar!\x1a\x07", "is compressed with rar"),
        (tarred(b"x"), r"is a tar archive\. Unpack it, and import the file in it"),
        (gzip.compress(tarred(b"x")), "is a tar archive"),
        (zipped(b"x", "a.sql", "b.sql"), r"contains 2 files\. Unpack it, and import one of them"),
    ],
)
def test_form_that_cannot_be_unpacked_is_named(path: Path, content: bytes, reason: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputFileError, match=reason):
        read(str(path))


def test_zip_with_a_password_is_named(path: Path) -> None:
    packed = bytearray(zipped(b"x"))
    # The first bit of a member's flags, in the table of contents and in front of the member.
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = 0
        while (start := packed.find(mark, start)) >= 0:
            packed[start + place] |= 1
            start += 1
    path.write_bytes(packed)
    with pytest.raises(InputFileError, match=r"cannot be unpacked here\. Unpack it first, with its password"):
        read(str(path))


def test_disk_error_is_not_reported_as_a_damaged_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        read(str(path))


@pytest.mark.parametrize(
    ("path", "name"), [("a.csv.gz", "a.csv"), ("a.ZIP", "a"), ("a.csv", "a.csv"), ("-", "-")]
)
def test_name_of_a_compressed_file_says_what_is_in_it(path: str, name: str) -> None:
    assert name_without_compression(path) == name
