"""The programs that are measured, each as its authors' documentation would have it written.

All answer the same requests with the same JSON, from the same tables, and look up the application password
by SQL on every request. This file has what none of them could do differently.
"""

import os
import re
from base64 import b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from hashlib import blake2b

# The address of the database: sqlite:///PATH or postgresql://USER@HOST/DATABASE.
DATABASE = os.environ.get("BENCHMARK_DATABASE", "")

VIEW, MANAGE = "view", "manage"
ROLES = {
    "administrator": {VIEW, MANAGE},
    "super_admin": {VIEW, MANAGE},
    "manager": {VIEW, MANAGE},
    "worker": {VIEW},
    "accountant": {VIEW},
}
PREFIX = "/wp-json/fluent-cart/v2/customers"


def credentials(authorization: str) -> tuple[str, str] | None:
    """Return the name and the password's hash (WordPress's keyed BLAKE2b) of an Authorization header."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = b64decode(encoded).decode().partition(":")
    except ValueError:
        return None
    normalized = re.sub(r"[^a-zA-Z0-9]", "", secret).encode()
    digest = blake2b(normalized, key=b"wp_fast_hash_6.8+", digest_size=30).digest()
    return name.strip().casefold(), "$generic$" + urlsafe_b64encode(digest).decode().rstrip("=")


def may(role: str, permission: str) -> bool:
    """Return whether a role has a permission."""
    return permission in ROLES.get(role, ())


def now() -> str:
    """Return the present time as the API answers it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
