"""Django Ninja: functions, schemas of Pydantic, an authenticator."""

from typing import Any

from django.db import IntegrityError
from django.shortcuts import get_object_or_404
from django.urls import path
from ninja import NinjaAPI
from ninja.errors import HttpError

from benchmarks.arms import MANAGE, PREFIX, VIEW, may
from benchmarks.arms.django_shop import ninja_schemas as schemas
from benchmarks.arms.django_shop import shop
from benchmarks.arms.django_shop.models import Customer


def authenticate(request: Any) -> Any:
    """Return the user of a request, who must have its permission."""
    user = shop.user_of(request.headers.get("Authorization", ""))
    if user and not may(user.role, VIEW if request.method == "GET" else MANAGE):
        raise HttpError(403, "forbidden")
    return user


api = NinjaAPI(auth=authenticate, docs_url=None, openapi_url=None)


def answer(**data: Any) -> dict[str, Any]:
    return {"success": True, "data": data}


def store(customer: Customer, values: dict[str, Any]) -> dict[str, Any]:
    try:
        shop.fill(customer, values).save()
    except IntegrityError:
        raise HttpError(422, "The email address belongs to another customer") from None
    return answer(customer=customer)


@api.get("/customers", response=schemas.Answer[schemas.CustomerPage])
def list_customers(request: Any, page: int = 1, per_page: int = 10) -> Any:
    customers, pagination = shop.page_of(page, per_page)
    return answer(customers=list(customers), pagination=pagination)


@api.post("/customers", response=schemas.Answer[schemas.NewCustomerData])
def create_customer(request: Any, body: schemas.CustomerCreate) -> Any:
    return store(Customer(), body.dict(exclude_unset=True))


@api.get("/customers/{int:customer_id}", response=schemas.Answer[schemas.CustomerDetailData])
def get_customer(request: Any, customer_id: int) -> Any:
    return answer(customer=get_object_or_404(Customer, pk=customer_id))


@api.put("/customers/{int:customer_id}", response=schemas.Answer[schemas.UpdatedCustomerData])
def update_customer(request: Any, customer_id: int, body: schemas.CustomerUpdate) -> Any:
    return store(get_object_or_404(Customer, pk=customer_id), body.dict(exclude_unset=True))


urlpatterns = [path(PREFIX[1:].removesuffix("customers"), api.urls)]
