"""A machine for the commands of root in a guide: this one, whose folders are restored afterwards.

In namespaces of Linux for mounts, processes and the network, so that ports, users and files are as printed.
"""

import os
import shutil
import subprocess
from pathlib import Path

FOLDERS = ("/etc", "/opt", "/usr/local", "/var/lib")
ENTER = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
MOUNT = """
set -euo pipefail
mount -t tmpfs tmpfs "$SANDBOX"
for folder in {folders}; do
    name=$(echo "$folder" | tr / _)
    mkdir -p "$SANDBOX/$name" "$SANDBOX/work$name"
    upper="$SANDBOX/$name"
    mount -t overlay overlay -o "lowerdir=$folder,upperdir=$upper,workdir=$SANDBOX/work$name" "$folder"
done
mount -t tmpfs tmpfs /run
ip link set lo up
"""


def run(script: str, folder: Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` as root in a plain shell. Only ``folder`` and /tmp keep the files that it writes."""
    (sandbox := folder / "sandbox").mkdir()
    return subprocess.run(
        [*ENTER, "bash", "-c", MOUNT.format(folders=" ".join(FOLDERS)) + script],
        cwd=cwd,
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "SANDBOX": str(sandbox),
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def is_available(folder: Path) -> bool:
    """Return whether this machine lets its user make such namespaces."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "ip", "runuser", "useradd"))):
        return False
    return run("true", folder, folder).returncode == 0
