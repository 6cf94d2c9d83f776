"""A lock that only one holder in all processes has at a time."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fluent_cart.database import file_lock
from fluent_cart.database.file_lock import FileLock

if sys.platform == "win32":
    pytest.skip("there are no such locks", allow_module_level=True)

import fcntl

# Another process holds the lock until it is killed. It imports nothing of ours, to start in milliseconds.
HOLDER = """
import fcntl, os, sys, time
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600)
fcntl.flock(descriptor, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shop.db.lock"


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Let another process hold the lock."""
    with subprocess.Popen([sys.executable, "-S", "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder
        finally:
            holder.kill()


def is_free(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


class TestHolder:
    def test_holder_keeps_others_out_until_it_leaves(self, path: Path) -> None:
        with (lock := FileLock(path)):
            assert not is_free(path)
        assert is_free(path)
        lock.close()

    def test_holder_leaves_when_its_work_fails(self, path: Path) -> None:
        with pytest.raises(RuntimeError), (lock := FileLock(path)):
            raise RuntimeError
        assert is_free(path)
        lock.close()

    def test_lock_can_be_taken_again(self, path: Path) -> None:
        lock = FileLock(path)
        for _ in range(3):
            with lock:
                assert not is_free(path)
            assert is_free(path)
        lock.close()

    def test_lock_can_be_taken_again_after_closing(self, path: Path) -> None:
        lock = FileLock(path)
        with lock:
            pass
        lock.close()
        lock.close()
        with lock:
            assert not is_free(path)
        lock.close()

    def test_holder_waits_for_another_process(self, path: Path) -> None:
        entered, lock = threading.Event(), FileLock(path)

        def enter() -> None:
            with lock:
                entered.set()

        with held_elsewhere(path):
            waiting = threading.Thread(target=enter)
            waiting.start()
            assert not entered.wait(0.1)
        assert entered.wait(5)
        waiting.join()
        lock.close()

    def test_holder_that_is_killed_leaves_the_lock_to_others(self, path: Path) -> None:
        with held_elsewhere(path) as holder:
            assert not is_free(path)
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            assert is_free(path)

    def test_lock_excludes_other_threads(self, path: Path) -> None:
        """Each thread has its own lock, as processes do. No two hold the lock at once."""
        inside, seen = [], []

        def enter_often() -> None:
            lock = FileLock(path)
            for _ in range(50):
                with lock:
                    inside.append(1)
                    time.sleep(0.0005)
                    seen.append(len(inside))
                    inside.pop()
            lock.close()

        threads = [threading.Thread(target=enter_often) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [1] * 200


class TestFile:
    def test_lock_file_is_created_when_the_lock_is_first_taken(self, path: Path) -> None:
        lock = FileLock(path)
        assert not path.exists()
        with lock:
            assert path.read_bytes() == b""
        lock.close()

    def test_lock_file_is_readable_by_its_owner_only(self, path: Path) -> None:
        with (lock := FileLock(path)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        lock.close()

    def test_lock_file_stays_for_waiting_processes(self, path: Path) -> None:
        """Were it deleted, the next holder would lock another file of the same name."""
        with (lock := FileLock(path)):
            pass
        lock.close()
        assert path.exists()

    def test_lock_file_is_closed_in_child_processes(self, path: Path) -> None:
        """A child that outlived its parent would never release the lock."""
        lock = FileLock(path)
        with lock:
            command = [sys.executable, "-S", "-c", "print('started', flush=True); input()"]
            pipe = subprocess.PIPE
            with subprocess.Popen(command, close_fds=False, stdin=pipe, stdout=pipe) as child:
                assert child.stdout
                assert child.stdout.readline() == b"started\n"
                lock.close()
                assert is_free(path)
                child.communicate(b"\n")

    def test_lock_file_that_cannot_be_created_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError), FileLock(tmp_path / "nowhere" / "shop.db.lock"):
            pass


def test_system_without_file_locks_lets_every_process_enter(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own lock has to do there."""
    monkeypatch.setattr(file_lock, "fcntl", None)
    with (one := FileLock(path)), (other := FileLock(path)):
        assert is_free(path)
    one.close()
    other.close()
