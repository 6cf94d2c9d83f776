"""Fold texts for comparison: without case, accents and surplus white space."""

import re
import unicodedata

# Letters with a stroke, and letters that stand for two. Unicode's decomposition does not split these.
_STROKES = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
_XN_LABEL = re.compile(r"\bxn--[a-z0-9-]{1,59}", re.ASCII | re.IGNORECASE)
# An index of PostgreSQL takes at most 2,704 bytes.
MAX_SORT_KEY = 255


def fold(text: str) -> str:
    """Return ``text`` without case, accents and surplus white space."""
    if text.isascii():
        return " ".join(text.lower().split())
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(bare.casefold().translate(_STROKES).split())


def sort_key(name: str) -> str:
    """Return the sort key of a name: folded, without invisible format characters."""
    visible = (character for character in name if unicodedata.category(character) != "Cf")
    return fold(name if name.isascii() else "".join(visible))[:MAX_SORT_KEY]


def email_key(address: str) -> str:
    """Return the form in which e-mail addresses are compared: without case, the domain in Unicode.

    See docs/decisions.md#128-domains-beyond-ascii.
    """
    mailbox, at, domain = address.partition("@")
    # Not casefold, because straße.de and strasse.de are two domains.
    return f"{mailbox.casefold()}{at}{decode_labels(domain).lower()}"


def mailbox_key(address: str) -> str:
    """Return the key of the mailbox of an address with a plus, or "" for other addresses.

    ``ann+shop@example.com`` is delivered to ``ann@example.com`` (RFC 5233).
    """
    mailbox, at, domain = email_key(address).partition("@")
    name, plus, _ = mailbox.partition("+")
    return f"{name}{at}{domain}" if name and plus else ""


def decode_labels(text: str) -> str:
    """Return ``text`` with the ``xn--`` labels of a domain in Unicode."""
    return _XN_LABEL.sub(_decoded, text) if "xn--" in text.lower() else text


def _decoded(found: re.Match[str]) -> str:
    try:
        label = found[0][4:].encode().decode("punycode")
    except (ValueError, OverflowError):
        return found[0]
    # A label can encode lone surrogates and NUL, which no database stores.
    return label if label.isprintable() else found[0]
