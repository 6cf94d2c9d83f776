"""Compare the speed of the server with other implementations: see README.md in this folder."""

from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
# Databases and logs of the benchmark. Everything in it can be made again.
WORK = ROOT / ".bench"
HOST = "127.0.0.1"
