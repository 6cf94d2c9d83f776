"""Check the machine: its disk, its file systems, its clock, and its network."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

from fluent_cart.doctor.findings import Finding, failure, ok, warning

MIB, GIB = 1 << 20, 1 << 30
# A write-ahead log, a backup and a migration each need room for a while.
WARN_BELOW, FAIL_BELOW = GIB, 100 * MIB
# File systems without the locks and shared memory that SQLite needs.
NETWORK = frozenset(
    {
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "ceph",
        "glusterfs",
        "fuse.sshfs",
        "ncpfs",
        "vboxsf",
    }
)
MEMORY = frozenset({"tmpfs", "ramfs"})
# The time at which this was written, so a clock before it is wrong.
EARLIEST_PLAUSIBLE = datetime(2026, 1, 1, tzinfo=UTC)
# The shortest prefix of a network of proxies: 10.0.0.0/8 is the largest private network.
SHORTEST_PREFIX = {4: 8, 6: 32}
# More than a day, so one night is missing.
MAX_BACKUP_HOURS = 48
# The allowed difference of two clocks in seconds.
MAX_CLOCK_DRIFT = 5


def settings(unknown: Mapping[str, str]) -> Finding:
    """Check for names that begin like settings but are unknown. Each has the most similar setting."""
    if unknown:
        names = ", ".join(f"{name} ({nearest or 'nothing similar'})" for name, nearest in unknown.items())
        advice = "Correct the names in the environment or in .env, because they have no effect."
        return warning("settings", f"Not settings, and the most similar setting: {names}", advice)
    return ok("settings", "Every setting is known, and in its range")


def backup(newest: float | None, folder: str) -> Finding:
    """Check the age of the last backup. Its time is in seconds since 1970."""
    advice = f"Make one each night: fluent-cart backup {folder}/NAME.backup. See docs/back-up.md for a timer."
    if newest is None:
        return warning("backup", f"There is no backup in the folder {folder}", advice)
    hours = (datetime.now(UTC).timestamp() - newest) / 3600
    text = f"The last backup in the folder {folder} is {hours:.0f} hours old"
    return warning("backup", text, advice) if hours > MAX_BACKUP_HOURS else ok("backup", text)


def disk(folder: Path) -> Finding:
    """Check the free space of the shop's disk."""
    free = shutil.disk_usage(folder).free
    text = f"{free // MIB:,} MiB are free on the shop's disk"
    if free < FAIL_BELOW:
        return failure("disk", text, "Free some space now, because without it every write is answered 503.")
    if free < WARN_BELOW:
        return warning(
            "disk", text, ("Free some space. A migration or a large write may need a copy of the shop.")
        )
    return ok("disk", text)


def file_system(file: Path, mounts: Path = Path("/proc/mounts")) -> Finding:
    """Check for a network share, or memory, under the shop's file."""
    kind = _kind_of_file_system(file, mounts)
    text = f"The shop is on {kind}" if kind else "The system does not show the disk of the shop"
    if kind in NETWORK:
        advice = "Move the file to a local disk, or the shop to PostgreSQL. SQLite's locks fail on a share."
        return failure("file system", text, advice)
    if kind in MEMORY:
        return failure("file system", text, "Move the file to a disk. Memory is empty after a restart.")
    if kind == "overlay":
        advice = "Keep the file in a volume. The files of a container are deleted with it."
        return warning("file system", text, advice)
    return ok("file system", text)


def _kind_of_file_system(file: Path, mounts: Path) -> str:
    try:
        lines = mounts.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    # Spaces in a path are written as \040. The last line of the longest path is the visible mount.
    kinds = {Path(line.split()[1].replace(r"\040", " ")): line.split()[2] for line in lines}
    return next((kinds[path] for path in (file.absolute(), *file.absolute().parents) if path in kinds), "")


def permissions(file: Path) -> Finding:
    """Check which other users of this machine can read the shop."""
    mode = file.stat().st_mode & 0o777
    if mode & 0o007:
        text = f"Every user of this machine can read or write {file.name} (mode {mode:o})"
        return warning("permissions", text, f"It has personal data: chmod 600 {file}")
    return ok("permissions", f"{file.name} is not open to every user (mode {mode:o})")


def clock(now: datetime, newest: datetime | None, server: datetime | None) -> Finding:
    """Compare the time of this machine with the newest row's and with the database server's."""
    text = f"It is {now:%Y-%m-%d %H:%M:%S} in UTC"
    advice = "Set the clock, and keep it correct (timedatectl set-ntp true)."
    if now < EARLIEST_PLAUSIBLE:
        return failure("clock", f"{text}, which is past", advice)
    if newest and (newest - now).total_seconds() > MAX_CLOCK_DRIFT:
        return failure("clock", f"{text}, but the shop has rows of {newest:%Y-%m-%d %H:%M:%S}", advice)
    if server and abs((server - now).total_seconds()) > MAX_CLOCK_DRIFT:
        return warning("clock", f"{text}, but {server:%H:%M:%S} on the database's server", advice)
    return ok("clock", text)


def proxy(host: str, forwarded_allow_ips: str) -> Finding:
    """Check who may set the client address of a request, and whether passwords are sent in clear text."""
    believed = _networks(forwarded_allow_ips)
    if any(not network.prefixlen for network in believed):
        return failure(
            "proxy",
            "Any client may set the address that a request came from",
            "Name your proxies' addresses in FLUENT_CART_FORWARDED_ALLOW_IPS, because limits and logs use "
            "the client's address.",
        )
    if wide := [network for network in believed if network.prefixlen < SHORTEST_PREFIX[network.version]]:
        return warning(
            "proxy",
            f"All of {wide[0]} may set the address that a request came from",
            "Name only your proxies' addresses in FLUENT_CART_FORWARDED_ALLOW_IPS.",
        )
    if host not in ("127.0.0.1", "::1", "localhost"):
        return warning(
            "proxy",
            f"The server listens on {host}, where passwords are not encrypted",
            "Allow only a proxy with TLS to reach it, and name its address in "
            "FLUENT_CART_FORWARDED_ALLOW_IPS.",
        )
    return ok("proxy", "Only this machine reaches the server. A proxy on it can add TLS")


def _networks(forwarded_allow_ips: str) -> list[IPv4Network | IPv6Network]:
    parts = [part.strip() for part in forwarded_allow_ips.split(",")]
    return [ip_network("::/0" if part == "*" else part) for part in parts if part]
