"""Requests run as declared: dependencies once and first, then input, then existence, then the handler."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Query, Request, Response
from pydantic import BaseModel

from fluent_cart.http.dependencies import WriteConnection
from fluent_cart.http.error_handlers import add_handlers
from fluent_cart.http.request_id import RequestIdMiddleware
from fluent_cart.http.responses import envelope
from fluent_cart.http.routing import ApiRouter
from fluent_cart.services import customers
from fluent_cart.wordpress.paths import PREFIX
from tests.support.errors import assert_error


class Sizes(BaseModel):
    width: int
    height: int = 1


async def answer(router: ApiRouter, method: str, path: str, **request: Any) -> httpx.Response:
    app = FastAPI()
    app.router.routes += router.routes
    add_handlers(app)
    app.add_middleware(RequestIdMiddleware)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://shop.example{PREFIX}") as client:
        return await client.request(method, path, **request)


class TestDependencies:
    async def test_dependency_is_called_once_after_the_dependencies_it_needs(self) -> None:
        called = []

        async def first(request: Request) -> str:
            called.append("first")
            return request.headers["x-first"]

        async def second(value: Annotated[str, Depends(first)]) -> str:
            called.append("second")
            return f"{value}, then second"

        async def guard(value: Annotated[str, Depends(first)]) -> None:
            called.append(f"guard of {value}")

        router = ApiRouter(tags=["test"])

        @router.get("/both", dependencies=[Depends(guard)])
        async def both(
            one: Annotated[str, Depends(first)], two: Annotated[str, Depends(second)], request: Request
        ) -> Response:
            return envelope(one=one, two=two, method=request.method)

        response = await answer(router, "GET", "/both", headers={"X-First": "1"})
        assert response.json()["data"] == {"one": "1", "two": "1, then second", "method": "GET"}
        assert called == ["first", "guard of 1", "second"]

    async def test_unsupported_dependency_is_rejected_at_startup(self) -> None:
        def in_a_thread() -> None: ...

        async def with_an_end() -> AsyncIterator[None]:
            yield

        async def with_input(width: int) -> int:
            return width

        for dependency in (in_a_thread, with_an_end, with_input):
            router = ApiRouter(tags=["test"])
            with pytest.raises(TypeError, match=dependency.__name__):
                router.get("/", dependencies=[Depends(dependency)])(self.handler)

    async def handler(self) -> Response:
        raise NotImplementedError


class TestInput:
    @pytest.fixture
    def router(self) -> ApiRouter:
        router = ApiRouter(tags=["test"])

        @router.put("/sizes/{number}")
        async def with_body(number: int, body: Sizes) -> Response:
            return envelope(number=number, **body.model_dump())

        @router.get("/sizes/{number}")
        async def with_query(number: int, query: Annotated[Sizes, Query()]) -> Response:
            return envelope(number=number, **query.model_dump())

        return router

    async def test_request_reaches_the_handler(self, router: ApiRouter) -> None:
        put = await answer(router, "PUT", "/sizes/1?height=5&unknown=6", json={"width": 2})
        assert put.json()["data"] == {"number": 1, "width": 2, "height": 5}
        get = await answer(router, "GET", "/sizes/1?width=3&unknown=6")
        assert get.json()["data"] == {"number": 1, "width": 3, "height": 1}

    async def test_all_faults_of_the_input_are_reported_at_once(self, router: ApiRouter) -> None:
        for method, request in (("PUT", {"json": {"height": "x"}}), ("GET", {"params": {"height": "x"}})):
            response = await answer(router, method, "/sizes/one", **request)
            assert_error(response, 422, "validation_error")
            assert list(response.json()["error"]["details"]) == ["number", "width", "height"]


class TestOrderOfChecks:
    async def test_invalid_input_is_reported_before_a_missing_customer(
        self, manager: httpx.AsyncClient
    ) -> None:
        """Also if the id alone shows that there is no such customer.

        See docs/decisions.md#5-order-of-checks.
        """
        for customer_id in (999, 0, 2**63):
            refused = await manager.post(f"/{customer_id}/attachable-user", json={"user_id": "x"})
            assert_error(refused, 422, "validation_error")
            refused = await manager.post(f"/{customer_id}/attachable-user", content=b"{")
            assert_error(refused, 400, "validation_error")
            missing = await manager.post(f"/{customer_id}/attachable-user", json={"user_id": 1})
            assert_error(missing, 404, "customer_not_found", f"Customer with ID {customer_id} not found")


class TestUnitsOfWork:
    async def test_connection_outside_of_an_api_router_is_an_error(self) -> None:
        app = FastAPI()

        @app.get("/")
        async def handler(connection: WriteConnection) -> Response:
            raise NotImplementedError

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            with pytest.raises(TypeError, match="ApiRouter"):
                await client.get("/")

    async def test_traceback_of_a_failing_service_names_handler_and_service(
        self, manager: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*_arguments: object) -> None:
            raise LookupError("on purpose")

        monkeypatch.setattr(customers, "_require_free_email", fail)
        response = await manager.post("", json={"email": "a@example.com"})
        assert_error(response, 500, "internal_error")
        for name in ("routers/customers.py", "create_customer", "services/customers.py"):
            assert name in caplog.text
