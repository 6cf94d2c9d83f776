"""Serve text that is the same for all callers: compressed once, and sent again only after a change."""

import gzip
from collections.abc import Mapping
from hashlib import blake2b

from fastapi import Request, Response

# A cache stores the text and sends its tag before each use, so that an upgrade of the server shows at once.
HEADERS = {"Cache-Control": "public, no-cache", "Vary": "Accept-Encoding"}


class StaticContent:
    """A text with its entity tag, plain and compressed."""

    def __init__(self, text: str, media_type: str) -> None:
        self.media_type = media_type
        self._plain = text.encode()
        # Compressed without the time, so that all workers have the same bytes.
        self._compressed = gzip.compress(self._plain, mtime=0)
        self._tag = blake2b(self._plain, digest_size=16).hexdigest()

    def response(self, request: Request, headers: Mapping[str, str] | None = None) -> Response:
        """Return the text in a coding that the client accepts, or 304 if the client has it already."""
        is_compressed = _takes_gzip(request)
        # Each coding has a tag of its own (RFC 9110, 8.8.3).
        tag = f'"{self._tag}{"-gzip" * is_compressed}"'
        headers = {**HEADERS, "ETag": tag, **(headers or {})}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if is_compressed:
            headers["Content-Encoding"] = "gzip"
        content = self._compressed if is_compressed else self._plain
        return Response(content, headers=headers, media_type=self.media_type)


def _takes_gzip(request: Request) -> bool:
    codings = request.headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    return any(
        name in ("gzip", "*") and quality.rstrip("0.") != "q="
        for name, _, quality in (coding.partition(";") for coding in codings)
    )
