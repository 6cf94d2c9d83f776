"""Application passwords and permissions, the way of Django REST Framework."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission

from benchmarks.arms import MANAGE, VIEW, may
from benchmarks.arms.django_shop import shop


class ApplicationPasswordAuthentication(BaseAuthentication):
    def authenticate(self, request: Any) -> Any:
        user = shop.user_of(request.META.get("HTTP_AUTHORIZATION", ""))
        if user is None:
            raise AuthenticationFailed
        return user, None

    def authenticate_header(self, request: Any) -> str:
        return "Basic"


class CustomerPermission(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return may(request.user.role, VIEW if request.method in SAFE_METHODS else MANAGE)
