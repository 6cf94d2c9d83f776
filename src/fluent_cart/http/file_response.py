"""A file as an answer, sent while it is made.

See docs/decisions.md#60-exports.
"""

import asyncio
from collections.abc import Mapping
from contextlib import closing

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from fluent_cart.clock import now
from fluent_cart.database.streams import Stream
from fluent_cart.enums import FileFormat

MEDIA_TYPES: Mapping[FileFormat, str] = {
    FileFormat.CSV: "text/csv; charset=utf-8; header=present",
    FileFormat.NDJSON: "application/x-ndjson",
}


class Attachment(StreamingResponse):
    """A file that browsers store under a name of ours.

    If it cannot be made to its end, the connection is cut: it must never look complete.
    """

    def __init__(self, stream: Stream, name: str, file_format: FileFormat) -> None:
        disposition = f'attachment; filename="{name}-{now()[:10]}.{file_format}"'
        super().__init__(
            stream, media_type=MEDIA_TYPES[file_format], headers={"Content-Disposition": disposition}
        )
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # However it ends: the client may be gone.
        with closing(self._stream):
            await super().__call__(scope, receive, send)

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Return when the client is gone."""
        while (message := await receive())["type"] != "http.disconnect":
            if message.get("body") and message.get("more_body"):
                # The body of the request is not read. A caller that has left is noticed when a piece is sent.
                await asyncio.Event().wait()
