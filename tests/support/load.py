"""Many clients at the same time over real HTTP, on this machine only.

Requests are plain bytes and answers are read by their length: a client library takes longer than the server,
and then the measurement includes its own queue.
"""

import asyncio
import math
import time
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import orjson

HOST = "127.0.0.1"
# No load lasts longer or sends more, for any server.
LIMIT_SECONDS = 120
LIMIT_REQUESTS = 200_000
# A client waits after a refusal, because refusals alone would keep the machine busy.
PAUSE_SECONDS = 0.02
BROKEN = 0


class Request(NamedTuple):
    content: bytes
    # The stored value of an acknowledged write: the e-mail address of a customer, or "" for a read.
    writes: str = ""


class Answer(NamedTuple):
    """A response, with the times of ``time.monotonic`` between which the client waited for it."""

    request: Request
    # BROKEN if the connection ended before the whole answer came.
    status: int
    head: bytes
    body: bytes
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def ok(self) -> bool:
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def code(self) -> str:
        """The code of an error, "" for a success."""
        return str(orjson.loads(self.body).get("code", "")) if self.body else ""

    def header(self, name: str) -> str | None:
        """Return the value of a header, None if there is none."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode()
        return None


class Client:
    """One kept connection, with one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        # The local address, which distinguishes the connection from all others.
        self.port: int = writer.get_extra_info("sockname")[1]
        self.answers: list[Answer] = []

    @classmethod
    async def connect(cls, port: int, source: str = HOST) -> Self:
        return cls(*await asyncio.open_connection(HOST, port, local_addr=(source, 0)))

    async def send(self, request: Request) -> Answer:
        """Send a request and keep its answer."""
        head = body = b""
        status, began = BROKEN, time.monotonic()
        try:
            self._writer.write(request.content)
            head = await self._reader.readuntil(b"\r\n\r\n")
            body = await self._reader.readexactly(_length(head))
            status = int(head.split(b" ", 2)[1])
        except (OSError, asyncio.IncompleteReadError):
            pass
        self.answers.append(answer := Answer(request, status, head, body, began, time.monotonic()))
        return answer

    async def send_until(self, stop: asyncio.Event, requests: Iterator[Request]) -> None:
        for request in requests:
            answer = await self.send(request)
            if stop.is_set() or answer.status == BROKEN:
                break
            if not answer.ok:
                await asyncio.sleep(PAUSE_SECONDS)

    def close(self) -> None:
        self._writer.close()


def _length(head: bytes) -> int:
    return int(head.lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])


@asynccontextmanager
async def connected(port: int, number: int, source: str = HOST) -> AsyncIterator[list[Client]]:
    """Yield connected clients of a server, from an address of this machine."""
    clients = [await Client.connect(port, source) for _ in range(number)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


@asynccontextmanager
async def loading(clients: Iterable[Client], requests: Iterator[Request]) -> AsyncIterator[None]:
    """Let clients send ``requests``, each as fast as it is answered, until the end of the block."""
    bounded = (request for request, _ in zip(requests, range(LIMIT_REQUESTS), strict=False))
    stop = asyncio.Event()
    async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.send_until(stop, bounded))
        try:
            yield
        finally:
            stop.set()


class Requests:
    """Makes the requests of one signed-in user."""

    def __init__(self, path: str, login: str, secret: str) -> None:
        self._path = path
        self._head = (
            f"Host: {HOST}\r\nAuthorization: Basic {b64encode(f'{login}:{secret}'.encode()).decode()}"
        )

    @classmethod
    def of_session(cls, path: str, cookie: str, nonce: str) -> Self:
        """Return a factory of requests of a session. ``cookie`` is its name and value."""
        made = cls(path, "", "")
        made._head = f"Host: {HOST}\r\nCookie: {cookie}\r\nX-WP-Nonce: {nonce}"
        return made

    def read(self, path: str = "") -> Request:
        return self.request("GET", path)

    def create(self, email: str) -> Request:
        """Return a request that makes a customer."""
        return self.request("POST", "", {"email": email, "first_name": "Load"}, writes=email)

    def request(self, method: str, path: str, body: Any = None, writes: str = "") -> Request:
        """Return any request."""
        content = orjson.dumps(body) if body is not None else b""
        fields = (
            f"Content-Type: application/json\r\nContent-Length: {len(content)}" if content else "Accept: */*"
        )
        head = f"{method} {self._path}{path} HTTP/1.1\r\n{self._head}\r\n{fields}\r\n\r\n"
        return Request(head.encode() + content, writes)


def form(login: str, password: str) -> Request:
    """Return a request that signs in by form."""
    content = urlencode({"log": login, "pwd": password}).encode()
    head = (
        f"POST /wp-login.php HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return Request(head.encode() + content)


async def at_once(clients: Sequence[Client], requests: Iterable[Request]) -> list[Answer]:
    """Let each client send one request at once. Return the responses in that order."""
    sending = (client.send(request) for client, request in zip(clients, requests, strict=True))
    return await asyncio.gather(*sending)


async def ask(port: int, request: Request) -> Answer:
    """Send a request over a new connection. BROKEN if the connection is refused or breaks."""
    began = time.monotonic()
    try:
        client = await Client.connect(port)
    except OSError:
        return Answer(request, BROKEN, b"", b"", began, time.monotonic())
    answer = await client.send(request)
    client.close()
    return answer


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a result, as long as a load may last."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():  # noqa: ASYNC110  # nothing signals it
            await asyncio.sleep(0.05)


def answers_of(clients: Iterable[Client]) -> list[Answer]:
    return [answer for client in clients for answer in client.answers]


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def acknowledged(answers: Iterable[Answer]) -> list[str]:
    """Return the acknowledged writes."""
    return [answer.request.writes for answer in answers if answer.ok and answer.request.writes]


def percentile(answers: Sequence[Answer], share: float) -> float:
    """Return how many seconds that share of the answers took at most."""
    ordered = sorted(answer.seconds for answer in answers)
    return ordered[max(math.ceil(len(ordered) * share) - 1, 0)]
