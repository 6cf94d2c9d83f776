"""Django REST Framework: views of its own, serialisers whose fields are declared.

``ModelSerializer`` computes its fields again for each request, which takes a third of its time.
"""

from typing import Any

from django.db import IntegrityError
from django.shortcuts import get_object_or_404
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from benchmarks.arms import PREFIX
from benchmarks.arms.django_shop import shop
from benchmarks.arms.django_shop.models import Customer


class AddressSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    type = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    address_1 = serializers.CharField()
    city = serializers.CharField()
    state = serializers.CharField()
    postcode = serializers.CharField()
    country = serializers.CharField()
    is_primary = serializers.BooleanField()
    address_2 = serializers.CharField()
    company_name = serializers.CharField()
    phone = serializers.CharField()


class ListedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    status = serializers.CharField()
    total_spent = serializers.IntegerField()
    order_count = serializers.IntegerField()
    created_at = serializers.CharField()
    updated_at = serializers.CharField()


class DetailSerializer(ListedSerializer):
    phone = serializers.CharField()
    addresses = AddressSerializer(many=True)
    user_id = serializers.IntegerField()
    additional_info = serializers.JSONField()


class CreatedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    email = serializers.CharField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    phone = serializers.CharField()
    status = serializers.CharField()
    created_at = serializers.CharField()


class UpdatedSerializer(serializers.Serializer):
    id = serializers.IntegerField()
    first_name = serializers.CharField()
    last_name = serializers.CharField()
    phone = serializers.CharField()
    status = serializers.CharField()
    updated_at = serializers.CharField()


class InputSerializer(serializers.Serializer):
    email = serializers.EmailField(max_length=255)
    first_name = serializers.CharField(max_length=255, allow_blank=True, required=False)
    last_name = serializers.CharField(max_length=255, allow_blank=True, required=False)
    phone = serializers.CharField(max_length=50, allow_null=True, required=False)
    status = serializers.ChoiceField(("active", "inactive"), required=False)


def answer(**data: Any) -> Response:
    return Response({"success": True, "data": data})


def store(customer: Customer, request: Any, partial: bool) -> Customer:
    serializer = InputSerializer(data=request.data, partial=partial)
    serializer.is_valid(raise_exception=True)
    shop.fill(customer, serializer.validated_data)
    try:
        customer.save()
    except IntegrityError:
        raise serializers.ValidationError({"email": "belongs to another customer"}) from None
    return customer


class CustomersView(APIView):
    def get(self, request: Any) -> Response:
        query = request.query_params
        customers, pagination = shop.page_of(int(query.get("page", 1)), int(query.get("per_page", 10)))
        return answer(customers=ListedSerializer(customers, many=True).data, pagination=pagination)

    def post(self, request: Any) -> Response:
        return answer(customer=CreatedSerializer(store(Customer(), request, partial=False)).data)


class CustomerView(APIView):
    def get(self, request: Any, customer_id: int) -> Response:
        customer = get_object_or_404(Customer, pk=customer_id)
        return answer(customer=DetailSerializer(customer).data)

    def put(self, request: Any, customer_id: int) -> Response:
        customer = store(get_object_or_404(Customer, pk=customer_id), request, partial=True)
        return answer(customer=UpdatedSerializer(customer).data)


urlpatterns = [
    path(PREFIX[1:], CustomersView.as_view()),
    path(f"{PREFIX[1:]}/<int:customer_id>", CustomerView.as_view()),
]
