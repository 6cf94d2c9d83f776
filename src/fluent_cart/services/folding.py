"""Text in the form in which it is compared: without case, accents and surplus white space."""

import unicodedata

# Letters that carry a stroke or are two in one: Unicode does not take these apart by itself.
_STROKES = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th"}
)
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
    """Return the text by which a name sorts: as people read it, without invisible format characters."""
    visible = (character for character in name if unicodedata.category(character) != "Cf")
    return fold(name if name.isascii() else "".join(visible))[:MAX_SORT_KEY]
