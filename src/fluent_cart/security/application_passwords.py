"""Application passwords: made, shown, hashed and checked as WordPress does (decision 22).

Only secrets generated here may use the fast ``$generic$`` hash: 24 random letters and digits hold 142 bits,
which no guessing reaches. Imported ``$P$`` hashes of older sites verify as well.
"""

import re
import secrets
import string
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Any

from passlib.context import CryptContext
from passlib.utils import handlers

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24
MAX_SECRET_LENGTH = 4096


class Generic(handlers.StaticHandler):
    """WordPress 6.8's fast hash: keyed BLAKE2b of 30 bytes, URL-safe base64 without padding.

    It has no salt, so that equal secrets have equal hashes and the hash can be looked up in an index.
    """

    name = "generic"
    _hash_prefix = "$generic$"
    checksum_size = 40
    checksum_chars = string.ascii_letters + string.digits + "-_"

    def _calc_checksum(self, secret: str | bytes) -> str:
        raw = secret.encode() if isinstance(secret, str) else secret
        digest = blake2b(raw, key=b"wp_fast_hash_6.8+", digest_size=30).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")


_handlers: list[Any] = [Generic, "phpass"]
application_passwords = CryptContext(schemes=_handlers, default="generic", deprecated=["phpass"])

LEGACY_PREFIX = "$P$"
# Checked where an account has no old hash, so that it costs what an account with one costs.
DUMMY_LEGACY_HASH = "$P$BDKKU1s8WkzLtcMULzmxvHmUS7lkP/1"


def generate() -> str:
    """Return a new application password of 24 letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def in_groups(secret: str) -> str:
    """Return ``secret`` as it is shown to people: in groups of four."""
    return " ".join(re.findall(".{1,4}", secret))


def normalize(secret: str) -> str:
    """Drop everything but ASCII letters and digits, as WordPress does before each check.

    A secret that is too long to be one becomes "", which is nobody's: nothing of it is hashed.
    """
    return re.sub(r"[^a-zA-Z0-9]", "", secret) if len(secret) <= MAX_SECRET_LENGTH else ""


def digest(secret: str) -> str:
    """Return the ``$generic$`` hash of an application password, however it is grouped."""
    return str(application_passwords.hash(normalize(secret)))


def verify(secret: str, password_hash: str) -> bool:
    """Tell whether ``secret`` belongs to a stored hash; anything that is not a known hash refuses."""
    normalized = normalize(secret)
    if not normalized or not application_passwords.identify(password_hash):
        return False
    try:
        return bool(application_passwords.verify(normalized, password_hash))
    except (ValueError, IndexError):  # it began like a hash and is none
        return False
