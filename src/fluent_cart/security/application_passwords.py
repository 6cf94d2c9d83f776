"""Create, format, hash and check application passwords as WordPress does.

Only secrets generated here may use the fast ``$generic$`` hash: 24 random letters and digits have 142 bits,
which cannot be guessed. Imported ``$P$`` and bcrypt hashes of older sites are accepted as well.

See docs/decisions.md#22-http-basic.
"""

import re
import secrets
import string
from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Any

from passlib.context import CryptContext
from passlib.utils import handlers

from fluent_cart.security.login_passwords import PhpBcrypt, WordPressBcrypt

ALPHABET = string.ascii_letters + string.digits
LENGTH = 24
MAX_SECRET_LENGTH = 4096

# Complete hashes. A request may check up to five slow ones: bcrypt of cost 12 takes 0.2 s, phpass at most 0.1
# s, and $P$S would take many minutes.
_KNOWN = re.compile(
    r"\$generic\$[A-Za-z0-9_-]{40}"
    r"|(?:\$wp)?\$2y\$(?:0[4-9]|1[0-2])\$[./A-Za-z0-9]{53}"
    r"|\$P\$[5-9A-E][./A-Za-z0-9]{30}"
)


class WordPressFastHash(handlers.StaticHandler):
    """WordPress 6.8's fast hash: keyed BLAKE2b of 30 bytes, URL-safe base64 without padding.

    It has no salt, so equal secrets have equal hashes, and an index can find the hash.
    """

    name = "generic"
    _hash_prefix = "$generic$"
    checksum_size = 40
    checksum_chars = string.ascii_letters + string.digits + "-_"

    def _calc_checksum(self, secret: str | bytes) -> str:
        raw = secret.encode() if isinstance(secret, str) else secret
        digest = blake2b(raw, key=b"wp_fast_hash_6.8+", digest_size=30).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")


# On a site whose login passwords a plugin stores as bcrypt, application passwords are bcrypt, too.
_handlers: list[Any] = [WordPressFastHash, WordPressBcrypt, PhpBcrypt, "phpass"]
_slow = [WordPressBcrypt.name, PhpBcrypt.name, "phpass"]
application_passwords = CryptContext(schemes=_handlers, default="generic", deprecated=_slow)

# The prefix of a slow hash up to its cost. Checks of hashes with the same prefix take the same time.
LEGACY_PREFIXES = {"$2y$": 7, "$P$": 4, "$wp$": 10}
_CHECKSUM = {"$2y$": "." * 53, "$P$": "DKKU1s8WkzLtcMULzmxvHmUS7lkP/1", "$wp$": "." * 53}


def generate() -> str:
    """Return a new application password of 24 letters and digits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def format_for_display(secret: str) -> str:
    """Return ``secret`` in groups of four, for people."""
    return " ".join(re.findall(".{1,4}", secret))


def normalize(secret: str) -> str:
    """Remove everything but ASCII letters and digits, as WordPress does before each check.

    Return "" for a secret that is too long. "" is never a password and is not hashed.
    """
    return re.sub(r"[^a-zA-Z0-9]", "", secret) if len(secret) <= MAX_SECRET_LENGTH else ""


def digest(secret: str) -> str:
    """Return the ``$generic$`` hash of an application password, with or without groups."""
    return str(application_passwords.hash(normalize(secret)))


def dummy(beginning: str) -> str:
    """Return a slow hash that no password has, with a prefix that sets the cost of a check.

    It is checked for an account without an old hash, so that the check takes as long as for an account with
    one.
    """
    prefix = next(prefix for prefix in LEGACY_PREFIXES if beginning.startswith(prefix))
    return f"{beginning}{_CHECKSUM[prefix]}"


def is_known(password_hash: str) -> bool:
    """Return whether passwords can be checked against a hash, at a cost that can be borne."""
    return _KNOWN.fullmatch(password_hash) is not None


def verify(secret: str, password_hash: str) -> bool:
    """Return whether ``secret`` belongs to a stored hash. False if the hash is of an unknown kind."""
    normalized = normalize(secret)
    if not normalized or not is_known(password_hash):
        return False
    try:
        return bool(application_passwords.verify(normalized.encode(), password_hash))
    except (ValueError, IndexError):  # a known prefix, but a malformed hash
        return False
