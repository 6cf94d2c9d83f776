"""A program that keeps a copy of a shop in a SQLite file, as in docs/find-and-sync.md.

``python -m tests.stress.sync_client URL LOGIN FILE`` may be killed at any time, and goes on from the file.
"""

import json
import sqlite3
import sys
import time
from base64 import b64encode
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

OK, UNAVAILABLE = 200, 503
WAIT_SECONDS = 5
TABLES = """
CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value NOT NULL);
"""


class Shop:
    """The server, which may be killed as well."""

    def __init__(self, url: str, login: str) -> None:
        parts = urlsplit(url)
        self._connection = HTTPConnection(parts.netloc, timeout=60)
        self._path = parts.path
        self._headers = {"Authorization": f"Basic {b64encode(login.encode()).decode()}"}

    def read(self, path: str, **query: object) -> Any:
        """Return the data of a response. Retry until the server answers."""
        while True:
            try:
                self._connection.request(
                    "GET", f"{self._path}{path}?{urlencode(query)}", headers=self._headers
                )
                answer = self._connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException):
                self._connection.close()
            else:
                if answer.status == OK:
                    return json.loads(body)["data"]
                if answer.status != UNAVAILABLE:
                    raise SystemExit(f"{answer.status}: {body!r}")
            time.sleep(0.05)


def read_state(connection: sqlite3.Connection, name: str) -> Any:
    """Return a value that a client has stored, or None."""
    found = connection.execute("SELECT value FROM state WHERE name = ?", [name]).fetchone()
    return found[0] if found else None


class Copy:
    """The copy, and the cursor after the last page that it has."""

    def __init__(self, file: str) -> None:
        # Each statement is a transaction.
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.executescript(f"PRAGMA synchronous=OFF; {TABLES}")

    def state(self, name: str) -> Any:
        return read_state(self._connection, name)

    def set_state(self, name: str, value: object) -> None:
        self._connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", [name, value])

    def store(self, customer: Any) -> None:
        row = [customer["id"], json.dumps(customer)]
        self._connection.execute("INSERT OR REPLACE INTO customers VALUES (?, ?)", row)

    def delete(self, customer_id: int) -> None:
        self._connection.execute("DELETE FROM customers WHERE id = ?", [customer_id])


def read_whole_list(shop: Shop, copy: Copy) -> None:
    """Store the cursor of the changes, then all customers, and the cursor of the list after each page."""
    if copy.state("cursor") is None:
        copy.set_state("cursor", shop.read("/changes")["cursor"])
    while not copy.state("is_listed"):
        place = copy.state("list_cursor") or ""
        page = shop.read("", cursor=place, include="addresses", per_page=100)
        for customer in page["customers"]:
            copy.store(customer)
        following = page["pagination"]["next_cursor"]
        copy.set_state(*("list_cursor", following) if following else ("is_listed", 1))


def follow(shop: Shop, copy: Copy) -> None:
    """Apply changes, page by page, until the program is killed."""
    while True:
        page = shop.read("/changes", after=copy.state("cursor"), per_page=100, wait=WAIT_SECONDS)
        for change in page["changes"]:
            if change["customer"] is None:
                copy.delete(change["customer_id"])
            else:
                copy.store(change["customer"])
        # A client that is killed before this line applies the page again.
        copy.set_state("cursor", page["cursor"])
        copy.set_state("applied", (copy.state("applied") or 0) + len(page["changes"]))


def main() -> None:
    url, login, file = sys.argv[1:]
    shop, copy = Shop(url, login), Copy(file)
    read_whole_list(shop, copy)
    follow(shop, copy)


if __name__ == "__main__":
    main()
