"""Connections of slow, stuck, hostile and ordinary peers, on a real socket."""

import asyncio
import gc
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx
import pytest
import uvicorn
from uvicorn.server import ServerState

from fluent_cart.observability.request_context import request_context
from fluent_cart.server.framing import MAX_HEAD_BYTES
from fluent_cart.server.process import sweep_connections
from fluent_cart.server.protocol import Protocol, Waiting, connections
from tests.support.errors import assert_error

Send = Callable[[dict[str, Any]], Awaitable[None]]
LARGE = 20_000_000
# How long anything here may take on a busy machine before it counts as never.
NEVER = 20


class Application:
    """Returns the request, in pieces or late on demand."""

    def __init__(self) -> None:
        self.disconnected = 0
        self.go_on = asyncio.Event()
        self.abandoned: list[bool] = []

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Send) -> None:
        body = b""
        if scope["path"] == "/begun":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        if scope["path"] not in ("/early", "/enough"):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    self.disconnected += 1
                    return
                body += message["body"]
                more = message["more_body"]
        if scope["path"] == "/late":
            await self.go_on.wait()
            self.abandoned.append(request_context(scope).is_abandoned)
        if scope["path"] == "/host":
            body = dict(scope["headers"])[b"host"]
        status = 304 if scope["path"] == "/same" else 200
        answer = b"x" * LARGE if scope["path"] == "/large" else scope["path"].encode() + b" " + body
        sized = (
            [(b"content-length", str(len(answer)).encode())]
            if scope["path"] not in ("/pieces", "/cut")
            else []
        )
        if scope["path"] == "/enough":
            sized.append((b"connection", b"close"))
        await send(
            {"type": "http.response.start", "status": status, "headers": sized if status == 200 else []}
        )
        if scope["path"] == "/cut":
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        if scope["path"] in ("/broken", "/cut"):
            raise RuntimeError("broken on purpose")
        if scope["path"] == "/pieces":
            for piece in (b"HTTP/1.1 ", b"HTTP/1.1 100 ", b""):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": answer if status == 200 else b""})


class Peer(NamedTuple):
    """The other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def rest(self) -> bytes:
        """Return everything until the connection ends, within a time limit."""
        return await asyncio.wait_for(self.reader.read(), NEVER)

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self.reader.readuntil(end), NEVER)


@dataclass
class Site:
    """A server in this process, whose clock the test moves."""

    application: Application
    port: int
    peers: list[Peer] = field(default_factory=list)
    clock: float = 0

    async def connect(self, data: bytes = b"") -> Peer:
        peer = Peer(*await asyncio.open_connection("127.0.0.1", self.port))
        self.peers.append(peer)
        peer.writer.write(data)
        return peer

    async def ask(self, data: bytes) -> bytes:
        return await (await self.connect(data)).rest()

    async def pass_time(self, seconds: int) -> None:
        """Have the server look at its connections each second, after all that was sent has arrived."""
        await wait_until_idle()
        for _ in range(seconds):
            self.clock += 1
            for connection in tuple(connections):
                connection.enforce_deadlines(self.clock)
        await wait_until_idle()


async def wait_until_idle() -> None:
    # Both ends are in this process: a few turns of its loop are enough, also on a busy machine.
    for _ in range(10):
        await asyncio.sleep(0.001)


async def until(condition: Callable[[], object]) -> None:
    """Wait for bytes that must arrive."""
    async with asyncio.timeout(NEVER):
        while not condition():  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that serves."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A server of the test's own."""
    application = Application()
    config = uvicorn.Config(application, log_config=None, access_log=False)
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Protocol(config=config, server_state=state, app_state={}), "127.0.0.1"
    )
    site = Site(application, server.sockets[0].getsockname()[1])
    yield site
    application.go_on.set()
    for peer in site.peers:
        peer.writer.transport.abort()
    await until(lambda: not connections and not state.tasks)
    server.close()


def assert_refused(answer: bytes, status: int, code: str, message: str) -> None:
    """Assert that an error is answered whole, with every header that all answers have."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    response = httpx.Response(int(line.split()[1]), headers=headers, content=body)
    assert_error(response, status, code, message)
    assert response.headers["content-length"] == str(len(body))
    assert response.headers["connection"] == "close"
    assert response.headers["cache-control"] == "no-store, private"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["date"]


def assert_late(answer: bytes) -> None:
    assert_refused(answer, 408, "request_timeout", "The request did not arrive in time. Send it again")


def assert_large(answer: bytes) -> None:
    assert_refused(
        answer, 431, "headers_too_large", "The request's address and headers are larger than 64 KiB"
    )


def assert_invalid(answer: bytes, message: str = "The request is not valid HTTP/1.1") -> None:
    assert_refused(answer, 400, "validation_error", message)


GET = b"GET /path HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET /path HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CHUNKED = b"POST /path HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def post(length: int, path: str = "/path") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()


HEAD, BODY, READ, STOP, LEAVE = (int(seconds) for seconds in Protocol.TIMEOUTS.values())


class TestDeadlines:
    """Each deadline counts from the moment at which the server begins to wait."""

    def test_deadlines_are_as_documented(self) -> None:
        assert (HEAD, BODY, READ, STOP, LEAVE) == (10, 15, 30, 15, 2)

    @pytest.mark.parametrize("nothing", [b"", b"\r\n\r\n"])
    async def test_idle_connection_is_closed_without_a_response(self, site: Site, nothing: bytes) -> None:
        peer = await site.connect(nothing)
        await site.pass_time(HEAD)
        assert len(connections) == 1
        await site.pass_time(1)
        assert await peer.rest() == b""

    @pytest.mark.parametrize("head", [b"G", GET[:-2], GET[:-1]])
    async def test_unfinished_head_is_408(self, site: Site, head: bytes) -> None:
        peer = await site.connect(head)
        await site.pass_time(HEAD + 1)
        assert_late(await peer.rest())

    @pytest.mark.parametrize("body", [b"half", b""])
    async def test_unfinished_body_is_408(self, site: Site, body: bytes) -> None:
        peer = await site.connect(post(10) + body)
        await site.pass_time(BODY)
        assert site.application.disconnected == 0
        await site.pass_time(1)
        assert_late(await peer.rest())
        assert site.application.disconnected == 1

    @pytest.mark.parametrize(
        ("start", "piece", "seconds"),
        [
            (GET[:-2], b"X-Name: value\r\n", HEAD),
            (post(1_000_000), b"body", BODY),
            (CHUNKED, b"4\r\nbody\r\n", BODY),
        ],
    )
    async def test_deadline_counts_for_a_head_that_trickles_in(
        self, site: Site, start: bytes, piece: bytes, seconds: int
    ) -> None:
        peer = await site.connect(start)
        for _ in range(seconds + 1):
            peer.writer.write(piece)
            await site.pass_time(1)
        assert_late(await peer.rest())

    async def test_deadline_begins_again_with_each_request(self, site: Site) -> None:
        peer = await site.connect()
        for _ in range(3):
            peer.writer.write(post(4)[:-2])
            await site.pass_time(HEAD)
            peer.writer.write(b"\r\n")
            await site.pass_time(BODY)
            peer.writer.write(b"body")
            await peer.until(b"/path body")
        peer.writer.write(GET[:-2])
        await site.pass_time(HEAD + 1)
        assert_late(await peer.rest())

    async def test_kept_connection_without_a_request_is_closed(self, site: Site) -> None:
        """Uvicorn has a timer for that, but forgets it once an empty line has come."""
        peer = await site.connect(GET)
        await peer.until(b"/path ")
        peer.writer.write(b"\r\n")
        await site.pass_time(HEAD + 1)
        assert await peer.rest() == b""

    async def test_slow_application_has_no_deadline(self, site: Site) -> None:
        peer = await site.connect(GET.replace(b"path", b"late"))
        await site.pass_time(1000)
        site.application.go_on.set()
        assert await peer.until(b"/late ")

    async def test_response_that_is_not_read_is_closed(self, site: Site) -> None:
        peer = await site.connect(GET.replace(b"path", b"large"))
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await site.pass_time(READ)
        assert len(connections) == 1
        await site.pass_time(1)
        assert not connections

    async def test_response_may_be_read_slowly(self, site: Site) -> None:
        peer = await site.connect(CLOSE.replace(b"path", b"large"))
        # More than the system keeps for a peer that does not read.
        for _ in range(3):
            await asyncio.wait_for(peer.reader.readexactly(6_000_000), NEVER)
            await site.pass_time(READ)
        assert len(await peer.rest()) > LARGE - 18_000_000

    async def test_rejected_connection_is_closed_after_a_moment(self, site: Site) -> None:
        peer = await site.connect(b"nonsense\r\n\r\n")
        await peer.until(b"}}")
        await site.pass_time(LEAVE)
        assert len(connections) == 1
        await site.pass_time(1)
        assert not connections

    async def test_hundreds_of_slow_connections_do_not_delay_others(self, site: Site) -> None:
        """E12 in short: half-open heads and half-sent bodies."""
        peers = [await site.connect(GET[:-2]) for _ in range(70)]
        peers += [await site.connect(post(10) + b"half") for _ in range(20)]
        for _ in range(BODY + 1):
            await site.pass_time(1)
            assert (await site.ask(CLOSE)).endswith(b"\r\n\r\n/path ")
        for peer in peers:
            assert_late(await peer.rest())

    async def test_deadlines_are_enforced_without_requests(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("fluent_cart.server.process.SWEEP_SECONDS", 0.01)
        monkeypatch.setattr(Protocol, "TIMEOUTS", dict.fromkeys(Waiting, 0.05))
        caplog.set_level("INFO", logger="uvicorn.error")
        sweeping = asyncio.create_task(sweep_connections())
        assert await site.ask(b"") == b""
        sweeping.cancel()
        assert "Ended 1 connections whose peers were too slow" in caplog.messages

    async def test_memory_of_ended_connections_is_freed(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        freed: list[int] = []
        monkeypatch.setattr("fluent_cart.server.process.SWEEP_SECONDS", 0.01)
        monkeypatch.setattr("fluent_cart.server.process.free_memory", lambda: freed.append(len(connections)))
        sweeping = asyncio.create_task(sweep_connections())
        peers = [await site.connect(GET) for _ in range(2)]
        for peer in peers:
            await peer.until(b"/path ")
        await asyncio.sleep(0.03)
        assert freed == []
        peers[0].writer.transport.abort()
        await until(lambda: freed)
        await asyncio.sleep(0.03)
        assert freed == [1]
        sweeping.cancel()


class TestHeads:
    @staticmethod
    def head(size: int) -> bytes:
        """Return a head of a given size, as the server counts it."""
        fixed = len("/path") + len("Host: a\r\n") + len("Connection: close\r\n") + len("X: \r\n")
        return CLOSE[:-2] + b"X: " + b"x" * (size - fixed) + b"\r\n\r\n"

    async def send(self, site: Site, data: bytes, pieces: int) -> bytes:
        peer = await site.connect()
        size = len(data) // pieces + 1
        for start in range(0, len(data), size):
            peer.writer.write(data[start : start + size])
            await wait_until_idle()
        return await peer.rest()

    @pytest.mark.parametrize("pieces", [1, 2, 30])
    async def test_head_of_64_kib_is_read(self, site: Site, pieces: int) -> None:
        assert b"200 OK" in await self.send(site, self.head(MAX_HEAD_BYTES), pieces)

    @pytest.mark.parametrize("pieces", [1, 2, 30])
    @pytest.mark.parametrize("size", [MAX_HEAD_BYTES + 1, 70_000, 180_000, 200_000])
    async def test_head_over_64_kib_is_431(self, site: Site, size: int, pieces: int) -> None:
        assert_large(await self.send(site, self.head(size), pieces))

    async def test_head_with_too_many_headers_is_431(self, site: Site) -> None:
        assert_large(await site.ask(CLOSE[:-2] + b"X-Name: value\r\n" * 5000 + b"\r\n"))

    async def test_head_with_a_long_address_is_431(self, site: Site) -> None:
        assert_large(await site.ask(CLOSE.replace(b"/path", b"/" + b"x" * MAX_HEAD_BYTES)))

    async def test_head_without_an_end_is_rejected_early(self, site: Site) -> None:
        peer = await site.connect(GET[:-2] + b"X: ")
        for _ in range(1000):
            if connections and next(iter(connections)).discarding_input:
                break
            peer.writer.write(b"x" * 20_000)
            await asyncio.sleep(0)
        assert_large(await peer.rest())

    async def test_heads_after_another_request_have_the_same_limit(self, site: Site) -> None:
        for first in (GET, post(60_000) + b"x" * 60_000):
            peer = await site.connect(first)
            await peer.until(b"/path ")
            peer.writer.write(self.head(MAX_HEAD_BYTES))
            assert b"200 OK" in await peer.rest()
            peer = await site.connect(first)
            await peer.until(b"/path ")
            peer.writer.write(self.head(MAX_HEAD_BYTES + 1))
            assert_large((await peer.rest()).lstrip(b"x"))

    async def test_heads_of_several_requests_count_separately(self, site: Site) -> None:
        answer = await site.ask(GET * 2500 + CLOSE)
        assert answer.count(b"HTTP/1.1 200 OK") == 2501

    async def test_heads_after_a_large_body_are_not_counted_with_it(self, site: Site) -> None:
        body = b"x" * (MAX_HEAD_BYTES * 3 - len(post(1_000_000)))
        answer = await self.send(site, post(len(body)) + body + CLOSE, 2)
        assert answer.count(b"HTTP/1.1 200 OK") == 2


class TestRefusals:
    @pytest.mark.parametrize(
        "nonsense",
        [
            b"nonsense\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01",
        ],
    )
    async def test_bytes_that_are_not_http_get_an_error_in_the_envelope(
        self, site: Site, nonsense: bytes
    ) -> None:
        assert_invalid(await site.ask(nonsense))

    async def test_broken_body_ends_the_request(self, site: Site) -> None:
        assert_invalid(await site.ask(CHUNKED + b"nonsense\r\n"))
        assert site.application.disconnected == 1

    async def test_error_reaches_a_peer_that_still_sends(self, site: Site) -> None:
        """Closed at once, the connection would be reset, and the answer lost."""
        peer = await site.connect(b"nonsense\r\n\r\n" + b"x" * 5_000_000)
        assert_invalid(await peer.rest())

    async def test_error_comes_after_responses_to_earlier_requests(self, site: Site) -> None:
        peer = await site.connect(post(4, "/late") + b"body" + b"nonsense")
        await wait_until_idle()
        site.application.go_on.set()
        answer = await peer.rest()
        assert answer.endswith(b"connection: close\r\n\r\n/late body")
        assert answer.count(b"HTTP/1.1") == 1

    @pytest.mark.parametrize("rest", [post(10) + b"half", CHUNKED + b"nonsense\r\n"])
    async def test_error_is_never_sent_for_an_earlier_request(self, site: Site, rest: bytes) -> None:
        peer = await site.connect(GET.replace(b"path", b"late") + rest)
        await site.pass_time(1000)
        site.application.go_on.set()
        await wait_until_idle()
        await site.pass_time(BODY + 1)
        answer = await peer.rest()
        assert b"200 OK" in answer[:20]
        assert_late(answer.partition(b"/late ")[2])

    async def test_error_is_not_sent_after_a_response_has_begun(self, site: Site) -> None:
        peer = await site.connect(post(10, "/early") + b"half")
        assert (await peer.until(b"/early ")).startswith(b"HTTP/1.1 200 OK")
        await site.pass_time(BODY + 1)
        assert await peer.rest() == b""
        peer = await site.connect(post(10, "/begun") + b"half")
        assert (await peer.until(b"begun\r\n")).startswith(b"HTTP/1.1 200 OK")
        await site.pass_time(BODY + 1)
        assert await peer.rest() == b""


UPLOAD = b"POST /enough HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nsome" % (LARGE + len(b"some"))


class TestAnswers:
    """Each response is one write, with the same bytes as two writes."""

    async def test_head_and_body_are_one_write(self, site: Site) -> None:
        answer = await site.ask(CLOSE)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"connection: close\r\n\r\n/path ")

    async def test_response_to_head_is_sent_at_once(self, site: Site) -> None:
        peer = await site.connect(GET.replace(b"GET", b"HEAD"))
        assert b"content-length: 6\r\n" in await peer.until(b"\r\n\r\n")
        peer.writer.write(GET)
        assert (await peer.until(b"/path ")).count(b"HTTP/1.1") == 1
        assert (await site.ask(CLOSE.replace(b"GET", b"HEAD"))).endswith(b"\r\n\r\n")

    async def test_response_without_a_body_is_sent_at_once(self, site: Site) -> None:
        peer = await site.connect(GET.replace(b"path", b"same"))
        assert (await peer.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 304 ")

    async def test_response_in_pieces_arrives_unchanged(self, site: Site) -> None:
        answer = await site.ask(CLOSE.replace(b"path", b"pieces"))
        assert answer.partition(b"\r\n\r\n")[2] == (
            b"9\r\nHTTP/1.1 \r\nd\r\nHTTP/1.1 100 \r\n8\r\n/pieces \r\n0\r\n\r\n"
        )

    async def test_response_of_unknown_length_has_no_chunks_for_http_1_0(self, site: Site) -> None:
        answer = await site.ask(b"GET /pieces HTTP/1.0\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert body == b"HTTP/1.1 HTTP/1.1 100 /pieces "

    async def test_interrupted_response_to_http_1_0_is_reset(self, site: Site) -> None:
        """The end of the connection would be the end of a response that is complete."""
        with pytest.raises(ConnectionResetError):
            await site.ask(b"GET /cut HTTP/1.0\r\n\r\n")

    async def test_interrupted_response_closes_the_connection(self, site: Site) -> None:
        assert (await site.ask(GET.replace(b"path", b"broken"))).endswith(b"content-length: 8\r\n\r\n")

    async def test_early_response_reaches_a_peer_that_still_sends(self, site: Site) -> None:
        peer = await site.connect(UPLOAD)
        for _ in range(LARGE // 1_000_000):
            peer.writer.write(b"x" * 1_000_000)
            await asyncio.wait_for(peer.writer.drain(), NEVER)
        assert (await peer.rest()).endswith(b"/enough ")
        peer.writer.close()
        await until(lambda: not connections)

    async def test_early_response_is_the_last_of_its_connection(self, site: Site) -> None:
        rest = b"x" * LARGE + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"
        assert b"/next" not in await site.ask(UPLOAD + rest)

    async def test_early_response_waits_for_the_rest_a_limited_time(self, site: Site) -> None:
        peer = await site.connect(UPLOAD)
        assert (await peer.rest()).endswith(b"/enough ")
        await site.pass_time(STOP)
        assert connections
        await site.pass_time(1)
        assert not connections

    async def test_expect_continue_is_sent_before_the_body_is_read(self, site: Site) -> None:
        peer = await site.connect(post(4)[:-2] + b"Expect: 100-continue\r\n\r\n")
        await peer.until(b"HTTP/1.1 100 Continue\r\n\r\n")
        peer.writer.write(b"body")
        assert (await peer.until(b"/path body")).startswith(b"HTTP/1.1 200 OK\r\n")


class TestShutdown:
    async def test_shutdown_serves_a_new_connection(self, site: Site) -> None:
        peer = await site.connect()
        await until(lambda: connections)
        for connection in tuple(connections):
            connection.shutdown()
        peer.writer.write(GET)
        assert (await peer.rest()).endswith(b"connection: close\r\n\r\n/path ")

    async def test_shutdown_waits_only_a_moment_for_a_new_connection(
        self, site: Site, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Protocol, "SHUTDOWN_GRACE_SECONDS", 0.05)
        peer = await site.connect()
        await until(lambda: connections)
        for connection in tuple(connections):
            connection.shutdown()
        assert await peer.rest() == b""


OFFERS = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    b"Connection: upgrade\r\nUpgrade: websocket\r\n",
    b"Upgrade: TLS/1.0\r\nConnection: keep-alive, Upgrade\r\n",
)
FRAMED = {
    b"Content-Length: 5\r\n": b"hello",
    b"Transfer-Encoding: chunked\r\n": b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nA: b\r\n\r\n",
}


class TestUpgrade:
    @pytest.mark.parametrize("offer", OFFERS)
    @pytest.mark.parametrize("framing", FRAMED)
    @pytest.mark.parametrize("pieces", [1, 2, 100])
    async def test_body_of_a_request_that_offers_an_upgrade_is_read(
        self, site: Site, offer: bytes, framing: bytes, pieces: int
    ) -> None:
        head = b"PUT /up HTTP/1.1\r\nHost: x\r\n" + offer + framing + b"\r\n"
        peer = await site.connect()
        sent = head + FRAMED[framing]
        parts = {1: [sent], 2: [head, FRAMED[framing]], 100: [sent[i : i + 1] for i in range(len(sent))]}
        for part in parts[pieces]:
            peer.writer.write(part)
            await asyncio.sleep(0.001)
        assert (await peer.until(b"hello")).endswith(b"\r\n\r\n/up hello")
        peer.writer.write(b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await peer.rest()).endswith(b"\r\n\r\n/next ")

    @pytest.mark.parametrize("offer", OFFERS)
    async def test_body_that_looks_like_a_request_is_not_run(self, site: Site, offer: bytes) -> None:
        inner = b"GET /inner HTTP/1.1\r\nHost: x\r\n\r\n"
        head = b"POST /outer HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n" % (offer, len(inner))
        peer = await site.connect(head)
        await wait_until_idle()
        peer.writer.write(inner + b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answered = await peer.rest()
        assert answered.count(b"HTTP/1.1 200") == 2
        assert b"/outer " + inner in answered
        assert answered.endswith(b"/last ")

    @pytest.mark.parametrize("offer", OFFERS)
    async def test_upgrade_without_a_body_is_ignored(self, site: Site, offer: bytes) -> None:
        request = b"GET /%b HTTP/1.1\r\nHost: x\r\n" + offer + b"\r\n"
        last = b"GET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answered = await site.ask(request % b"a" + last)
        assert answered.count(b"HTTP/1.1 200") == 2
        assert b"101" not in answered

    async def test_connect_method_is_rejected(self, site: Site) -> None:
        answered = await site.ask(b"CONNECT example.com:80 HTTP/1.1\r\nHost: example.com:80\r\n\r\nhello")
        assert answered.startswith(b"HTTP/1.1 400 ")


CHUNKED = b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class TestTrailers:
    async def test_trailer_fields_do_not_become_headers(self, site: Site) -> None:
        seen: list[Any] = []
        original = site.application.__class__.__call__

        async def spy(self: Application, scope: Any, receive: Any, send: Send) -> None:
            await original(self, scope, receive, send)
            seen.append(dict(scope["headers"]))

        Application.__call__ = spy  # type: ignore[method-assign]  # restored below
        try:
            peer = await site.connect(CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Basic x\r\nHost: y\r\n\r\n")
            await peer.until(b"/a {}")
        finally:
            Application.__call__ = original  # type: ignore[method-assign]  # as it was
        assert seen == [{b"host": b"x", b"transfer-encoding": b"chunked"}]

    async def test_too_many_trailer_fields_are_rejected(self, site: Site) -> None:
        answered = await site.ask(CHUNKED + b"0\r\n" + b"a:b\r\n" * 1000)
        assert answered.startswith(b"HTTP/1.1 431 ")

    @pytest.mark.parametrize("name", [b"Connection", b"CONNECTION", b"Proxy-Connection"])
    async def test_trailer_that_ends_the_connection_is_rejected(self, site: Site, name: bytes) -> None:
        """The parser obeyed it: the next request on the connection was never answered."""
        answered = await site.ask(CHUNKED + b"2\r\n{}\r\n0\r\n" + name + b": close\r\n\r\n" + GET)
        assert_invalid(answered)

    @pytest.mark.parametrize("endless", [b"0\r\na:" + b"x" * 200_000, b"1;" + b"x" * 200_000])
    async def test_endless_framing_is_rejected(self, site: Site, endless: bytes) -> None:
        answered = await site.ask(CHUNKED + endless)
        assert answered.startswith(b"HTTP/1.1 4")

    async def test_body_in_chunks_of_one_byte_is_read(self, site: Site) -> None:
        peer = await site.connect(CHUNKED + b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n")
        assert (await peer.until(b"x" * 100_000)).startswith(b"HTTP/1.1 200 ")


class TestRequestLine:
    @pytest.mark.parametrize(
        "line",
        [
            b"GET /a HTTP/2.0", b"GET /a HTTP/0.9", b"GET /a HTTP/1.2", b"GET /a HTTP/1.10",
            b"GET /a HTTP/01.1", b"GET /a http/1.1", b"GET /a RTSP/1.0", b"GET /a RTSP/1.1",
            b"DESCRIBE /a RTSP/1.0", b"SOURCE /a ICE/1.0", b"GET /a ICY/1.1", b"GET /a", b"GET  /a HTTP/1.1",
            b"GET /a  HTTP/1.1", b"GET /a HTTP/1.1 ", b" GET /a HTTP/1.1", b"GET\t/a HTTP/1.1",
            b"get /a HTTP/1.1", b"CONNECT /a HTTP/1.1", b"GET * HTTP/1.1", b"GET /\x01 HTTP/1.1",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("before", [b"", GET.replace(b"path", b"a"), post(4) + b"GET "])
    async def test_line_that_is_not_method_target_and_version_of_http_is_400(
        self, site: Site, line: bytes, before: bytes
    ) -> None:
        answer = await site.ask(before + line + b"\r\nHost: x\r\n\r\n")
        assert answer.count(b"HTTP/1.1 200 ") == (before != b"")
        if not before:
            assert_invalid(answer)

    @pytest.mark.parametrize("line", [b"GET /a RTSP/1.0", b"GET  /a HTTP/1.1", b"GET /a HTTP/1.1"])
    async def test_line_that_comes_in_pieces_is_checked_as_a_whole(self, site: Site, line: bytes) -> None:
        peer = await site.connect()
        for number in range(len(request := line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")):
            peer.writer.write(request[number : number + 1])
            await asyncio.sleep(0.001)
        answer = await peer.rest()
        assert answer.startswith(b"HTTP/1.1 " + (b"200" if line == b"GET /a HTTP/1.1" else b"400"))

    async def test_target_with_a_fragment_is_400(self, site: Site) -> None:
        answer = await site.ask(b"GET /customers?search=#5 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert_invalid(answer, "The address of the request has a fragment. Write # as %23")


class TestHosts:
    HOST = "The request has no valid host. Send one Host header with a name or an address, and its port"

    @pytest.mark.parametrize(
        ("head", "status"),
        [
            (b"GET /a HTTP/1.1\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost: x\r\nHost: x\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost:\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost: a b\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost: user@x\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost: x:port\r\n", 400),
            (b"GET /a HTTP/1.1\r\nHost: \xc3\xa9\r\n", 400),
            (b"GET /a HTTP/1.0\r\nHost: x\r\nHost: y\r\n", 400),
            (b"GET /a HTTP/1.0\r\nHost: a b\r\n", 400),
            (b"GET http://user@x/a HTTP/1.1\r\nHost: x\r\n", 400),
            (b"GET http://x/a HTTP/1.1\r\nHost: a b\r\n", 400),
            (b"GET http:///a HTTP/1.1\r\nHost: x\r\n", 400),
            (b"GET http://x/a HTTP/1.1\r\n", 400),
            (b"GET http://x/a HTTP/1.0\r\n", 200),
            (b"GET /a HTTP/1.0\r\n", 200),
            (b"GET /a HTTP/1.1\r\nHost: x:80 \t\r\n", 200),
            (b"GET /a HTTP/1.1\r\nHost:[::1]:80\r\n", 200),
        ],
    )
    async def test_request_without_exactly_one_valid_host_is_400(
        self, site: Site, head: bytes, status: int
    ) -> None:
        answer = await site.ask(head + b"Connection: close\r\n\r\n")
        if status == 400:
            assert_invalid(answer, self.HOST)
        else:
            assert answer.startswith(b"HTTP/1.1 200 ")

    async def test_host_of_a_whole_address_replaces_the_header(self, site: Site) -> None:
        """RFC 9112, 3.2.2: links would otherwise name another host than that of the request."""
        answer = await site.ask(b"GET http://X:8/host?q HTTP/1.1\r\nHost: y\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"/host X:8")


class TestFields:
    async def test_200_fields_are_read_and_more_are_431(self, site: Site) -> None:
        head = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        assert (await site.ask(head + b"a: b\r\n" * 198 + b"\r\n")).startswith(b"HTTP/1.1 200")
        assert_large(await site.ask(head + b"a: b\r\n" * 199 + b"\r\n"))

    async def test_white_space_around_a_header_value_is_removed(self, site: Site) -> None:
        answer = await site.ask(b"GET /host HTTP/1.1\r\nHost:\t x \t\r\nConnection: close\r\n\r\n")
        assert answer.endswith(b"/host x")

    async def test_transfer_coding_of_http_1_0_is_rejected(self, site: Site) -> None:
        assert_invalid(await site.ask(CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n"))

    @pytest.mark.parametrize(
        ("codings", "status"),
        [
            (b"Transfer-Encoding: Chunked \r\n", b"200"),
            (b"Transfer-Encoding: gzip, chunked\r\n", b"400"),
            (b"Transfer-Encoding: identity, chunked\r\n", b"400"),
            (b"Transfer-Encoding: ,chunked\r\n", b"400"),
            (b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", b"400"),
        ],
    )
    async def test_transfer_coding_other_than_chunked_is_rejected(
        self, site: Site, codings: bytes, status: bytes
    ) -> None:
        head = b"POST /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + codings
        assert (await site.ask(head + b"\r\n2\r\n{}\r\n0\r\n\r\n")).startswith(b"HTTP/1.1 " + status)

    async def test_http_1_0_gets_no_interim_response(self, site: Site) -> None:
        head = b"POST /a HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
        peer = await site.connect(head)
        await wait_until_idle()
        peer.writer.write(b"{}")
        assert (await peer.rest()).startswith(b"HTTP/1.1 200 ")


async def test_request_whose_client_has_gone_is_abandoned(site: Site) -> None:
    late = GET.replace(b"path", b"late")
    gone, stays = await site.connect(late + late), await site.connect(late)
    await wait_until_idle()
    gone.writer.transport.abort()
    await until(lambda: len(connections) == 1)
    site.application.go_on.set()
    await stays.until(b"/late ")
    await until(lambda: len(site.application.abandoned) == 2)
    assert sorted(site.application.abandoned) == [False, True]


async def test_closed_connection_is_freed_without_garbage_collection(site: Site) -> None:
    gc.collect()
    gc.disable()
    try:
        await site.ask(b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        peer = await site.connect(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        await peer.until(b"/a ")
        peer.writer.transport.abort()
        await until(lambda: not connections)
        await wait_until_idle()
        assert [each for each in gc.get_objects() if isinstance(each, Protocol)] == []
    finally:
        gc.enable()


async def test_reset_connection_is_freed_without_waiting_for_its_keep_alive_timer(site: Site) -> None:
    gc.collect()
    peer = await site.connect(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
    await peer.until(b"/a ")
    await wait_until_idle()
    # Closing with this option sends a reset in place of an end.
    at_once = struct.pack("ii", 1, 0)
    peer.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    peer.writer.transport.abort()
    await until(lambda: not connections)
    await wait_until_idle()
    assert [each for each in gc.get_objects() if isinstance(each, Protocol)] == []


async def test_ipv4_peer_of_a_socket_for_both_families_has_its_ipv4_address(site: Site) -> None:
    class Transport(asyncio.Transport):
        def get_extra_info(self, name: str, default: Any = None) -> Any:
            return ("::ffff:127.0.0.1", 5) if name == "peername" else default

    config = uvicorn.Config(site.application, log_config=None)
    config.load()
    protocol = Protocol(config=config, server_state=ServerState(), app_state={})
    protocol.connection_made(Transport())
    connections.discard(protocol)
    assert protocol.client is not None
    assert protocol.client[0] == "127.0.0.1"
