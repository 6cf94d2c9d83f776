"""Stream a file as a response while it is created.

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
    """A file that browsers store under a name of this server's choice.

    If it cannot be completed, the connection is closed, so that the file never looks complete.
    """

    def __init__(self, stream: Stream, name: str, file_format: FileFormat) -> None:
        disposition = f'attachment; filename="{name}-{now()[:10]}.{file_format}"'
        super().__init__(
            stream, media_type=MEDIA_TYPES[file_format], headers={"Content-Disposition": disposition}
        )
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Closed in any case, because the client may have left.
        with closing(self._stream):
            await super().__call__(scope, receive, send)

    async def listen_for_disconnect(self, receive: Receive) -> None:
        """Return when the client has disconnected."""
        while (message := await receive())["type"] != "http.disconnect":
            if message.get("body") and message.get("more_body"):
                # The body of the request is not read, so a disconnected caller is noticed when a piece is
                # sent.
                await asyncio.Event().wait()
