"""Makes sure, before anything is timed, that all arms do the same: same answers, same doors closed."""

from collections.abc import Iterable, Sequence
from typing import Any

import httpx

from benchmarks.registry import STATIC
from benchmarks.servers import Server
from benchmarks.workloads import (
    PATH,
    READER,
    SECRET,
    STRANGER,
    USER,
    Request,
    Workload,
    authorization,
    create,
)

# Values that depend on the clock.
MOVING = frozenset({"created_at", "updated_at"})
SAMPLES = 5

# The requests, and the expected responses.
OWNER = authorization(USER, SECRET)
DOORS = (
    ("a wrong password", authorization(USER, "wrong"), Request("GET", PATH), 401),
    ("another user's name", authorization("nobody", SECRET), Request("GET", PATH), 401),
    ("a reader who writes", authorization(READER, SECRET), create(0), 403),
    ("a stranger who reads", authorization(STRANGER, SECRET), Request("GET", PATH), 403),
)


class Different(Exception):
    """An arm does not do what the others do: to time it would compare nothing."""


def compare(servers: Iterable[Server], workloads: Iterable[Workload]) -> None:
    """Raise ``Different`` unless all servers answer alike. They must have fresh copies of one shop."""
    arms = [server for server in servers if server.arm is not STATIC]
    for workload in workloads:
        samples = [workload.request(number) for number in range(1, SAMPLES + 1)]
        for request in samples:
            answers = [_ask(server, request, OWNER) for server in arms]
            for server, answer in zip(arms, answers, strict=True):
                if answer.status_code != 200:
                    raise Different(f"{server.arm.name} answers {request} with {answer.status_code}")
            _require_equal(request, arms, [_comparable(answer, workload.writes) for answer in answers])
    for who, authorized_as, request, status in DOORS:
        for server in arms:
            answer = _ask(server, request, authorized_as)
            if answer.status_code != status:
                raise Different(f"{server.arm.name} answers {who} with {answer.status_code}, not {status}")


def _ask(server: Server, request: Request, authorized_as: str) -> httpx.Response:
    headers = {"Authorization": authorized_as}
    return httpx.request(
        request.method, server.address + request.target, json=request.body, headers=headers, timeout=30
    )


def _require_equal(request: Request, arms: Sequence[Server], answers: Sequence[Any]) -> None:
    for server, answer in zip(arms[1:], answers[1:], strict=True):
        if answer != answers[0]:
            raise Different(
                f"{request}:\n{arms[0].arm.name} answers {answers[0]}\n{server.arm.name} answers {answer}"
            )


def _comparable(answer: httpx.Response, written: bool) -> Any:
    body = answer.json()
    if written:
        customer = body["data"]["customer"]
        body["data"]["customer"] = {key: value for key, value in customer.items() if key not in MOVING}
    return body
