"""Hash login passwords as WordPress 6.8 does, and check older hashes, too.

MD5, plain text and other forms that a site may have stored match no password.

See docs/decisions.md#50-login-passwords.
"""

import re
from base64 import b64encode
from functools import cache
from hmac import digest as hmac
from pathlib import Path
from typing import Any, Self

import bcrypt
from passlib.context import CryptContext
from passlib.utils import handlers
from passlib.utils.binary import HASH64_CHARS

# The binary logarithm of the rounds of a new hash. PHP's own since 8.4.
COST = 12
MAX_BYTES = 4096
# People choose login passwords, so there are bad ones. WordPress itself takes any.
MIN_LENGTH = 8
# The white space that PHP's trim() removes. Python's strip() removes more.
TRIMMED = " \t\n\r\0\x0b"

# Complete hashes, with a limit of cost, because one check must not block all others for minutes.
_KNOWN = re.compile(r"(?:\$wp)?\$2y\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}|\$P\$[5-9A-E][./A-Za-z0-9]{30}")
# The number of digits and signs that people add to a common password: "Password123!" is common, too.
LONGEST_ENDING = 4
# The cost at which bcrypt takes as long as WordPress's phpass.
_PHPASS_COST = 6


class PhpBcrypt(handlers.HasRounds, handlers.HasSalt, handlers.GenericHandler):  # type: ignore[misc]
    """The hash of some plugins: PHP's own bcrypt, which uses the first 72 bytes of a password."""

    name = "php_bcrypt"
    ident = "$2y$"
    setting_kwds = ("salt", "rounds")
    salt_chars = checksum_chars = HASH64_CHARS
    min_salt_size = max_salt_size = 22
    checksum_size = 31
    min_rounds, max_rounds, rounds_cost = 4, 31, "log2"

    @classmethod
    def from_string(cls, hash: str | bytes, **_context: Any) -> Self:  # noqa: A002  # passlib's name
        rounds, _, rest = str(hash).removeprefix(cls.ident).partition("$")
        return cls(rounds=int(rounds), salt=rest[:22], checksum=rest[22:] or None)

    def to_string(self) -> str:
        return f"{self.ident}{self.rounds:02d}${self.salt!s}{self.checksum!s}"

    @classmethod
    def _generate_salt(cls) -> str:
        # bcrypt stores two bits of the last character, so some characters are never used.
        return bcrypt.gensalt()[-22:].decode()

    def _calc_checksum(self, secret: bytes) -> str:
        setting = f"$2y${self.rounds:02d}${self.salt!s}"
        return bcrypt.hashpw(self._hashed(secret), setting.encode())[-31:].decode()

    @staticmethod
    def _hashed(secret: bytes) -> bytes:
        if b"\0" in secret:
            raise ValueError("PHP would ignore everything after the NUL")
        return secret[:72]


class WordPressBcrypt(PhpBcrypt):
    """The hash of WordPress 6.8: bcrypt of an HMAC, which has the same length for every password."""

    name = "wordpress_bcrypt"
    ident = "$wp$2y$"

    @staticmethod
    def _hashed(secret: bytes) -> bytes:
        return b64encode(hmac(b"wp-sha384", secret, "sha384"))


_handlers: list[Any] = [WordPressBcrypt, PhpBcrypt, "phpass"]
login_passwords = CryptContext(schemes=_handlers, default="wordpress_bcrypt")


def hash_password(password: str) -> str:
    """Return the ``$wp$2y$`` hash of a login password. Raise ``ValueError`` if it is empty or too long."""
    secret = _trimmed(password)
    if not secret:
        raise ValueError("A password has 1 to 4096 bytes")
    handler: Any = WordPressBcrypt
    return str(handler.using(rounds=COST).hash(secret))


def objection(password: str) -> str | None:
    """Return the reason to reject a new password, or None if it is accepted."""
    if len(password.strip(TRIMMED)) < MIN_LENGTH:
        return f"A login password has at least {MIN_LENGTH} characters"
    if not _trimmed(password):
        return f"A login password has at most {MAX_BYTES} bytes"
    if is_common(password):
        return "This login password is one of the most common ones. Choose another one"
    return None


def is_common(password: str) -> bool:
    """Return whether a password is one of the most common, in any case and with a short ending."""
    text = password.strip(TRIMMED).casefold()
    if len(set(text)) <= 2:
        return True
    endings = (text[len(text) - length :] for length in range(LONGEST_ENDING + 1))
    return any(
        text.removesuffix(ending) in _common_passwords()
        for ending in endings
        if not any(map(str.isalpha, ending))
    )


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset((Path(__file__).parent / "common_passwords.txt").read_text("utf-8").split())


def verify(password: str, password_hash: str | None) -> bool:
    """Return whether a login password belongs to a stored hash, as long as there is one.

    A mismatch takes as long as a check of today's cost, for any stored hash.

    See docs/decisions.md#53-failed-logins-of-the-form.
    """
    secret = _trimmed(password)
    if not secret:
        return False
    cost = _cost(password_hash)
    if cost is not None:
        try:
            if login_passwords.verify(secret, password_hash):
                return True
        except ValueError:  # no hash of this kind can match this password, so nothing was hashed
            cost = None
    if cost is None:
        # Hashed in the same way, so that a wrong name takes as long as a wrong password.
        login_passwords.verify(secret, _unmatchable_hash())
        return False
    # The remaining cost: 2^n = 2^c + (2^c + 2^(c+1) + ... + 2^(n-1)).
    for missing in range(cost, COST):
        bcrypt.hashpw(b"", bcrypt.gensalt(missing))
    return False


def is_known(password_hash: str) -> bool:
    """Return whether passwords can be checked against a hash."""
    return _KNOWN.fullmatch(password_hash) is not None


def is_outdated(password_hash: str) -> bool:
    """Return whether a known hash is outdated: of an older kind, or cheaper than today's."""
    return not password_hash.startswith(WordPressBcrypt.ident) or (_cost(password_hash) or 0) < COST


def _cost(password_hash: str | None) -> int | None:
    """Return the time of a check as a cost of bcrypt, or None if there is nothing to check."""
    known = _KNOWN.fullmatch(password_hash or "")
    return known and int(known[1] or _PHPASS_COST)


def _unmatchable_hash() -> str:
    """Return a hash of today's form and cost that no password matches."""
    return f"{WordPressBcrypt.ident}{COST:02d}${'.' * 53}"


def _trimmed(password: str) -> bytes:
    """Return the part of a password that is hashed: trimmed as in WordPress, or "" if it is too long."""
    secret = password.strip(TRIMMED).encode("utf-8", "surrogatepass")
    return secret if len(secret) <= MAX_BYTES else b""
